from __future__ import annotations

import ipaddress
from functools import partial

import pytest

from sams.identity.guard.interface import GuardSettings, LockBegun, SignInAttempt
from sams.identity.guard.memory import GuardMemory
from sams.identity.guard.shared_guard import SharedGuard
from tests.identity.rig import CAFE, HOME, KEY, FakeClock, in_child


class Books:
    """A guard with its clock."""

    def __init__(self, settings: GuardSettings | None = None) -> None:
        self.clock = FakeClock()
        self.memory = GuardMemory(KEY, slots=4096)
        self.begun: list[LockBegun] = []
        self.guard = SharedGuard(self.memory, self.clock, settings or GuardSettings(), self.begun.append)

    def fail(
        self, *passwords: str, address: str = CAFE, login: str = "alice", generation: int = 1
    ) -> list[float]:
        attempts = [SignInAttempt(address, login, password) for password in passwords]
        return [self.guard.failed(attempt, generation) for attempt in attempts]

    def locked(self, password: str = "next", *, address: str = CAFE, login: str = "alice") -> str | None:
        lock = self.guard.locked(SignInAttempt(address, login, password))
        return lock.what if lock else None

    def repeats(
        self, password: str, *, address: str = CAFE, login: str = "alice", generation: int = 1
    ) -> bool:
        return self.guard.repeats(SignInAttempt(address, login, password), generation)


GUESSES = tuple(f"guess {number}" for number in range(10))
OTHERS = tuple(f"another guess {number}" for number in range(10))


def test_replies_slow_down_before_the_pair_is_locked() -> None:
    books = Books()
    assert books.fail(*GUESSES) == [0, 0, 0, 1, 2, 4, 8, 8, 8, 8]
    assert books.locked() == "pair"


def test_nine_distinct_wrong_passwords_lock_nothing() -> None:
    books = Books()
    books.fail(*GUESSES[:9])
    assert books.locked() is None


def test_one_wrong_password_repeated_all_day_is_no_attack() -> None:
    books = Books()
    for _ in range(1_000):
        assert books.fail("the old one") == [0]
        books.clock.seconds += 60
    assert books.locked() is None


def test_a_wrong_password_is_known_to_be_wrong_for_its_pair_and_for_no_other() -> None:
    books = Books()
    assert not books.repeats("the old one")
    books.fail("the old one", "another")
    assert books.repeats("the old one")
    assert books.repeats("another")
    assert not books.repeats("the new one")
    assert not books.repeats("the old one", address=HOME)
    assert not books.repeats("the old one", login="bob")


def test_a_wrong_password_is_known_for_the_window_only() -> None:
    books = Books()
    books.fail("the old one")
    books.clock.seconds += 899
    assert books.repeats("the old one")
    books.clock.seconds += 1
    assert not books.repeats("the old one")


def test_after_a_change_of_the_account_no_password_is_known_to_be_wrong() -> None:
    books = Books()
    books.fail("the old one")
    assert not books.repeats("the old one", generation=2)


def test_a_password_that_is_wrong_after_a_change_too_is_no_other_guess() -> None:
    books = Books()
    for generation in range(100):
        assert books.fail("the old one", generation=generation) == [0]
        assert books.repeats("the old one", generation=generation)
    assert not books.repeats("the old one", generation=98)
    assert books.locked() is None


def test_of_networks_that_are_free_of_it_nothing_is_known() -> None:
    books = Books(GuardSettings(allow=(ipaddress.ip_network("198.51.100.0/24"),)))
    books.fail("the old one")
    assert not books.repeats("the old one")


def test_a_locked_pair_leaves_the_owner_elsewhere_and_others_there_alone() -> None:
    books = Books()
    books.fail(*GUESSES)
    assert books.locked(address=HOME) is None
    assert books.locked(login="bob") is None


def test_a_lock_ends_and_the_next_is_twice_as_long() -> None:
    books = Books()
    books.fail(*GUESSES)
    books.clock.seconds += 299
    assert books.locked() == "pair"
    books.clock.seconds += 1
    assert books.locked() is None
    books.fail(*OTHERS)
    books.clock.seconds += 599
    assert books.locked() == "pair"
    books.clock.seconds += 1
    assert books.locked() is None


