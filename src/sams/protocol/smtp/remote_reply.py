"""Reading the replies of a peer (RFC 5321 section 4.2), whoever the peer is.

Theory of operation
-------------------
Octets go in as they come; whole replies come out in their order. A peer that breaks the grammar or a limit is
no more listened to: the replies before the fault stay readable, then `take` raises. So the result depends on
the octets alone and never on how they were cut.

Each octet is looked at once: a line that came whole is read where it lies, and only a line that a cut went
through is gathered, in one buffer that ends at the limit of a line. A hop says the same few lines for every
message ("250 2.1.0 Ok"): each is parsed once and remembered, up to a small number of them.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

from sams.core.errors import PeerFault
from sams.core.reply import EnhancedStatus, Reply, reply

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])([^\n]*))?\r\n")
_REMEMBERED = 32
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
        "_known",
        "_limits",
        "_octets",
        "_ready",
        "_rest",
        "_texts",
        "_under_way",
    )

    def __init__(self, limits: ReplyLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._rest = bytearray()
        self._ready: deque[Reply] = deque()
        self._known: dict[bytes, Reply] = {}
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
        if self._error is None:
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
            return self._ready.popleft()
        if self._error is not None:
            raise self._error
        return None

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
        if not self._texts and len(self._ready) < wanted:
            known = self._known.get(data[start:end])
            if known is not None:
                self._ready.append(known)
                return
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
            made = _make(int(code), self._texts)
            if len(self._texts) == 1 and len(self._known) < _REMEMBERED:
                self._known[data[start:end]] = made
            self._ready.append(made)
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
