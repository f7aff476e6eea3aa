"""How closely a body is looked at while it comes in: no more of it than can matter.

What acceptance has to know of a body is what its octets and lines are like, and that it does not exceed the limits
of MIME. Most bodies cannot: they have no parts, or too few lines that could begin one. Only what may be built of
many parts, or is large, or has a line too long (which may be of a part's header, and then is nobody's), is taken
apart by a `StructureScanner`, with the same result.
"""

from __future__ import annotations

import re

from sams.message.header import Header
from sams.message.measures import PlainScanner
from sams.message.mime import MimeLimits, Structure, StructureScanner

_COMPOSITE = re.compile(rb"(?i)[ \t\r\n]*+m(?:ultipart|essage)")
"""How the type of whatever has parts begins."""
_SMALL = 128 * 1024
"""Octets of a composite body that is kept until its end is seen; its writer has them in memory besides."""
_MANY_PIECES = 64
"""So many are joined to one block: those of few octets would be many times as large."""


def scanner_for(
    header: Header, limits: MimeLimits, *, binary: bool
) -> StructureScanner | CompositeScanner | PlainScanner:
    """What looks at the body behind this header as it comes in.

    binary: it comes as BINARYMIME: NUL, CR and LF may stand in it anywhere.
    """
    if binary:
        return StructureScanner(header, limits, look_for_bare_newlines=True)
    kind = header.first(b"content-type")
    if kind is None or _COMPOSITE.match(kind) is None:
        return PlainScanner()
    return CompositeScanner(header, limits)


class CompositeScanner:
    """Measures a body that has parts, and takes it apart only where it could exceed a limit.

    Every line ends in CRLF and there is no NUL, as for the `PlainScanner`.
    """

    __slots__ = ("_blocks", "_full", "_header", "_limits", "_pieces", "_size")

    def __init__(self, header: Header, limits: MimeLimits) -> None:
        self._header = header
        self._limits = limits
        self._blocks: list[bytes] = []
        self._pieces: list[bytes] = []
        self._size = 0
        self._full: StructureScanner | None = None

    def feed(self, chunk: bytes) -> None:
        """Take a piece of the body.

        Raises:
            PermanentFailure: as `StructureScanner.feed` does.
        """
        if self._full is not None:
            self._full.feed(chunk)
            return
        self._pieces.append(chunk)
        self._size += len(chunk)
        if self._size > _SMALL:
            self._take_apart()
        elif len(self._pieces) >= _MANY_PIECES:
            self._blocks.append(b"".join(self._pieces))
            self._pieces.clear()

    def finish(self) -> Structure | PlainScanner:
        """The body has ended: what was measured.

        Raises:
            PermanentFailure: as `StructureScanner.feed` does.
        """
        if self._full is None:
            body = b"".join([*self._blocks, *self._pieces]) if self._blocks else b"".join(self._pieces)
            if _is_within(body, self._limits):
                plain = PlainScanner()
                plain.feed(body)
                if not plain.finish().longest_line:
                    return plain
        return (self._full or self._take_apart()).finish()

    def _take_apart(self) -> StructureScanner:
        self._full = full = StructureScanner(self._header, self._limits)
        for piece in (*self._blocks, *self._pieces):
            full.feed(piece)
        self._blocks.clear()
        self._pieces.clear()
        return full


def _is_within(body: bytes, limits: MimeLimits) -> bool:
    """Whether it exceeds no limit, however its parts may be nested.

    A part begins at a line that begins with two hyphens, or is a message in a message: that of a part in a digest,
    or one whose type says so. A part's header has no more octets and fields than the body has octets and lines.
    """
    lines = body.count(b"\n") + 1
    if len(body) > limits.header.octets or lines > min(limits.header.fields, limits.header.received):
        return False
    begun = body.count(b"\n--") + body.startswith(b"--")
    parts = 2 * begun + 1
    if parts <= limits.depth:
        parts += body.lower().count(b"message")
    return parts <= min(limits.depth, limits.parts)