def test_locks_never_grow_past_the_longest_and_shrink_again_after_a_quiet_day() -> None:
    books = Books(GuardSettings(lock=300, lock_longest=1_000))
    for turn in range(6):
        books.fail(*(f"{guess} of {turn}" for guess in GUESSES))
        lock = books.guard.locked(SignInAttempt(CAFE, "alice", "x"))
        assert lock is not None
        assert lock.seconds <= 1_000
        books.clock.seconds += lock.seconds
    books.clock.seconds += 86_400
    books.fail(*GUESSES)
    lock = books.guard.locked(SignInAttempt(CAFE, "alice", "x"))
    assert lock is not None
    assert lock.seconds == 300


def test_wrong_passwords_are_forgotten_after_the_window() -> None:
    books = Books()
    books.fail(*GUESSES[:9])
    books.clock.seconds += 900
    books.fail("one more", "and one more")
    assert books.locked() is None


def test_guesses_at_many_logins_lock_the_address_for_those_who_never_succeeded_there() -> None:
    books = Books()
    books.guard.succeeded(SignInAttempt(CAFE, "alice", "right"))
    for number in range(30):
        books.fail("password1", login=f"member{number}")
    assert books.locked(login="bob") == "address"
    assert books.locked(login="alice") is None
    assert books.locked(login="bob", address=HOME) is None


def test_guesses_from_many_addresses_of_one_network_lock_the_network() -> None:
    books = Books(GuardSettings(network_failures=20))
    for number in range(20):
        books.fail("password1", login="alice", address=f"203.0.113.{number}")
    assert books.locked(login="bob", address="203.0.113.200") == "network"
    assert books.locked(login="bob", address="203.0.114.200") is None


@pytest.mark.parametrize(
    ("one", "other"), [("2001:db8::1", "2001:db8::ffff"), ("192.0.2.9", "::ffff:192.0.2.9")]
)
def test_a_lock_is_for_all_addresses_of_an_origin(one: str, other: str) -> None:
    books = Books()
    books.fail(*GUESSES, address=one)
    assert books.locked(address=other) == "pair"


def test_the_password_that_was_right_here_still_passes_its_pairs_lock() -> None:
    books = Books()
    books.guard.succeeded(SignInAttempt(CAFE, "alice", "right"))
    books.fail(*GUESSES)
    assert books.locked("right") is None
    assert books.locked("another") == "pair"


def test_a_pairs_lock_that_sees_many_other_passwords_holds_for_every_password() -> None:
    books = Books(GuardSettings(tries_while_locked=5))
    books.guard.succeeded(SignInAttempt(CAFE, "alice", "right"))
    books.fail(*GUESSES)
    for number in range(5):
        assert books.locked("right") is None
        assert books.locked(f"another {number}") == "pair"
    assert books.locked("right") == "pair"


def test_each_lock_counts_other_passwords_anew() -> None:
    books = Books(GuardSettings(tries_while_locked=2))
    books.guard.succeeded(SignInAttempt(CAFE, "alice", "right"))
    books.fail(*GUESSES)
    assert [books.locked(f"another {number}") for number in range(2)] == ["pair"] * 2
    books.clock.seconds += 300
    books.fail(*OTHERS)
    assert books.locked("another one") == "pair"
    assert books.locked("right") is None


def test_a_success_does_not_clear_what_a_neighbour_guessed() -> None:
    books = Books()
    for guess in GUESSES:
        books.fail(guess)
        books.guard.succeeded(SignInAttempt(CAFE, "alice", "right"))
    assert books.locked() == "pair"


def test_a_pair_is_known_for_its_time() -> None:
    books = Books(GuardSettings(known=1_000))
    books.guard.succeeded(SignInAttempt(CAFE, "alice", "right"))
    books.clock.seconds += 1_000
    books.fail(*GUESSES)
    assert books.locked("right") == "pair"


