"""The part of the Basic Encoding Rules that LDAP uses (X.690; RFC 4511 section 5.1).

Lengths are definite, octet strings primitive, tags of one octet. A `Reader` goes through the elements of one level;
an element within another is read by a Reader of its own, so that nothing here recurses.
"""

from __future__ import annotations

BOOLEAN, INTEGER, OCTETS, ENUMERATED, SEQUENCE, SET = 0x01, 0x02, 0x04, 0x0A, 0x30, 0x31

MAX_INTEGER_OCTETS = 8
_LONG_TAG = 0x1F
_LONG_LENGTH = 0x80
_MAX_LENGTH_OCTETS = 4


class BerError(ValueError):
    """The octets are no BER as LDAP allows it. The message says why, in words of our own."""


def element(tag: int, content: bytes) -> bytes:
    """An element of these octets."""
    size = len(content)
    if size < _LONG_LENGTH:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG_LENGTH | len(octets))) + octets + content


def constructed(tag: int, *parts: bytes) -> bytes:
    """An element of elements."""
    return element(tag, b"".join(parts))


def integer(value: int, tag: int = INTEGER) -> bytes:
    """An INTEGER or ENUMERATED, in the fewest octets."""
    magnitude = value if value >= 0 else ~value
    return element(tag, value.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True))


def octets(value: str | bytes, tag: int = OCTETS) -> bytes:
    """An OCTET STRING; texts are UTF-8 (LDAPString)."""
    return element(tag, value.encode() if isinstance(value, str) else value)


def boolean(value: bool, tag: int = BOOLEAN) -> bytes:  # noqa: FBT001 - it is the value, no switch
    """A BOOLEAN."""
    return element(tag, b"\xff" if value else b"\0")


def whole_size(begun: bytes | bytearray) -> int | None:
    """Octets of the element that begins so, its head included; None: more are needed to tell.

    Raises:
        BerError: no element of LDAP begins so.
    """
    if len(begun) < 2:
        return None
    first = begun[1]
    if begun[0] & _LONG_TAG == _LONG_TAG:
        raise BerError("a tag of more than one octet")
    if first < _LONG_LENGTH:
        return 2 + first
    count = first & ~_LONG_LENGTH
    if not 0 < count <= _MAX_LENGTH_OCTETS:
        raise BerError("a length that is indefinite or has more than four octets")
    if len(begun) < 2 + count:
        return None
    return 2 + count + int.from_bytes(begun[2 : 2 + count], "big")


class Reader:
    """The elements of one level, in their order."""

    __slots__ = ("_at", "_octets")

    def __init__(self, content: bytes) -> None:
        self._octets = content
        self._at = 0

    @property
    def tag(self) -> int | None:
        """Of the next element; None: there is none."""
        return self._octets[self._at] if self._at < len(self._octets) else None

    def take(self, *tags: int) -> bytes:
        """The content of the next element, which has one of these tags; none named: whichever it has.

        Raises:
            BerError: it has another, is none, or is cut off.
        """
        if self.tag is None or (tags and self.tag not in tags):
            raise BerError(f"an element is missing or has another tag ({self.tag})")
        head = self._octets[self._at : self._at + 2 + _MAX_LENGTH_OCTETS]
        size = whole_size(head)
        if size is None or self._at + size > len(self._octets):
            raise BerError("an element is longer than what it stands in")
        length = head[1]
        begin = self._at + 2 + (length & ~_LONG_LENGTH if length >= _LONG_LENGTH else 0)
        self._at += size
        return self._octets[begin : self._at]

    def integer(self, tag: int = INTEGER) -> int:
        """The next element as a number.

        Raises:
            BerError: it is none, or longer than any of LDAP.
        """
        content = self.take(tag)
        if not 0 < len(content) <= MAX_INTEGER_OCTETS:
            raise BerError("a number of no octets or too many")
        return int.from_bytes(content, "big", signed=True)

    def text(self, *tags: int) -> str:
        """The next element as a text.

        Raises:
            BerError: it is no UTF-8.
        """
        try:
            return self.take(*(tags or (OCTETS,))).decode()
        except UnicodeDecodeError:
            raise BerError("a text that is no UTF-8") from None
