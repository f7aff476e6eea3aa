"""Reading the replies of a peer (RFC 5321 section 4.2), whoever the peer is.

Theory of operation
-------------------
Octets go in as they come; whole replies come out in their order. A peer that breaks the grammar or a limit is
no more listened to: the replies before the fault stay readable, then `take` raises. So the result depends on
the octets alone and never on how they were cut.

Nearly always what comes is some whole replies of one line each: one look says so, they are cut apart, and each
is parsed when it is taken. Who only wants to know that all went well (`take_positive`) has all but the last of
them unparsed. Everything else is read line by line: a line that came whole where it lies, and only a line that
a cut went through is gathered, in one buffer that ends at the limit of a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sams.core.errors import PeerFault
from sams.core.reply import EnhancedStatus, Reply, reply

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])([^\n]*))?\r\n")
_ONE_LINE = re.compile(
    rb"([2-5])[0-9][0-9](?: (?:([245])\.([0-9]{1,3})\.([0-9]{1,3})(?:[ \t]+|\Z))?(.*))?\Z", re.DOTALL
)
_POSITIVE = ord("2")
_STATUS = re.compile(rb"([245])\.([0-9]{1,3})\.([0-9]{1,3})(?:[ \t]+|\Z)")


class ReplyError(PeerFault):
    """The peer's octets are no reply, too many, or nobody asked for them."""

    def __init__(self, detail: str) -> None:
        super().__init__(reply(451, "4.5.0", f"The next hop broke the protocol: {detail}"), detail)


@dataclass(frozen=True, slots=True)
class ReplyLimits:
    """What a peer may say in one reply, in octets but for `lines`.

    line: a longer line is an error; kept: this much of its text is kept.
    total: a longer reply is an error; total_kept: this much of its text is kept.
    """

    line: int = 4_096
    kept: int = 1_024
    lines: int = 128
    total: int = 32_768
    total_kept: int = 8_192


DEFAULT_LIMITS = ReplyLimits()


