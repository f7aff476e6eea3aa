"""Messages of an LDAP server: cut anywhere, the same, and as an own reader finds them; filters of any text."""

from __future__ import annotations

from sams.protocol.ldap.filters import Filter, FilterError
from sams.protocol.ldap.messages import Entry, Inbox, LdapError, Message, Result
from tests.fuzz.target import Target, pieces, split_head

NAMES = frozenset({"user"})
WORDS = (
    b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00",
    b"\x30\x0c\x02\x01\x02\x65\x07\x0a\x01\x04\x04\x00\x04\x00",
    b"\x30\x13\x02\x01\x02\x64\x0e\x04\x01a\x30\x09\x30\x07\x04\x01m\x31\x02\x04\x00",
    b"\x30\x84\x00\x00\x00\x0c\x02\x01\x01\x78\x84\x00\x00\x00\x03\x0a\x01\x00",
    b"\x30\x08\x02\x01\x03\x73\x03\x04\x01x",
    b"\xa0\x07\x30\x05\x04\x03\x31\x2e\x32",
    b"\x01\x01\xff",
    b"\x02\x01\x00",
    b"\x04\x01x",
    b"\x0a\x01\x31",
    b"\x30\x81\x80",
    b"\x31\x00",
    b"(&(objectClass=person)(uid={user}))",
    b"(cn:dn:1.2:={user})",
    b"(a=*b*{user}*)",
    b"(!(a>=\\2a))",
    b"{user}",
)


def told(stream: bytes, style: int) -> tuple[list[Message], bool]:
    """The messages before the first mistake, and whether there was one. Those that come with it are not told."""
    inbox, found = Inbox(), list[Message]()
    for piece in pieces(stream, style):
        try:
            found += inbox.receive(piece)
        except LdapError:
            return found, True
    return found, False


def _element(octets: bytes) -> tuple[int, bytes, bytes] | None:
    """Tag, content, and what is behind it; None: it is no whole element."""
    if len(octets) < 2 or octets[0] & 31 == 31:
        return None
    size, begin = octets[1], 2
    if size > 127:
        count = size - 128
        if not 1 <= count <= 4 or len(octets) < 2 + count:
            return None
        size, begin = int.from_bytes(octets[2 : 2 + count], "big"), 2 + count
    return (
        None
        if len(octets) < begin + size
        else (octets[0], octets[begin : begin + size], octets[begin + size :])
    )


def all_of(octets: bytes) -> list[tuple[int, bytes]] | None:
    """The elements of one level; None: these are none."""
    found = []
    while octets:
        element = _element(octets)
        if element is None:
            return None
        found.append(element[:2])
        octets = element[2]
    return found


def _first(octets: bytes, count: int) -> list[tuple[int, bytes]]:
    """So many elements at the beginning; what is behind them is nobody's concern (RFC 4511 section 4)."""
    found = []
    for _ in range(count):
        element = _element(octets)
        assert element is not None
        found.append(element[:2])
        octets = element[2]
    return found


def _check(message: Message, octets: bytes) -> None:
    """What was read stands in the octets, by the plain reader."""
    (_, number), (tag, content) = _first(octets, 2)
    assert int.from_bytes(number, "big", signed=True) == message.number
    if isinstance(message.answer, Entry):
        (_, name), (_, attributes) = _first(content, 2)
        assert (tag, name.decode()) == (0x64, message.answer.name)
        values = [value for _, listed in all_of(attributes) or [] for value in _values(listed)]
        assert sorted(values) == sorted(
            value for each in message.answer.attributes.values() for value in each
        )
    if isinstance(message.answer, Result):
        assert tag in {0x61, 0x65, 0x78}
        assert int.from_bytes(_first(content, 1)[0][1], "big", signed=True) == message.answer.code


def _values(attribute: bytes) -> list[bytes]:
    return [value for _, value in all_of(_first(attribute, 2)[1][1]) or []]


def _run_stream(stream: bytes, style: int) -> None:
    found, is_wrong = told(stream, 3)  # octet by octet: nothing can come with a mistake
    some, is_wrong_too = told(stream, style)
    assert is_wrong == is_wrong_too
    assert some == found[: len(some)]
    assert is_wrong or some == found
    for message in found:
        element = _element(stream)
        assert element is not None
        _check(message, element[1])
        stream = element[2]


def _run_filter(stream: bytes) -> None:
    text, _, typed = stream.decode("latin-1").partition("\n")
    try:
        octets = Filter(text, NAMES).filled({"user": typed})
    except FilterError:
        return
    whole = all_of(octets)
    assert whole is not None
    assert len(whole) == 1
    assert "{user}" not in text or typed.encode() in octets


def run(data: bytes) -> None:
    """The first octet chooses the cuts, the second what the stream is; two more nothing."""
    (cuts, kind, *_), stream = split_head(data, 4)
    if kind & 1:
        _run_filter(stream)
    else:
        _run_stream(stream, cuts)


TARGET = Target(run, WORDS)
