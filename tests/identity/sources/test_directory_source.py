from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from sams.core.errors import TemporaryFailure
from sams.identity.account_sources import Finding
from sams.identity.replies import BUSY
from sams.identity.sources.directory_source import SourceSettings
from sams.identity.sources.interface import Member
from sams.identity.sources.serves import Serves
from tests.identity.rig import HOME
from tests.identity.sources.rig import BROKEN, Rig, checked, login


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "members.db")


def test_a_right_password_brings_the_member_as_the_directory_has_it(rig: Rig) -> None:
    async def run() -> None:
        with rig.source() as source:
            found = await source.verify(login("Alice@example.org".lower()), "secret", HOME, is_known=False)
            assert found.finding is Finding.RIGHT
            assert found.account is not None
            identity = found.account.identity
            assert (identity.login, identity.source) == ("alice", "staff")
            assert identity.addresses == ("alice@example.ac.uk",)
            assert str(identity.default_address) == "alice@example.ac.uk"
            assert identity.generation > 0

    asyncio.run(run())


@pytest.mark.parametrize(
    ("typed", "templates", "addresses"),
    [
        ("bob", ("{user}@{domain}",), ("bob@example.ac.uk",)),
        ("bob@example.org", ("{user}@{domain}",), ("bob@example.ac.uk",)),
        ("bob@elsewhere.example", ("{user}@{domain}",), ("bob@example.ac.uk",)),
        ("bob", ("{user}@a.example", "*@{user}.example"), ("bob@a.example", "*@bob.example")),
    ],
)
def test_a_member_without_addresses_has_those_of_the_rule(
    rig: Rig, typed: str, templates: tuple[str, ...], addresses: tuple[str, ...]
) -> None:
    rig.settings = replace(rig.settings, addresses=templates)
    rig.directory.members = {name: ("secret", Member("bob")) for name in ("bob", "bob@elsewhere.example")}

    async def run() -> None:
        with rig.source() as source:
            found = await source.verify(login(typed), "secret", HOME, is_known=False)
            assert found.account is not None
            assert found.account.identity.addresses == addresses

    asyncio.run(run())


def test_what_is_no_address_in_the_directory_is_left_out(rig: Rig) -> None:
    member = Member("bob", ("bob at home", "bob@example.org", "*@lists.example.org", ""), ("<x>", "b@x.org"))
    rig.directory.members = {"bob": ("secret", member)}

    async def run() -> None:
        with rig.source() as source:
            found = await source.verify(login("bob"), "secret", HOME, is_known=False)
            assert found.account is not None
            assert found.account.identity.addresses == ("bob@example.org", "*@lists.example.org")
            assert found.account.identity.may_send_as == ("b@x.org",)

    asyncio.run(run())


def test_a_member_whose_login_can_be_none_is_refused_and_not_let_in_under_another(rig: Rig) -> None:
    rig.directory.members = {"bob": ("secret", Member("bob builder"))}

    async def run() -> None:
        with rig.source() as source:
            found = await source.verify(login("bob"), "secret", HOME, is_known=False)
            assert (found.finding, found.account) == (Finding.REFUSED, None)

    asyncio.run(run())


def test_an_answer_holds_for_the_cache_time_and_no_longer(rig: Rig) -> None:
    async def run() -> None:
        with rig.source() as source:
            assert source.look_up(login("alice")) is None
            await checked(source, "alice", "secret")
            rig.clock.seconds += rig.settings.cache - 1
            assert source.look_up(login("alice@example.ac.uk")) is not None
            rig.clock.seconds += 1
            assert source.look_up(login("alice")) is None
            assert source.last_known(login("alice")) is not None
            rig.clock.seconds += rig.settings.grace
            assert source.last_known(login("alice")) is None

    asyncio.run(run())


def test_an_answer_from_after_a_jump_of_the_clock_is_old(rig: Rig) -> None:
    async def run() -> None:
        with rig.source() as source:
            await checked(source, "alice", "secret")
            rig.clock.epoch -= 86_400
            assert source.look_up(login("alice")) is None
            assert source.last_known(login("alice")) is None

    asyncio.run(run())


