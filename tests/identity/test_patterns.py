from __future__ import annotations

import pytest

from sams.core.address import AddressError, parse_mailbox
from sams.identity.patterns import covers, pattern_key

PATTERNS = tuple(
    map(pattern_key, ["Alice@Example.org", "*@Team.example", "*@bücher.example", "b+c@example.org"])
)


@pytest.mark.parametrize(
    "address",
    [
        "alice@example.org",
        "ALICE@EXAMPLE.ORG",
        '"alice"@example.org',
        "alice+shop@example.org",
        "alice+a+b@example.org",
        "anyone@team.example",
        "anyone+x@TEAM.example",
        "x@xn--bcher-kva.example",
        "b+c+d@example.org",
    ],
)
def test_an_own_address_is_covered_in_every_spelling(address: str) -> None:
    assert covers(PATTERNS, parse_mailbox(address))


@pytest.mark.parametrize(
    "address",
    [
        "bob@example.org",
        "alice@sub.example.org",
        "alice@example.org.evil.example",
        "x@sub.team.example",
        "+alice@example.org",
        "b@example.org",
        "alicex+y@example.org",
        '"alice@example.org"@evil.example',
    ],
)
def test_a_foreign_address_is_not(address: str) -> None:
    assert not covers(PATTERNS, parse_mailbox(address))


def test_no_pattern_covers_nothing() -> None:
    assert not covers((), parse_mailbox("alice@example.org"))


@pytest.mark.parametrize("text", ["", "*", "*@", "alice", "@example.org", "*@exa mple", "**@", "*@*"])
def test_what_is_neither_address_nor_domain_is_no_pattern(text: str) -> None:
    with pytest.raises(AddressError):
        pattern_key(text)


@pytest.mark.parametrize("text", ['"*"@example.org', '"\\*"@example.org', '"*"@EXAMPLE.org'])
def test_a_mailbox_that_is_called_like_a_pattern_is_none(text: str) -> None:
    """Whoever may name an address of their own would have the whole domain."""
    with pytest.raises(AddressError, match="all of its domain"):
        pattern_key(text)
