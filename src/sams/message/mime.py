r"""The structure of a message, found while it streams past (RFC 2045, RFC 2046).

Theory of operation. The scanner knows the boundaries of all multiparts that are open. The text is searched for
`CRLF --`, which begins every boundary line; only what follows such a place is compared, so that text without it
costs one search, and an attachment in base64, which has no hyphen at all, next to nothing. Where such places are
close together, as somebody may write them by the million, all lines of a stretch are compared at once, and the
stretch gets longer while there is no boundary among them. What lies between
boundary lines goes, in the largest pieces there are, to the header of the part at hand or, behind that, to three
measures: is it ASCII, has it NUL, how long are its lines.

The CRLF before a boundary line belongs to the line (RFC 2046 section 5.1.1), but to the part's header while that
goes on: it may be the empty line that ends it, and makes the very next line a boundary of the inner multipart. So
a header is given that CRLF before the line behind it is looked at. At the start of a body there is no CRLF, so one
is put before it.

A piece may end anywhere: what could still become `CRLF --`, or the rest of a boundary line, is held back (at most
1,004 octets); `_done` counts the octets of it that were passed on already.

A boundary line is `--boundary` or `--boundary--` with nothing but spaces and tabs behind. RFC 2046 would have a
longer line count too; programs compare exactly, and so do we. A container's own octets (preamble, epilogue, boundary
lines) are measured as its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from msgspec import Struct

from sams.core.errors import PermanentFailure
from sams.core.reply import reply
from sams.message.content_type import (
    EMBEDDED_MESSAGE,
    PLAIN_TEXT,
    ContentType,
    parse_content_type,
    parse_encoding,
)
from sams.message.header import HEADER_LINES, Header, HeaderLimits, HeaderReader
from sams.message.measures import LINE_LIMIT, measure_lines

_WINDOW = LINE_LIMIT + 2
_DELIMITER = b"\r\n--"
_LIKE_BOUNDARIES = re.compile(rb"\r\n--([^\r\n]*[^\r\n \t])(?=[ \t]*+\r\n)")
"""Whole lines, without what may stand behind a boundary."""
_STRETCH = 512
"""Octets in which lines are first compared together."""
IDENTITY = frozenset({"7bit", "8bit", "binary"})
_OPAQUE = frozenset(
    {"multipart/signed", "multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"}
)
"""Within these a changed octet breaks a signature or what is encrypted."""


_PART_HEADER = HeaderLimits(received=1_000, strict=False)


class MimeLimits(Struct, frozen=True):
    """How a message may be built (docs/security.md).

    depth: parts within parts, the message itself is 0.
    parts: all parts together, the message itself left out.
    header: of each part.
    """

    depth: int = 50
    parts: int = 1_000
    header: HeaderLimits = _PART_HEADER


DEFAULT_LIMITS = MimeLimits()


@dataclass(slots=True)
class Part:
    """A part, or the message itself, which is the first. Others than the scanner only read it.

    parent: its container's place in `Structure.parts`; None for the message itself.
    depth: 0 for the message itself.
    header_start, body_start, body_end: octets from the start of the message's body; of the message itself, the
        header is not counted. The CRLF before a boundary is not in the body.
    header_end: behind the last field; `has_empty_line` tells whether an empty line follows.
    encoding: the Content-Transfer-Encoding in lower case, `7bit` where there is none.
    encoding_field: where that field stands; None where it does not.
    is_container: a multipart with a boundary, or an embedded message; the measures tell of its own text only.
    is_sealed: itself or a container around it is signed or encrypted.
    longest_line: octets without CRLF of its longest line where that is above 998, else 0.
    has_bare_newline: a CR or LF that is no end of line; known only where the scanner is told to look.
    has_binary_header: NUL, or a CR or LF that is no end of line, stands in its header; of the message itself it is
        not known.
    """

    parent: int | None
    depth: int
    header_start: int
    header_end: int = 0
    body_start: int = 0
    body_end: int = 0
    has_empty_line: bool = True
    content_type: ContentType = PLAIN_TEXT
    encoding: str = "7bit"
    encoding_field: tuple[int, int] | None = None
    is_container: bool = False
    is_sealed: bool = False
    has_8bit_header: bool = False
    has_binary_header: bool = False
    has_8bit: bool = False
    has_nul: bool = False
    has_bare_newline: bool = False
    longest_line: int = 0


@dataclass(frozen=True, slots=True)
class Structure:
    """What a message is made of. The first part is the message itself; containers come before their parts."""

    parts: tuple[Part, ...]

    @property
    def has_8bit_body(self) -> bool:
        """An octet above 127 stands somewhere in the body, headers of parts included."""
        return any(part.has_8bit or (part.has_8bit_header and part.parent is not None) for part in self.parts)

    @property
    def has_8bit_part_header(self) -> bool:
        """An octet above 127 stands in the header of a part (not of the message itself)."""
        return any(part.has_8bit_header and part.parent is not None for part in self.parts)

    @property
    def is_binary(self) -> bool:
        """NUL, or a CR or LF that is no end of line, stands in the body: it can go nowhere but by BINARYMIME."""
        return any(part.has_nul or part.has_bare_newline or part.has_binary_header for part in self.parts)

    @property
    def has_binary_part_header(self) -> bool:
        """The same, in the header of a part."""
        return any(part.has_binary_header for part in self.parts)

    @property
    def longest_line(self) -> int:
        """Octets without CRLF of the body's longest line where that is above 998, else 0."""
        return max(part.longest_line for part in self.parts)

    @property
    def is_sealed(self) -> bool:
        """A part of it is signed or encrypted."""
        return any(part.is_sealed for part in self.parts)


