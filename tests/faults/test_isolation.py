"""What other users of the machine can open while the service runs: the control sockets, and what `[control]` says."""

from __future__ import annotations

import contextlib
import errno
import grp
import json
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sams.control import sockets, wire
from sams.control.messages import AccountRemove, Failure, HealthQuery, Request, Trouble
from tests.support.service import Service, free_ports, message, smarthost

pytestmark = [
    pytest.mark.real,
    pytest.mark.faults,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user"),
]
STRANGER = "nobody"
GROUP = "mail"
_CONTROL = f'\n[control]\nread = ["@{GROUP}"]\n'


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """It has mail that waits, in the database and in a file; all that is above its data folder is open."""
    folder = Path(tempfile.mkdtemp(prefix="sams-isolation-", dir="/var/tmp"))
    made = Service(folder / "service", route=smarthost(*free_ports(1)), workers=2)
    made.config.write_text(made.config.read_text() + _CONTROL)
    for path in (folder, made.folder):
        path.chmod(0o755)
    try:
        with from_a_careless_shell():
            made.add_account("alice")
            made.start()
        with made.signed_in("alice") as client:
            for lines in (1, 4_000):
                client.send_message(message("alice@example.org", body=("x" * 70 + "\n") * lines))
        yield made
    finally:
        if made.process is not None:
            assert made.stop() == 0
        shutil.rmtree(folder)


@contextlib.contextmanager
def from_a_careless_shell() -> Iterator[None]:
    """What is started has a umask that keeps nobody out."""
    previous = os.umask(0)
    try:
        yield
    finally:
        os.umask(previous)


def as_another(groups: list[int], look: Callable[[], dict[str, str]]) -> dict[str, str]:
    """What somebody else sees, in a process of their own."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            number = pwd.getpwnam(STRANGER)
            os.setgroups(groups)
            os.setresgid(number.pw_gid, number.pw_gid, number.pw_gid)
            os.setresuid(number.pw_uid, number.pw_uid, number.pw_uid)
            os.write(theirs, json.dumps(look()).encode())
            os._exit(0)
        finally:
            os._exit(1)
    os.close(theirs)
    with os.fdopen(ours) as told:
        seen: dict[str, str] = json.load(told)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return seen


def tries(path: Path) -> Iterator[Callable[[], object]]:
    """The ways to look into something, or to change it."""
    if stat.S_ISDIR(path.lstat().st_mode):
        yield lambda: list(path.iterdir())
        yield lambda: os.open(path / "new", os.O_CREAT | os.O_WRONLY)
        return
    yield lambda: os.open(path, os.O_RDONLY)
    yield lambda: os.open(path, os.O_WRONLY)
    yield lambda: path.rename(path.with_name("taken"))


def outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


def test_another_user_opens_neither_the_key_nor_anything_below_the_data_folder(service: Service) -> None:
    data = service.folder / "data"
    paths = [service.folder / "key.pem", data, *data.rglob("*")]
    wanted = [path for path in paths if not stat.S_ISSOCK(path.lstat().st_mode)]
    there = {path.name for path in wanted}
    assert there >= {"accounts.db", "lock", "lanes", "spool", "queue.db", "bodies", "activity.db", "control"}
    assert any(path.parent.name == "bodies" for path in wanted)
    ways = {f"{path} {number}": way for path in wanted for number, way in enumerate(tries(path))}
    for groups in ([], [grp.getgrnam(GROUP).gr_gid]):
        seen = as_another(groups, lambda: {name: outcome(way) for name, way in ways.items()})
        assert {name: what for name, what in seen.items() if what != "EACCES"} == {}


def asked(path: Path, request: Request) -> str:
    with sockets.connect(path, 10.0) as connection, connection.makefile("rb") as answers:
        connection.sendall(wire.encode(request))
        answer = wire.decode_response(answers.readline())
    return answer.trouble.value if isinstance(answer, Failure) else "answered"


def test_who_is_in_the_group_is_answered_what_its_role_allows_and_others_nothing(service: Service) -> None:
    data = service.folder / "data"
    every = [sockets.service_path(data), *sockets.worker_paths(data)]
    assert len(every) == 3

    def look() -> dict[str, str]:
        requests: list[Request] = [HealthQuery(), AccountRemove("alice")]
        return {f"{path.name} {type(one).__name__}": asked(path, one) for path in every for one in requests}

    refused = Trouble.FORBIDDEN.value
    assert set(as_another([], look).values()) == {refused}
    seen = as_another([grp.getgrnam(GROUP).gr_gid], look)
    assert {what for name, what in seen.items() if "HealthQuery" in name} == {"answered"}
    assert {what for name, what in seen.items() if "AccountRemove" in name} == {refused}
