"""Address lists by the grammar, and nothing but the grammar."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.core.address import Mailbox
from sams.message.addresses import (
    AddressListError,
    first_addresses,
    foreign_address_in_display_name,
    parse_address_list,
    plain_address,
)


def parsed(value: str) -> list[tuple[str, str]]:
    return [(found.display_name, str(found.mailbox)) for found in parse_address_list(value.encode(), 100)]


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        (" ann@example.org", [("", "ann@example.org")]),
        (" <ann@example.org>", [("", "ann@example.org")]),
        ("Ann <ann@example.org>", [("Ann", "ann@example.org")]),
        ('"Smith, Ann" <ann@example.org>', [("Smith, Ann", "ann@example.org")]),
        (r'"Ann \"A\" Smith" <ann@example.org>', [('Ann "A" Smith', "ann@example.org")]),
        ("John Q. Public <j@example.org>", [("John Q. Public", "j@example.org")]),
        ("Ann\r\n Smith\r\n\t<ann@example.org>", [("Ann Smith", "ann@example.org")]),
        ("ann@example.org (Ann (A.) Smith)", [("Ann (A.) Smith", "ann@example.org")]),
        ("(x) Ann (y) <(z) ann (a) @ (b) example.org (c)> (d)", [("Ann x y z a b c d", "ann@example.org")]),
        ("a@x.org, B <b@x.org>,c@x.org", [("", "a@x.org"), ("B", "b@x.org"), ("", "c@x.org")]),
        ("Team: a@x.org, B <b@x.org>;", [("Team", "a@x.org"), ("Team B", "b@x.org")]),
        ("undisclosed-recipients:;", []),
        ("g: a@x.org;, b@x.org", [("g", "a@x.org"), ("", "b@x.org")]),
        ('"a b"@example.org', [("", '"a b"@example.org')]),
        ('"a@b"@example.org', [("", '"a@b"@example.org')]),
        ("a@[192.0.2.1]", [("", "a@[192.0.2.1]")]),
        ("a@[IPv6:2001:db8::1]", [("", "a@[IPv6:2001:db8::1]")]),
        ("Jörg <jörg@bücher.example>", [("Jörg", "jörg@bücher.example")]),
        ("=?utf-8?q?J=C3=B6rg?= <j@x.org>", [("=?utf-8?q?J=C3=B6rg?=", "j@x.org")]),
        ('"" <a@x.org>', [("", "a@x.org")]),
        ('"a@b.org" <c@x.org>', [("a@b.org", "c@x.org")]),
    ],
)
def test_what_the_grammar_allows_is_read(value: str, addresses: list[tuple[str, str]]) -> None:
    assert parsed(value) == addresses


@pytest.mark.parametrize(
    "value",
    [
        "",
        "   ",
        ",",
        "a@x.org,",
        ",a@x.org",
        "a@x.org,,b@x.org",
        "ann",
        "Ann Smith",
        "<>",
        "<ann>",
        "@x.org",
        "a@",
        "a@x.org b@x.org",
        "a@x.org <b@x.org>",
        "<a@x.org> <b@x.org>",
        "<a@x.org",
        "a@x.org>",
        "<@r.org,@s.org:a@x.org>",
        "<@r.org:a@x.org>",
        "a . b@x.org",
        "a@x . org",
        "a@(c)x.(d)org",
        ".a@x.org",
        "a..b@x.org",
        "a.@x.org",
        "a@x..org",
        "a@-x.org",
        "a;b@x.org",
        "a@x.org; b@x.org",
        "g: a@x.org",
        "g: h: a@x.org;;",
        ": a@x.org;",
        "g: a@x.org, ;",
        '"a <a@x.org>',
        "(a <a@x.org>",
        "a) <a@x.org>",
        r"\a <a@x.org>",
        "a\x00 <a@x.org>",
        "a\r\nb <a@x.org>",
        "a\nb <a@x.org>",
        '"a\x01" <a@x.org>',
        "a@[1.2.3]",
        "a@[192.0.2.1",
        ". <a@x.org>",
        "a@b <c@x.org>",
        "a" * 65 + "@x.org",
    ],
)
def test_what_the_grammar_does_not_allow_is_refused(value: str) -> None:
    with pytest.raises(AddressListError):
        parsed(value)


def test_octets_that_are_no_utf8_are_refused() -> None:
    with pytest.raises(AddressListError, match="UTF-8"):
        parse_address_list(b"J\xf6rg <j@x.org>", 10)


def test_more_addresses_than_the_limit_are_refused() -> None:
    assert len(parse_address_list(b"a@x.org, b@x.org", 2)) == 2
    with pytest.raises(AddressListError, match="more than 1 addresses"):
        parse_address_list(b"a@x.org, b@x.org", 1)


def test_the_words_of_a_refusal_hold_nothing_raw() -> None:
    with pytest.raises(AddressListError) as caught:
        parsed('"\u202eevil" x')
    assert "\u202e" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ('"boss@bank.example": ann@own.example;', "boss@bank.example"),
        ('"boss@bank.example": Ann <ann@own.example>;', "boss@bank.example Ann"),
        ("(boss@bank.example) ann@own.example", "boss@bank.example"),
        ("ann@own.example (boss@bank.example) (x)", "boss@bank.example x"),
        ("(boss@bank.example) <ann@own.example>", "boss@bank.example"),
        ("<ann@own.example> (boss@bank.example)", "boss@bank.example"),
        ("Ann <ann@own.example> (boss@bank.example)", "Ann boss@bank.example"),
        ("(boss) <ann@own.example> (@bank.example)", "boss @bank.example"),
        ("ann (boss@bank.example) @own.example", "boss@bank.example"),
    ],
)
def test_all_that_programs_may_show_as_the_name_is_the_name(value: str, shown: str) -> None:
    (found,) = parse_address_list(value.encode(), 1)
    assert found.display_name == shown


def test_a_comment_or_a_group_names_its_own_address_only() -> None:
    found = parse_address_list(b"a@x.org (one), G: b@x.org;, (three) c@x.org", 9)
    assert [each.display_name for each in found] == ["one", "G", "three"]


LOCALS = st.text(st.characters(codec="utf-8", categories=["L", "N", "S", "P", "Zs"]), min_size=1, max_size=12)


@given(LOCALS, LOCALS)
def test_what_is_written_with_quotes_is_read_back(name: str, local: str) -> None:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    mailbox = Mailbox(local, "example.org")
    try:
        (found,) = parse_address_list(f'"{quoted}" <{mailbox}>'.encode(), 1)
    except AddressListError:
        assert not local.isascii() or len(local.encode()) > 64
        return
    assert found.display_name == name
    assert found.mailbox == mailbox


@given(st.text(st.sampled_from('a@.<>,:;"()\\[] \t\r\n\0é'), max_size=40))
def test_any_value_is_read_or_refused_and_nothing_else(value: str) -> None:
    with suppress(AddressListError):
        for found in parse_address_list(value.encode(), 100):
            assert found.mailbox.local


@pytest.mark.parametrize(
    ("display", "address"),
    [
        ("Ann Smith", None),
        ("boss@example.com", "boss@example.com"),
        ("The Boss <boss@example.com>", "boss@example.com"),
        ("=?utf-8?b?Ym9zc0BleGFtcGxlLmNvbQ==?=", "boss@example.com"),
        ("=?utf-8?q?boss=40example?= =?utf-8?q?.com?=", "boss@example.com"),
        ("boss\uff20example.com", "boss@example.com"),
        ("bo\u200bss@exam\u00adple.com", "boss@example.com"),
        ("me @ work", None),
        ("dinner@eight", None),
        ("ann@own.example via list", None),
        ("ann@own.example boss@example.com", "boss@example.com"),
        ("a@b@example.com", "b@example.com"),
        ("=?utf-8?b?!!!?=", None),
        ("=?no-such?q?x=40y.org?=", "x@y.org"),
        ("=?windows-874?q?=A1_x=40y.org?=", "x@y.org"),
        ("@", None),
        ("@@@@", None),
        (".@example.com", None),
        ("boss @example.com", "boss@example.com"),
        ("boss@ example.com", "boss@example.com"),
        ("boss\u3000@\u00a0example.com", "boss@example.com"),
        ("boss@example\u3002com", "boss@example.com"),
        ("\u00abboss@example.com\u00bb", "boss@example.com"),
        ("\u201cann@own.example\u201d", None),
        ("\u4e2d" * 40 + "boss@example.com", "\u4e2d" * 40 + "boss@example.com"),
        ("boss@example.com\u1160", "boss@example.com\u1160"),
        ("x@\u00fc.-a boss@example.com", "x@\u00fc.-a"),
        ("boss@b\u00fccher.example", "boss@b\u00fccher.example"),
        ("see you @ 8...", None),
        ("=?utf-8?q?a?=" * 80 + " boss@example.com", "boss@example.com"),
    ],
)
def test_an_address_shown_in_a_display_name_is_found(display: str, address: str | None) -> None:
    found = foreign_address_in_display_name(display, lambda shown: shown.key == "ann@own.example")
    assert (str(found) if found else None) == address


def test_the_first_addresses_of_a_list_are_read_and_nothing_behind_them() -> None:
    assert len(first_addresses(b"a@x.org", 2)) == 1
    assert len(first_addresses(b"a@x.org, b@x.org, (", 2)) == 2
    assert first_addresses(b"none:;", 2) == ()
    with pytest.raises(AddressListError):
        first_addresses(b"a@x.org, (", 2)


@pytest.mark.parametrize("piece", ["()", "(())", '"a"', "é ", "\r\n é", "a:;,", "(\\a)", '"a".'])
def test_more_pieces_than_any_name_has_are_refused(piece: str) -> None:
    with pytest.raises(AddressListError, match="too many words and comments"):
        first_addresses((piece * 1_000 + "<a@x.org>").encode(), 2)


def test_a_long_name_and_a_long_list_are_read() -> None:
    name = "Universität " * 150
    assert parsed(f"{name}<a@x.org>") == [(name.strip(), "a@x.org")]
    many = b", ".join([b"Ann M. (IT) <a@x.org>"] * 1_000)
    assert len(parse_address_list(many, 1_000)) == 1_000


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (" ann@example.org", "ann@example.org"),
        (" <Ann.Lee@Example.ORG> ", "ann.lee@example.org"),
        (" Ann B. Lee <ann@example.org>", "ann@example.org"),
        (' "Lee, Ann (IT)"\r\n <a=b+c@x.example.org>', "a=b+c@x.example.org"),
        (" Ann<ann@localhost>", "ann@localhost"),
        (f" <{'a' * 64}@example.org>", f"{'a' * 64}@example.org"),
        (f" <{'a' * 65}@example.org>", None),
        (f" <a@{'b' * 63}.org>", f"a@{'b' * 63}.org"),
        (f" <a@{'b' * 64}.org>", None),
        (f" <a@{'.'.join(['b' * 50] * 5)}>", None),
        (" a@b.org, c@d.org", None),
        (" a@b.org <c@d.org>", None),
        (' "a@b.org" <c@d.org>', None),
        (" =?utf-8?q?a?= <c@d.org>", None),
        (" Ann (x) <a@b.org>", None),
        (" a@b.org\r\n", None),
        (" a@b-.org", None),
        (" .Ann <a@b.org>", None),
        (" a..b@c.org", None),
        (" a.@c.org", None),
        (" <a.@c.org>", None),
        (" <a@b.org", None),
        ("", None),
    ],
)
def test_a_plain_form_is_read_by_the_short_way(value: str, key: str | None) -> None:
    assert plain_address(value.encode()) == key


MARKS = [
    ".",
    '"',
    "<",
    ">",
    "@",
    "-",
    "=",
    "=?",
    "(",
    ")",
    ",",
    ";",
    ":",
    "[",
    "\\",
    " ",
    "\t",
    "\r\n ",
    "\r",
    "\n",
    "\0",
]
WORDS = [
    "Ann",
    "b",
    "<a@b.org>",
    "a@b.org",
    "é",
    "_",
    "7",
    ".org",
    '"A,B"',
    '"Ann B"',
    "@[1.2.3.4]",
    "x" * 60,
]
PLAIN_PIECES = st.sampled_from(MARKS + WORDS)


@given(st.lists(PLAIN_PIECES, max_size=12).map("".join))
def test_what_the_short_way_reads_the_grammar_reads_too(value: str) -> None:
    key = plain_address(value.encode())
    if key is not None:
        (found,) = parse_address_list(value.encode(), 1)
        assert found.mailbox.key == key
        name = found.display_name
        assert name.isascii()
        assert "@" not in name
        assert "=?" not in name


@given(
    st.from_regex(r"\A[ \t]{0,2}(|[!-~]{1,6}( [!-~]{1,6})?|\"[ -~]{0,8}\") ?<[!-~]{1,9}@[!-~]{1,9}>[ ]?\Z")
)
def test_nor_does_the_short_way_read_a_name_or_an_address_otherwise(value: str) -> None:
    key = plain_address(value.encode())
    if key is not None:
        (found,) = parse_address_list(value.encode(), 1)
        assert found.mailbox.key == key
        assert found.display_name.isascii()
        assert not {"@"} & set(found.display_name)