def test_a_success_that_is_repeated_keeps_the_pair_known() -> None:
    books = Books(GuardSettings(known=1_000))
    for _ in range(10):
        books.guard.succeeded(SignInAttempt(CAFE, "alice", "right"))
        books.clock.seconds += 500
    books.fail(*GUESSES)
    assert books.locked("right") is None


def test_networks_of_the_allow_list_are_free_of_it() -> None:
    books = Books(GuardSettings(allow=(ipaddress.ip_network("198.51.100.0/24"),)))
    assert books.fail(*GUESSES, "more", "and more") == [0] * 12
    assert books.locked() is None


def test_what_one_process_counts_all_know() -> None:
    books = Books()
    for guess in GUESSES:
        in_child(partial(books.fail, guess))
    assert books.locked() == "pair"


def test_a_full_table_forgets_the_oldest_and_goes_on() -> None:
    books = Books()
    for number in range(3_000):
        books.clock.seconds += 0.01
        books.fail("guess", login=f"login {number}", address=f"10.{number // 250}.{number % 250}.1")
    books.fail(*GUESSES)
    assert books.locked() == "pair"


def test_no_password_and_no_login_stand_in_its_memory_or_in_what_it_shows() -> None:
    books = Books()
    books.fail("a secret guess")
    books.guard.succeeded(SignInAttempt(CAFE, "alice", "the real secret"))
    memory = b"".join(bytes(table.memory) for table in (books.memory.counts, books.memory.places))
    assert b"secret" not in memory
    assert b"alice" not in memory
    assert "secret" not in repr(SignInAttempt(CAFE, "alice", "the real secret"))


# --- what was right before


def right(books: Books, password: str = "right", *, address: str = CAFE, login: str = "alice") -> None:
    books.guard.succeeded(SignInAttempt(address, login, password))


def was_right(books: Books, password: str, *, address: str = CAFE, login: str = "alice") -> bool:
    return books.guard.was_right(SignInAttempt(address, login, password))


def test_a_previous_password_is_no_guess_costs_no_lock_and_is_known_as_such() -> None:
    books = Books()
    right(books, "the old one")
    right(books, "the new one")
    books.fail(*GUESSES[:9])
    assert books.fail("the old one") == [0]
    assert books.locked() is None
    assert books.repeats("the old one"), "it costs one hash"
    assert was_right(books, "the old one")
    assert not was_right(books, "guess 1")


def test_before_anybody_has_used_the_new_one_the_previous_password_is_known_already() -> None:
    books = Books()
    right(books, "the old one")
    for number in range(100):
        assert books.fail("the old one", generation=number) == [0]
    assert books.locked("the new one") is None
    assert was_right(books, "the old one")


def test_elsewhere_a_previous_password_is_known_as_such_and_counts_once_as_any_other() -> None:
    books = Books()
    right(books, "the old one", address=HOME)
    assert was_right(books, "the old one")
    assert not was_right(books, "the old one", login="bob")
    books.fail(*GUESSES[:9])
    books.fail("the old one", "the old one")
    assert books.locked() == "pair"


def test_of_several_passwords_of_a_place_each_passes_and_the_fifth_last_is_forgotten() -> None:
    books = Books()
    for number in range(5):
        right(books, f"app password {number}")
    books.fail(*GUESSES)
    assert [books.locked(f"app password {number}") for number in range(5)] == ["pair", *[None] * 4]


# --- what is known


def test_the_first_wrong_passwords_of_a_known_pair_count_for_it_alone() -> None:
    books = Books(GuardSettings(address_failures=5, known_failures=3))
    for number in range(4):
        right(books, login=f"member{number}")
        books.fail("slip 1", "slip 2", "slip 3", login=f"member{number}")
    assert books.locked(login="newcomer") is None
    for number in range(4):
        books.fail("slip 4", "slip 5", login=f"member{number}")
    assert books.locked(login="newcomer") == "address"


