"""R3 and R4 on the real service: each system call of the storage that can fail does, as the kernel would say it.

Whatever fails: only 250, 451 and 452 are said, what got its 250 is delivered, and the service goes on when the
fault is over, without a restart.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import smtplib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sams.spool.layout import Layout, discover
from tests.support.service import PASSWORD, PATIENCE, Service
from tests.support.sink import marked
from tests.support.strace import IS_THERE, Injection, failing

pytestmark = [
    pytest.mark.real,
    pytest.mark.faults,
    pytest.mark.long,
    pytest.mark.skipif(not IS_THERE, reason="strace is missing: make system"),
]
SMALL = b"small\r\n"
LARGE = (b"y" * 76 + b"\r\n") * 20_000
ALLOWED = {250, 451, 452}
_REFERENCE = re.compile(rb"\(ref [0-9A-Z]{4}-[0-9A-Z]{2}\)\Z")

Paths = Callable[[Service, Layout], tuple[Path, ...]]


def log(_: Service, shard: Layout) -> tuple[Path, ...]:
    return (shard.folder / "queue.db-wal",)


def bodies(_: Service, shard: Layout) -> tuple[Path, ...]:
    return (shard.bodies,)


def anywhere(_service: Service, _shard: Layout) -> tuple[Path, ...]:
    return ()


def journal(_: Service, shard: Layout) -> tuple[Path, ...]:
    return shard.folder / "activity.db", shard.folder / "activity.db-wal"


def output(service: Service, _: Layout) -> tuple[Path, ...]:
    return (service.folder / "log",)


def maildir(service: Service, _: Layout) -> tuple[Path, ...]:
    return service.maildir, service.maildir.parent / "tmp"


@dataclass(frozen=True)
class Case:
    """What fails, and whether the shard is over with it. Such a case has a service of its own."""

    injections: tuple[Injection, ...]
    paths: Paths
    ends: bool = False
    refusals: frozenset[int] = frozenset({451})
    is_optional: bool = False

    def __str__(self) -> str:
        calls = "+".join(f"{each.calls.split(',')[0]}:{each.error}:{each.when}" for each in self.injections)
        return f"{self.paths.__name__}-{calls}"


FULL = frozenset({452})
BOTH = frozenset({451, 452})
NONE: frozenset[int] = frozenset()
SYNC = "fdatasync,fsync"
CASES = [
    Case((Injection(SYNC, "EIO", "1"),), log, ends=True),
    Case((Injection(SYNC, "ENOSPC", "1"),), log, ends=True),
    Case((Injection(SYNC, "EIO"), Injection("mkdir,mkdirat", "EIO")), log, ends=True),
    Case((Injection("pwrite64", "EIO", "2"),), log, ends=True),
    Case((Injection("pwrite64", "ENOSPC", "1+"),), log, refusals=FULL),
    Case((Injection("pwrite64", "EDQUOT", "1+"),), log, refusals=FULL),
    Case((Injection("pwrite64", "ENOSPC", "2"),), log, refusals=FULL),
    Case((Injection("pwrite64", "EROFS", "1"),), log, ends=True),
    Case((Injection("fsync", "EIO"),), bodies, ends=True, refusals=BOTH),
    Case((Injection("sync_file_range", "EIO"),), anywhere, ends=True, refusals=BOTH),
    Case((Injection("unlink", "EIO"),), anywhere, refusals=NONE),
    Case((Injection("statfs,fstatfs", "EIO"),), anywhere, refusals=BOTH),
    Case((Injection("pwrite64,ftruncate", "ENOSPC"),), journal, refusals=NONE, is_optional=True),
    Case((Injection("pwrite64,fdatasync,fsync", "EIO"),), journal, refusals=NONE, is_optional=True),
    Case((Injection("write", "ENOSPC"),), output, refusals=NONE),
    Case((Injection("write", "EPIPE"),), output, refusals=NONE),
    Case((Injection("openat", "ENOSPC"),), maildir, refusals=NONE),
    Case((Injection("fsync", "EIO"),), maildir, refusals=NONE),
    Case((Injection("rename", "EIO"),), anywhere, refusals=NONE),
]


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Service]:
    service = Service(folder, workers=0, limits="recipients_per_hour = 100000")
    service.add_account("alice")
    with service.running():
        yield service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("calls") / "service") as made:
        yield made


class Sender:
    """Sends marked messages, and remembers what was said."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.client = service.signed_in("alice")
        self.acknowledged: list[str] = []
        self.codes: list[int] = []
        self.count = 0

    def send(self, body: bytes) -> int:
        self.count += 1
        mark = f"{os.urandom(4).hex()}-{self.count}"
        sent = marked(mark, "alice@example.org", body)
        try:
            self.client.sendmail("alice@example.org", ["x@example.net"], sent)
        except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as refusal:
            code, text = refusal.smtp_code, refusal.smtp_error
            assert _REFERENCE.search(text if isinstance(text, bytes) else text.encode()), text
            self.client.rset()
        else:
            code = 250
            self.acknowledged.append(mark)
        self.codes.append(code)
        return code

    def send_until_taken(self) -> None:
        until = time.monotonic() + PATIENCE
        for body in (SMALL, LARGE):
            while self.send(body) != 250:
                assert time.monotonic() < until, f"mail does not go on: {self.codes}\n{self.service.log}"
                time.sleep(0.5)


