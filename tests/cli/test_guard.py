"""`sams guard`, with the service stopped and with one that the test plays."""

from __future__ import annotations

from sams.cli.failures import Exit
from sams.control.messages import Changed, GuardEntry, GuardList, GuardPage, GuardRelease
from sams.core.clock import SystemClock
from sams.identity.guard.file import guard_path, save
from sams.identity.guard.interface import GuardSettings, SignInAttempt
from sams.identity.guard.memory import GuardMemory
from sams.identity.guard.shared_guard import SharedGuard
from sams.service.data_lock import held
from tests.cli.desk import Desk
from tests.control.fakes import listening

CAFE, HOME = "198.51.100.7", "192.0.2.1"


def stopped(desk: Desk) -> None:
    """A service that was stopped while two logins were locked."""
    desk.data_dir.mkdir(mode=0o700)
    memory, clock = GuardMemory(), SystemClock()
    guard = SharedGuard(memory, clock, GuardSettings(pair_failures=1))
    guard.failed(SignInAttempt(CAFE, "alice", "wrong"), 1)
    guard.failed(SignInAttempt(HOME, "bob", "wrong"), 1)
    save(memory, guard_path(desk.data_dir), clock)


def logins(desk: Desk) -> set[str]:
    return {lock["login"] for lock in desk.json("guard", "list")["locks"]}


def test_what_a_stopped_service_had_locked_is_listed(desk: Desk) -> None:
    stopped(desk)
    (alice,) = [lock for lock in desk.json("guard", "list")["locks"] if lock["login"] == "alice"]
    assert (alice["level"], alice["place"], alice["guesses"]) == ("pair", CAFE, 1)
    assert 290 < alice["until"] - alice["since"] <= 301
    text = desk.sams("guard", "list").output
    assert "level" in text
    assert all(word in text for word in ("pair", "alice", CAFE, "bob", HOME))


def test_a_release_with_the_service_stopped_is_in_force_when_it_starts(desk: Desk) -> None:
    stopped(desk)
    assert desk.sams("guard", "release", "alice@example.org").output == "1 lock of alice@example.org ended\n"
    assert logins(desk) == {"bob"}
    assert desk.sams("guard", "release", "alice").output == "nothing of alice was locked\n"
    assert desk.sams("guard", "release", "192.0.2.0/24").output == "1 lock of 192.0.2.0/24 ended\n"
    assert desk.sams("guard", "list").output == "Nothing is locked.\n"


def test_all_has_to_be_said(desk: Desk) -> None:
    stopped(desk)
    desk.sams("guard", "release", code=Exit.USAGE)
    desk.sams("guard", "release", "alice", "--all", code=Exit.USAGE)
    assert desk.sams("guard", "release", "--all").output == "2 locks ended\n"
    assert logins(desk) == set()


def test_without_a_file_nothing_is_locked(desk: Desk) -> None:
    assert desk.json("guard", "list") == {"locks": []}


def test_a_damaged_file_is_no_empty_list(desk: Desk) -> None:
    stopped(desk)
    guard_path(desk.data_dir).write_bytes(b"nonsense")
    assert "damaged" in desk.sams("guard", "list", code=Exit.FAILED).output


def test_while_a_service_starts_its_file_is_left_alone(desk: Desk) -> None:
    stopped(desk)
    with held(desk.data_dir):
        assert "in use" in desk.sams("guard", "release", "--all", code=Exit.FAILED).output
    assert logins(desk) == {"alice", "bob"}


def test_the_running_service_is_asked_page_by_page(desk: Desk) -> None:
    locks = [
        GuardEntry(f"{number:032x}", "address", "", f"192.0.2.{number}\x1b", 1_000.0, 2_000.0, 30)
        for number in range(3)
    ]
    released: list[str | None] = []

    def page(request: GuardList) -> GuardPage:
        behind = [lock for lock in locks if request.after is None or lock.id > request.after]
        return GuardPage(tuple(behind[:2]), more=len(behind) > 2)

    def release(request: GuardRelease) -> Changed:
        released.append(request.target)
        return Changed(1)

    desk.data_dir.mkdir()
    with listening(desk.data_dir, {GuardList: page, GuardRelease: release}):
        assert [lock["id"] for lock in desk.json("guard", "list")["locks"]] == [lock.id for lock in locks]
        assert "192.0.2.2\\x1b" in desk.sams("guard", "list").output
        desk.sams("guard", "release", "alice")
        desk.sams("guard", "release", "--all")
    assert released == ["alice", None]