def test_another_worker_need_not_ask_again(rig: Rig) -> None:
    async def run() -> None:
        with rig.source() as one:
            await checked(one, "alice", "secret")
        with rig.source() as other:
            account = other.look_up(login("alice"))
            assert account is not None
            found = await other.find(login("alice"))
            assert found == account
        assert rig.directory.asked == [f"verify alice from {HOME}"]

    asyncio.run(run())


def test_nothing_is_kept_of_names_that_strangers_make_up(rig: Rig) -> None:
    async def run() -> None:
        with rig.source() as source:
            for number in range(20):
                assert await checked(source, f"stranger{number}", "guess") is Finding.UNKNOWN
                assert await source.find(login(f"other{number}")) is None
        with rig.source() as source:
            assert source._answers._known.take() == []
            assert not source._answers._kept
            assert source._answers._known.read("staff", "stranger1@example.ac.uk") is None

    asyncio.run(run())


def test_who_is_gone_or_disabled_there_is_valid_no_more_by_the_next_look(rig: Rig) -> None:
    async def run() -> None:
        with rig.source() as source:
            found = await source.verify(login("alice"), "secret", HOME, is_known=False)
            assert found.account is not None
            identity = found.account.identity
            assert source.still_valid(identity)
            rig.directory.members = {}
            assert source.still_valid(identity), "what was said lately stands"
            rig.clock.seconds += rig.settings.cache
            assert source.still_valid(identity), "it is asked beside the session"
            await asyncio.sleep(0.01)
            assert not source.still_valid(identity)
            assert source.changed() == {"alice"}
            assert source.changed() == frozenset()
            assert rig.directory.asked[-1] == "find alice"

    asyncio.run(run())


def test_a_reload_makes_no_session_last_longer(rig: Rig) -> None:
    """Another source of the same name asks about those who signed in before it, and goes by its own section."""

    async def main() -> None:
        with rig.source() as before:
            found = await before.verify(login("alice@example.ac.uk"), "secret", HOME, is_known=False)
        assert found.account is not None
        identity = found.account.identity
        with rig.source() as source:
            source.take_over(before)
            assert source.still_valid(identity)
            del rig.directory.members["alice"]
            rig.clock.seconds += 301
            assert source.still_valid(identity), "it is asked beside the session"
            await asyncio.sleep(0.01)
            assert not source.still_valid(identity)
        rig.serves = Serves(patterns=["!alice"])
        with rig.source() as source:
            source.take_over(before)
            assert not source.still_valid(identity)

    asyncio.run(main())


def test_a_session_by_an_app_password_lasts_whatever_domain_was_typed(rig: Rig) -> None:
    """Its source is known without the login's domain, which may be one that others are asked about."""
    rig.serves = Serves(["example.org"])

    async def main() -> None:
        with rig.source() as before, rig.source() as source:
            account = await before.find(login("alice@example.ac.uk"))
            assert account is not None
            assert before.still_valid(account.identity)
            source.take_over(before)
            assert source.still_valid(account.identity)

    asyncio.run(main())


@pytest.mark.parametrize(
    "changed",
    [
        Member("alice", ("alice@example.ac.uk", "a@example.ac.uk")),
        Member("alice", ("alice@example.ac.uk",), suspended="left"),
        Member("alice", ("alice@example.ac.uk",), recipients_per_day=5),
        Member("alice", ("alice@example.ac.uk",), ("team@example.ac.uk",)),
    ],
)
def test_whatever_changes_in_the_directory_is_another_generation(rig: Rig, changed: Member) -> None:
    async def run() -> None:
        with rig.source() as source:
            first = await source.verify(login("alice"), "secret", HOME, is_known=False)
            again = await source.verify(login("alice"), "secret", HOME, is_known=False)
            assert first == again
            rig.directory.members = {"alice": ("secret", changed)}
            await source.verify(login("alice"), "secret", HOME, is_known=False)
            assert first.account is not None
            assert not source.still_valid(first.account.identity)

    asyncio.run(run())


