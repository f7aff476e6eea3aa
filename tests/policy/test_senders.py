from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.config.model import Senders
from sams.core.address import Mailbox, _a_labels, parse_mailbox
from sams.identity.interface import Grant, Identity
from sams.identity.logins import LoginForms
from sams.identity.patterns import covers, pattern_key
from sams.message.addresses import HeaderAddress, parse_address_list
from sams.message.header import read_header
from sams.policy.senders import (
    MOST_OCTETS,
    HeaderSenders,
    SenderPolicy,
    SenderVerdict,
    Unreadable,
    header_senders,
)


def member(*own: str, may_send_as: tuple[str, ...] = ()) -> Identity:
    addresses = own or ("Alice@example.org", "*@team.example")
    return Identity(
        "alice",
        tuple(map(pattern_key, addresses)),
        tuple(map(pattern_key, may_send_as)),
        Mailbox("alice", "example.org"),
        generation=1,
    )


ALICE = member(may_send_as=("info@example.org",))


def policy(**settings: str | int) -> SenderPolicy:
    return SenderPolicy(Senders(**settings))  # type: ignore[arg-type]  # a table's own keywords


def header(author: str, *, resent: str = "", sender: str = "") -> HeaderSenders:
    def parsed(text: str) -> tuple[HeaderAddress, ...]:
        return parse_address_list(text.encode(), 10) if text else ()

    return HeaderSenders(
        1, parsed(author), int(bool(resent)), parsed(resent), parsed(sender), int(bool(sender))
    )


# --- the envelope

OWN = [
    "alice@example.org",
    "ALICE@EXAMPLE.ORG",
    "alice+news@example.org",
    "anyone@team.example",
    "info@example.org",
]
FOREIGN = ["bob@example.org", "alice@example.com", "root@sub.team.example", "alice@[192.0.2.1]"]


@pytest.mark.parametrize("address", OWN)
def test_an_own_reverse_path_is_taken(address: str) -> None:
    assert policy().check_envelope(ALICE, parse_mailbox(address)) == SenderVerdict()


@pytest.mark.parametrize("address", FOREIGN)
def test_a_foreign_reverse_path_is_refused_with_the_addresses_that_may_be_used(address: str) -> None:
    verdict = policy().check_envelope(ALICE, parse_mailbox(address))
    assert str(verdict.reply) == (
        f"553 5.7.1 You may not send as {address}; "
        "you may use alice@example.org, *@team.example, info@example.org"
    )


def test_a_warning_lets_a_foreign_reverse_path_through_and_off_does_not_look() -> None:
    foreign = parse_mailbox("bob@example.org")
    warned = policy(envelope="warn").check_envelope(ALICE, foreign)
    assert warned.reply is None
    assert warned.warnings[0].startswith("envelope: You may not send as bob@example.org")
    assert policy(envelope="off").check_envelope(ALICE, foreign) == SenderVerdict()


def test_a_refusal_lists_a_handful_of_addresses_in_one_short_ascii_line() -> None:
    many = member(*(f"büro{number}@{'x' * 60}.example" for number in range(40)))
    verdict = policy().check_envelope(many, parse_mailbox("bob@example.org"))
    assert verdict.reply is not None
    (line,) = verdict.reply.lines
    assert line.isascii()
    assert len(line) <= 400
    assert line.count("example,") <= 5
    few = member(*(f"a{number}@example.org" for number in range(7)))
    assert "a4@example.org and 2 more" in str(policy().check_envelope(few, Mailbox("b", "example.org")).reply)


def test_the_null_reverse_path_is_open_to_every_member_for_few_recipients() -> None:
    assert policy().check_envelope(ALICE, None) == SenderVerdict()
    few = policy(null_sender_recipients=3)
    assert few.check_null_sender(3) is None
    assert str(few.check_null_sender(4)).startswith("452 4.5.3")


def test_the_null_reverse_path_can_be_closed() -> None:
    assert str(policy(null_sender_recipients=0).check_null_sender(1)).startswith("550 5.7.1")


# --- the header


@pytest.mark.parametrize(
    "address", [*OWN[:4], '"Miller, Alice" <Alice@Example.ORG>', "Alice (home) <alice@example.org>"]
)
def test_an_own_author_is_taken_and_nothing_is_added(address: str) -> None:
    assert policy().check_senders(ALICE, header(address)) == SenderVerdict()


@pytest.mark.parametrize("address", FOREIGN)
def test_a_foreign_author_is_refused(address: str) -> None:
    verdict = policy().check_senders(ALICE, header(address))
    assert str(verdict.reply).startswith(
        f"550 5.7.1 You may not send with {address} in From; you may use alice@"
    )
    assert verdict.add_sender is None