def active(service: Service) -> Layout:
    """The shard that takes new mail: the latest that has not failed."""
    data_dir = service.folder / "data"
    return Layout(data_dir, discover(data_dir)[-1])


def wait_for(service: Service, marks: list[str]) -> None:
    """Each acknowledged message is in the Maildir."""
    until = time.monotonic() + PATIENCE
    while True:
        found = "".join(path.read_text() for path in service.maildir.glob("*"))
        missing = [mark for mark in marks if f"X-Mark: {mark} " not in found]
        if not missing:
            return
        assert time.monotonic() < until, f"lost: {missing}\n{service.log}"
        service.sams("queue", "retry", "--all", check=False)
        time.sleep(0.1)


@pytest.mark.parametrize("case", [case for case in CASES if not case.ends], ids=str)
def test_whatever_call_fails_nothing_acknowledged_is_lost_and_mail_goes_on(
    case: Case, service: Service, tmp_path: Path
) -> None:
    told = told_while_failing(case, service, tmp_path)
    assert "is no longer written" not in told


@pytest.mark.parametrize("case", [case for case in CASES if case.ends], ids=str)
def test_after_an_error_that_cannot_be_trusted_mail_goes_on_in_a_new_shard(
    case: Case, tmp_path: Path
) -> None:
    with serving(tmp_path / "service") as service:
        told = told_while_failing(case, service, tmp_path)
        assert told.count("is no longer written") == 1
        assert active(service).shard == 1
        assert "sams_shard_failures_total 1.0" in service.sams("metrics").stdout


def told_while_failing(case: Case, service: Service, tmp_path: Path) -> str:
    """Send while it fails and when it is over; what the log said meanwhile."""
    assert service.process is not None
    sender = Sender(service)
    sender.send_until_taken()
    before, shard = len(service.log), active(service)
    with failing(service.process.pid, tmp_path, *case.injections, paths=case.paths(service, shard)) as trace:
        during = [sender.send(body) for body in (SMALL, LARGE)]
        time.sleep(1.1)  # the free space is looked at once a second
        during.append(sender.send(SMALL))
        assert sender.client.noop()[0] == 250
    assert set(during) <= {250, *case.refusals}, trace.read_text()
    sender.send_until_taken()
    wait_for(service, sender.acknowledged)
    sender.client.quit()
    assert case.is_optional or "INJECTED" in trace.read_text()
    assert service.process.poll() is None
    until = time.monotonic() + PATIENCE
    while (health := service.sams("health", check=False)).returncode:
        assert time.monotonic() < until, health.stdout
    return service.log[before:]


def test_accounts_that_cannot_be_read_are_a_temporary_failure(service: Service, tmp_path: Path) -> None:
    assert service.process is not None
    for login in ("bob", "carol"):
        service.add_account(login)
    with (
        failing(
            service.process.pid,
            tmp_path,
            Injection("pread64", "EIO"),
            paths=(service.folder / "data/accounts.db", service.folder / "data/accounts.db-wal"),
        ) as trace,
        service.client() as client,
    ):
        code, _ = client.docmd("AUTH PLAIN", base64.b64encode(f"\0bob\0{PASSWORD}".encode()).decode())
        assert code in {235, 454}, trace.read_text()
    with service.signed_in("carol") as client:
        assert client.noop()[0] == 250


def test_commands_are_answered_again_when_there_are_descriptors(service: Service, tmp_path: Path) -> None:
    assert service.process is not None
    with failing(service.process.pid, tmp_path, Injection("accept4,accept", "EMFILE", "1")):
        service.sams("health", check=False)
    until = time.monotonic() + PATIENCE
    while service.sams("health", check=False).returncode not in {0, 1}:
        assert time.monotonic() < until
    sender = Sender(service)
    sender.send_until_taken()
    wait_for(service, sender.acknowledged)
    sender.client.quit()