def test_who_signed_in_stays_while_the_directory_is_down(rig: Rig) -> None:
    async def run() -> None:
        with rig.source() as source:
            found = await source.verify(login("alice"), "secret", HOME, is_known=False)
            assert found.account is not None
            rig.directory.failure = BROKEN
            rig.clock.seconds += rig.settings.cache
            for _ in range(5):
                assert source.still_valid(found.account.identity)
                await asyncio.sleep(0.01)

    asyncio.run(run())


def test_a_failure_is_unavailable_and_never_wrong(rig: Rig) -> None:
    async def run() -> None:
        with rig.source() as source:
            rig.directory.failure = BROKEN
            found = await source.verify(login("alice"), "secret", HOME, is_known=False)
            assert (found.finding, found.detail) == (Finding.UNAVAILABLE, BROKEN.detail)
            with pytest.raises(TemporaryFailure):
                await source.find(login("alice"))

    asyncio.run(run())


def test_a_bug_of_a_library_is_a_failure_of_the_directory_and_reported(rig: Rig) -> None:
    async def run() -> None:
        with rig.source() as source:
            rig.directory.failure = KeyError("sn")
            assert await checked(source, "alice", "secret") is Finding.UNAVAILABLE
            assert [type(bug) for bug in rig.bugs] == [KeyError]

    asyncio.run(run())


def test_a_directory_that_says_nothing_has_its_time(rig: Rig) -> None:
    rig.settings = replace(rig.settings, timeout=0.01)
    rig.directory.seconds = 5.0

    async def run() -> None:
        with rig.source() as source:
            found = await source.verify(login("alice"), "secret", HOME, is_known=False)
            assert (found.finding, found.detail) == (Finding.UNAVAILABLE, "no answer within 0.01 s")

    asyncio.run(run())


def test_a_directory_that_is_down_is_left_alone_but_for_a_question_now_and_then(rig: Rig) -> None:
    async def run() -> None:
        with rig.source() as source:
            rig.directory.failure = BROKEN
            for _ in range(20):
                assert await checked(source, "alice", "secret") is Finding.UNAVAILABLE
            assert len(rig.directory.asked) == 3
            assert rig.told == [BROKEN.detail]
            assert source.outage.since == rig.clock.now()
            rig.directory.failure = None
            assert await checked(source, "alice", "secret") is Finding.UNAVAILABLE
            rig.clock.seconds += 1
            assert await checked(source, "alice", "secret") is Finding.RIGHT
            assert rig.told == [BROKEN.detail, ""]
            assert source.outage.since is None

    asyncio.run(run())


@pytest.mark.parametrize("can_find", [True, False])
def test_no_member_is_needed_to_find_out_that_it_is_up_again(rig: Rig, *, can_find: bool) -> None:
    rig.directory.can_find = can_find

    async def run() -> None:
        with rig.source() as source:
            rig.directory.failure = BROKEN
            for _ in range(3):
                await checked(source, "alice", "secret")
            rig.directory.failure = None
            for _ in range(60):
                rig.clock.seconds += 1
                source.look_after()
                await asyncio.sleep(0)
                await asyncio.sleep(0.001)
            assert source.outage.since is None
            assert rig.told == [BROKEN.detail, ""]
            assert rig.directory.asked[3:] == (["find sams-probe"] if can_find else [])

    asyncio.run(run())


def test_hashes_that_are_busy_are_no_outage(rig: Rig) -> None:
    async def run() -> None:
        with rig.source() as source:
            rig.directory.failure = TemporaryFailure(BUSY, "200 checks wait")
            for _ in range(10):
                assert await checked(source, "alice", "secret") is Finding.UNAVAILABLE
            assert len(rig.directory.asked) == 10
            assert rig.told == []

    asyncio.run(run())


def test_no_more_are_asked_at_once_than_there_are_connections(rig: Rig) -> None:
    rig.settings = replace(rig.settings, connections=2)
    rig.directory.seconds = 0.02

    async def run() -> None:
        with rig.source() as source:
            tasks = [asyncio.create_task(checked(source, "alice", "secret")) for _ in range(5)]
            await asyncio.sleep(0.01)
            assert len(rig.directory.asked) == 2
            assert await asyncio.gather(*tasks) == [Finding.RIGHT] * 5

    asyncio.run(run())


