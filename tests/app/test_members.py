from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from sams.app.members import find_member
from sams.core.errors import OperatorError
from sams.identity.accounts.records import Device
from sams.identity.grants import FileMap, Grants
from sams.identity.logins import LoginForms
from sams.service.app_password_view import FoundMember
from tests.identity.rig import PASSWORD, Rig, rig

FORMS = LoginForms(("example.org",))
NONE = Grants(FORMS)


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path) as made:
        made.accounts.add("alice", PASSWORD, ["alice@example.org"], ["office@example.org"])
        made.accounts.add("printer", PASSWORD, ["p@example.org"], device=Device("alice"))
        yield made


@pytest.mark.parametrize("login", ["alice", "ALICE@example.org", "alice/phone"])
def test_a_member_is_found_in_every_spelling(one: Rig, login: str) -> None:
    found = asyncio.run(find_member([one.source()], FORMS, NONE, login, ""))
    assert found == FoundMember(
        "builtin", "alice", ("alice@example.org", "office@example.org"), is_builtin=True
    )
    assert asyncio.run(find_member([one.source()], FORMS, NONE, "printer", "builtin")).is_device


@pytest.mark.parametrize(
    ("login", "source", "words"),
    [
        ("nobody", "", "no source of accounts knows"),
        ("nobody", "builtin", "the source builtin does not"),
        ("alice", "ldap", "there is no source of accounts ldap"),
        ("a b", "", "no login"),
    ],
)
def test_nobody_is_told_in_words(one: Rig, login: str, source: str, words: str) -> None:
    with pytest.raises(OperatorError, match=words):
        asyncio.run(find_member([one.source()], FORMS, NONE, login, source))


def test_a_source_that_cannot_be_asked_is_no_answer(one: Rig) -> None:
    source = one.source()
    source.close()
    with pytest.raises(OperatorError, match=r"builtin cannot be asked now: accounts.db cannot be read"):
        asyncio.run(find_member([source], FORMS, NONE, "alice", ""))


def test_what_maps_of_senders_add_is_the_members_as_well(one: Rig) -> None:
    """An app password may be narrowed to it."""
    grants = Grants(FORMS, [FileMap({"alice": "office@example.org"}, "on-behalf")])
    found = asyncio.run(find_member([one.source()], FORMS, grants, "alice", ""))
    assert found.addresses == ("alice@example.org", "office@example.org")
