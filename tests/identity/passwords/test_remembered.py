from __future__ import annotations

from sams.identity.passwords.remembered import Remembered
from tests.identity.rig import KEY, FakeClock, in_child


def test_a_password_is_known_for_its_time_and_no_longer() -> None:
    clock = FakeClock()
    remembered = Remembered(KEY, clock, seconds=300)
    remembered.remember("alice", 7, "secret")
    clock.seconds += 299
    assert remembered.knows("alice", 7, "secret")
    clock.seconds += 1
    assert not remembered.knows("alice", 7, "secret")


def test_only_the_very_login_generation_and_password_are_known() -> None:
    remembered = Remembered(KEY, FakeClock())
    remembered.remember("alice", 7, "secret")
    for login, generation, password in [("alice", 8, "secret"), ("alic", 7, "secret"), ("alice", 7, "secre")]:
        assert not remembered.knows(login, generation, password)


def test_what_one_process_verified_all_know() -> None:
    remembered = Remembered(KEY, FakeClock())
    in_child(lambda: remembered.remember("alice", 7, "secret"))
    assert remembered.knows("alice", 7, "secret")


def test_two_passwords_find_room_in_two_slots_and_a_third_takes_the_one_that_ends_first() -> None:
    clock = FakeClock()
    remembered = Remembered(KEY, clock, slots=2)
    for turn in range(40):  # every tag has one or both of the two slots to go to
        clock.seconds += 1
        remembered.remember("alice", turn, "secret")
        assert remembered.knows("alice", turn, "secret")
    assert sum(remembered.knows("alice", turn, "secret") for turn in range(40)) <= 2


def test_remembering_again_takes_no_second_slot() -> None:
    clock = FakeClock()
    remembered = Remembered(KEY, clock, slots=2)
    remembered.remember("alice", 1, "secret")
    before = bytes(remembered._memory).count(b"\0" * 16)
    clock.seconds += 10
    remembered.remember("alice", 1, "secret")
    assert bytes(remembered._memory).count(b"\0" * 16) == before


def test_a_torn_slot_matches_nothing() -> None:
    remembered = Remembered(KEY, FakeClock(), slots=1)
    remembered.remember("alice", 1, "secret")
    remembered._memory[9] ^= 1
    assert not remembered.knows("alice", 1, "secret")


def test_no_time_means_never() -> None:
    remembered = Remembered(KEY, FakeClock(), seconds=0)
    remembered.remember("alice", 1, "secret")
    assert not remembered.knows("alice", 1, "secret")


def test_neither_password_nor_login_stands_in_memory() -> None:
    remembered = Remembered(KEY, FakeClock())
    remembered.remember("alice", 1, "a long enough secret")
    assert b"secret" not in bytes(remembered._memory)
    assert b"alice" not in bytes(remembered._memory)
