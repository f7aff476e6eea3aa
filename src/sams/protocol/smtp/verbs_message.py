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
from sams.protocol.smtp.conversation import Asked, Conversation, Pending
from sams.protocol.smtp.events import BodyChunk, BodyEnd, BodyRefused, BodyStart, Need
from sams.protocol.smtp.grammar import parse_bdat
from sams.protocol.smtp.incoming import Chunk, Incoming
from sams.protocol.smtp.states import Refusal, State


def data(talk: Conversation, argument: bytes) -> None:
    """DATA."""
    if argument:
        raise PeerFault(replies.NO_PARAMETERS)
    if talk.open_transaction.parameters.body is Body.BINARY_MIME:
        raise PeerFault(replies.BINARY_NEEDS_BDAT)
    talk.ask(Asked.BODY_START, BodyStart(chunking=False))


def bdat(talk: Conversation, argument: bytes, refusal: Refusal | None) -> None:
    """BDAT. refusal: of the state; before it is said, where the octets end has to be known."""
    try:
        size, last = parse_bdat(argument)
    except PeerFault as fault:
        talk.refuse_and_shut("BDAT", fault.reply)
        return
    talk.chunk = Chunk(size, last, left=size)
    if refusal is not None:
        _discard(talk, Pending(refusal.reply, talk.state, refusal))
    elif talk.state is State.FAILED:
        refusal = Refusal(talk.failure, counted=False)
        _discard(talk, Pending(refusal.reply, _after_refused(talk.chunk), refusal))
    else:
        _begin_chunk(talk)


def _after_refused(chunk: Chunk) -> State:
    return State.READY if chunk.last else State.FAILED


def _begin_chunk(talk: Conversation) -> None:
    talk.state = State.CHUNK
    if talk.incoming is None:
        talk.ask(Asked.BODY_START, BodyStart(chunking=True))
    else:
        talk.incoming.expect(talk.chunk.size)


def accept_body(talk: Conversation) -> None:
    """The session's yes to BodyStart."""
    binary = talk.open_transaction.parameters.body is Body.BINARY_MIME
    talk.incoming = Incoming(talk.settings, binary=binary)
    if talk.state is State.CHUNK:
        talk.incoming.expect(talk.chunk.size)
    else:
        talk.state = State.DATA
        talk.queue(replies.START_MAIL_INPUT)


def answer_body_start(talk: Conversation, reply: Reply) -> None:
    """The session's no to BodyStart."""
    if talk.state is State.CHUNK:
        then = _after_refused(talk.chunk)
        talk.end_transaction(then)
        talk.failure = reply
        _discard(talk, Pending(reply, then, None))
    else:
        talk.queue(reply)
        talk.end_transaction(State.READY)
        talk.shut_if(talk.allowance.refusal())


def _discard(talk: Conversation, pending: Pending) -> None:
    if not talk.shut_if(talk.allowance.discarded(talk.chunk.left)):
        talk.pending = pending
        talk.state = State.DISCARD


def read_discard(talk: Conversation) -> Need | None:
    """Drop what a refused BDAT brings, then say why."""
    chunk, pending = talk.chunk, talk.pending
    if chunk.left:
        octets = len(talk.inbox.take(chunk.left))
        chunk.left -= octets
        return None if octets else Need.DATA
    assert pending is not None, "octets are dropped only where something is to be said"
    talk.state = pending.then
    if pending.refusal is not None:
        talk.refuse("BDAT", pending.reply, counted=pending.refusal.counted)
    else:
        talk.queue(pending.reply)
        talk.shut_if(talk.allowance.refusal())
    return None


def read_data(talk: Conversation) -> Need | None:
    """Octets of DATA."""
    octets = talk.inbox.take()
    if not octets:
        return Need.DATA
    content, behind = talk.message.dotted(octets)
    _pass_on(talk, content)
    if talk.message.is_flood:
        _shut_flood(talk)
    elif behind >= 0:
        talk.inbox.give_back(behind)
        _finish_message(talk, State.READY)
    return None


def read_chunk(talk: Conversation) -> Need | None:
    """Octets of a BDAT."""
    chunk = talk.chunk
    if chunk.left:
        octets = talk.inbox.take(chunk.left)
        chunk.left -= len(octets)
        _pass_on(talk, talk.message.plain(octets))
        if talk.message.is_flood:
            _shut_flood(talk)
        return None if octets else Need.DATA
    if chunk.last:
        _pass_on(talk, talk.message.finish())
        _finish_message(talk, State.READY)
    elif talk.message.verdict is not None:
        _finish_message(talk, State.FAILED)
    else:
        talk.queue(replies.chunk_received(chunk.size))
        talk.state = State.BDAT
    return None


def answer_body_end(talk: Conversation, reply: Reply) -> None:
    """The session's verdict on the message."""
    talk.queue(reply)
    talk.end_transaction(State.READY)
    if reply.is_positive:
        talk.allowance.message_accepted()
    else:
        talk.shut_if(talk.allowance.refusal())


def _pass_on(talk: Conversation, content: bytes) -> None:
    if content:
        talk.events.append(BodyChunk(content))


def _finish_message(talk: Conversation, then: State) -> None:
    verdict = talk.message.verdict
    if verdict is None:
        talk.ask(Asked.BODY_END, BodyEnd(talk.message.size))
        return
    _refuse_message(talk, verdict, then)
    talk.shut_if(talk.allowance.refusal())


def _shut_flood(talk: Conversation) -> None:
    verdict = talk.message.verdict
    assert verdict is not None, "only what is refused is a flood"
    talk.shut(_refuse_message(talk, verdict, State.CLOSED))


def _refuse_message(talk: Conversation, verdict: Reply, then: State) -> Reply:
    reply = talk.with_reason(verdict)
    talk.queue(reply)
    talk.end_transaction(then)
    talk.failure = reply
    talk.events.append(BodyRefused(reply))
    return reply
