"""The form of control messages on a socket.

One request and one response are one line of JSON each: `{"version": 1, "message": {"type": …}}`. A line has
at most `MAX_LINE` octets; lists come in pages that are made to fit. The version rises when an older reader
would misunderstand: both ends say theirs, and who meets another one says so and does nothing.
"""

from __future__ import annotations

import msgspec

from sams.control.messages import ROLE_FOR, Request, Response, Trouble

VERSION = 1
MAX_LINE = 1_048_576
"""Octets of a line, its newline included."""


class WireError(Exception):
    """A line could not be read: why, and in words for a person."""

    def __init__(self, trouble: Trouble, text: str) -> None:
        super().__init__(text)
        self.trouble = trouble
        self.text = text


class _Line(msgspec.Struct, frozen=True):
    version: int
    message: msgspec.Raw


class _Written(msgspec.Struct, frozen=True):
    version: int
    message: Request | Response


class _Tag(msgspec.Struct, frozen=True):
    type: str


_LINE = msgspec.json.Decoder(_Line)
_REQUEST: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_RESPONSE: msgspec.json.Decoder[Response] = msgspec.json.Decoder(Response)
_TAG = msgspec.json.Decoder(_Tag)
_ENCODER = msgspec.json.Encoder()
_REQUEST_TAGS = frozenset(str(kind.__struct_config__.tag) for kind in ROLE_FOR)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoders raise for what somebody sent: text that is no UTF-8 is found when its field is read."""


def encode(message: Request | Response) -> bytes:
    """One message as a line with its newline.

    Raises:
        WireError: it is longer than a line may be.
    """
    line = _ENCODER.encode(_Written(VERSION, message)) + b"\n"
    if len(line) > MAX_LINE:
        raise WireError(Trouble.MALFORMED, f"the message has more than {MAX_LINE} octets")
    return line


def decode_request(line: bytes) -> Request:
    """Read a request.

    Raises:
        WireError: it is of another version, of an unknown type, or no request at all.
    """
    raw = _opened(line)
    try:
        return _REQUEST.decode(raw)
    except _UNREADABLE as error:
        raise WireError(_blame(raw), f"this request cannot be read: {error}") from None


def decode_response(line: bytes) -> Response:
    """Read a response.

    Raises:
        WireError: it is of another version, or no response at all.
    """
    raw = _opened(line)
    try:
        return _RESPONSE.decode(raw)
    except _UNREADABLE as error:
        raise WireError(Trouble.MALFORMED, f"the service's answer cannot be read: {error}") from None


def _opened(line: bytes) -> msgspec.Raw:
    try:
        opened = _LINE.decode(line)
    except _UNREADABLE as error:
        raise WireError(Trouble.MALFORMED, f"not a control message: {error}") from None
    if opened.version != VERSION:
        raise WireError(
            Trouble.VERSION,
            f"the other end speaks control version {opened.version}, this one {VERSION}: "
            "use the `sams` command of the version that runs, or restart the service",
        )
    return opened.message


def _blame(raw: msgspec.Raw) -> Trouble:
    try:
        return Trouble.MALFORMED if _TAG.decode(raw).type in _REQUEST_TAGS else Trouble.UNKNOWN
    except _UNREADABLE:
        return Trouble.MALFORMED
