"""The system's accounts as a directory: real PAM, in a real helper."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop

from sams.config.sources import PamSource
from sams.core.errors import OperatorError, TemporaryFailure
from sams.core.rights import ServiceUser
from sams.identity.account_sources import Finding
from sams.identity.logins import Login, LoginForms, map_login
from sams.identity.replies import BUSY
from sams.identity.sources.interface import Answer, Member
from sams.identity.sources.pam.directory import PamDirectory
from sams.identity.sources.pam.messages import Outcome, Question
from sams.service.privileges import may_run_program
from tests.support.pam_system import IS_THERE, MISSING, NOT_ROOT, PASSWORD, PamSystem

pytestmark = [pytest.mark.real, pytest.mark.skipif(not IS_THERE, reason=MISSING)]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason=NOT_ROOT)

FORMS = LoginForms(("example.org",))
HOME = "192.0.2.7"
HABITS = {
    "permits": "",
    "knows-one": "password=sesame",
    "knows-nobody": "auth=10",
    "has-no-server": "auth=9",
    "breaks": "auth=4",
    "misses-a-module": "auth=28",
    "asks-aloud": "ask=2",
    "asks-oddly": "ask=99",
    "chats": "ask=4 password=sesame",
    "crashes": "crash",
    "leaves": "exit",
    "is-slow": "slow password=sesame",
    "wants-the-address": "host=192.0.2.7",
    "renames-to-root": "user=root",
    "renames-to-bob": "user=bob",
    "shuts-out": "account=6",
    "finds-it-expired": "account=13",
    "finds-it-stale": "account=12",
    "knows-no-account": "account=10",
    "cannot-tell-accounts": "account=9",
}
HANGING = PamSource(name="hangs", service="hangs", timeout=0.4)
SYSTEM = PamSource(name="system", service="system")
GROUPED = PamSource(name="grouped", service="permits", group="mailusers")
NO_GROUP = PamSource(name="no-group", service="permits", group="nonexistent")
NO_FILE = PamSource(name="no-file", service="no-such-file")
VIRTUAL = PamSource(name="virtual", service="virtual", virtual_users=True)
VIRTUAL_GROUPED = PamSource(name="virtual-grouped", service="virtual", virtual_users=True, group="mailusers")
MODULES = [PamSource(name=name, service=name, timeout=20) for name in HABITS]
BY_ADDRESS = PamSource(name="by-address", service="permits", virtual_users=True, login_form="address")
SECTIONS = [HANGING, SYSTEM, GROUPED, NO_GROUP, NO_FILE, VIRTUAL, VIRTUAL_GROUPED, BY_ADDRESS, *MODULES]


def login(text: str) -> Login:
    return FORMS.parse(map_login(text))


def made() -> PamSystem:
    system = PamSystem()
    system.build_module()
    system.write_service("system", "auth required pam_unix.so", "account required pam_unix.so")
    system.write_module_service("hangs", "hang")
    for name, options in HABITS.items():
        system.write_module_service(name, options)
    return system


@pytest.fixture(scope="module")
def system() -> Iterator[PamSystem]:
    system = made()
    try:
        users = system.build_user_database(carol=PASSWORD, alice=PASSWORD)
        system.write_service(
            "virtual", f"auth required pam_userdb.so db={users} crypt=none", "account required pam_permit.so"
        )
        system.start(*SECTIONS)
        yield system
    finally:
        system.remove()


@pytest.fixture
def own_system() -> Iterator[PamSystem]:
    """One whose helper may be ended."""
    system = made()
    try:
        yield system
    finally:
        system.remove()


def run(work: Callable[[], Awaitable[Any]], *, on_uvloop: bool = True) -> Any:
    factory = uvloop.new_event_loop if on_uvloop else asyncio.new_event_loop

    async def all_of_it() -> Any:
        return await work()

    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(all_of_it())


def verify(
    system: PamSystem, section: PamSource | str, name: str = "alice", password: str = "sesame"
) -> Answer:
    directory = system.directory(named(section))
    answer = run(lambda: directory.verify(login(name), password, HOME))
    assert isinstance(answer, Answer)
    assert password not in answer.detail
    return answer


def find(system: PamSystem, section: PamSource | str, name: str = "alice") -> Member | None:
    directory = system.directory(named(section))
    return run(lambda: directory.find(login(name)))  # type: ignore[no-any-return]


def named(section: PamSource | str) -> PamSource:
    return next(one for one in SECTIONS if section in {one, one.name})


# --- pam_unix: accounts of a system


@needs_root
@pytest.mark.parametrize(
    ("name", "password", "finding"),
    [
        ("alice", PASSWORD, Finding.RIGHT),
        ("Alice@Example.org", PASSWORD, Finding.RIGHT),
        ("alice/phone", PASSWORD, Finding.RIGHT),
        ("alice", "wrong", Finding.WRONG),
        ("alice", PASSWORD + " ", Finding.WRONG),
        ("locked", PASSWORD, Finding.WRONG),
        ("nobody-at-all", PASSWORD, Finding.UNKNOWN),
        ("root", PASSWORD, Finding.UNKNOWN),
        ("daemon", PASSWORD, Finding.UNKNOWN),
        ("alice@elsewhere.example", PASSWORD, Finding.UNKNOWN),
        ("../alice", PASSWORD, Finding.UNKNOWN),
        ("-alice", PASSWORD, Finding.UNKNOWN),
        ("alice:x", PASSWORD, Finding.UNKNOWN),
        ("x" * 250, PASSWORD, Finding.UNKNOWN),
        ("ümlaut", PASSWORD, Finding.UNKNOWN),
        ("alice", "x" * 1024, Finding.WRONG),
    ],
)
def test_a_password_of_the_system_is_checked(
    system: PamSystem, name: str, password: str, finding: Finding
) -> None:
    answer = verify(system, SYSTEM, name, password)
    assert answer.finding is finding, answer
    assert answer.member == (Member("alice") if finding is Finding.RIGHT else None)


@needs_root
def test_an_expired_account_or_password_is_told_only_to_who_knows_the_password(system: PamSystem) -> None:
    assert verify(system, SYSTEM, "old", PASSWORD).member == Member(
        "old", suspended="the account has expired"
    )
    assert verify(system, SYSTEM, "old", "wrong").finding is Finding.WRONG
    member = verify(system, SYSTEM, "stale", PASSWORD).member
    assert member == Member("stale", suspended="the password has expired, change it")
    assert verify(system, SYSTEM, "stale", "wrong").finding is Finding.WRONG


@needs_root
@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("alice", Member("alice")),
        ("old", Member("old", suspended="the account has expired")),
        ("stale", Member("stale")),
        ("root", None),
        ("nobody-at-all", None),
        ("../alice", None),
    ],
)
def test_an_account_is_found_without_its_password(
    system: PamSystem, name: str, member: Member | None
) -> None:
    assert system.directory(SYSTEM).can_find
    assert find(system, SYSTEM, name) == member


# --- members whom PAM alone knows


def test_members_may_be_known_to_pam_alone(system: PamSystem) -> None:
    assert verify(system, VIRTUAL, "carol", PASSWORD).member == Member("carol")
    assert verify(system, VIRTUAL, "carol", "wrong").finding is Finding.REFUSED
    assert verify(system, VIRTUAL, "dave", PASSWORD).finding is Finding.UNKNOWN
    assert not system.directory(VIRTUAL).can_find


def test_a_group_names_its_members_whether_they_have_an_account_or_not(system: PamSystem) -> None:
    assert verify(system, VIRTUAL_GROUPED, "carol", PASSWORD).member == Member("carol")
    assert verify(system, GROUPED, "alice").member == Member("alice")
    member = verify(system, GROUPED, "bob").member
    assert member is not None
    assert member.suspended
    assert find(system, GROUPED, "bob") == member


def test_a_group_that_is_missing_is_an_outage(system: PamSystem) -> None:
    with pytest.raises(TemporaryFailure, match="no group nonexistent"):
        verify(system, NO_GROUP)


def test_the_login_is_told_in_the_form_that_is_configured(system: PamSystem) -> None:
    assert verify(system, BY_ADDRESS, "alice").member == Member("alice@example.org")


# --- what modules do


@pytest.mark.parametrize(
    ("section", "finding"),
    [
        ("permits", Finding.RIGHT),
        ("knows-one", Finding.RIGHT),
        ("chats", Finding.RIGHT),
        ("wants-the-address", Finding.RIGHT),
        ("knows-nobody", Finding.REFUSED),
        ("asks-aloud", Finding.UNAVAILABLE),
        ("asks-oddly", Finding.UNAVAILABLE),
        ("crashes", Finding.UNAVAILABLE),
        ("leaves", Finding.UNAVAILABLE),
        ("hangs", Finding.UNAVAILABLE),
        ("renames-to-root", Finding.UNKNOWN),
        ("knows-no-account", Finding.REFUSED),
    ],
)
def test_what_a_module_says_or_does_is_an_answer(system: PamSystem, section: str, finding: Finding) -> None:
    answer = verify(system, section)
    assert answer.finding is finding, answer


@pytest.mark.parametrize("section", ["has-no-server", "breaks", "misses-a-module", "cannot-tell-accounts"])
def test_a_module_that_cannot_answer_is_an_outage_and_never_a_wrong_password(
    system: PamSystem, section: str
) -> None:
    for name in ("alice", "nobody-at-all") if section != "cannot-tell-accounts" else ("alice",):
        with pytest.raises(TemporaryFailure, match=section):
            verify(system, section, name)


def test_an_account_that_is_unknown_to_the_system_is_asked_of_pam_and_refused(system: PamSystem) -> None:
    """It takes as long as a known one, and PAM may tell that it cannot know."""
    assert verify(system, "permits", "nobody-at-all").finding is Finding.UNKNOWN
    assert verify(system, "knows-one", "nobody-at-all", "wrong").finding is Finding.UNKNOWN
    assert verify(system, "crashes", "nobody-at-all").finding is Finding.UNAVAILABLE


@needs_root
@pytest.mark.parametrize("section", ["shuts-out", "finds-it-expired", "finds-it-stale"])
def test_an_account_that_may_not_sign_in_is_suspended(system: PamSystem, section: str) -> None:
    member = verify(system, section).member
    assert member is not None
    assert member.suspended
    found = find(system, section)
    assert found is not None
    assert bool(found.suspended) == (section != "finds-it-stale")


def test_a_module_is_not_asked_about_root(system: PamSystem) -> None:
    assert "least_uid" in verify(system, "knows-one", "root", "wrong").detail
    assert "least_uid" in verify(system, "crashes", "daemon").detail


def test_an_account_is_who_the_modules_say(system: PamSystem) -> None:
    assert verify(system, "renames-to-bob").member == Member("bob")


@needs_root
def test_a_module_that_cannot_tell_of_an_account_makes_nobody_of_none(system: PamSystem) -> None:
    with pytest.raises(TemporaryFailure):
        find(system, "cannot-tell-accounts", "nobody-at-all")
    assert find(system, "knows-no-account") is None


@needs_root
def test_a_wrong_password_is_answered_without_the_delay_of_the_modules(system: PamSystem) -> None:
    begun = time.monotonic()
    assert verify(system, "knows-one", "alice", "wrong").finding is Finding.WRONG
    assert time.monotonic() - begun < 3


def test_a_service_without_a_file_is_an_outage(system: PamSystem) -> None:
    with pytest.raises(TemporaryFailure, match="write that file"):
        verify(system, NO_FILE)


def test_a_module_that_hangs_is_ended_and_keeps_nobody_else_waiting(system: PamSystem) -> None:
    async def both() -> tuple[Answer, float, Answer]:
        hanging = asyncio.ensure_future(system.directory(HANGING).verify(login("alice"), "x", HOME))
        begun = time.monotonic()
        quick = await system.directory(named("permits")).verify(login("alice"), "x", HOME)
        return quick, time.monotonic() - begun, await asyncio.wait_for(hanging, 10)

    quick, took, hanging = run(both)
    assert quick.finding is Finding.RIGHT
    assert took < HANGING.timeout
    assert "did not answer in time" in hanging.detail
    assert _ends(lambda: not system.children())


def test_a_question_that_is_cancelled_ends_its_check(system: PamSystem) -> None:
    patient = PamSource(name="hangs", service="hangs")

    async def ask() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(system.directory(patient).verify(login("alice"), "x", HOME), 0.1)

    run(ask)
    assert _ends(lambda: not system.children())
    assert verify(system, "permits").finding is Finding.RIGHT


def test_what_a_crash_was_is_told_the_journal(system: PamSystem) -> None:
    assert "SIGSEGV" in verify(system, "crashes").detail
    assert "status 3" in verify(system, "leaves").detail


@needs_root
@pytest.mark.parametrize("on_uvloop", [True, False])
def test_many_are_asked_for_at_once(system: PamSystem, on_uvloop: bool) -> None:
    directory = system.directory(named("is-slow"))

    async def all_of_them() -> list[Answer]:
        asked = [directory.verify(login("alice"), "sesame" if at % 2 else "wrong", HOME) for at in range(6)]
        return await asyncio.gather(*asked)

    begun = time.monotonic()
    findings = [one.finding for one in run(all_of_them, on_uvloop=on_uvloop)]
    assert findings == [Finding.WRONG, Finding.RIGHT] * 3
    assert time.monotonic() - begun < 6 * 0.3


# --- the helper


def test_the_helper_inherits_nothing_and_gives_up_what_it_does_not_need(system: PamSystem) -> None:
    folder = Path(f"/proc/{system.pid}")
    environment = (folder / "environ").read_bytes() if os.geteuid() == 0 else b""
    assert b"HOME=" not in environment
    status = dict(
        line.split(":\t", 1) for line in (folder / "status").read_text().splitlines() if ":\t" in line
    )
    if os.geteuid() == 0:
        for name in ("CapPrm", "CapEff", "CapBnd"):
            assert int(status[name], 16) & ~0x2000_00EF == 0
    assert PASSWORD.encode() not in (folder / "cmdline").read_bytes()


@needs_root
def test_rights_that_are_narrow_already_are_no_failure() -> None:
    """As by the unit's drop-in, `packaging/pam.conf`."""
    names = "audit_write,+chown,+dac_override,+dac_read_search,+fowner,+kill,+setgid,+setuid"
    code = "from sams.identity.sources.pam.rights import give_up; give_up()"
    narrow = ["setpriv", f"--bounding-set=-all,+{names}", "--no-new-privs"]
    done = subprocess.run(
        [*narrow, sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_helper_answers_as_its_own_orders_say_whatever_a_worker_wants(system: PamSystem) -> None:
    unknown = PamSource(name="another", service="permits")
    with pytest.raises(TemporaryFailure, match="restart the service"):
        run(lambda: system.directory(unknown).verify(login("alice"), "x", HOME))
    eager = PamSource(name="system", service="permits", least_uid=1)
    assert (
        run(lambda: system.directory(eager).verify(login("root"), PASSWORD, HOME)).finding is Finding.UNKNOWN
    )


@pytest.mark.parametrize("message", [b"", b"\xff", b"x" * 20_000, msgspec.msgpack.encode({"source": 1})])
def test_the_helper_passes_over_what_is_no_question(system: PamSystem, message: bytes) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            socket.send_fds(system.questions, [message], [theirs.fileno()])
        ours.settimeout(10)
        assert ours.recv(100) == b""
    if message:
        socket.send_fds(system.questions, [message], [])
    with Path("/dev/null").open("wb") as no_socket:
        question = msgspec.msgpack.encode(Question("permits", "alice", "x", HOME))
        socket.send_fds(system.questions, [question], [no_socket.fileno()])
    assert verify(system, "permits").finding is Finding.RIGHT


def test_a_helper_that_was_killed_is_waited_for(own_system: PamSystem) -> None:
    sections = [one for one in SECTIONS if one.name in {"permits", "is-slow"}]
    own_system.start(*sections)
    assert verify(own_system, "permits").finding is Finding.RIGHT

    async def ask() -> Answer:
        asked = asyncio.ensure_future(
            own_system.directory(named("is-slow")).verify(login("alice"), "sesame", HOME)
        )
        await asyncio.sleep(0.15)
        own_system.kill()
        await asyncio.sleep(0.05)
        own_system.start(*sections)
        return await asked

    assert run(ask).finding is Finding.RIGHT


def test_without_a_helper_a_question_takes_its_time_and_no_more(own_system: PamSystem) -> None:
    async def ask() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(own_system.directory(SYSTEM).verify(login("alice"), "x", HOME), 0.1)

    run(ask)
    own_system.start(SYSTEM)
    assert find(own_system, SYSTEM, "nobody-at-all") is None


def test_more_questions_than_the_socket_holds_are_busy_and_no_outage(own_system: PamSystem) -> None:
    directory = own_system.directory(SYSTEM)

    async def ask() -> int:
        asked = [
            asyncio.ensure_future(directory.verify(login("alice"), "x" * 1000, HOME)) for _ in range(300)
        ]
        done, pending = await asyncio.wait(asked, timeout=0.5)
        for one in pending:
            one.cancel()
        failures = [one.exception() for one in done]
        assert all(isinstance(one, TemporaryFailure) and one.reply == BUSY for one in failures)
        return len(failures)

    assert run(ask) > 0


def test_no_more_checks_run_at_once_than_are_allowed(own_system: PamSystem) -> None:
    section = PamSource(name="is-slow", service="is-slow", connections=2, timeout=20)
    own_system.start(section)
    directory = own_system.directory(section)

    async def ask() -> int:
        asked = [asyncio.ensure_future(directory.verify(login("alice"), "sesame", HOME)) for _ in range(6)]
        most = 0
        while not all(one.done() for one in asked):
            await asyncio.sleep(0.02)
            most = max(most, len(own_system.children()))
        assert all(one.result().finding is Finding.RIGHT for one in asked)
        return most

    assert run(ask) == 2


def test_the_helper_ends_when_nobody_is_left_to_ask(own_system: PamSystem) -> None:
    own_system.start(SYSTEM)
    own_system.questions.close()
    assert own_system.wait() == 0


def test_the_helper_ends_at_sigterm_and_takes_its_checks_with_it(own_system: PamSystem) -> None:
    patient = PamSource(name="hangs", service="hangs", timeout=60)
    own_system.start(patient)

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        question = msgspec.msgpack.encode(Question("hangs", "alice", "x", HOME))
        socket.send_fds(own_system.questions, [question], [theirs.fileno()])
        assert _ends(lambda: bool(own_system.children()))
        children = own_system.children()
        os.kill(own_system.pid, signal.SIGTERM)
        assert own_system.wait() == 0
    assert _ends(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))


def test_a_helper_without_a_supervisor_restarts_itself(own_system: PamSystem) -> None:
    section = named("permits")
    own_system.start(section, keep=True)
    assert verify(own_system, section).finding is Finding.RIGHT
    (served_by,) = own_system.children()
    os.kill(served_by, signal.SIGKILL)
    assert verify(own_system, section).finding is Finding.RIGHT
    own_system.questions.close()
    assert own_system.wait() == 0


@needs_root
def test_a_helper_that_may_not_read_the_passwords_of_the_system_calls_none_wrong(
    own_system: PamSystem,
) -> None:
    nobody = ServiceUser("nobody", 65_534, 65_534)
    if not may_run_program(nobody):
        pytest.skip("this Python is in a folder that only root may read: no other user can run it")
    own_system.start_as(nobody.uid, SYSTEM)
    with pytest.raises(TemporaryFailure, match="start the service as root"):
        verify(own_system, SYSTEM, "alice", "wrong")
    assert verify(own_system, SYSTEM, "nobody-at-all", PASSWORD).finding is Finding.UNKNOWN
    assert find(own_system, SYSTEM) == Member("alice")


def test_a_source_that_came_by_a_reload_says_that_a_restart_is_due() -> None:
    with pytest.raises(OperatorError, match="restart the service"):
        PamDirectory(SYSTEM, None)


def test_no_message_shows_a_password() -> None:
    assert "secret" not in repr(Question("system", "alice", "secret"))


def test_the_outcomes_are_those_of_every_directory() -> None:
    assert {one.name for one in Outcome} - {"DOWN"} == {one.name for one in Finding}


def _ends(is_so: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize("asker", ["full", "empty"])
def test_no_worker_holds_up_the_helper_by_the_socket_for_its_answer(system: PamSystem, asker: str) -> None:
    """One that was taken over has both of its ends, and may fill it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        theirs.setblocking(False)
        with suppress(BlockingIOError):
            while asker == "full":
                theirs.send(bytes(1_000))
        message = msgspec.msgpack.encode(Question("hangs", "alice", "sesame", HOME))
        socket.send_fds(system.questions, [message], [theirs.fileno()])
        time.sleep(2 * HANGING.timeout)
        assert is_served(system)


def test_no_worker_holds_up_the_helper_by_a_socket_that_lingers(own_system: PamSystem) -> None:
    """To close one takes as long as its linger time, where nobody reads what was sent."""
    own_system.start(named("permits"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as theirs:
            theirs.setblocking(False)
            with suppress(BlockingIOError):
                while True:
                    theirs.send(bytes(65_536))
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 60))
            message = msgspec.msgpack.encode(Question("no-such-source", "alice", "sesame", HOME))
            socket.send_fds(own_system.questions, [message], [theirs.fileno()])
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 60))
            os.close(theirs.detach())
        assert is_served(own_system)


def is_served(system: PamSystem) -> bool:
    async def ask() -> bool:
        async with asyncio.timeout(5):
            told = await system.directory(named("permits")).verify(login("alice"), "sesame", HOME)
        return told.finding is Finding.RIGHT

    return bool(run(ask))
