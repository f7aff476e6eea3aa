from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from sams.activity.events import AccountChanged
from sams.activity.lines import Lines
from sams.activity.logs import make_logger
from sams.app.app_password_sweep import EVERY, FIRST, GONE_FOR, AppPasswordSweep
from sams.identity.accounts.store import AccountStore
from sams.identity.app_passwords.store import AppPasswordStore
from sams.identity.logins import Login
from sams.identity.passwords.hashes import Hashes
from sams.identity.sources.directory_source import DirectorySource, SourceSettings
from sams.identity.sources.interface import Member
from sams.identity.sources.known import KnownMembers
from sams.identity.sources.serves import Serves
from tests.identity.rig import CHEAP, FakeClock
from tests.identity.sources.rig import BROKEN, FORMS, ToldDirectory


class Rig:
    """Carol and Dave of the directory `staff` have app passwords, and so has Eve of a source that is gone."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        accounts = AccountStore(folder / "accounts.db", self.clock, Hashes(CHEAP))
        accounts.prepare()
        self.store = AppPasswordStore(accounts.file, self.clock)
        self.known = KnownMembers(folder / "members.db")
        self.directory = ToldDirectory({name: ("", Member(name)) for name in ("carol", "dave")})
        self.told: list[AccountChanged] = []
        self.domains: tuple[str, ...] = ()
        for source, login in (("staff", "carol"), ("staff", "dave"), ("former", "eve")):
            self.store.add(source, login, "phone")
        self.store.add("staff", "carol", "laptop")

    def sweep(self) -> AppPasswordSweep:
        source = DirectorySource(
            self.directory,
            SourceSettings("staff"),
            serves=Serves(self.domains),
            forms=FORMS,
            known=self.known,
            clock=self.clock,
            tell=lambda _: None,
            report=lambda _: None,
        )
        return AppPasswordSweep(
            self.store,
            self.known,
            sources=lambda: (source,),
            forms=lambda: FORMS,
            clock=self.clock,
            tell=self.told.append,
            log=make_logger("error", people=True, clock=self.clock, lines=Lines(2)),
            between=0,
        )

    def run(self, times: int = 1) -> None:
        async def main() -> None:
            sweep = self.sweep()
            for _ in range(times):
                await sweep.sweep()
            await asyncio.sleep(0)

        asyncio.run(main())

    def days(self, number: int) -> None:
        """So many pass, with a sweep in each."""
        for _ in range(number):
            self.clock.seconds += GONE_FOR / 30
            self.run()

    @property
    def left(self) -> list[str]:
        return [f"{one.login}/{one.name}" for one in self.store.list()]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.known.close()


def test_each_member_is_asked_about_once_and_who_is_there_keeps_everything(rig: Rig) -> None:
    rig.run()
    assert sorted(rig.directory.asked) == ["find carol", "find dave"]
    assert len(rig.left) == 4
    assert rig.told == []


def test_who_is_gone_is_told_of_once_and_loses_them_for_good_after_a_month(rig: Rig) -> None:
    del rig.directory.members["carol"]
    rig.run(times=3)
    ((login, detail),) = [(event.login, event.detail) for event in rig.told]
    assert (login, detail) == ("carol", "without effect: staff does not know the login any more")
    assert len(rig.left) == 4
    rig.days(29)
    assert len(rig.left) == 4
    rig.days(1)
    assert sorted(rig.left) == ["dave/phone", "eve/phone"]
    assert rig.told[-1].detail == "2 ended for good: staff does not know the login any more"


def test_who_comes_back_in_time_has_lost_nothing(rig: Rig) -> None:
    carol = rig.directory.members.pop("carol")
    rig.run()
    rig.directory.members["carol"] = carol
    rig.days(30)
    del rig.directory.members["carol"]
    rig.run()
    assert len(rig.left) == 4, "the month begins anew"


@pytest.mark.parametrize("jump", [31 * 86_400, -400 * 86_400])
def test_a_clock_that_jumps_and_a_service_that_stood_still_end_nothing_for_good(
    rig: Rig, jump: float
) -> None:
    del rig.directory.members["carol"]
    rig.run()
    rig.clock.epoch += jump
    rig.days(28)
    assert len(rig.left) == 4
    rig.days(3)
    assert len(rig.left) == 2, "nor does it leave them for ever"


def test_a_directory_that_is_down_or_cannot_tell_costs_nobody_anything(rig: Rig) -> None:
    rig.directory.failure = BROKEN
    rig.run(times=2)
    rig.directory.failure = None
    rig.directory.can_find = False
    rig.days(31)
    assert len(rig.left) == 4
    assert rig.told == []


def test_a_member_is_asked_about_in_a_domain_of_the_source(rig: Rig) -> None:
    rig.domains = ("example.org",)
    heard: list[str] = []
    find = rig.directory.find

    async def by_address(login: Login) -> Member | None:
        heard.append(login.address)
        return await find(login)

    rig.directory.find = by_address  # type: ignore[method-assign]  # the query goes by the address
    rig.run()
    assert sorted(heard) == ["carol@example.org", "dave@example.org"]
    assert rig.told == []


def test_a_login_that_is_somebody_elses_now_is_gone(rig: Rig) -> None:
    rig.directory.members["carol"] = ("", Member("carol2"))
    rig.run()
    assert [event.login for event in rig.told] == ["carol"]


def test_it_begins_some_minutes_after_the_start_and_then_every_few_hours(rig: Rig) -> None:
    async def main() -> None:
        sweep = rig.sweep()
        for seconds, asked in ((0.0, 0), (FIRST - 1, 0), (1.0, 2), (EVERY - 1, 2), (1.0, 4)):
            rig.clock.seconds += seconds
            sweep.tick()
            for _ in range(200):
                await asyncio.sleep(0.005)
                if len(rig.directory.asked) >= asked:
                    break
            await asyncio.sleep(0.01)
            assert len(rig.directory.asked) == asked
        await sweep.close()

    asyncio.run(main())
