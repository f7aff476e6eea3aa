"""The header of a message: found while the body still arrives, and indexed without being changed.

Where the header ends, and what a field is (RFC 5322 section 2.2, with what relays have always done):

- A field is a name of 1 to 255 printable ASCII octets without a colon, up to 255 spaces and tabs (obsolete,
  RFC 5322 section 4.5.8: they are passed on, and `From :` counts as `From`), a colon and the rest of the
  line, with every line behind it that begins with a space or a tab.
- The empty line ends the header and belongs to neither side.
- A line that is neither a field nor a continuation ends the header too: it is the first line of the body, and
  who writes the header puts the empty line between. A message that begins with a space, without any field, or
  with a longer name has its whole text as body this way. As all behind us see that empty line, no field can
  hide behind such a line from us and show itself to others.
- A first line `From …` or `>From …` comes from a mailbox file. It is dropped: left in, it would turn all of
  the header into body.
- A message may end within its header: all of it is header then, and the body is empty.

Octets above 127 may stand in values, not in names. NUL, and a CR or LF that ends no line (they reach us only
by BDAT), are refused.
"""

from __future__ import annotations

import re

from msgspec import Struct

from sams.core.errors import PermanentFailure
from sams.core.reply import reply

_NAME = rb"[!-9;-~]{1,255}+[ \t]{0,255}+:"
_LONGEST_NAME = 512
"""So many octets of a line decide whether it is a field."""
_SOUND_FIELDS = re.compile(
    rb"([!-9;-~]{1,255}+)([ \t]{0,255}+:[^\r\n\0]*+(?>(?:\r\n[ \t][^\r\n\0]*+)*)\r\n)"
    rb"|(?s:.++)"
)
"""One field as (its name, the rest); where none stands, two times nothing, once: of lines ended by CRLF alone."""
_FIELDS = re.compile(rb"([!-9;-~]{1,255}+)([ \t]{0,255}+:[^\n]*+(?>(?:\n[ \t][^\n]*+)*)\n)|(?s:.++)")
"""The same of any text."""
_FIRST_LINE = re.compile(_NAME)
_LINE = re.compile(rb"[ \t]|" + _NAME)
HEADER_LINES = re.compile(rb"(?>(?:(?:[ \t]|" + _NAME + rb")[^\n]*+\n)*)")
"""Whole lines behind the first one of a header, as far as they are such."""
_SHORTEST_FIELD = len(b"a:\r\n")
_MAILBOX_LINE = re.compile(rb">?From (?![ \t]*+:)")


class HeaderLimits(Struct, frozen=True):
    """How large a header may be (docs/security.md): octets, fields, and fields of trace.

    strict: NUL, and CR or LF by itself, are refused.
    """

    octets: int = 256 * 1024
    fields: int = 1_000
    received: int = 50
    strict: bool = True


DEFAULT_LIMITS = HeaderLimits()


class Header(Struct, frozen=True, gc=False):
    """An index of a header; nothing in it is changed.

    raw: the fields as they came, each ended by CRLF, without the empty line.
    fields: of each field the name as it was written, and the rest, from the space or colon behind the name to
        the LF; all together they are `raw`.
    names: their names in lower case, in the same places.
    """

    raw: bytes
    fields: list[tuple[bytes, bytes]]
    names: list[bytes]

    @property
    def has_8bit(self) -> bool:
        """Whether an octet above 127 stands in it."""
        return not self.raw.isascii()

    @property
    def wholes(self) -> list[bytes]:
        """All octets of each field."""
        return [name + rest for name, rest in self.fields]

    def values(self, name: bytes) -> list[bytes]:
        """What stands behind the colon of every field of this lower-case name; folds are left in."""
        fields = zip(self.names, self.fields, strict=True)
        return [rest[rest.index(b":") + 1 : -2] for known, (_, rest) in fields if known == name]

    def first(self, name: bytes) -> bytes | None:
        """The value of the first field of this lower-case name, None where there is none."""
        if name not in self.names:
            return None
        rest = self.fields[self.names.index(name)][1]
        return rest[rest.index(b":") + 1 : -2]

    def count(self, name: bytes) -> int:
        """How many fields have this lower-case name."""
        return self.names.count(name)