class ReplyReader:
    """Octets in, replies out."""

    __slots__ = (
        "_error",
        "_kept",
        "_limits",
        "_octets",
        "_one_liners",
        "_ready",
        "_rest",
        "_texts",
        "_under_way",
    )

    def __init__(self, limits: ReplyLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        shortest = max(0, min(limits.kept, limits.total_kept, limits.line - 6, limits.total - 6))
        self._one_liners = re.compile(rb"(?:[2-5][0-9][0-9](?: [^\r\n]{0,%d})?\r\n)+" % shortest)
        self._rest = bytearray()
        self._ready: list[Reply | bytes] = []
        self._error: ReplyError | None = None
        self._texts: list[bytes] = []
        self._under_way = b""
        self._octets = 0
        self._kept = 0

    @property
    def ready(self) -> int:
        """How many whole replies wait to be taken."""
        return len(self._ready)

    @property
    def error(self) -> ReplyError | None:
        """The fault behind the replies that wait."""
        return self._error

    @property
    def is_empty(self) -> bool:
        """Nothing of the peer's is here: no reply, no part of one, no fault."""
        return not (self._ready or self._rest or self._texts or self._error)

    def feed(self, data: bytes, wanted: int) -> None:
        """Take octets of the peer.

        wanted: how many replies may wait to be taken; one more is a fault (RFC 5321 section 4.2: every reply
            answers a command), so that a peer's talk cannot grow in memory.
        """
        if self._error is not None:
            return
        if not self._rest and not self._texts and self._one_liners.fullmatch(data):
            lines = data.split(b"\r\n")
            if len(self._ready) + len(lines) - 1 <= wanted:
                self._ready += lines
                del self._ready[-1]  # what is behind the last line's end: nothing
                return
        try:
            self._read_lines(data, wanted)
        except ReplyError as error:
            self._error = error
            self._rest.clear()

    def take(self) -> Reply | None:
        """The next reply; None: there is none yet.

        Raises:
            ReplyError: what came instead of it is none. Every further call raises it too.
        """
        if self._ready:
            return _parsed(self._ready.pop(0))
        if self._error is not None:
            raise self._error
        return None

    def lacks(self, count: int) -> bool:
        """Whether fewer than `count` replies are here and none of them is other than 2yz: more may come."""
        ready = self._ready
        return len(ready) < count and self._error is None and _are_positive(ready)

    def take_positive(self, count: int) -> Reply | None:
        """The last of the next `count` replies, where they are here and all are 2yz; they are taken.

        None: it is not so, and nothing is taken.
        """
        replies = self._ready[:count]
        if len(replies) < count or not _are_positive(replies):
            return None
        del self._ready[:count]
        return _parsed(replies[-1])

    def _read_lines(self, data: bytes, wanted: int) -> None:
        position = self._finish_line(data, wanted) if self._rest else 0
        while (end := data.find(b"\n", position)) >= 0:
            self._line(data, position, end + 1, wanted)
            position = end + 1
        if position < len(data):
            if len(data) - position > self._limits.line:
                raise ReplyError("a line of a reply is too long")
            self._rest += data[position:]

    def _finish_line(self, data: bytes, wanted: int) -> int:
        """Complete the line that a cut went through; the result is where the next one begins."""
        end = data.find(b"\n") + 1 or len(data)
        if len(self._rest) + end > self._limits.line:
            raise ReplyError("a line of a reply is too long")
        self._rest += data[:end]
        if self._rest.endswith(b"\n"):
            line = bytes(self._rest)
            self._rest.clear()
            self._line(line, 0, len(line), wanted)
        return end

    def _line(self, data: bytes, start: int, end: int, wanted: int) -> None:
        if end - start > self._limits.line:
            raise ReplyError("a line of a reply is too long")
        match = _LINE.fullmatch(data, start, end)
        if match is None:
            raise ReplyError("a line is no line of a reply")
        if len(self._ready) >= wanted:
            raise ReplyError("a reply came that nothing asked for")
        self._octets += end - start
        code, mark, text = match.groups()
        self._continue(code, text or b"")
        if mark != b"-":
            self._ready.append(_make(int(code), self._texts))
            self._begin()

    def _continue(self, code: bytes, text: bytes) -> None:
        limits = self._limits
        if self._under_way not in {b"", code}:
            raise ReplyError("the lines of one reply have different codes")
        if self._octets > limits.total or len(self._texts) >= limits.lines:
            raise ReplyError("a reply is too long")
        kept = text[: min(limits.kept, limits.total_kept - self._kept)]
        self._under_way = code
        self._kept += len(kept)
        self._texts.append(kept)

    def _begin(self) -> None:
        self._texts = []
        self._under_way = b""
        self._octets = self._kept = 0


def _are_positive(replies: Iterable[Reply | bytes]) -> bool:
    """Whether all are 2yz."""
    for one in replies:
        if isinstance(one, bytes):
            if one[0] != _POSITIVE:
                return False
        elif not 200 <= one.code < 300:
            return False
    return True


def _parsed(reply: Reply | bytes) -> Reply:
    """A reply as it lies in the queue: made already, or its one line."""
    if isinstance(reply, Reply):
        return reply
    match = _ONE_LINE.match(reply)
    assert match is not None, "only such lines are queued"
    kind, own, subject, detail, text = match.groups()
    if own != kind:  # none, or of another class than the code's: then it is text like any other
        return _make(int(reply[:3]), [reply[4:]])
    status = EnhancedStatus(int(own), int(subject), int(detail))
    return Reply(int(reply[:3]), (text.decode("utf-8", "backslashreplace"),), status)


def _make(code: int, texts: list[bytes]) -> Reply:
    """A reply of its lines; the enhanced status counts where its class is the code's (RFC 2034 section 4)."""
    status = None
    match = _STATUS.match(texts[-1])
    if match is not None and int(match[1]) == code // 100:
        status = EnhancedStatus(int(match[1]), int(match[2]), int(match[3]))
        texts = [_without(text, match[0].rstrip()) for text in texts]
    return Reply(code, tuple([text.decode("utf-8", "backslashreplace") for text in texts]), status)


def _without(text: bytes, status: bytes) -> bytes:
    match = _STATUS.match(text)
    return text[match.end() :] if match is not None and match[0].rstrip() == status else text
