from __future__ import annotations

from contextlib import suppress

import idna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.core.address import (
    _LEAST_ADDED,
    AddressError,
    Mailbox,
    _a_labels,
    domain_key,
    parse_domain,
    parse_mailbox,
    quote_local,
)


@pytest.mark.parametrize(
    ("text", "local", "domain"),
    [
        ("a@b", "a", "b"),
        ("First.Last+tag@Example.ORG", "First.Last+tag", "Example.ORG"),
        ("!#$%&'*+-/=?^_`{|}~@x.example", "!#$%&'*+-/=?^_`{|}~", "x.example"),
        ('"a b"@x.example', "a b", "x.example"),
        (r'"a\"b\\"@x.example', 'a"b\\', "x.example"),
        ('"a@b"@x.example', "a@b", "x.example"),
        ('""@x.example', "", "x.example"),
        ("a@[192.0.2.1]", "a", "[192.0.2.1]"),
        ("a@[IPv6:2001:db8::1]", "a", "[IPv6:2001:db8::1]"),
        ("jürgen@bücher.example", "jürgen", "bücher.example"),
        ("用户@例え.jp", "用户", "例え.jp"),
        (64 * "a" + "@x.example", 64 * "a", "x.example"),
        ("a@" + ".".join(["a" * 63] * 3), "a", ".".join(["a" * 63] * 3)),
    ],
)
def test_a_mailbox_is_read_as_it_is_meant(text: str, local: str, domain: str) -> None:
    assert parse_mailbox(text) == Mailbox(local, domain)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "@x.example",
        "a@",
        "a@@b",
        "a@b@c",
        ".a@x.example",
        "a.@x.example",
        "a..b@x.example",
        "a b@x.example",
        "a,b@x.example",
        "a(b)@x.example",
        '"a@x.example',
        '"a"b@x.example',
        '"a\nb"@x.example',
        "a\0@x.example",
        "a\u202eb@x.example",
        "a\u200b@x.example",
        "a\u00ad@x.example",
        "a\u0600@x.example",
        "a\U000e0041@x.example",
        "a@x.example\u3002",
        "a@x..example",
        "a@.x",
        "a@x.",
        "a@-x.example",
        "a@x-.example",
        "a@x_y.example",
        "a@x example",
        "a@x.example\n",
        "a@" + 64 * "a",
        "a@[192.0.2.1",
        "a@[192.0.2]",
        "a@[192.0.2.01]",
        "a@192.0.2.1]",
        "a@[2001:db8::1]",
        "a@[IPv6:fe80::1%eth0]",
        "a@[tag:x]",
        "a@\u2028.example",
        "a@ü\n.example",
        "\ud800@x.example",
        "a@\ud800.example",
        65 * "a" + "@x.example",
        33 * "ü" + "@x.example",
        "a@" + ".".join(["a" * 63] * 4),
        64 * "a" + "@" + ".".join(["a" * 63] * 3),
    ],
)
def test_what_is_no_mailbox_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(AddressError) as refused:
        parse_mailbox(text)
    assert str(refused.value).isprintable()


@given(st.text(st.sampled_from('ab.@"\\[]: \n\0ü\u202eX-_1'), max_size=30) | st.text(max_size=30))
def test_any_text_is_a_mailbox_that_reads_the_same_again_or_refused(text: str) -> None:
    try:
        mailbox = parse_mailbox(text)
    except AddressError:
        return
    assert parse_mailbox(str(mailbox)) == mailbox
    assert bytes(mailbox) == str(mailbox).encode()
    assert str(mailbox).isprintable() or not text.isprintable()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A@Example.ORG", "a@example.org"),
        ('"a"@b', "a@b"),
        ("a@bücher.example", "a@XN--BCHER-KVA.example"),
        ("STRAẞE@b", "straße@b"),
        ("ANDRE\u0301@b", "andré@b"),
    ],
)
def test_two_spellings_of_one_mailbox_have_one_key(one: str, other: str) -> None:
    assert parse_mailbox(one).key == parse_mailbox(other).key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("straße@b", "strasse@b"),
        ("νίκος@b", "νίκοσ@b"),
        ("ﬁona@b", "fiona@b"),
        ("\u0131@b", "i@b"),
        ("a@ß.example", "a@ss.example"),
    ],
)
def test_two_people_whose_names_differ_in_more_than_case_have_two_keys(one: str, other: str) -> None:
    assert parse_mailbox(one).key != parse_mailbox(other).key


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9))
def test_the_key_of_a_key_is_the_same(local: str) -> None:
    key = Mailbox(local, "b").key
    assert Mailbox(key.removesuffix("@b"), "b").key == key


def test_a_local_part_is_quoted_where_it_must_be() -> None:
    assert quote_local("a.b") == "a.b"
    assert quote_local('a "b" \\') == r'"a \"b\" \\"'
    assert quote_local("") == '""'
    assert quote_local("a..b") == '"a..b"'


def test_a_mailbox_knows_whether_it_is_ascii() -> None:
    assert parse_mailbox("a@b").is_ascii
    assert not parse_mailbox("ü@b").is_ascii
    assert not parse_mailbox("a@ü").is_ascii


def test_domains_stand_alone_too() -> None:
    assert parse_domain("x.example") == "x.example"
    assert domain_key("BÜCHER.example") == "xn--bcher-kva.example"
    with pytest.raises(AddressError):
        parse_domain("")


# --- domains beyond ASCII, which cost much


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=70), max_size=40).map(".".join))
def test_a_domain_that_is_refused_by_counting_has_no_a_labels(domain: str) -> None:
    try:
        expected = idna.encode(domain, uts46=True).decode().lower()
    except idna.IDNAError:
        expected = ""
    assert _a_labels(domain) == expected


@given(st.text(st.sampled_from("\u00b7é-a0ßй\u0627中가\U0001d51e\U00010330"), min_size=1, max_size=70))
def test_an_a_label_is_as_much_longer_as_the_count_says(label: str) -> None:
    with suppress(idna.IDNAError):
        assert label.isascii() or len(idna.alabel(label)) >= len(label) + _LEAST_ADDED


COUNTED_OUT = [
    ".".join(["é"] * 85),
    ".".join(["\u0627"] * 60),
    "".join(map(chr, range(0x4E00, 0x4E00 + 58))) + ".example",
    "\ufdfa" * 85,
]


@pytest.mark.parametrize("domain", COUNTED_OUT)
def test_what_cannot_become_short_enough_is_refused_without_being_converted(
    domain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idna, "alabel", None)
    monkeypatch.setattr(idna, "encode", None)
    with pytest.raises(AddressError, match="internationalised"):
        parse_domain(domain)


@pytest.mark.parametrize("domain", ["grün.example", "grün\u3002", "-ü.example"])
def test_a_domain_is_converted_once_whether_it_has_a_labels_or_not(
    domain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with suppress(AddressError):
        parse_domain(domain)
    monkeypatch.setattr(idna, "uts46_remap", None)
    with suppress(AddressError):
        parse_domain(domain)


def test_no_more_domains_are_remembered_than_a_worker_has_room_for() -> None:
    for number in range(1_100):
        parse_domain(f"ü{number}.example")
    assert _a_labels.cache_info().currsize <= 1_024
