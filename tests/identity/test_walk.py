from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from sams.identity.chain import Chain
from sams.identity.sources.directory_source import DirectorySource, SourceSettings
from sams.identity.sources.known import KnownMembers
from sams.identity.sources.serves import Serves
from sams.identity.walk import Word, walk
from tests.identity.rig import HOME, FakeClock
from tests.identity.sources.rig import BROKEN, FORMS, ToldDirectory, login


class Street:
    """Three directories: students (`s*`), staff with Alice, and one for everybody."""

    def __init__(self, folder: Path) -> None:
        self.known = KnownMembers(folder / "members.db")
        self.directories = {name: ToldDirectory() for name in ("students", "staff", "others")}
        self.takes_passwords = True
        self.cache = 0.0

    def walk(self, name: str, password: str | None = None) -> list[Word]:
        async def collect() -> list[Word]:
            return [word async for word in walk(self._chain(), login(name), password, HOME)]

        return asyncio.run(collect())

    def _chain(self) -> Chain:
        return Chain(self._source(name, one) for name, one in self.directories.items())

    def _source(self, name: str, directory: ToldDirectory) -> DirectorySource:
        return DirectorySource(
            directory,
            SourceSettings(name, cache=self.cache, takes_passwords=self.takes_passwords),
            serves=Serves(patterns=["s*"] if name == "students" else []),
            forms=FORMS,
            known=self.known,
            clock=FakeClock(),
            tell=lambda _: None,
            report=lambda _: None,
        )


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    made = Street(tmp_path)
    yield made
    made.known.close()


def findings(words: list[Word]) -> list[str]:
    return [word.finding for word in words]


def test_who_is_not_asked_is_told_with_the_reason(street: Street) -> None:
    first, second, third = street.walk("alice")
    assert (first.finding, first.detail) == ("not asked", "its `domains` or `logins` leave this login out")
    assert (second.finding, second.account is not None) == ("found", True)
    assert (third.finding, third.detail) == ("not asked", "staff has decided")


def test_a_wrong_password_goes_no_further_than_to_who_knows_the_login(street: Street) -> None:
    assert findings(street.walk("alice", "guess")) == ["not asked", "wrong password", "not asked"]
    assert street.directories["others"].asked == []


def test_all_are_asked_about_who_is_unknown_and_an_outage_is_told(street: Street) -> None:
    street.directories["students"].failure = BROKEN
    words = street.walk("sam", "sams secret")
    assert findings(words) == ["source unavailable", "no such login", "no such login"]
    assert words[0].detail == BROKEN.detail
    street.directories["others"].tells_unknown = False
    assert findings(street.walk("sam", "x"))[2] == "wrong password or no such login"
    assert findings(street.walk("sam"))[0] == "source unavailable"


def test_a_directory_is_asked_whatever_it_said_before(street: Street) -> None:
    """Or what a new configuration got wrong would be hidden for as long as the answers of the old one hold."""
    street.cache = 300.0
    street.walk("alice")
    street.directories["staff"].failure = BROKEN
    assert findings(street.walk("alice"))[1] == "source unavailable"


def test_who_tells_nothing_without_a_password_is_not_asked_without(street: Street) -> None:
    street.directories["staff"].can_find = False
    assert findings(street.walk("alice")) == ["not asked", "not asked", "found"]
    assert findings(street.walk("alice", "secret"))[1] == "right"


def test_where_app_passwords_alone_are_taken_no_password_is_sent(street: Street) -> None:
    street.takes_passwords = False
    words = street.walk("alice", "secret")
    assert findings(words) == ["not asked"] * 3
    assert words[1].detail == "it takes app passwords only"
    assert all(one.asked == [] for one in street.directories.values())
    assert findings(street.walk("alice"))[1] == "found"