@dataclass(slots=True)
class _Open:
    """A part that has not ended, with the boundary of its own parts."""

    index: int
    part: Part
    boundary: bytes | None = None


class StructureScanner:
    """Takes the body of a message as it arrives. The result is the same however it is cut; linear.

    Args:
        header: of the message itself.
        look_for_bare_newlines: needed only where the body came as BINARYMIME.
    """

    def __init__(
        self, header: Header, limits: MimeLimits = DEFAULT_LIMITS, *, look_for_bare_newlines: bool = False
    ) -> None:
        self._limits = limits
        self._measures = _Measures(look_for_bare_newlines)
        self._parts: list[Part] = []
        self._open: list[_Open] = []
        self._boundaries: dict[bytes, int] = {}  # of open multiparts: their places in _open
        self._boundary_lines: frozenset[bytes] = frozenset()  # what may stand behind the hyphens of one
        self._reader: HeaderReader | None = None  # of the part at hand, while its header goes on
        self._at = 0  # octets of the body that were passed on
        self._held = _DELIMITER[:2]
        self._done = 2  # octets of _held that were passed on, or were never there
        self._push(Part(parent=None, depth=0, header_start=0))
        self._enter(header)

    def feed(self, chunk: bytes) -> None:
        """Take a piece of the body.

        Raises:
            PermanentFailure: 554 5.6.0, too deep or too many parts; 552 5.3.4, a part's header is too large.
        """
        if self._is_plain:
            self._pass_on(chunk, self._at + len(chunk))
        else:
            self._walk(self._held + chunk, is_last=False)

    def finish(self) -> Structure:
        """The body has ended.

        Raises:
            PermanentFailure: as `feed` does.
        """
        if not self._is_plain:
            self._walk(self._held, is_last=True)
        self._end_above(-1, self._at)
        return Structure(tuple(self._parts))

    @property
    def _is_plain(self) -> bool:
        """No boundary is open, nor can one be opened any more."""
        return not self._boundaries and self._reader is None

    def _walk(self, data: bytes, *, is_last: bool) -> None:
        base = self._at - self._done  # of data, in the body
        done, search, stretch = self._done, 0, _STRETCH
        while (found := self._next_delimiter(data, search)) >= 0:
            if self._reader is not None and done < found + 2:
                self._pass_on(data[done : found + 2], base + found + 2)
                done = found + 2
            search = self._pass_over(data, found, found + stretch)
            if search > found:
                stretch *= 2
                continue
            stretch = _STRETCH
            end = data.find(b"\r\n", found + 4, found + 4 + _WINDOW)
            if end < 0 and len(data) - found - 4 < _WINDOW:
                if not is_last:
                    break
                end = len(data)
            place = self._boundary_at(data[found + 4 : end]) if end >= 0 else None
            if place is None:
                search = found + 2
                continue
            if done < found:
                self._pass_on(data[done:found], base + found)
            done, search = min(end + 2, len(data)), end
            self._meet_boundary(place, base + found, base + done)
            self._measures.take_line(self._open[place[0]].part, data[found + 2 : end])
        self._keep(data, base, done, len(data) if is_last else self._kept_from(data, found, search))

    def _next_delimiter(self, data: bytes, start: int) -> int:
        """The next place that may begin a boundary line, -1 for none."""
        if self._is_plain or data.find(b"-", start) < 0:
            return -1
        return data.find(_DELIMITER, start)

    def _pass_over(self, data: bytes, found: int, stop: int) -> int:
        """The last place before `stop` up to which no line is a boundary, and none ends the header at hand."""
        if self._reader is not None:
            header = HEADER_LINES.match(data, found + 2, stop)
            stop = header.end() if header is not None else found
        last = data.rfind(_DELIMITER, found, stop)
        if last <= found:
            return found
        if self._boundary_lines.isdisjoint(_LIKE_BOUNDARIES.findall(data, found, last + 2)):
            return last
        lines = _LIKE_BOUNDARIES.finditer(data, found, last + 2)
        return next(line.start() for line in lines if line[1] in self._boundary_lines)

    def _kept_from(self, data: bytes, found: int, search: int) -> int:
        """From where the data could still begin a boundary line."""
        if self._is_plain:
            return len(data)
        if found >= 0:
            return found
        for length in (3, 2, 1):
            if len(data) - length >= search and data.endswith(_DELIMITER[:length]):
                return len(data) - length
        return len(data)

    def _keep(self, data: bytes, base: int, done: int, kept: int) -> None:
        if done < kept:
            self._pass_on(data[done:kept], base + kept)
            done = kept
        if done < len(data) and self._is_plain:  # by what was just passed on: nothing is held back any more
            self._pass_on(data[done:], base + len(data))
            done = kept = len(data)
        self._held, self._done, self._at = data[kept:], done - kept, base + done

    def _boundary_at(self, line: bytes) -> tuple[int, bool] | None:
        """The open multipart whose boundary line this is, by its place, and whether the line ends it."""
        text = line.rstrip(b" \t")
        place = self._boundaries.get(text)
        if place is not None:
            return place, False
        place = self._boundaries.get(text[:-2]) if text.endswith(b"--") else None
        return None if place is None else (place, True)

    def _meet_boundary(self, boundary: tuple[int, bool], before: int, behind: int) -> None:
        place, is_last = boundary
        self._end_above(place, before)
        self._at = behind
        if is_last:
            self._open[place].boundary = None
            self._note_boundaries()
            self._measures.start(self._open[place].part)
        else:
            self._begin(self._open[place], behind)

    def _begin(self, container: _Open, start: int) -> None:
        """A part begins: its header is read from here."""
        if len(self._parts) > self._limits.parts:
            raise _refused(f"more than {self._limits.parts} MIME parts")
        self._push(
            Part(
                parent=container.index,
                depth=container.part.depth + 1,
                header_start=start,
                is_sealed=container.part.is_sealed,
            )
        )
        self._reader = HeaderReader(self._limits.header)

    def _push(self, part: Part) -> None:
        if part.depth > self._limits.depth:
            raise _refused(f"MIME parts are nested more than {self._limits.depth} deep")
        self._open.append(_Open(len(self._parts), part))
        self._parts.append(part)

    def _pass_on(self, piece: bytes, end: int) -> None:
        """Octets that are no boundary line, up to `end`, to whoever reads now."""
        rest: bytes | None = piece
        while rest is not None and self._reader is not None:
            rest = self._reader.feed(rest)
            if rest is not None:
                self._header_complete(self._reader, end - len(rest))
        if rest:
            self._measures.feed(rest)
        self._at = end

    def _header_complete(self, reader: HeaderReader, body_start: int) -> None:
        part = self._open[-1].part
        part.header_start += reader.dropped
        part.header_end = min(part.header_start + len(reader.header.raw), body_start)
        part.body_start = body_start
        part.has_empty_line = body_start == part.header_end + 2
        part.has_binary_header = not reader.is_sound
        self._reader = None
        self._enter(reader.header)

    def _finish_header(self, reader: HeaderReader, at: int) -> None:
        """A header goes on up to the end of its part."""
        rest = reader.finish()
        self._header_complete(reader, at - len(rest))
        if rest:
            self._pass_on(rest, at)

    def _enter(self, header: Header) -> None:
        """The header of the part at hand is complete: say what the part is, and read its body as that."""
        opened = self._open[-1]
        part = opened.part
        _describe(part, header, self._default_type(part))
        self._measures.start(part)
        if part.encoding not in IDENTITY:
            return
        if part.content_type.boundary is not None:
            part.is_container = True
            opened.boundary = part.content_type.boundary
            self._note_boundaries()
        elif part.content_type.name in {"message/rfc822", "message/global"}:
            part.is_container = True
            self._begin(opened, part.body_start)

    def _default_type(self, part: Part) -> ContentType:
        """RFC 2046 section 5.1.5: in a digest, what does not name its type is a message."""
        if part.parent is not None and self._parts[part.parent].content_type.name == "multipart/digest":
            return EMBEDDED_MESSAGE
        return PLAIN_TEXT

    def _end_above(self, place: int, at: int) -> None:
        """End every open part above this place in `_open`."""
        while (reader := self._reader) is not None:
            self._finish_header(reader, self._at)
        self._measures.stop()
        end = max(at, self._open[-1].part.body_start)  # an empty line may be the CRLF before the boundary
        for opened in self._open[place + 1 :]:
            opened.part.body_end = end
        del self._open[place + 1 :]
        self._note_boundaries()

    def _note_boundaries(self) -> None:
        """Of two multiparts with the same boundary the inner one has it."""
        self._boundaries = {
            opened.boundary: place for place, opened in enumerate(self._open) if opened.boundary is not None
        }
        self._boundary_lines = frozenset([*self._boundaries, *[known + b"--" for known in self._boundaries]])