def test_where_nobody_can_be_found_an_app_password_is_taken_on_trust(rig: Rig) -> None:
    rig.directory.can_find = False

    async def run() -> None:
        with rig.source() as source:
            account = await source.find(login("carol"))
            assert account is not None
            assert account.identity.login == "carol"
            assert rig.directory.asked == []

    asyncio.run(run())


def test_a_password_with_nul_reaches_no_directory(rig: Rig) -> None:
    async def run() -> None:
        with rig.source() as source:
            assert await checked(source, "alice", "sec\0ret") is Finding.REFUSED
            assert rig.directory.asked == []

    asyncio.run(run())


def test_settings_without_a_cache_ask_each_time(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "members.db", SourceSettings("staff", cache=0.0))

    async def run() -> None:
        with rig.source() as source:
            assert await checked(source, "alice", "secret") is Finding.RIGHT
            assert source.look_up(login("alice")) is None
            await source.find(login("alice"))
            await source.find(login("alice"))
            assert rig.directory.asked.count("find alice") == 2

    asyncio.run(run())


def test_closing_ends_what_is_asked_beside_sessions(rig: Rig) -> None:
    async def run() -> None:
        with rig.source() as source:
            found = await source.verify(login("alice"), "secret", HOME, is_known=False)
            assert found.account is not None
            rig.directory.seconds = 5.0
            rig.clock.seconds += rig.settings.cache
            source.still_valid(found.account.identity)
            await asyncio.sleep(0)
            await source.close()
            assert rig.directory.is_closed
            assert not source._refreshing

    asyncio.run(run())


def test_what_is_known_of_a_member_is_of_this_source_alone(tmp_path: Path) -> None:
    one, other = Rig(tmp_path / "members.db"), Rig(tmp_path / "members.db", SourceSettings("students"))

    async def run() -> None:
        with one.source() as source:
            await checked(source, "alice", "secret")
        with other.source() as source:
            assert source.look_up(login("alice")) is None
            assert source.last_known(login("alice")) is None

    asyncio.run(run())


def test_nothing_that_was_said_before_the_clock_was_set_back_takes_the_place_of_what_was_said_since(
    rig: Rig,
) -> None:
    async def run() -> None:
        with rig.source() as source:
            await checked(source, "alice", "secret")
        rig.clock.epoch -= 30 * 86_400
        rig.directory.members = {"alice": ("secret", Member("alice", ("new@example.ac.uk",)))}
        with rig.source() as source:
            await checked(source, "alice", "secret")
            rig.clock.seconds += 1
        with rig.source() as other:
            account = other.last_known(login("alice"))
            assert account is not None, "there is a grace for her in every worker"
            assert account.identity.addresses == ("new@example.ac.uk",)

    asyncio.run(run())


def test_who_was_asked_about_since_the_clock_was_set_back_is_not_as_others_have_it_of_before(
    rig: Rig,
) -> None:
    async def run() -> None:
        with rig.source() as source:
            await checked(source, "alice", "secret")
        rig.clock.epoch -= 30 * 86_400
        rig.directory.members = {"alice": ("secret", Member("alice", ("new@example.ac.uk",)))}
        with rig.source() as source:
            await checked(source, "alice", "secret")
            source.changed()
            source._answers._known.take()  # it goes to the file, which another worker has written since
            rig.clock.seconds += rig.settings.cache
            account = source.last_known(login("alice"))
            assert account is not None
            assert account.identity.addresses == ("new@example.ac.uk",)
            assert source.changed() == frozenset()

    asyncio.run(run())


def test_the_file_may_be_damaged_or_deleted(tmp_path: Path) -> None:
    (tmp_path / "members.db").write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 40)
    rig = Rig(tmp_path / "members.db")

    async def run() -> None:
        with rig.source() as source:
            assert await checked(source, "alice", "secret") is Finding.RIGHT

    asyncio.run(run())
    with rig.source() as source:
        assert source.look_up(login("alice")) is not None
