from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.core.address import AddressError, Mailbox, domain_key, parse_domain, parse_mailbox, quote_local


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
        ("Straße@b", "STRASSE@b"),
    ],
)
def test_two_spellings_of_one_mailbox_have_one_key(one: str, other: str) -> None:
    assert parse_mailbox(one).key == parse_mailbox(other).key


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