def test_for_whom_the_member_may_send_a_sender_is_added() -> None:
    verdict = policy().check_senders(ALICE, header("info@example.org"))
    assert verdict == SenderVerdict(add_sender=Mailbox("alice", "example.org"))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (HeaderSenders(0, ()), "has no From field"),
        (HeaderSenders(2, parse_address_list(b"alice@example.org", 9)), "2 From fields"),
        (HeaderSenders(1, ()), "From has no addresses"),
        (
            HeaderSenders(1, parse_address_list(b"alice@example.org, info@example.org", 9)),
            "From has several addresses",
        ),
        (
            HeaderSenders(1, Unreadable("a quoted name has no end\r\n")),
            "cannot be read: a quoted name has no end",
        ),
    ],
)
def test_without_one_usable_author_a_message_is_refused(said: HeaderSenders, words: str) -> None:
    verdict = policy().check_senders(ALICE, said)
    assert verdict.reply is not None
    assert words in str(verdict.reply)
    assert str(verdict.reply).startswith("550 5.7.1")
    assert "\r" not in str(verdict.reply)
    warned = policy(header="warn").check_senders(ALICE, said)
    assert warned.reply is None
    assert words in warned.warnings[0]
    assert policy(header="off").check_senders(ALICE, said) == SenderVerdict()


# --- redirecting


@pytest.mark.parametrize(
    ("resent", "setting", "words"),
    [
        ("alice@example.org", "reject", "Redirecting mail of others"),
        ("bob@example.org", "allow", "Resent-From must be one address of yours"),
        ("alice@example.org, bob@example.org", "allow", "Resent-From must be one address of yours"),
        ("alice@example.org", "allow", ""),
        ("info@example.org", "allow", ""),
    ],
)
def test_redirecting_is_by_setting_and_by_oneself(resent: str, setting: str, words: str) -> None:
    verdict = policy(resent=setting).check_senders(ALICE, header("boss@other.example", resent=resent))
    assert (verdict.reply is not None) is bool(words)
    assert words in str(verdict.reply)


OWN_BLOCK = "Resent-Date: x\r\nResent-From: alice@example.org\r\nResent-To: c@example.org\r\n"
OLDER_BLOCK = "Resent-Sender: aide@x.org\r\nResent-From: boss@x.org\r\nResent-Date: x\r\n"


@pytest.mark.parametrize("resent", ["reject", "allow"])
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (OWN_BLOCK, ""),
        (OWN_BLOCK + "Resent-Sender: info@example.org\r\n", ""),
        (OWN_BLOCK + "Received: x\r\n" + OLDER_BLOCK, ""),
        (OWN_BLOCK + "Resent-From: boss@x.org\r\nResent-Sender: aide@x.org\r\n", ""),
        ("Received: x\r\nResent-From: list@x.org\r\nResent-Sender: aide@x.org\r\n", ""),
        ("Resent-From: boss@x.org\r\nReceived: x\r\n", "Resent-From must be"),
        ("Resent-From: boss@x.org\r\n", "Resent-From must be"),
        ("Subject: x\r\nResent-From: boss@x.org\r\nSubject: y\r\n" + OWN_BLOCK, "Resent-From must be"),
        ("Resent-From: x:;\r\n", "Resent-From must be"),
        ("Resent-From: alice@example.org, boss@x.org\r\n", "Resent-From must be"),
        ("Resent-From: <\r\n", "Resent-From field cannot be read"),
        ("Resent-Sender: boss@x.org\r\n", "Resent-From must be"),
        ("Resent-Sender: alice@example.org\r\n", "Resent-From must be"),
        ("Resent-Sender: alice@example.org\r\nReceived: x\r\n" + OWN_BLOCK, "Resent-From must be"),
        ("Resent-Sender: boss@x.org\r\n" + OWN_BLOCK, "Resent-Sender must be"),
        (OWN_BLOCK + "Resent-Sender: boss@x.org\r\n", "Resent-Sender must be"),
        (OWN_BLOCK + "Subject: x\r\nResent-Sender: boss@x.org\r\n", "Resent-Sender must be"),
        (OWN_BLOCK + "Return-Path: <>\r\nResent-Sender: boss@x.org\r\n", "Resent-Sender must be"),
        (OWN_BLOCK + "Resent-Sender: <\r\n", "Resent-Sender must be"),
        (OWN_BLOCK + 2 * "Resent-Sender: alice@example.org\r\n", "Resent-Sender must be"),
    ],
)
def test_who_resends_says_so_of_themselves_and_older_blocks_are_history(
    fields: str, words: str, resent: str
) -> None:
    said = read_header(f"From: alice@example.org\r\n{fields}".encode())
    verdict = policy(resent=resent).check_header(ALICE, said)
    assert (verdict.reply is not None) is bool(words)
    assert words in str(verdict.reply)


