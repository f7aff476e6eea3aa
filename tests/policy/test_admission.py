from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sams.core.reply import Reply
from sams.policy.admission import Admission, AdmissionBooks, AdmissionLimits
from tests.identity.rig import CAFE, HOME, KEY, FakeClock, in_child

LIMITS = AdmissionLimits(connections=100, per_address=5, new_per_minute=20, per_login=4)


class Door:
    """Two workers with one set of books."""

    def __init__(self, limits: AdmissionLimits = LIMITS) -> None:
        self.clock = FakeClock()
        self.books = AdmissionBooks(2, KEY, slots=1_024)
        self.first, self.second = (Admission(self.books, worker, self.clock, limits) for worker in (0, 1))


def codes(ask: Callable[[], Reply | None], times: int) -> list[str]:
    """`ok`, or code and enhanced status of the refusal."""
    answers = [ask() for _ in range(times)]
    return ["ok" if answer is None else str(answer)[:9] for answer in answers]


def test_an_address_holds_only_so_many_connections_that_are_not_signed_in() -> None:
    door = Door()
    assert codes(lambda: door.first.connected(CAFE), 6) == ["ok"] * 5 + ["421 4.7.0"]
    assert door.first.connected(HOME) is None


def test_the_cap_is_over_all_workers() -> None:
    door = Door()
    in_child(lambda: codes(lambda: door.second.connected(CAFE), 3))
    assert codes(lambda: door.first.connected(CAFE), 3) == ["ok", "ok", "421 4.7.0"]


def test_who_signs_in_no_longer_counts_for_the_address() -> None:
    door = Door()
    for number in range(50):
        assert door.first.connected(CAFE) is None
        assert door.first.signed_in(CAFE, f"member{number}") is None
    assert codes(lambda: door.first.connected(CAFE), 6) == ["ok"] * 5 + ["421 4.7.0"]


def test_new_connections_that_no_sign_in_follows_are_limited_by_the_minute() -> None:
    door = Door()
    for _ in range(20):
        assert door.first.connected(CAFE) is None
        door.first.disconnected(CAFE, None)
    refused = door.first.connected(CAFE)
    assert "in a minute" in str(refused)
    door.clock.seconds += 60
    assert door.first.connected(CAFE) is None


def test_sign_ins_do_not_use_up_the_minute() -> None:
    door = Door()
    for _ in range(100):
        assert door.first.connected(CAFE) is None
        assert door.first.signed_in(CAFE, "alice") is None
        door.first.disconnected(CAFE, "alice")


def test_a_login_holds_only_so_many_connections_from_wherever() -> None:
    door = Door()
    for number in range(4):
        address = f"192.0.2.{number}"
        door.first.connected(address)
        assert door.first.signed_in(address, "alice") is None
    door.second.connected(HOME)
    assert str(door.second.signed_in(HOME, "alice")).startswith("421 4.7.0 This account has 4 connections")
    assert door.second.signed_in(HOME, "bob") is None
    door.first.disconnected("192.0.2.0", "alice")
    door.second.connected(CAFE)
    assert door.second.signed_in(CAFE, "alice") is None


def test_a_refused_sign_in_still_counts_for_its_address() -> None:
    door = Door(AdmissionLimits(connections=100, per_address=1, per_login=0))
    assert door.first.connected(CAFE) is None
    assert door.first.signed_in(CAFE, "alice") is not None
    assert door.first.connected(CAFE) is not None
    door.first.disconnected(CAFE, None)
    assert door.first.connected(CAFE) is None


def test_a_worker_holds_only_so_many_connections_and_knows_pressure_before() -> None:
    door = Door(AdmissionLimits(connections=10))
    pressure = [door.first.under_pressure]
    answers = codes(lambda: door.first.connected(HOME), 8)
    assert answers == ["ok"] * 8
    pressure.append(door.first.under_pressure)
    assert codes(lambda: door.first.connected(HOME), 3) == ["ok", "ok", "421 4.3.2"]
    assert door.second.connected(CAFE) is None
    for _ in range(3):
        door.first.disconnected(HOME, None)
    assert [*pressure, door.first.under_pressure] == [False, True, False]


def test_a_full_worker_takes_who_comes_where_another_one_goes_for_it() -> None:
    door = Door(AdmissionLimits(connections=1, per_address=2))
    asked: list[str] = []

    def make_room() -> bool:
        asked.append("asked")
        return True

    assert door.first.connected(HOME) is None
    assert door.first.connected(HOME, make_room) is None
    door.first.disconnected(HOME, None)
    assert door.first.connected(CAFE) is not None
    assert asked == ["asked"]
    assert codes(lambda: door.second.connected(HOME, make_room), 2) == ["ok", "421 4.7.0"]
    assert asked == ["asked"], "who is refused for the address makes nobody go"


def test_addresses_of_one_origin_count_together() -> None:
    door = Door()
    addresses = [f"2001:db8::{number}" for number in range(1, 7)]
    assert [door.first.connected(address) is None for address in addresses] == [True] * 5 + [False]
    assert door.first.connected("2001:db8:0:1::1") is None


