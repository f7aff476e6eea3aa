from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.protocol.ldap import ber
from sams.protocol.ldap.ber import BerError, Reader


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_number_comes_back_in_the_fewest_octets(value: int) -> None:
    octets = ber.integer(value)
    assert Reader(octets).integer() == value
    assert len(octets) == 3 or int.from_bytes(octets[3:], "big", signed=True) != value


@given(st.lists(st.binary(max_size=300)))
def test_elements_come_back_in_their_order(values: list[bytes]) -> None:
    whole = Reader(ber.constructed(ber.SEQUENCE, *map(ber.octets, values)))
    inner = Reader(whole.take(ber.SEQUENCE))
    assert [inner.take(ber.OCTETS) for _ in values] == values
    assert inner.tag is None
    assert whole.tag is None


@pytest.mark.parametrize("size", [0, 127, 128, 255, 256, 65_535, 65_536])
def test_the_size_of_an_element_is_told_by_its_head(size: int) -> None:
    octets = ber.octets(bytes(size))
    assert ber.whole_size(octets[:6]) == len(octets)
    assert Reader(octets).take() == bytes(size)


@pytest.mark.parametrize("octets", ["3080", "30ff", "3085", "1f01"])
def test_what_ldap_does_not_allow_is_refused(octets: str) -> None:
    with pytest.raises(BerError):
        Reader(bytes.fromhex(octets) + b"\0").take()


def test_an_element_cannot_be_longer_than_what_it_stands_in() -> None:
    with pytest.raises(BerError, match="longer"):
        Reader(bytes.fromhex("0405616263")).take()


@pytest.mark.parametrize("octets", ["0200", "0209010101010101010101", "0401ff"])
def test_a_number_is_a_number(octets: str) -> None:
    with pytest.raises(BerError):
        Reader(bytes.fromhex(octets)).integer()


def test_a_text_is_utf_8() -> None:
    assert Reader(ber.octets("é")).text() == "é"
    with pytest.raises(BerError, match="UTF-8"):
        Reader(ber.octets(b"\xff")).text()
