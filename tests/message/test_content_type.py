"""Content types and boundaries, also the odd ones."""

from __future__ import annotations

import pytest

from sams.message.content_type import parse_content_type, parse_encoding


@pytest.mark.parametrize(
    ("value", "name", "boundary"),
    [
        (None, "text/plain", None),
        (b"", "text/plain", None),
        (b"text", "text/plain", None),
        (b" Text/HTML; charset=x", "text/html", None),
        (b" multipart/mixed; boundary=abc", "multipart/mixed", b"abc"),
        (b'multipart/mixed;\r\n\tBOUNDARY = "a b\\"c" ; x=y', "multipart/mixed", b'a b"c'),
        (b'multipart/mixed; x="; boundary=no"; boundary=yes', "multipart/mixed", b"yes"),
        (b"multipart/mixed; boundary=a; boundary=b", "multipart/mixed", b"a"),
        (b'multipart/mixed; boundary="open', "multipart/mixed", b"open"),
        (b"multipart/mixed; boundary=", "multipart/mixed", None),
        (b'multipart/mixed; boundary=""', "multipart/mixed", None),
        (b'multipart/mixed; boundary="  "', "multipart/mixed", None),
        (b"multipart/mixed; x-boundary=a", "multipart/mixed", None),
        (b"multipart/mixed; boundary=" + b"a" * 200, "multipart/mixed", b"a" * 200),
        (b"multipart/mixed; boundary=" + b"a" * 201, "multipart/mixed", None),
        (b"multipart/mixed", "multipart/mixed", None),
        (b"text/plain; boundary=a", "text/plain", None),
    ],
)
def test_a_content_type_is_read(value: bytes | None, name: str, boundary: bytes | None) -> None:
    found = parse_content_type(value)
    assert (found.name, found.boundary) == (name, boundary)


@pytest.mark.parametrize(
    ("value", "encoding"),
    [
        (None, "7bit"),
        (b"", "7bit"),
        (b" 8Bit", "8bit"),
        (b"\r\n base64 (x)", "base64"),
        (b"x-uuencode", "x-uuencode"),
    ],
)
def test_a_transfer_encoding_is_read(value: bytes | None, encoding: str) -> None:
    assert parse_encoding(value) == encoding