def test_allowed_networks_are_held_only_to_the_workers_total() -> None:
    allow = (ipaddress.ip_network("198.51.100.0/24"),)
    door = Door(AdmissionLimits(connections=60, per_address=1, new_per_minute=1, per_login=1, allow=allow))
    for _ in range(60):
        assert door.first.connected(CAFE) is None
        assert door.first.signed_in(CAFE, "alice") is None
    assert str(door.first.connected(CAFE)).startswith("421 4.3.2")
    door.first.disconnected(CAFE, "alice")
    assert door.first.connected(CAFE) is None


def test_what_a_dead_worker_held_is_taken_out() -> None:
    door = Door()
    in_child(lambda: [door.second.connected(CAFE) for _ in range(3)])
    in_child(lambda: [door.second.signed_in(CAFE, "alice") for _ in range(2)])
    door.first.connected(CAFE)
    door.books.forget(1)
    assert codes(lambda: door.first.connected(CAFE), 5) == ["ok"] * 4 + ["421 4.7.0"]
    assert codes(lambda: door.first.signed_in(CAFE, "alice"), 5) == ["ok"] * 4 + ["421 4.7.0"]
    assert not door.second.under_pressure


def test_nothing_is_kept_of_who_is_gone_or_was_refused() -> None:
    door = Door(AdmissionLimits(connections=100, per_address=5, new_per_minute=20, per_login=0))
    for number in range(30):
        door.first.connected(f"192.0.2.{number}")
        assert door.first.signed_in(f"192.0.2.{number}", f"member{number}") is not None
        door.first.disconnected(f"192.0.2.{number}", None)
    assert len(door.books.workers[0].origins) == 30, "they count for this minute"
    door.clock.seconds += 60
    for _ in range(8):
        door.first.connected(HOME)
        door.first.disconnected(HOME, None)
    assert (len(door.books.workers[0].origins), len(door.books.workers[0].logins)) == (1, 0)


def test_what_a_flood_of_addresses_left_is_forgotten_a_few_at_a_time() -> None:
    door = Door(AdmissionLimits(connections=2_000))
    for number in range(1_000):
        address = f"10.0.{number // 250}.{number % 250}"
        door.first.connected(address)
        if number % 10:
            door.first.disconnected(address, None)
    door.clock.seconds += 60
    origins = door.books.workers[0].origins
    kept = [len(origins)]
    for _ in range(300):
        door.first.connected(HOME)
        door.first.disconnected(HOME, None)
        kept.append(len(origins))
    assert all(before - after <= 4 for before, after in pairwise(kept))
    assert kept[-1] == 101, "who is still here is kept"


def test_where_too_many_addresses_come_in_a_minute_only_the_oldest_are_forgotten() -> None:
    door = Door()

    def come(addresses: Iterable[str]) -> None:
        for address in addresses:
            door.first.connected(address)
            door.first.disconnected(address, None)

    come(f"10.0.{number // 250}.{number % 250}" for number in range(1_000))
    come([CAFE] * 20)
    come(f"10.1.{number // 250}.{number % 250}" for number in range(500))
    assert "in a minute" in str(door.first.connected(CAFE))


def test_a_flood_of_addresses_takes_no_more_than_the_room_for_it() -> None:
    door = Door()
    for number in range(3_000):
        address = f"10.0.{number // 250}.{number % 250}"
        assert door.first.connected(address) is None
        door.first.disconnected(address, None)
    assert len(door.books.workers[0].origins) <= 1_024


def test_the_only_worker_counts_without_a_table() -> None:
    books = AdmissionBooks(1, KEY)
    assert books.workers[0].table is None
    alone = Admission(books, 0, FakeClock(), LIMITS)
    assert codes(lambda: alone.connected(CAFE), 6) == ["ok"] * 5 + ["421 4.7.0"]
    again = Admission(books, 0, FakeClock(), LIMITS)  # after a reload
    assert codes(lambda: again.connected(CAFE), 1) == ["421 4.7.0"]


@given(st.lists(st.tuples(st.sampled_from("cse"), st.integers(0, 3)), max_size=80))
def test_after_the_last_connection_nothing_is_counted(steps: list[tuple[str, int]]) -> None:
    door = Door()
    held: list[tuple[str, str | None]] = []
    for step, number in steps:
        address = f"192.0.2.{number}"
        if step == "c" and door.first.connected(address) is None:
            held.append((address, None))
        elif step == "s" and (address, None) in held and door.first.signed_in(address, "alice") is None:
            held[held.index((address, None))] = (address, "alice")
        elif step == "e" and held:
            door.first.disconnected(*held.pop())
    for address, login in held:
        door.first.disconnected(address, login)
    door.clock.seconds += 60
    for number in range(4):
        assert codes(partial(door.first.connected, f"192.0.2.{number}"), 6)[4:] == [
            "ok",
            "421 4.7.0",
        ]
    assert codes(lambda: door.first.signed_in("192.0.2.0", "alice"), 5) == ["ok"] * 4 + ["421 4.7.0"]
