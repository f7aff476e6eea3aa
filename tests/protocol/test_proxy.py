"""The PROXY protocol: what is a header, what is none, and that cuts make no difference."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.protocol.proxy import (
    MAX_HEADER,
    MAX_LINE,
    SIGNATURE,
    Endpoint,
    HeaderReader,
    ProxyError,
    ProxyHeader,
    parse,
)
from tests.support import proxy_headers as made
from tests.support.proxy_headers import LOCAL, PROXY, TCP4, TCP6, UDP4, UDP6, UNIX, UNSPEC

CLIENT, SERVER = Endpoint("192.0.2.7", 40_000), Endpoint("198.51.100.1", 587)
CLIENT6, SERVER6 = Endpoint("2001:db8::7", 40_000), Endpoint("2001:db8:1::1", 465)
_BLOCK4 = bytes([192, 0, 2, 7, 198, 51, 100, 1]) + (40_000).to_bytes(2) + (587).to_bytes(2)
_WIDE = b"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
_LONGEST = b"PROXY UNKNOWN " + _WIDE + b" " + _WIDE + b" 65535 65535\r\n"


def outcome(pieces: list[bytes]) -> tuple[ProxyHeader, bytes] | str | None:
    """What a reader makes of octets that come so: header and rest, why not, or None while there is not enough."""
    reader = HeaderReader()
    for number, piece in enumerate(pieces):
        try:
            found = reader.receive(piece)
        except ProxyError as error:
            return str(error)
        if found is not None:
            return found[0], found[1] + b"".join(pieces[number + 1 :])
    return None


def header(octets: bytes) -> ProxyHeader:
    found = parse(octets)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("octets", "client", "server"),
    [
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 587\r\n", CLIENT, SERVER),
        (b"PROXY TCP6 2001:db8::7 2001:db8:1::1 40000 465\r\n", CLIENT6, SERVER6),
        (b"PROXY TCP6 2001:DB8:0:0:0:0:0:7 2001:db8:1:0::1 40000 465\r\n", CLIENT6, SERVER6),
        (b"PROXY TCP4 0.0.0.1 255.255.255.255 0 65535\r\n", Endpoint("0.0.0.1", 0), None),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 40000 587\r\n", CLIENT, SERVER),
        (b"PROXY TCP6 ::ffff:c000:207 ::1 40000 587\r\n", CLIENT, Endpoint("::1", 587)),
        (made.frame(PROXY, TCP4, _BLOCK4), CLIENT, SERVER),
        (made.binary(CLIENT6, SERVER6), CLIENT6, SERVER6),
        (made.binary(Endpoint("::ffff:192.0.2.7", 40_000), Endpoint("::1", 587)), CLIENT, None),
        (made.binary(CLIENT, SERVER, made.field(0x04, b"") + made.field(0xEA, b"vpce-1")), CLIENT, SERVER),
    ],
)
def test_a_header_says_who_connected_and_to_what(
    octets: bytes, client: Endpoint, server: Endpoint | None
) -> None:
    found = header(octets + b"EHLO")
    assert found.client == client
    assert server is None or found.server == server
    assert found.size == len(octets)
    assert outcome([bytes([octet]) for octet in octets]) == (found, b"")


@pytest.mark.parametrize(
    "octets",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN \r\n",
        b"PROXY UNKNOWN anything \0 \xff\r\n",
        _LONGEST,
        made.frame(LOCAL, UNSPEC),
        made.frame(LOCAL, TCP4, _BLOCK4),
        made.frame(LOCAL, 0xFF, b"\1\2\3"),
        made.frame(PROXY, UNSPEC),
        made.frame(PROXY, UNSPEC, b"whatever"),
        made.frame(PROXY, UDP4, _BLOCK4),
        made.frame(PROXY, UDP6, bytes(36)),
        made.frame(PROXY, UNIX, bytes(216)),
        made.frame(PROXY, 0x10, _BLOCK4),
    ],
)
def test_a_proxy_may_name_nobody(octets: bytes) -> None:
    found = header(octets)
    assert (found.client, found.server, found.size) == (None, None, len(octets))


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"EHLO client.example.com\r\n", "does not begin"),
        (b"\x16\x03\x01", "does not begin"),
        (b"\0", "does not begin"),
        (b" PROXY TCP4", "does not begin"),
        (b"proxy TCP4", "does not begin"),
        (b"PROXY\tTCP4", "does not begin"),
        (b"PROXY\r\n", "does not begin"),
        (b"\r\n\r\n\0\r\nQUIT\r", "does not begin"),
        (b"PROXY \r\n", "not one of"),
        (b"PROXY UNKNOWN2\r\n", "not one of"),
        (b"PROXY unknown\r\n", "not one of"),
        (b"PROXY UDP4 192.0.2.7 198.51.100.1 40000 587\r\n", "not one of"),
        (b"PROXY TCP4  192.0.2.7 198.51.100.1 40000 587\r\n", "not one of"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 587 \r\n", "not one of"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 40000\r\n", "not one of"),
        (b"PROXY TCP4 \xff 198.51.100.1 40000 587\r\n", "not one of"),
        (b"PROXY TCP4 192.0.2.07 198.51.100.1 40000 587\r\n", "address"),
        (b"PROXY TCP4 0xc0.0.2.7 198.51.100.1 40000 587\r\n", "address"),
        (b"PROXY TCP4 3221225991 198.51.100.1 40000 587\r\n", "address"),
        (b"PROXY TCP4 192.0.519 198.51.100.1 40000 587\r\n", "address"),
        (b"PROXY TCP4 192.0.2.256 198.51.100.1 40000 587\r\n", "address"),
        (b"PROXY TCP4 2001:db8::7 198.51.100.1 40000 587\r\n", "address"),
        (b"PROXY TCP6 192.0.2.7 2001:db8:1::1 40000 465\r\n", "address"),
        (b"PROXY TCP6 fe80::1%eth0 2001:db8:1::1 40000 465\r\n", "address"),
        (b"PROXY TCP6 2001:db8::7::1 2001:db8:1::1 40000 465\r\n", "address"),
        (b"PROXY TCP6 02001:db8::7 2001:db8:1::1 40000 465\r\n", "address"),
        (b"PROXY TCP6 ::ffff:192.0.2.07 2001:db8:1::1 40000 465\r\n", "address"),
        (b"PROXY TCP6 [2001:db8::7] 2001:db8:1::1 40000 465\r\n", "address"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.01 40000 587\r\n", "address"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 587\r\n", "port"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 040000 587\r\n", "port"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 00\r\n", "port"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 +1 587\r\n", "port"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 -1 587\r\n", "port"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 0x10 587\r\n", "port"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 4_0 587\r\n", "port"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 587\n", "stands alone"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 587\n\r\n", "stands alone"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 587\rE", "stands alone"),
        (b"PROXY UNKNOWN\nEHLO x\r\n", "stands alone"),
        (b"PROXY UNKNOWN " + b"x" * MAX_LINE, "more than 107"),
        (_LONGEST[:-2] + b"x\r\n", "more than 107"),
        (made.frame(0x11, TCP4, _BLOCK4), "another version"),
        (made.frame(0x31, TCP4, _BLOCK4), "another version"),
        (made.frame(0x22, TCP4, _BLOCK4), "command"),
        (made.frame(0x2F, UNSPEC), "command"),
        (made.frame(PROXY, 0x41, _BLOCK4), "family"),
        (made.frame(PROXY, 0x13, _BLOCK4), "family"),
        (made.frame(PROXY, TCP4, length=MAX_HEADER - 15), "more than 4096"),
        (made.frame(PROXY, TCP4, length=0xFFFF), "more than 4096"),
        (made.frame(LOCAL, UNSPEC, length=0xFFFF), "more than 4096"),
        (made.frame(PROXY, TCP4, _BLOCK4[:-1]), "too short"),
        (made.frame(PROXY, TCP6, _BLOCK4), "too short"),
        (made.frame(PROXY, TCP4), "too short"),
        (made.frame(PROXY, TCP4, _BLOCK4 + b"\4"), "do not fit"),
        (made.frame(PROXY, TCP4, _BLOCK4 + b"\4\0"), "do not fit"),
        (made.frame(PROXY, TCP4, _BLOCK4 + b"\4\0\2x"), "do not fit"),
        (made.frame(PROXY, TCP4, _BLOCK4 + b"\4\xff\xff") + bytes(70_000), "do not fit"),
    ],
)
def test_anything_else_is_refused_and_said_why(octets: bytes, why: str) -> None:
    told = outcome([octets])
    assert isinstance(told, str)
    assert why in told
    assert outcome([bytes([octet]) for octet in octets]) == told


def test_the_longest_line_and_the_largest_header_are_taken() -> None:
    assert len(_LONGEST) == MAX_LINE
    assert header(_LONGEST).size == MAX_LINE
    room = MAX_HEADER - len(made.binary(CLIENT, SERVER)) - 3
    largest = made.binary(CLIENT, SERVER, made.field(0x04, bytes(room)))
    assert len(largest) == MAX_HEADER
    assert header(largest).client == CLIENT


def test_what_comes_behind_the_header_is_kept_whole_and_a_second_header_is_not_read() -> None:
    second = made.binary(CLIENT6, SERVER6)
    for first in (made.line(CLIENT, SERVER), made.binary(CLIENT, SERVER)):
        found = HeaderReader().receive(first + second + b"\0rest\r\n")
        assert found is not None
        assert found[0].client == CLIENT
        assert found[1] == second + b"\0rest\r\n"


addresses = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.ip_addresses(v=4)),
    st.tuples(st.ip_addresses(v=6), st.ip_addresses(v=6)),
)
ports = st.integers(0, 65_535)


@st.composite
def ends(draw: st.DrawFn) -> tuple[Endpoint, Endpoint]:
    source, destination = draw(addresses)
    return Endpoint(str(source), draw(ports)), Endpoint(str(destination), draw(ports))


fields = st.lists(st.builds(made.field, st.integers(0, 255), st.binary(max_size=300)), max_size=8).map(
    b"".join
)


def plain(end: Endpoint) -> Endpoint:
    address = ipaddress.ip_address(end.address)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return Endpoint(str(mapped or address), end.port)


@given(ends(), fields, st.binary(max_size=40))
def test_what_was_written_is_read(both: tuple[Endpoint, Endpoint], extension: bytes, rest: bytes) -> None:
    client, server = both
    for version, octets in enumerate((made.line(client, server), made.binary(client, server, extension)), 1):
        expected = ProxyHeader(version, plain(client), plain(server), len(octets))
        assert outcome([octets + rest]) == (expected, rest)
        assert parse(octets[:-1]) is None


def _spoiled(draw: st.DrawFn, octets: bytes) -> bytes:
    """With an octet changed, added or left out, here and there."""
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(octets)))
        octets = octets[:at] + draw(st.binary(max_size=2)) + octets[at + draw(st.integers(0, 1)) :]
    return octets


@st.composite
def nearly_headers(draw: st.DrawFn) -> bytes:
    client, server = draw(ends())
    octets = draw(
        st.sampled_from(
            [
                made.line(client, server),
                made.binary(client, server, draw(fields)),
                made.frame(
                    draw(st.integers(0, 255)), draw(st.integers(0, 255)), draw(st.binary(max_size=240))
                ),
                b"PROXY UNKNOWN " + draw(st.binary(max_size=120)) + b"\r\n",
                SIGNATURE + draw(st.binary(max_size=8)),
                draw(st.binary(max_size=200)),
            ]
        )
    )
    return _spoiled(draw, octets) + draw(st.binary(max_size=20))


@given(nearly_headers(), st.data())
def test_the_result_does_not_depend_on_the_cuts(octets: bytes, data: st.DataObject) -> None:
    whole = outcome([octets])
    places = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=6)))
    pieces = [octets[a:b] for a, b in zip([0, *places], [*places, len(octets)], strict=True)]
    assert outcome(pieces) == whole
    assert outcome([bytes([octet]) for octet in octets]) == whole


@given(nearly_headers())
def test_nothing_is_taken_without_all_of_its_octets(octets: bytes) -> None:
    found = outcome([octets])
    if isinstance(found, tuple):
        size = found[0].size
        assert size <= (MAX_LINE if found[0].version == 1 else MAX_HEADER)
        assert outcome([octets[: size - 1]]) is None
        assert outcome([octets[:size]]) == (found[0], b"")