def test_only_the_first_block_makes_a_message_of_others_one_that_is_resent() -> None:
    said = read_header(
        f"From: boss@x.org\r\nResent-Sender: alice@example.org\r\nReceived: x\r\n{OWN_BLOCK}".encode()
    )
    assert "You may not send with boss@x.org" in str(policy(resent="allow").check_header(ALICE, said).reply)


def test_a_block_below_received_does_not_redirect_mail_of_others() -> None:
    said = read_header(b"Received: x\r\nResent-From: boss@x.org\r\nFrom: boss@x.org\r\n")
    assert "Resent-From must be" in str(policy(resent="allow").check_header(ALICE, said).reply)


def test_a_resent_from_that_cannot_be_read_redirects_nothing() -> None:
    said = HeaderSenders(1, parse_address_list(b"boss@other.example", 9), 1, Unreadable("a comma too many"))
    assert "a comma too many" in str(policy(resent="allow").check_senders(ALICE, said).reply)


# --- the display name and Sender


@pytest.mark.parametrize(
    "name",
    [
        '"ceo@bank.example"',
        "=?utf-8?q?ceo=40bank.example?=",
        '"ceo\uff20bank.example"',
        '"Boss <ceo@bank.example>"',
        '"ceo @bank.example"',
        "(ceo@bank.example)",
    ],
)
def test_a_name_that_shows_a_foreign_address_is_told_of_or_refused_by_setting(name: str) -> None:
    said = header(f"{name} <alice@example.org>")
    warned = policy().check_senders(ALICE, said)
    assert warned.reply is None
    assert "ceo@bank.example" in warned.warnings[0]
    assert "ceo@bank.example" in str(policy(display_name="enforce").check_senders(ALICE, said).reply)
    assert policy(display_name="off").check_senders(ALICE, said) == SenderVerdict()


@pytest.mark.parametrize(
    "name", ['"alice@example.org"', '"x@team.example y@team.example"', "Alice", '"a @ home"', ""]
)
def test_a_name_that_shows_only_own_addresses_is_no_matter(name: str) -> None:
    assert policy().check_senders(ALICE, header(f"{name} <alice@example.org>")) == SenderVerdict()


def test_a_name_behind_the_address_is_one_too() -> None:
    said = header("<alice@example.org> (ceo@bank.example)")
    assert "ceo@bank.example" in policy().check_senders(ALICE, said).warnings[0]


def test_any_number_of_own_addresses_in_a_name_is_no_matter() -> None:
    name = " ".join(f"x{number}@team.example" for number in range(20))
    assert policy().check_senders(ALICE, header(f'"{name}" <alice@example.org>')) == SenderVerdict()


def test_a_domain_in_a_name_that_cannot_be_one_is_nobodys() -> None:
    said = header('"ceo@bank.\u00fc-" <alice@example.org>')
    assert policy().check_senders(ALICE, said).warnings


def test_own_addresses_in_a_name_do_not_hide_a_foreign_one() -> None:
    said = header('"x@team.example y@team.example ceo@bank.example" <alice@example.org>')
    assert "ceo@bank.example" in policy().check_senders(ALICE, said).warnings[0]


@pytest.mark.parametrize(
    ("sender", "replaced"),
    [("bob@example.org", True), ("alice@example.org", False), ("info@example.org", False), ("", False)],
)
def test_a_foreign_sender_is_replaced_by_the_members_own(sender: str, replaced: bool) -> None:
    verdict = policy().check_senders(ALICE, header("alice@example.org", sender=sender))
    assert verdict.reply is None
    assert (verdict.add_sender == ALICE.default_address) is replaced


def test_a_sender_that_cannot_be_read_is_replaced() -> None:
    author = parse_address_list(b"alice@example.org", 9)
    said = HeaderSenders(1, author, sender=Unreadable("no"), sender_fields=1)
    assert policy().check_senders(ALICE, said).add_sender == ALICE.default_address


@pytest.mark.parametrize(
    ("fields", "replaced"),
    [
        ("Sender: x:;\r\nSender: boss@example.org\r\n", True),
        ("Sender: alice@example.org\r\nSender: boss@example.org\r\n", True),
        ("Sender: alice@example.org\r\nSender: alice@example.org\r\n", True),
        ("Sender: alice@example.org, boss@example.org\r\n", True),
        ("Sender: x:;\r\n", True),
        ("Sender:\r\n", True),
        ("Sender: Alice <alice@example.org>\r\n", False),
        ("", False),
    ],
)
def test_whatever_stands_in_sender_but_one_own_address_is_replaced(fields: str, replaced: bool) -> None:
    said = read_header(f"From: alice@example.org\r\n{fields}".encode())
    verdict = policy().check_header(ALICE, said)
    assert verdict.reply is None
    assert (verdict.add_sender == ALICE.default_address) is replaced