class _Measures:
    """What is told of the octets of a part."""

    def __init__(self, look_for_bare_newlines: bool) -> None:  # noqa: FBT001 - private, and the only argument
        self._look_for_bare_newlines = look_for_bare_newlines
        self._part = Part(parent=None, depth=0, header_start=0)
        self._line = 0  # octets of the line at hand
        self._ends_in_cr = False

    def start(self, part: Part) -> None:
        """What follows belongs to this part, from the start of a line."""
        self._part, self._line, self._ends_in_cr = part, 0, False

    def feed(self, piece: bytes) -> None:
        """Octets of the part."""
        part = self._part
        if not part.has_8bit and not piece.isascii():
            part.has_8bit = True
        if not part.has_nul and 0 in piece:
            part.has_nul = True
        if self._look_for_bare_newlines and not part.has_bare_newline:
            part.has_bare_newline = self._find_bare_newline(piece)
        self._line, longest = measure_lines(piece, self._line)
        part.longest_line = max(part.longest_line, longest)

    def take_line(self, part: Part, line: bytes) -> None:
        """A boundary line of this container, without its CRLF."""
        part.has_8bit = part.has_8bit or not line.isascii()
        part.has_nul = part.has_nul or b"\0" in line
        if self._look_for_bare_newlines and (b"\n" in line or b"\r" in line):
            part.has_bare_newline = True
        if len(line) > LINE_LIMIT:
            part.longest_line = max(part.longest_line, len(line))

    def stop(self) -> None:
        """The part, or its text before a part in it, has ended."""
        if self._line > LINE_LIMIT and self._line > self._part.longest_line:
            self._part.longest_line = self._line
        if self._ends_in_cr:
            self._part.has_bare_newline = True
        self._line, self._ends_in_cr = 0, False

    def _find_bare_newline(self, piece: bytes) -> bool:
        if self._ends_in_cr:
            if not piece.startswith(b"\n"):
                return True
            piece = piece[1:]
        self._ends_in_cr = piece.endswith(b"\r")
        ends = piece.count(b"\r\n")
        return piece.count(b"\n") != ends or piece.count(b"\r") - self._ends_in_cr != ends


def _describe(part: Part, header: Header, default: ContentType) -> None:
    part.has_8bit_header = header.has_8bit
    part.content_type = parse_content_type(header.first(b"content-type"), default)
    part.encoding = parse_encoding(header.first(b"content-transfer-encoding"))
    part.is_sealed = part.is_sealed or part.content_type.name in _OPAQUE
    if b"content-transfer-encoding" in header.names:
        place = header.names.index(b"content-transfer-encoding")
        start = part.header_start + sum([len(name) + len(rest) for name, rest in header.fields[:place]])
        part.encoding_field = (start, start + sum(map(len, header.fields[place])))


def _refused(text: str) -> PermanentFailure:
    return PermanentFailure(reply(554, "5.6.0", text))
