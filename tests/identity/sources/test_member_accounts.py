"""What the service makes of what a directory calls its members."""

from __future__ import annotations

import pytest

from sams.identity.logins import LoginForms
from sams.identity.sources.interface import Member
from sams.identity.sources.member_accounts import MemberAccounts

ACCOUNTS = MemberAccounts("idp", ("{user}@{domain}",), "", LoginForms(["example.org"]))


@pytest.mark.parametrize("login", ["*", "*@example.org", "*/phone", "*/phone@example.org"])
def test_nobody_is_a_whole_domain_by_the_name_that_they_chose(login: str) -> None:
    assert ACCOUNTS.account(Member(login)) is None


@pytest.mark.parametrize(
    "login", ["\uff41lice", "alice\uff20example.org", "ali\uff43e@example.org", "mi\u212ae"]
)
def test_nobody_is_another_by_letters_that_only_look_alike(login: str) -> None:
    """To the directory these are other people: fullwidth letters, and the Kelvin sign."""
    assert ACCOUNTS.account(Member(login)) is None


def test_nobody_has_a_whole_domain_by_a_mailbox_that_is_called_like_it() -> None:
    account = ACCOUNTS.account(Member("eve", ('"*"@example.org', '"\\*"@example.org')))
    assert account is not None
    assert account.identity.addresses == ("eve@example.org",)


@pytest.mark.parametrize("login", ["alice", "ALICE", "Müller", "mu\u0308ller", "日本", "a*", "o'neil"])
def test_other_names_are_those_of_members(login: str) -> None:
    assert ACCOUNTS.account(Member(login)) is not None