def test_while_a_wider_lock_is_in_force_a_known_pair_has_fewer_wrong_passwords() -> None:
    books = Books()
    right(books)
    for number in range(30):
        books.fail("password1", login=f"member{number}")
    assert books.locked(login="newcomer") == "address"
    books.fail("slip 1", "slip 2")
    assert books.locked() is None
    books.fail("slip 3")
    assert books.locked() == "pair"
    assert books.locked("right") is None


@pytest.mark.parametrize(("logins", "level"), [(0, "address"), (20, "address"), (60, None), (2_000, None)])
def test_an_address_has_as_many_guesses_as_logins_were_right_there(logins: int, level: str | None) -> None:
    books = Books()
    for number in range(logins):
        right(books, login=f"member{number}")
    for number in range(45):
        books.fail("password1", login=f"other{number}")
    assert books.locked(login="newcomer") == level


def test_however_many_were_right_there_an_address_has_an_end() -> None:
    books = Books()
    for number in range(4_000):
        right(books, login=f"member{number}")
    for number in range(1_000):
        books.fail("password1", login=f"other{number}")
    assert books.locked(login="newcomer") == "address"


def test_who_was_right_at_an_address_weeks_ago_gives_it_nothing_any_more() -> None:
    books = Books()
    for number in range(100):
        right(books, login=f"member{number}")
    books.clock.seconds += 7 * 86_400
    right(books, login="one who stayed")
    for number in range(45):
        books.fail("password1", login=f"other{number}")
    assert books.locked(login="newcomer") is None
    books.clock.seconds += 7 * 86_400
    for number in range(45):
        books.fail("password2", login=f"other{number}")
    assert books.locked(login="newcomer") == "address"


# --- all day


def test_who_stays_below_the_limit_of_the_window_meets_that_of_the_day() -> None:
    books = Books()
    for number in range(30):
        assert books.locked() is None
        books.clock.seconds += 101
        books.fail(f"guess {number}")
    assert books.locked() == "pair"


def test_the_next_day_begins_anew() -> None:
    books = Books()
    for number in range(29):
        books.clock.seconds += 901
        books.fail(f"guess {number}")
    books.clock.seconds += 86_400
    books.fail("one more", "and one more")
    assert books.locked() is None


# --- a proof that is another one each time


def prove(books: Books, times: int, *, address: str = CAFE, login: str = "alice") -> None:
    for number in range(times):
        books.guard.failed(SignInAttempt(address, login, f"scram:{number}", opaque=True), 1)


def test_each_wrong_proof_counts_for_its_pair() -> None:
    books = Books()
    prove(books, 9)
    assert not books.guard.repeats(SignInAttempt(CAFE, "alice", "scram:1", opaque=True), 1)
    assert books.locked() is None
    prove(books, 1)
    assert books.locked() == "pair"


def test_beyond_their_pair_wrong_proofs_count_ever_more_slowly() -> None:
    books = Books(GuardSettings(address_failures=5, pair_failures=1_000, day_factor=100))
    prove(books, 15)
    assert books.locked(login="newcomer") is None
    prove(books, 1)
    assert books.locked(login="newcomer") == "address"


# --- who hears of locks


def test_a_lock_is_told_once_when_it_begins_by_the_worker_that_saw_it() -> None:
    books = Books()
    books.fail(*GUESSES, "and one that was under way")
    assert books.begun == [LockBegun("pair", "alice", CAFE, 300.0, 10)]


def test_locks_of_each_level_are_told_with_what_they_lock() -> None:
    few = GuardSettings(pair_failures=100, address_failures=3, network_failures=4, login_failures=5)
    books = Books(few)
    for number in range(3):
        books.fail(f"guess {number}", login=f"member{number}")
    books.fail("guess", login="bob", address="198.51.100.8")
    for number in range(5):
        books.fail(f"guess {number}", login="carol", address=f"10.0.{number}.1")
    books.fail("one more", login="carol", address="2001:db8::1")
    assert [(each.level, each.login, each.place) for each in books.begun] == [
        ("address", "", CAFE),
        ("network", "", "198.51.100.0/24"),
        ("login", "carol", ""),
        ("login", "carol", "2001:db8::/64"),
    ]
