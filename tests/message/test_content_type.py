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
        (b'multipart/mixed; boundary="a \t"', "multipart/mixed", b"a"),
        (b"multipart/mixed", "multipart/mixed", None),
        (b"text/plain; boundary=a", "text/plain", None),
        # RFC 2231
        (b"multipart/mixed; boundary*=us-ascii'en'a%20b%3d", "multipart/mixed", b"a b="),
        (b'multipart/mixed; boundary*0=ab; x=y; boundary*1="c d"', "multipart/mixed", b"abc d"),
        (b"multipart/mixed; boundary*1=b; boundary*0*=''%61", "multipart/mixed", b"ab"),
        (b"multipart/mixed; boundary*0=a; boundary*2=c", "multipart/mixed", b"a"),
        (b"multipart/mixed; boundary*=''x; boundary=plain", "multipart/mixed", b"plain"),
        (b"multipart/mixed; boundary*=''a%0Ab", "multipart/mixed", None),
        (b"multipart/mixed; boundary*=''a%0A", "multipart/mixed", None),
        (b"multipart/mixed; boundary*=''a%0D", "multipart/mixed", None),
        (b"multipart/mixed; boundary*=''a%00", "multipart/mixed", None),
        (b"multipart/mixed; boundary*0*=''a%0A; boundary*1=b", "multipart/mixed", None),
        (b"multipart/mixed; boundary*=''%E9", "multipart/mixed", None),
        ("multipart/mixed; boundary=é".encode(), "multipart/mixed", None),
        (b'multipart/mixed; boundary="a\n.\nb"', "multipart/mixed", None),
        (b'multipart/mixed; boundary="a\\\nb"', "multipart/mixed", None),
        (b"multipart/mixed; boundary*1=b", "multipart/mixed", None),
        (b"multipart/mixed; boundary*a=b", "multipart/mixed", None),
        (b"multipart/mixed; boundary*0=" + b"; boundary*0=".join([b"a"] * 99), "multipart/mixed", b"a"),
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
