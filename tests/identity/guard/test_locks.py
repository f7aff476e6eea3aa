"""The locks in force, listed with their names and ended by people."""

from __future__ import annotations

import ipaddress
from functools import partial

import pytest

from sams.identity.guard.interface import GuardSettings, SignInAttempt
from sams.identity.guard.locks import GuardLock, GuardLocks, place_named
from sams.identity.guard.memory import LOGIN_OCTETS, GuardMemory
from sams.identity.guard.shared_guard import SharedGuard
from tests.identity.rig import CAFE, HOME, KEY, FakeClock, in_child

FEW = GuardSettings(pair_failures=3, address_failures=6, network_failures=12, login_failures=5)


class Desk:
    """A guard that locks soon, and who looks at it."""

    def __init__(self, slots: int = 1024) -> None:
        self.clock = FakeClock()
        self.memory = GuardMemory(KEY, slots=slots)
        self.guard = SharedGuard(self.memory, self.clock, FEW)
        self.locks = GuardLocks(self.memory, self.clock)

    def fail(self, address: str, login: str, *passwords: str) -> None:
        for password in passwords:
            attempt = SignInAttempt(address, login, password)
            if self.guard.locked(attempt) is None:
                self.guard.failed(attempt, 1)

    def is_locked(self, address: str = CAFE, login: str = "alice") -> bool:
        return self.guard.locked(SignInAttempt(address, login, "next")) is not None

    def shown(self) -> list[tuple[str, str, str]]:
        return sorted((lock.level, lock.login, lock.place) for lock in self.locks.list())


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_each_level_is_listed_with_what_it_locks(desk: Desk) -> None:
    desk.fail(CAFE, "alice", "1", "2", "3")
    assert desk.shown() == [("pair", "alice", CAFE)]
    desk.fail(CAFE, "bob", "1", "2")
    desk.fail(CAFE, "carol", "1")
    assert ("address", "", CAFE) in desk.shown()
    for number in range(20, 26):
        desk.fail(f"198.51.100.{number}", "dave", f"guess {number}")
    assert ("network", "", "198.51.100.0/24") in desk.shown()
    assert ("login", "dave", "") in desk.shown()


def test_a_login_that_is_tried_from_many_places_is_listed_with_each_place_where_it_is_locked(
    desk: Desk,
) -> None:
    for number in range(5):
        desk.fail(f"10.0.{number}.1", "alice", f"guess {number}")
    desk.fail("2001:db8::1", "alice", "one more")
    assert desk.shown() == [("login", "alice", ""), ("login", "alice", "2001:db8::/64")]


def test_a_lock_tells_its_times_by_the_wall_clock_and_how_many_guesses_led_to_it(desk: Desk) -> None:
    desk.fail(CAFE, "alice", "1", "2")
    desk.clock.seconds += 100
    desk.fail(CAFE, "alice", "3")
    (lock,) = desk.locks.list()
    now = desk.clock.now()
    assert lock == GuardLock(lock.id, "pair", "alice", CAFE, now, now + 300, 3)
    desk.clock.seconds += 300
    assert desk.locks.list() == []


def test_released_is_released_in_every_process(desk: Desk) -> None:
    in_child(partial(desk.fail, CAFE, "alice", "1", "2", "3"))
    assert desk.is_locked()
    in_child(partial(desk.locks.release_login, "alice"))
    assert not desk.is_locked()
    assert desk.locks.list() == []


def test_after_a_release_counting_begins_anew(desk: Desk) -> None:
    desk.fail(CAFE, "alice", "1", "2", "3")
    assert desk.locks.release_login("alice") == 1
    desk.fail(CAFE, "alice", "4", "5", "6")
    (lock,) = [each for each in desk.locks.list() if each.level == "pair"]
    assert lock.until - lock.since == 300


def test_of_a_login_every_lock_is_ended_and_of_others_none(desk: Desk) -> None:
    for number in range(6):
        desk.fail(f"10.0.{number}.1", "alice", f"guess {number}")
    desk.fail(CAFE, "alice", "1", "2", "3")
    desk.fail(CAFE, "bob", "1", "2", "3")
    assert desk.locks.release_login("alice") == 3
    assert not desk.is_locked("10.0.5.1")
    assert desk.shown() == [("address", "", CAFE), ("pair", "bob", CAFE)] or desk.shown() == [
        ("pair", "bob", CAFE)
    ]


@pytest.mark.parametrize(
    ("named", "ended"),
    [
        (CAFE, {CAFE}),
        (f"::ffff:{CAFE}", {CAFE}),
        ("198.51.100.0/24", {CAFE, "198.51.100.8"}),
        ("198.51.0.0/16", {CAFE, "198.51.100.8"}),
        ("2001:db8:0:7:1::9", {"2001:db8:0:7::1"}),
        ("2001:db8:0:7::/64", {"2001:db8:0:7::1"}),
        ("2001:db8::/48", {"2001:db8:0:7::1"}),
        ("203.0.113.0/24", set()),
        ("::/0", {"2001:db8:0:7::1"}),
    ],
)
def test_of_an_address_or_a_network_all_in_it_is_ended(desk: Desk, named: str, ended: set[str]) -> None:
    places = (CAFE, "198.51.100.8", "2001:db8:0:7::1")
    for place in places:
        desk.fail(place, "alice", "1", "2", "3")
    network = place_named(named)
    assert network is not None
    assert desk.locks.release_place(network) == len(ended)
    assert {place for place in places if not desk.is_locked(place)} == ended


def test_a_network_that_is_locked_as_a_whole_is_ended_by_its_name(desk: Desk) -> None:
    for number in range(12):
        desk.fail(f"198.51.100.{number}", f"member{number}", "password1")
    assert desk.is_locked(login="anybody")
    assert desk.locks.release_place(ipaddress.ip_network("198.51.100.0/24")) == 1
    assert not desk.is_locked(login="anybody")


def test_all_is_all(desk: Desk) -> None:
    for number in range(12):
        desk.fail(f"198.51.100.{number}", "alice", "1", "2", "3")
    assert desk.locks.release_all() > 1
    assert desk.shown() == []
    assert not desk.is_locked(HOME)


def test_very_many_locks_fill_no_memory_and_one_that_is_not_listed_any_more_can_be_ended() -> None:
    desk = Desk(slots=512)
    for number in range(5):
        desk.fail(f"10.0.{number}.1", "alice", f"guess {number}")
    for number in range(2_000):
        desk.clock.seconds += 0.01
        desk.fail(f"10.{number // 250}.{number % 250}.9", f"member{number}", "1", "2", "3")
    assert len(desk.locks.list()) <= 512
    assert desk.locks.release_login("alice") in {0, 1}
    assert "alice" not in {lock.login for lock in desk.locks.list()}


def test_a_login_that_is_longer_than_its_room_is_listed_cut_and_ended_by_its_whole_name(desk: Desk) -> None:
    login = "ä" * LOGIN_OCTETS
    desk.fail(CAFE, login, "1", "2", "3")
    (lock,) = desk.locks.list()
    assert lock.login == "ä" * (LOGIN_OCTETS // 2)
    assert desk.locks.release_login(login) == 1


@pytest.mark.parametrize("text", ["alice", "alice@example.org", "", "12345", "10.0.0.0/33", "é"])
def test_what_is_no_place_may_be_a_login(text: str) -> None:
    assert place_named(text) is None
