"""What an attacker gets out of a day against the guard with its usual settings; members get in all the while.

A simulation: who attacks tries as fast as the guard lets them, and goes on the moment that a lock is over.
The figures stand in docs/decisions/0021-guard.md.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from sams.identity.guard.interface import GuardSettings, Lock, SignInAttempt
from sams.identity.guard.memory import GuardMemory
from sams.identity.guard.records import DAY
from sams.identity.guard.shared_guard import SharedGuard
from tests.identity.rig import CAFE, HOME, KEY, FakeClock

RIGHT = "correct horse 7"
NAT = "203.0.113.1"
HOTEL = "100.64.7.7"
GENERATION = 1


@dataclass
class Town:
    """Members with one password each, and what asks the guard as sign-ins do."""

    clock: FakeClock = field(default_factory=lambda: FakeClock(seconds=1_000_000.0))
    checked: int = 0
    repeated: int = 0

    def __post_init__(self) -> None:
        self.guard = SharedGuard(GuardMemory(KEY, slots=16_384), self.clock, GuardSettings())

    def sign_in(self, address: str, login: str, password: str, *, opaque: bool = False) -> Lock | bool:
        """Whether it was right, or why it was not decided."""
        attempt = SignInAttempt(address, login, password, opaque)
        lock = self.guard.locked(attempt)
        if lock is not None:
            return lock
        if password == RIGHT:
            self.guard.succeeded(attempt)
            return True
        if self.guard.repeats(attempt, GENERATION):
            self.repeated += 1
            return False
        self.checked += 1
        self.guard.failed(attempt, GENERATION)
        return False


Guesses = Iterator[tuple[str, str]]
"""Logins and passwords, without end."""


def at(login: str, seed: str = "") -> Guesses:
    """Every password there is at one login."""
    return ((login, f"{seed} guess {number}") for number in itertools.count())


def spray(logins: int) -> Guesses:
    """One password after the other at every login."""
    return ((f"member{who}", f"guess {number}") for number in itertools.count() for who in range(logins))


def attack(
    town: Town,
    bots: Sequence[tuple[str, Guesses]],
    *,
    days: float = 1,
    every: float = 0.5,
    opaque: bool = False,
) -> int:
    """Have each bot guess from its address, a try every so many seconds; how many passwords were checked."""
    start, before = town.clock.seconds, town.checked
    turns = [(start + number * 0.001, number) for number in range(len(bots))]
    while turns:
        now, number = heapq.heappop(turns)
        if now > start + days * DAY:
            break
        town.clock.seconds = max(town.clock.seconds, now)
        address, guesses = bots[number]
        login, password = next(guesses)
        answer = town.sign_in(address, login, password, opaque=opaque)
        pause = every
        if isinstance(answer, Lock) and (answer.what in {"address", "network"} or len(bots) > 1):
            pause = answer.seconds + 0.001
        elif isinstance(answer, Lock):
            pause = 1.0
        heapq.heappush(turns, (now + pause, number))
    return town.checked - before


def one_login_from_one_address(town: Town) -> int:
    return attack(town, [(CAFE, at("alice"))], every=1)


def one_login_patiently(town: Town) -> int:
    return attack(town, [(CAFE, at("alice"))], every=101)


def many_logins_from_one_address(town: Town) -> int:
    return attack(town, [(CAFE, spray(5_000))])


def many_logins_from_one_address_patiently(town: Town) -> int:
    return attack(town, [(CAFE, spray(5_000))], every=32)


def many_logins_from_one_address_by_scram(town: Town) -> int:
    """Nine proofs at each login, so that no pair is locked."""
    guesses = ((f"member{who}", f"{who} {number}") for who in itertools.count() for number in range(9))
    return attack(town, [(CAFE, guesses)], opaque=True)


def many_logins_from_one_network(town: Town) -> int:
    bots = [(f"198.51.100.{host}", spray(5_000)) for host in range(250)]
    return attack(town, bots)


def one_login_from_one_network(town: Town) -> int:
    return attack(town, [(f"198.51.100.{host}", at("alice", str(host))) for host in range(250)])


def one_login_from_an_ipv6_provider(town: Town) -> int:
    """As many /64 as one wants, out of one /48."""
    return attack(town, [(f"2001:db8:7:{host:x}::1", at("alice", str(host))) for host in range(1_000)])


def one_login_from_many_networks(town: Town) -> int:
    return attack(town, [(f"10.{host}.0.1", at("alice", str(host))) for host in range(250)])


def one_login_from_many_networks_on_the_second_day(town: Town) -> int:
    bots = [(f"10.{host}.0.1", at("alice", str(host))) for host in range(250)]
    attack(town, bots)
    return attack(town, bots)


def one_login_with_one_try_from_each_address(town: Town) -> int:
    before = town.checked
    for number in range(5_000):
        town.clock.seconds += 10
        town.sign_in(f"10.{number // 250}.{number % 250}.1", "alice", f"guess {number}")
    return town.checked - before


def known_logins_from_behind_their_nat(town: Town) -> int:
    """By one who sits there with them."""
    for number in range(500):
        town.sign_in(NAT, f"member{number}", RIGHT)
    return attack(town, [(NAT, spray(500))], days=0.2)


@pytest.mark.parametrize(
    ("attacked", "most"),
    [
        (one_login_from_one_address, 40),
        (one_login_patiently, 40),
        (many_logins_from_one_address, 100),
        (many_logins_from_one_address_patiently, 100),
        (many_logins_from_one_address_by_scram, 250),
        (many_logins_from_one_network, 950),
        (one_login_from_one_network, 120),
        (one_login_from_an_ipv6_provider, 120),
        (one_login_from_many_networks, 10 * 250),
        (one_login_from_many_networks_on_the_second_day, 2 * 250),
        (one_login_with_one_try_from_each_address, 5_000),
        (known_logins_from_behind_their_nat, 14 * 500),
    ],
)
def test_an_attacker_gets_so_many_guesses_a_day_and_members_get_in(
    attacked: Callable[[Town], int], most: int
) -> None:
    town = Town()
    assert town.sign_in(HOME, "alice", RIGHT) is True
    guesses = attacked(town)
    assert guesses <= most
    assert town.sign_in(HOME, "alice", RIGHT) is True, "at home, as ever"
    assert town.sign_in(HOME, "alice", "a slip of the finger") is False, "and with a slip"
    assert town.sign_in(HOTEL, "alice", RIGHT) is True, "and where the member never was"
    assert town.sign_in(HOTEL, "somebody", RIGHT) is True, "and so is everybody else elsewhere"


MEMBERS, OUTDATED = 5_000, 200


def busy_nat(town: Town) -> None:
    """Where thousands of members sit, who were all right there lately."""
    for number in range(MEMBERS):
        town.sign_in(NAT, f"member{number}", RIGHT)


def poll(town: Town, old: str, *, opaque: bool = False, hours: int = 24) -> None:
    """Have the mail programs with old passwords try theirs every half an hour, all within minutes."""
    for turn in range(2 * hours):
        town.clock.seconds += 1_800
        for number in range(OUTDATED):
            password = f"{old} {turn} {number}" if opaque else old
            town.sign_in(NAT, f"member{number}", password, opaque=opaque)


def test_old_passwords_behind_a_nat_lock_nobody_out_not_even_who_is_new_there() -> None:
    town = Town()
    busy_nat(town)
    poll(town, "the old one")
    assert town.sign_in(NAT, "newcomer", RIGHT) is True
    assert all(town.sign_in(NAT, f"member{number}", RIGHT) is True for number in range(OUTDATED))


def test_nor_where_it_is_not_known_that_their_members_were_there_before() -> None:
    town = Town()
    for number in range(OUTDATED, MEMBERS):
        town.sign_in(NAT, f"member{number}", RIGHT)
    poll(town, "the old one")
    assert town.sign_in(NAT, "newcomer", RIGHT) is True
    assert town.sign_in(NAT, "member7", RIGHT) is True


def test_nor_with_scram_whose_proofs_are_all_different() -> None:
    """Their own pairs are locked in the end, for the mail programs do not stop."""
    town = Town()
    busy_nat(town)
    poll(town, "a proof", opaque=True)
    assert town.sign_in(NAT, "newcomer", RIGHT) is True
    assert town.sign_in(NAT, "member7", RIGHT) is True


def test_one_mail_program_with_an_old_scram_password_locks_its_pair_and_not_its_address() -> None:
    """Even at an address where nobody was ever right, at one try a minute all day."""
    town = Town()
    for number in range(1_440):
        town.clock.seconds += 60
        town.sign_in(CAFE, "alice", f"proof {number}", opaque=True)
    assert isinstance(town.sign_in(CAFE, "alice", "next", opaque=True), Lock)
    assert town.sign_in(CAFE, "bob", RIGHT) is True


def test_a_phone_with_an_old_password_that_roams_through_many_networks_leaves_its_login_alone() -> None:
    town = Town()
    town.sign_in(HOME, "alice", "correct horse 7")
    for number in range(500):
        town.clock.seconds += 100
        town.sign_in(f"10.{number // 250}.{number % 250}.1", "alice", "the one before")
    assert town.sign_in(HOTEL, "alice", "a slip of the finger") is False
    assert town.sign_in(HOTEL, "alice", RIGHT) is True


def test_while_a_login_is_tried_from_everywhere_a_new_place_has_one_slip_and_is_then_told_to_wait() -> None:
    town = Town()
    town.sign_in(HOME, "alice", RIGHT)
    one_login_with_one_try_from_each_address(town)
    assert town.sign_in(HOTEL, "alice", "a slip of the finger") is False
    lock = town.sign_in(HOTEL, "alice", RIGHT)
    assert isinstance(lock, Lock)
    assert lock.what == "login"
    assert 0 < lock.seconds <= 300
    town.clock.seconds += lock.seconds
    assert town.sign_in(HOTEL, "alice", RIGHT) is True


def test_where_a_network_is_known_to_the_login_it_is_as_ever_while_it_is_tried_from_everywhere() -> None:
    town = Town()
    town.sign_in(HOME, "alice", RIGHT)
    one_login_with_one_try_from_each_address(town)
    for number in range(9):
        assert town.sign_in("192.0.2.77", "alice", f"slip {number}") is False
    assert town.sign_in("192.0.2.77", "alice", RIGHT) is True
