from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.protocol.ldap import ber, messages
from sams.protocol.ldap.filters import equal
from sams.protocol.ldap.messages import Entry, Inbox, LdapError, Message, Reference, Result, Search
from tests.message.costs import cost


def result(number: int, tag: int, code: int, words: str = "", rest: bytes = b"") -> bytes:
    body = ber.integer(code, ber.ENUMERATED) + ber.octets("") + ber.octets(words)
    return ber.constructed(ber.SEQUENCE, ber.integer(number), ber.element(tag, body), rest)


def entry(number: int, name: str, *attributes: tuple[str, list[str]]) -> bytes:
    listed = [
        ber.constructed(ber.SEQUENCE, ber.octets(key), ber.constructed(ber.SET, *map(ber.octets, values)))
        for key, values in attributes
    ]
    found = ber.constructed(0x64, ber.octets(name), ber.constructed(ber.SEQUENCE, *listed))
    return ber.constructed(ber.SEQUENCE, ber.integer(number), found)


REFERENCE = ber.constructed(ber.SEQUENCE, ber.integer(3), ber.constructed(0x73, ber.octets("ldap://x")))
CONTROL = ber.constructed(
    0xA0,
    ber.constructed(ber.SEQUENCE, ber.octets("1.2"), ber.boolean(False), ber.octets(b"v")),
    ber.constructed(ber.SEQUENCE, ber.octets("1.3")),
)
STREAM = (
    entry(3, "uid=a", ("Mail", ["a@x", "b@x"]), ("mail;lang-de", ["c@x"]), ("none", []))
    + REFERENCE
    + result(3, 0x65, 0)
    + result(4, 0x61, 49, "words", CONTROL)
    + result(0, 0x78, 52, "shutting down")
)
MESSAGES = [
    Message(3, Entry("uid=a", {"mail": (b"a@x", b"b@x", b"c@x"), "none": ()})),
    Message(3, Reference()),
    Message(3, Result(0)),
    Message(4, Result(49, "words", {"1.2": b"v", "1.3": b""})),
    Message(0, Result(52, "shutting down")),
]


@given(st.lists(st.integers(1, len(STREAM) - 1), max_size=20))
def test_messages_come_out_whole_however_they_are_cut(cuts: list[int]) -> None:
    inbox, found = Inbox(), []
    ends = [0, *sorted(cuts), len(STREAM)]
    for begin, end in pairwise(ends):
        found += inbox.receive(STREAM[begin:end])
    assert found == MESSAGES
    assert inbox.is_empty


def test_texts_of_an_entry_are_those_that_are_utf_8() -> None:
    found = Entry("x", {"mail": (b"a@x", b"\xff", b"")})
    assert found.texts("Mail") == ("a@x",)
    assert found.texts("other") == ()


def test_a_bind_says_version_name_and_password() -> None:
    assert messages.bind(1, "cn=x", "pw") == bytes.fromhex("3012020101 600d 020103 0404636e3d78 80027077")
    with_control = messages.bind(1, "cn=x", "pw", [messages.PASSWORD_POLICY])
    assert messages.PASSWORD_POLICY.encode() in with_control


def test_an_empty_password_proves_nothing_and_is_never_sent() -> None:
    for name, password in (("uid=alice", ""), ("", "pw"), ("", "")):
        with pytest.raises(ValueError, match="proves nothing"):
            messages.bind(1, name, password)


def test_a_search_says_where_and_what() -> None:
    octets = messages.search(2, Search("dc=x", equal("uid", "a"), ("mail",), size=2))
    assert octets == bytes.fromhex(
        "302c 020102 6327 040464633d78 0a0102 0a0100 020102 020100 010100 a308 0403756964 040161 3006 04046d61696c"
    )


def test_tls_is_asked_for_and_the_end_is_told() -> None:
    assert messages.start_tls(1)[5:] == bytes.fromhex("7718 8016") + messages.START_TLS.encode()
    assert messages.unbind(7) == bytes.fromhex("3005 020107 4200")


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (b"HTTP/1.1 400", "does not speak LDAP"),
        (bytes.fromhex("3084ffffffff"), "more than"),
        (bytes.fromhex("3080"), "no LDAP"),
        (bytes.fromhex("3003020101"), "no LDAP"),
        (bytes.fromhex("3005020101 4200"), "of a kind that no client gets"),
        (ber.constructed(ber.SEQUENCE, ber.integer(1), ber.constructed(0x64, ber.octets(b"\xff"))), "UTF-8"),
    ],
)
def test_what_is_no_answer_is_refused(octets: bytes, told: str) -> None:
    with pytest.raises(LdapError, match=told):
        Inbox().receive(octets)


@given(st.binary(max_size=60))
def test_any_octets_are_messages_or_an_error(octets: bytes) -> None:
    for begin in (b"", b"\x30\x20\x02\x01\x01\x64"):
        try:
            Inbox().receive(begin + octets)
        except LdapError:
            continue


def test_an_attribute_that_comes_again_and_again_costs_no_more_than_it_has_octets() -> None:
    """A server, or who answers in its place, holds up nobody but itself: 900 KB took 5 s."""

    def seconds(times: int) -> float:
        one = ber.constructed(ber.SEQUENCE, ber.octets("a"), ber.constructed(ber.SET, ber.octets(b"")))
        entry = ber.constructed(0x64, ber.octets("cn=x"), ber.constructed(ber.SEQUENCE, one * times))
        octets = ber.constructed(ber.SEQUENCE, ber.integer(1), entry)
        return cost(lambda given: Inbox().receive(given), octets)

    assert seconds(40_000) < 4 * 8 * min(seconds(5_000) for _ in range(3))
