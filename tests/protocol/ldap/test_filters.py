from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.protocol.ldap import ber, filters
from sams.protocol.ldap.filters import Filter, FilterError

NAMES = frozenset({"user", "address"})


def octets_of(text: str, **values: str) -> bytes:
    return Filter(text, NAMES).filled({"user": "", "address": "", **values})


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("(uid=alice)", "a30c0403756964 0405616c696365"),
        ("(uid=*)", "8703756964"),
        ("(uid=\\2a)", "a3080403756964 04012a"),
        ("(cn=a*b*c)", "a40f0402636e 3009 800161 810162 820163"),
        ("(cn=*b*)", "a4090402636e 3003 810162"),
        ("(cn=a*)", "a4090402636e 3003 800161"),
        ("(n>=1)", "a50604016e 040131"),
        ("(n<=1)", "a60604016e 040131"),
        ("(n~=1)", "a80604016e 040131"),
        ("(!(a=*))", "a203 870161"),
        ("(&(a=*)(|(b=*)(c=*)))", "a00b 870161 a106 870162 870163"),
        (
            "(userAccountControl:1.2.840.113556.1.4.803:=2)",
            "a92f 8116 312e322e3834302e3131333535362e312e342e383033 8212 757365724163636f756e74436f6e74726f6c 830132",
        ),
        ("(cn:dn:=x)", "a90a 8202636e 830178 8401ff"),
        ("(:caseExactMatch:=x)", "a913 810e 6361736545786163744d61746368 830178"),
    ],
)
def test_the_octets_of_a_filter(text: str, octets: str) -> None:
    assert octets_of(text) == bytes.fromhex(octets)


@given(st.text())
def test_what_was_typed_is_a_value_and_nothing_else(typed: str) -> None:
    filled = octets_of("(|(uid={user})(mail=x{user}))", user=typed)
    expected = filters.one_of(filters.equal("uid", typed), filters.equal("mail", f"x{typed}"))
    assert filled == expected


def test_hostile_logins_stay_values() -> None:
    for typed in ("*", "a)(uid=*", "\\2a", "{address}", "\0", "ä" * 1_000):
        assert octets_of("(uid={user})", user=typed, address="other") == filters.equal("uid", typed)


def test_a_place_may_stand_between_stars() -> None:
    assert octets_of("(proxyAddresses=*{address})", address="a*b")[-5:] == ber.octets("a*b", 0x82)


@pytest.mark.parametrize(
    "text",
    [
        "", "uid=a", "(uid=a", "(uid=a))", "(uid)", "(=a)", "(&)", "(!)", "(uid={nobody})", "(uid={)", "(uid=a\\2)",
        "(a>=*)", "(a=b**c)", "(:=x)", "(a:=b*c)", "((uid=a))", "(uid=a)(uid=b)", "(!(a=b)(c=d))", "(u id=a)",
        "(!" * 100 + "(a=b)" + ")" * 100,
    ],
)  # fmt: skip
def test_what_is_no_filter_is_told_with_its_place(text: str) -> None:
    with pytest.raises(FilterError, match=r"at character|at its end"):
        Filter(text, NAMES)


@given(st.text(alphabet="()&|!=*\\~<>:ab{}", max_size=40))
def test_any_text_is_a_filter_or_an_error(text: str) -> None:
    try:
        octets_of(text)
    except FilterError:
        return
