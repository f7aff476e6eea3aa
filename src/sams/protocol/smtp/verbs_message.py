"""DATA (RFC 5321 section 4.1.1.4) and BDAT (RFC 3030), and the octets that they bring.

A BDAT that is refused brings its octets all the same; they are dropped, never taken for commands, and the
refusal is said after them. Behind a chunk that was refused, further chunks of the same message get the same
reply (RFC 3030 section 4.2: discarded), so that a program that pipelines reads the true cause at its last one.
"""

from __future__ import annotations

from sams.core.envelope import Body
from sams.core.errors import PeerFault
from sams.core.reply import Reply
from sams.protocol.smtp import replies
from sams.protocol.smtp.conversation import Conversation, Pending
from sams.protocol.smtp.events import BodyChunk, BodyEnd, BodyRefused, BodyStart, Event, Need
from sams.protocol.smtp.grammar import parse_bdat
from sams.protocol.smtp.incoming import Chunk, Incoming
from sams.protocol.smtp.states import Refusal, State

# Names, for Python 3.11 takes its time to find a member.
_NEED_DATA, _BINARY = Need.DATA, Body.BINARY_MIME
_READY, _CHUNK = State.READY, State.CHUNK
_NO_MESSAGE = "read in a state without a message"
_BY_DATA = BodyStart(chunking=False)
_BY_BDAT = BodyStart(chunking=True)


def data(talk: Conversation, argument: bytes) -> Event:
    """DATA."""
    if argument:
        raise PeerFault(replies.NO_PARAMETERS)
    if talk.parameters.body is _BINARY:
        raise PeerFault(replies.BINARY_NEEDS_BDAT)
    talk.asked = BodyStart
    return _BY_DATA


def bdat(talk: Conversation, argument: bytes, refusal: Refusal | None) -> Event | None:
    """BDAT. refusal: of the state; before it is said, where the octets end has to be known."""
    try:
        size, last = parse_bdat(argument)
    except PeerFault as fault:
        return talk.refuse_and_shut("BDAT", fault.reply)
    talk.chunk = Chunk(size, last, left=size)
    if refusal is not None:
        return _discard(talk, Pending(refusal.reply, talk.state, refusal))
    if talk.state is State.FAILED:
        refusal = Refusal(talk.failure, counted=False)
        return _discard(talk, Pending(refusal.reply, _after_refused(talk.chunk), refusal))
    return _begin_chunk(talk)


def _after_refused(chunk: Chunk) -> State:
    return State.READY if chunk.last else State.FAILED


def _begin_chunk(talk: Conversation) -> Event | None:
    talk.state = _CHUNK
    if talk.incoming is None:
        talk.asked = BodyStart
        return _BY_BDAT
    talk.incoming.expect(talk.chunk.size)
    return None


def refuse_body_start(talk: Conversation, reply: Reply) -> None:
    """The session's no to BodyStart."""
    if talk.state is _CHUNK:
        then = _after_refused(talk.chunk)
        talk.end_transaction(then)
        talk.failure = reply
        talk.follow(_discard(talk, Pending(reply, then, None)))
    else:
        talk.queue(reply)
        talk.end_transaction(_READY)
        talk.follow(talk.shut_if(talk.allowance.refusal()))


def _discard(talk: Conversation, pending: Pending) -> Event | None:
    closed = talk.shut_if(talk.allowance.discarded(talk.chunk.left))
    if closed is None:
        talk.pending = pending
        talk.state = State.DISCARD
    return closed


def read_discard(talk: Conversation) -> Event | Need | None:
    """Drop what a refused BDAT brings, then say why."""
    chunk, pending = talk.chunk, talk.pending
    if chunk.left:
        octets = len(talk.inbox.take(chunk.left))
        chunk.left -= octets
        return None if octets else Need.DATA
    assert pending is not None, "octets are dropped only where something is to be said"
    talk.state = pending.then
    if pending.refusal is not None:
        return talk.refuse("BDAT", pending.reply, counted=pending.refusal.counted)
    talk.queue(pending.reply)
    return talk.shut_if(talk.allowance.refusal())


def read_data(talk: Conversation) -> Event | Need | None:
    """Octets of DATA."""
    octets, message = talk.inbox.take_all(), talk.incoming
    if not octets:
        return _NEED_DATA
    assert message is not None, _NO_MESSAGE
    content, behind = message.dotted(octets)
    if not content and message.is_flood:
        return _shut_flood(talk, message)
    if behind < 0:
        return BodyChunk(content) if content else None
    if behind:
        talk.inbox.give_back(octets[-behind:])
    return _finish_message(talk, message, content, _READY)


def read_chunk(talk: Conversation) -> Event | Need | None:
    """Octets of a BDAT."""
    chunk, message = talk.chunk, talk.incoming
    assert message is not None, _NO_MESSAGE
    content = b""
    if chunk.left:
        octets = talk.inbox.take(chunk.left)
        if not octets:
            return _NEED_DATA
        chunk.left -= len(octets)
        content = message.plain(octets)
        if not content and message.is_flood:
            return _shut_flood(talk, message)
        if chunk.left:
            return BodyChunk(content) if content else None
    return _end_chunk(talk, message, content)


def _end_chunk(talk: Conversation, message: Incoming, content: bytes) -> Event | None:
    """content: what is not told yet."""
    chunk = talk.chunk
    if chunk.last:
        return _finish_message(talk, message, content + message.finish(), _READY)
    if content:
        return BodyChunk(content)
    if message.verdict is not None:
        return _finish_message(talk, message, b"", State.FAILED)
    talk.queue(replies.chunk_received(chunk.size))
    talk.state = State.BDAT
    return None


def refuse_body_end(talk: Conversation, reply: Reply) -> None:
    """The session's no to the message."""
    talk.queue(reply)
    talk.end_transaction(_READY)
    talk.follow(talk.shut_if(talk.allowance.refusal()))


def _finish_message(talk: Conversation, message: Incoming, rest: bytes, then: State) -> Event:
    verdict = message.verdict
    if verdict is None:
        talk.asked = BodyEnd
        return BodyEnd(rest, message.size)
    refused = _refuse_message(talk, verdict, then)
    talk.follow(talk.shut_if(talk.allowance.refusal()))
    return refused


def _shut_flood(talk: Conversation, message: Incoming) -> Event:
    assert message.verdict is not None, "only what is refused is a flood"
    refused = _refuse_message(talk, message.verdict, State.CLOSED)
    talk.events.append(talk.shut(refused.reply))
    return refused


def _refuse_message(talk: Conversation, verdict: Reply, then: State) -> BodyRefused:
    reply = talk.with_reference(verdict)
    talk.queue(reply)
    talk.end_transaction(then)
    talk.failure = reply
    return BodyRefused(reply)
