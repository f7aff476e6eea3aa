from __future__ import annotations

import pytest

from sams.core.address import parse_mailbox
from sams.identity.interface import Identity
from sams.identity.patterns import pattern_key
from sams.policy.recipients import check_recipient


def identity(*recipients: str) -> Identity:
    return Identity(
        "printer",
        ("printer@example.org",),
        (),
        parse_mailbox("printer@example.org"),
        1,
        recipients=tuple(map(pattern_key, recipients)),
    )


@pytest.mark.parametrize(
    ("allowed", "recipient"),
    [
        ((), "anyone@elsewhere.example"),
        (("it@example.org",), "IT@example.org"),
        (("it@example.org",), "it+scans@example.org"),
        (("*@example.org",), "anyone@EXAMPLE.org"),
    ],
)
def test_who_is_allowed_may_be_written_to(allowed: tuple[str, ...], recipient: str) -> None:
    assert check_recipient(identity(*allowed), parse_mailbox(recipient)) is None


@pytest.mark.parametrize(
    ("allowed", "recipient"),
    [
        (("it@example.org",), "anyone@example.org"),
        (("*@example.org",), "anyone@sub.example.org"),
        (("*@example.org",), "anyone@example.org.evil.example"),
    ],
)
def test_all_others_are_refused_with_who_is_allowed(allowed: tuple[str, ...], recipient: str) -> None:
    refusal = check_recipient(identity(*allowed), parse_mailbox(recipient))
    assert refusal is not None
    assert (refusal.code, str(refusal)[:9]) == (550, "550 5.7.1")
    assert allowed[0] in str(refusal)
    assert recipient in str(refusal)


def test_a_refusal_is_one_line_of_bounded_length_whoever_is_allowed() -> None:
    many = identity(*(f"{'x' * 60}{number}@example.org" for number in range(100)), "bücher@example.org")
    refusal = check_recipient(many, parse_mailbox("ü@example.org"))
    assert refusal is not None
    assert str(refusal).isascii()
    assert len(str(refusal)) < 450