def take_header(chunk: bytes, limits: HeaderLimits = DEFAULT_LIMITS) -> tuple[Header, bytes] | None:
    """The header and the octets of the body behind it, where a message's first piece holds a sound one whole.

    Nearly every header comes so. None: a `HeaderReader` has to see what this is.

    Raises:
        PermanentFailure: as `HeaderReader.feed` does.
    """
    end = chunk.find(b"\r\n\r\n") + 2
    if not 2 < end <= limits.octets:
        return None
    raw = chunk[:end]
    _check_field_count(raw, limits)
    fields = _SOUND_FIELDS.findall(raw)
    return (_index(raw, fields, limits), chunk[end + 2 :]) if fields[-1][0] else None


class HeaderReader:
    """Takes a message as it arrives until its header is complete.

    The result is the same however the message is cut, and each octet is looked at a constant number of times.
    """

    __slots__ = ("_buffer", "_checked", "_first", "_header", "_limits", "_searched", "dropped", "is_sound")

    def __init__(self, limits: HeaderLimits = DEFAULT_LIMITS) -> None:
        self.dropped = 0
        """Octets of the line of a mailbox file that was dropped from the front."""
        self.is_sound = True
        """Neither NUL nor a CR or LF by itself stands in the header, or in the line that was dropped."""
        self._limits = limits
        self._buffer = bytearray()
        self._searched = 0  # no empty line begins before it
        self._first = 0  # where the first line begins that is no line of a mailbox file
        self._checked = 0  # the lines that end before it belong to the header
        self._header: Header | None = None

    @property
    def header(self) -> Header:
        """The header, once `feed` or `finish` has said that it is complete.

        Raises:
            ValueError: it is not complete.
        """
        if self._header is None:
            raise ValueError("the header is not complete")
        return self._header

    def feed(self, chunk: bytes) -> bytes | None:
        """Take a piece of the message: lines ended by CRLF, without the dots that SMTP adds.

        Returns:
            None while the header goes on; once, when it is complete, the first octets of the body, perhaps
            none. What comes later is body and is not fed here.

        Raises:
            PermanentFailure: 552 5.3.4, it is larger than a limit; 554 5.4.6, too many Received fields;
                550 5.6.11, a NUL, or a CR or LF by itself, stands in it.
        """
        if not self._buffer and (taken := take_header(chunk, self._limits)) is not None:
            self._header, body = taken
            return body
        self._buffer += chunk
        return self._search(completes_line=b"\n" in chunk)

    def finish(self) -> bytes:
        """The message has ended while the header went on.

        Returns:
            The octets of the body: none, but where the last line was none of the header.

        Raises:
            PermanentFailure: as `feed` does.
        """
        text = bytes(self._buffer)
        ends_in_cr = False
        if not text.endswith(b"\r\n") and self._is_header_line(text, text.rfind(b"\n") + 1):
            ends_in_cr = text.endswith(b"\r")
            text = text.removesuffix(b"\r") + b"\r\n"
        body = self._complete(text, len(text))
        self.is_sound = self.is_sound and not ends_in_cr
        return body

    def _search(self, *, completes_line: bool) -> bytes | None:
        buffer = self._buffer
        if buffer.startswith(b"\r\n"):
            return self._complete(bytes(buffer), 0)
        end = buffer.find(b"\r\n\r\n", self._searched)
        if end >= 0:
            return self._complete(bytes(buffer), end + 2)
        self._searched = max(0, len(buffer) - 3)
        if completes_line and self._has_line_of_body():
            return self._complete(bytes(buffer), len(buffer))
        if len(buffer) > self._limits.octets + _LONGEST_NAME:
            return self._overflow()
        return None

    def _has_line_of_body(self) -> bool:
        """Whether one of the lines that were completed since the last call is none of a header."""
        buffer, at = self._buffer, self._checked
        if at == 0 and _MAILBOX_LINE.match(buffer):
            self._first = at = buffer.find(b"\n") + 1
        if at > self._first or not buffer.startswith((b" ", b"\t"), at):
            lines = HEADER_LINES.match(buffer, at)
            self._checked = at = lines.end() if lines is not None else at
        return buffer.find(b"\n", at) >= 0

    def _is_header_line(self, text: bytes | bytearray, at: int) -> bool:
        return (_LINE if at > self._first else _FIRST_LINE).match(text, at) is not None

    def _overflow(self) -> bytes:
        """More has come than a header may have; the line that is still open decides whether it is one."""
        buffer, at = self._buffer, self._checked
        if at > self._limits.octets or self._is_header_line(buffer, at):
            raise self._too_large()
        return self._complete(bytes(buffer), len(buffer))

    def _complete(self, text: bytes, end: int) -> bytes:
        """The header lies within `text[:end]`: index it; the result is the body."""
        self.dropped = start = text.find(b"\n", 0, end) + 1 if _MAILBOX_LINE.match(text) else 0
        raw = text[start:end]
        _check_field_count(raw, self._limits)
        found = _FIELDS.findall(raw)
        if found and not found[-1][0]:
            del found[-1]
            raw = b"".join([name + rest for name, rest in found])
            end = start + len(raw)
        if len(raw) > self._limits.octets:
            raise self._too_large()
        if self._limits.strict:
            if not _is_sound(raw):
                raise _refused(550, "5.6.11", "the header has a NUL, or a CR or LF that does not end a line")
        else:
            self.is_sound = _is_sound(text[:end])
        self._header = _index(raw, found, self._limits)
        return text[end + 2 :] if text.startswith(b"\r\n", end) else text[end:]

    def _too_large(self) -> PermanentFailure:
        return _refused(552, "5.3.4", f"the header is larger than {self._limits.octets} octets")


