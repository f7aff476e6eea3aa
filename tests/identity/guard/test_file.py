"""What the guard keeps on disk: known places and locks, and nothing from which a password can be tried."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from sams.identity.guard.file import (
    LONGEST_AWAY,
    DamagedGuardFile,
    guard_path,
    read_guard,
    restore,
    save,
)
from sams.identity.guard.interface import GuardSettings, SignInAttempt
from sams.identity.guard.memory import GuardMemory
from sams.identity.guard.records import DAY
from sams.identity.guard.shared_guard import SharedGuard
from tests.identity.rig import CAFE, HOME, KEY, FakeClock

RIGHT = "correct horse 7"


@dataclass
class Service:
    """A guard on a folder, and its clock."""

    folder: Path
    clock: FakeClock
    memory: GuardMemory

    @property
    def guard(self) -> SharedGuard:
        return SharedGuard(self.memory, self.clock, GuardSettings())

    def restarted(self, after: float = 0.0, *, wall: float | None = None) -> Service:
        """The same service after a restart of the machine: another monotonic time, another memory.

        after: seconds that pass. wall: what the wall clock says has passed, where that is something else.
        """
        save(self.memory, guard_path(self.folder), self.clock)
        now = self.clock.now() + (after if wall is None else wall)
        saved = read_guard(guard_path(self.folder))
        assert saved is not None
        clock = FakeClock(seconds=50.0, epoch=now - 50.0)
        memory = GuardMemory(saved.key, slots=1024)
        restore(memory, saved, clock)
        return Service(self.folder, clock, memory)

    def attempt(self, password: str, address: str = CAFE, login: str = "alice") -> SignInAttempt:
        return SignInAttempt(address, login, password)

    def locked(self, password: str = "next", address: str = CAFE, login: str = "alice") -> float:
        lock = self.guard.locked(self.attempt(password, address, login))
        return lock.seconds if lock else 0.0


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path, FakeClock(seconds=500_000.0), GuardMemory(KEY, slots=1024))


def guess(service: Service, count: int = 10, address: str = CAFE) -> None:
    for number in range(count):
        service.guard.failed(service.attempt(f"guess {number}", address), 1)


def test_a_lock_goes_on_for_the_rest_of_its_time(service: Service) -> None:
    guess(service)
    later = service.restarted(100)
    assert later.locked() == pytest.approx(200)
    assert later.locked(address=HOME) == 0
    later.clock.seconds += 200
    assert later.locked() == 0


def test_the_next_lock_is_longer_as_if_there_had_been_no_restart(service: Service) -> None:
    guess(service)
    later = service.restarted(300)
    for number in range(10):
        later.guard.failed(later.attempt(f"another {number}"), 1)
    assert later.locked() == pytest.approx(600)


def test_a_known_place_is_known_for_the_rest_of_its_time(service: Service) -> None:
    service.guard.succeeded(service.attempt(RIGHT))
    later = service.restarted(6 * DAY)
    assert later.guard.knows(later.attempt("whatever"))
    again = later.restarted(6 * DAY).restarted(6 * DAY).restarted(6 * DAY)
    assert again.guard.knows(again.attempt("whatever"))
    last = again.restarted(6 * DAY)
    assert not last.guard.knows(last.attempt("whatever"))


def test_the_right_password_passes_a_pairs_lock_after_a_restart_and_a_guesser_learns_little(
    service: Service,
) -> None:
    service.guard.succeeded(service.attempt(RIGHT))
    guess(service)
    later = service.restarted(1)
    passed = [later.locked(f"try {number}") == 0 for number in range(20)]
    assert passed.count(True) == 4
    member = service.restarted(1)
    assert member.locked(RIGHT) == 0  # it is checked …
    assert member.locked(RIGHT) == 0  # … asked about again, and right
    member.guard.succeeded(member.attempt(RIGHT))
    assert member.locked("another") > 0
    assert member.locked(RIGHT) == 0


@pytest.mark.parametrize(("wall", "left"), [(-10 * DAY, 300), (10 * 365 * DAY, 0)])
def test_a_clock_that_jumped_makes_no_lock_longer_and_forgets_no_place(
    service: Service, wall: float, left: float
) -> None:
    service.guard.succeeded(service.attempt(RIGHT, HOME))
    guess(service)
    later = service.restarted(wall=wall)
    assert later.locked() == pytest.approx(left)
    assert later.guard.knows(later.attempt("whatever", HOME))
    assert GuardSettings().known > LONGEST_AWAY


def test_what_a_nat_is_allowed_is_kept(service: Service) -> None:
    for number in range(200):
        service.guard.succeeded(service.attempt(RIGHT, CAFE, f"member{number}"))
    later = service.restarted(60)
    for number in range(100):
        later.guard.failed(later.attempt("old", CAFE, f"other{number}"), 1)
    assert later.locked(login="newcomer") == 0


def test_a_login_that_is_tried_from_many_places_is_so_after_a_restart(service: Service) -> None:
    for number in range(100):
        service.guard.failed(service.attempt(f"guess {number}", f"10.0.{number}.1"), 1)
    later = service.restarted(60)
    later.guard.failed(later.attempt("one", HOME), 1)
    assert later.locked("two", HOME) > 0


def test_nothing_in_the_file_tells_of_a_password(service: Service) -> None:
    guess(service, 3)
    guess(service)
    one = service.folder / "one"
    save(service.memory, one, service.clock)
    other = Service(service.folder, FakeClock(seconds=500_000.0), GuardMemory(KEY, slots=1024))
    for number in range(10):
        other.guard.failed(other.attempt(f"quite another {number}"), 1)
    other.guard.succeeded(other.attempt("this", HOME))
    service.guard.succeeded(service.attempt("that", HOME))
    two = service.folder / "two"
    save(service.memory, one, service.clock)
    save(other.memory, two, other.clock)
    assert one.read_bytes() == two.read_bytes(), "what was typed makes no difference to what is written"


def test_the_file_is_for_its_owner_alone(service: Service) -> None:
    save(service.memory, guard_path(service.folder), service.clock)
    assert guard_path(service.folder).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in service.folder.iterdir()] == ["guard.state"]


def test_without_a_file_there_is_nothing(tmp_path: Path) -> None:
    assert read_guard(guard_path(tmp_path)) is None


def _flipped(octets: bytes) -> bytes:
    return octets[:60] + bytes([octets[60] ^ 1]) + octets[61:]


def _resealed(octets: bytes) -> bytes:
    """Whole by its digest, but of too few entries."""
    body = octets[:-100]
    return body + hashlib.blake2b(body, digest_size=32).digest()


def _of_tomorrow(octets: bytes) -> bytes:
    body = octets[:-32].replace(b"guard 1", b"guard 9")
    return body + hashlib.blake2b(body, digest_size=32).digest()


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda _: b"", "damaged"),
        (lambda octets: octets[:-1], "damaged"),
        (_flipped, "damaged"),
        (_resealed, "not whole"),
        (_of_tomorrow, "another version"),
    ],
    ids=["empty", "cut", "flipped", "short", "of another version"],
)
def test_a_damaged_file_is_not_used_and_it_is_said_why(service: Service, damage: object, why: str) -> None:
    guess(service)
    path = guard_path(service.folder)
    save(service.memory, path, service.clock)
    assert callable(damage)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DamagedGuardFile, match=why):
        read_guard(path)


def test_no_link_is_followed(service: Service) -> None:
    guard_path(service.folder).symlink_to("/etc/passwd")
    with pytest.raises(DamagedGuardFile, match="cannot be read"):
        read_guard(guard_path(service.folder))
    save(service.memory, guard_path(service.folder), service.clock)
    assert not guard_path(service.folder).is_symlink()