# --- the short ways say what the long ones say


@given(
    st.sampled_from(
        ["alice@example.org", "Alice@Example.ORG", "bob@example.org", "x@team.example", "é@example.org"]
    ),
    st.sampled_from(
        ["{}", "<{}>", "Alice <{}>", '"A, B" <{}>', "boss@x.org <{}>", "=?utf-8?q?a?= <{}>", "{}, {}", "("]
    ),
    st.sampled_from(
        [
            "",
            "Sender: alice@example.org\r\n",
            "Sender: bob@x.org\r\n",
            "Resent-From: alice@example.org\r\n",
            "Resent-Sender: bob@x.org\r\n",
        ]
    ),
    st.sampled_from(["enforce", "warn", "off"]),
)
def test_a_header_is_judged_as_its_parts_are(address: str, form: str, other: str, mode: str) -> None:
    said = read_header(f"From: {form.format(address, address)}\r\n{other}".encode())
    rules = policy(header=mode, display_name="enforce")
    assert rules.check_header(ALICE, said) == rules.check_senders(ALICE, header_senders(said))


@pytest.mark.parametrize(
    "head", [b"Subject: x\r\n", b"From: alice@example.org\r\nFrom: alice@example.org\r\n"]
)
def test_a_header_with_no_from_or_two_is_refused(head: bytes) -> None:
    assert policy().check_header(ALICE, read_header(head)).reply is not None


@given(st.sampled_from([*OWN, *FOREIGN, "*@team.example", "ALICE@example.org"]))
def test_an_address_that_stands_among_the_keys_is_the_members(address: str) -> None:
    mailbox = parse_mailbox(address)
    own = covers(ALICE.addresses, mailbox) or covers(ALICE.may_send_as, mailbox)
    assert (policy().check_envelope(ALICE, mailbox).reply is None) is own


def test_a_from_of_more_octets_than_are_looked_at_is_refused() -> None:
    from_field = b"From: " + b"()" * (MOST_OCTETS // 2) + b"<alice@example.org>\r\n"
    verdict = SenderPolicy(Senders()).check_header(ALICE, read_header(from_field))
    assert verdict.reply is not None
    assert f"cannot be read: it has more than {MOST_OCTETS} octets" in verdict.reply.lines[0]


def test_who_owns_one_address_does_not_own_another_that_folds_to_it() -> None:
    owner = member("strasse@example.org")
    assert policy().check_envelope(owner, parse_mailbox("straße@example.org")).reply is not None
    said = read_header("From: straße@example.org\r\n".encode())
    assert policy().check_header(owner, said).reply is not None


def test_of_many_authors_no_more_domains_are_converted_than_decide() -> None:
    """A hundred authors with eighteen labels each, in three fields, took a third of a second from all others."""
    many = ",".join(f"x@{number}.ü{number}.example" for number in range(100))
    fields = "".join(f"{name}: {many}\r\n" for name in ("From", "Sender", "Resent-From", "Resent-Sender"))
    before = _a_labels.cache_info()
    assert policy().check_header(ALICE, read_header(fields.encode())).reply is not None
    after = _a_labels.cache_info()
    assert after.misses + after.hits - before.misses - before.hits <= 8


# --- maps of senders that could not be asked


def lacking(missing: str) -> Identity:
    grant = Grant((), (), LoginForms(["example.org"]).parse("alice"), missing=missing)
    return replace(ALICE, grant=grant)


TRY_AGAIN = "451 4.4.3 It cannot be told at the moment whether you may send as this address: try again later"


@pytest.mark.parametrize(("missing", "code"), [("map offices: down", "451 4.4.3"), ("", "55")])
def test_whom_a_map_that_is_down_may_know_is_told_to_try_again_and_never_let_in(
    missing: str, code: str
) -> None:
    one = lacking(missing)
    strict = policy(display_name="enforce")
    for verdict in (
        strict.check_envelope(one, parse_mailbox("office@example.org")),
        strict.check_senders(one, header("office@example.org")),
        strict.check_senders(one, header("alice@example.org", resent="office@example.org")),
        strict.check_senders(one, header('"office@example.org" <alice@example.org>')),
    ):
        assert verdict.reply is not None
        assert str(verdict.reply).startswith(code)
        if missing:
            assert str(verdict.reply) == TRY_AGAIN
        assert verdict.detail == missing
    assert strict.check_envelope(one, parse_mailbox("alice@example.org")).reply is None
    assert strict.check_senders(one, header("alice@example.org")).reply is None


def test_what_no_map_could_mend_is_refused_for_good_all_the_same() -> None:
    verdict = policy().check_senders(lacking("down"), HeaderSenders(0, ()))
    assert str(verdict.reply).startswith("550 5.7.1 The message has no From")