def read_header(head: bytes, limits: HeaderLimits = DEFAULT_LIMITS) -> Header:
    """The index of a header that is at hand as a whole, with or without the empty line behind it.

    Raises:
        PermanentFailure: as `HeaderReader.feed` does.
    """
    reader = HeaderReader(limits)
    if reader.feed(head) is None:
        reader.finish()
    return reader.header


def _index(raw: bytes, fields: list[tuple[bytes, bytes]], limits: HeaderLimits) -> Header:
    if len(fields) > limits.fields:
        raise _too_many_fields(limits)
    names = b"\n".join([name for name, _ in fields]).lower().split(b"\n") if fields else []
    if names.count(b"received") > limits.received:
        raise _refused(554, "5.4.6", "too many Received fields: mail loop")
    return Header(raw, fields, names)


def _check_field_count(raw: bytes, limits: HeaderLimits) -> None:
    """Told of a large header by counting: an index of a hundred thousand fields takes its time."""
    if len(raw) <= limits.fields * _SHORTEST_FIELD or raw.startswith((b" ", b"\t")):
        return
    found = HEADER_LINES.match(raw)
    lines = found[0] if found is not None else b""
    if lines.count(b"\n") - lines.count(b"\n ") - lines.count(b"\n\t") > limits.fields:
        raise _too_many_fields(limits)


def _too_many_fields(limits: HeaderLimits) -> PermanentFailure:
    return _refused(552, "5.3.4", f"the header has more than {limits.fields} fields")


def _is_sound(raw: bytes) -> bool:
    return raw.count(b"\r\n") == raw.count(b"\n") == raw.count(b"\r") and b"\0" not in raw


def _refused(code: int, status: str, text: str) -> PermanentFailure:
    return PermanentFailure(reply(code, status, text))
