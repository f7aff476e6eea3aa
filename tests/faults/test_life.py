"""R13 to R15: reloads, ends, hanging workers, two owners, a jumping clock, no DNS, a system that may only be read."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from email.policy import SMTP
from pathlib import Path

import pytest

from sams.app.storage import Storage
from sams.core.clock import SystemClock
from sams.core.ids import shard_of
from sams.spool.failures import ShardInUse
from sams.spool.hooks import Hooks
from sams.spool.interface import Settled, Settlement, Spool, Work
from tests.spool.rig import DELIVERED, SETTINGS, accepted
from tests.support.certificates import Authority
from tests.support.load import Members
from tests.support.service import PATIENCE, Service, free_ports, message, smarthost
from tests.support.sink import sink

pytestmark = [pytest.mark.real, pytest.mark.faults]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a mount namespace")
_FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
ROOT = Path(__file__).parents[2]


def until(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"still not: {what}"
        time.sleep(0.02)


def processes(service: Service) -> list[int]:
    """The supervisor, and its workers."""
    assert service.process is not None
    return [service.process.pid, *service.worker_pids()]


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def events(service: Service, name: str) -> list[dict[str, object]]:
    """The log's lines of one kind; the last line may be half written."""
    lines = service.log.splitlines()
    return [json.loads(line) for line in lines if f'"event":"{name}"' in line and line.endswith("}")]


# --- reload


REFUSED = "the new configuration is not used; the old one goes on"


def half_written(service: Service) -> None:
    service.config.write_text(service.config.read_text()[: len(service.config.read_text()) // 3])


def key_without_match(service: Service) -> None:
    (service.folder / "key.pem").write_bytes(Authority.make().host("smtp.example.org").pairs[0].key)


def no_certificate(service: Service) -> None:
    (service.folder / "certificate.pem").write_text("-----BEGIN CERTIFICATE-----\nnot one\n")


def empty_certificate(service: Service) -> None:
    (service.folder / "certificate.pem").write_bytes(b"")


def deleted(service: Service) -> None:
    service.config.unlink()


def deleted_key(service: Service) -> None:
    (service.folder / "key.pem").unlink()


def folder_in_its_place(service: Service) -> None:
    deleted_key(service)
    (service.folder / "key.pem").mkdir()


def open_key(service: Service) -> None:
    (service.folder / "key.pem").chmod(0o644)


def other_port(service: Service) -> None:
    service.config.write_text(
        service.config.read_text().replace(str(service.starttls), str(service.starttls + 1))
    )


BREAKS = [
    half_written,
    key_without_match,
    no_certificate,
    empty_certificate,
    deleted,
    deleted_key,
    folder_in_its_place,
    open_key,
    other_port,
]


class Original:
    """The files of a service as they were, to be put back after each break."""

    def __init__(self, service: Service) -> None:
        self._paths = [service.config, service.folder / "key.pem", service.folder / "certificate.pem"]
        self._octets = {path: path.read_bytes() for path in self._paths}

    def put_back(self) -> None:
        for path, octets in self._octets.items():
            if path.is_dir():
                path.rmdir()
            path.touch(mode=0o600)
            path.chmod(0o600)
            path.write_bytes(octets)


def hang_up(service: Service, broken: bool) -> None:
    """SIGHUP, and wait for what came of it."""
    assert service.process is not None
    what = REFUSED if broken else "reloaded"
    before = len(events(service, what))
    service.process.send_signal(signal.SIGHUP)
    until(lambda: len(events(service, what)) > before, what)


class Midway:
    """Three members in the middle of a message each: behind MAIL, in the text of DATA, and in a chunk of BDAT."""

    def __init__(self, service: Service) -> None:
        self._clients = [service.signed_in("alice") for _ in range(3)]
        self._text = message("alice@example.org").as_bytes(policy=SMTP)
        self._half = len(self._text) // 2

    def begin(self) -> None:
        _, in_data, in_chunk = self._clients
        for client in self._clients:
            assert client.mail("alice@example.org")[0] == 250
        for client in (in_data, in_chunk):
            assert client.rcpt("friend@example.net")[0] == 250
        assert in_data.docmd("DATA")[0] == 354
        in_data.send(self._text[: self._half])
        in_chunk.putcmd(f"BDAT {len(self._text)} LAST")
        in_chunk.send(self._text[: self._half])

    def finish(self) -> int:
        """The rest; how many were taken."""
        behind_mail, in_data, in_chunk = self._clients
        assert behind_mail.rcpt("friend@example.net")[0] == 250
        assert behind_mail.data(self._text)[0] == 250
        in_data.send(self._text[self._half :] + b".\r\n")
        in_chunk.send(self._text[self._half :])
        assert [client.getreply()[0] for client in (in_data, in_chunk)] == [250, 250]
        return len(self._clients)

    def leave(self) -> None:
        for client in self._clients:
            assert client.quit()[0] == 221


@pytest.mark.timeout(300)
@pytest.mark.parametrize("workers", [pytest.param(0, marks=pytest.mark.long), 2])
def test_reloads_with_broken_files_in_between_lose_no_session_and_pile_up_nothing(
    tmp_path: Path, workers: int
) -> None:
    service = Service(tmp_path / "service", workers=workers)
    service.add_account("alice")
    with service.running():
        files = Original(service)
        with service.signed_in("alice") as client:
            client.send_message(message("alice@example.org"))
        service.delivered(1)
        hang_up(service, broken=False)
        pids = processes(service)
        rest = [open_files(pid) for pid in pids]
        members, midway = Members(service, count=3, sizes=(500,)), Midway(service)
        members.start()
        kept = [service.signed_in("alice") for _ in range(4)]
        finished = 0
        for breaks in BREAKS:
            breaks(service)
            midway.begin()
            hang_up(service, broken=True)
            finished += midway.finish()
            files.put_back()
            for client in kept:
                client.send_message(message("alice@example.org"))
            service.signed_in("alice").quit()  # with the last good certificate
            midway.begin()
            hang_up(service, broken=False)
            finished += midway.finish()
        promised = len(members.promised)
        until(lambda: len(members.promised) > promised + 5, "mail is taken")
        members.stop()
        for client in kept:
            client.quit()
        midway.leave()
        assert (members.refused, members.lost) == ([], [])
        assert processes(service) == pids
        until(lambda: [open_files(pid) for pid in pids] <= rest, f"as few open files as before: {rest}")
        service.delivered(1 + finished + len(members.promised) + len(kept) * len(BREAKS))


@pytest.mark.parametrize("workers", [pytest.param(0, marks=pytest.mark.long), 2])
def test_sams_reload_says_what_came_of_it(tmp_path: Path, workers: int) -> None:
    service = Service(tmp_path / "service", workers=workers)
    with service.running():
        files = Original(service)
        assert service.sams("reload").stdout.startswith("reloaded\n")
        key_without_match(service)
        refused = service.sams("reload", check=False)
        assert refused.returncode == 1
        assert "the key belongs to another certificate" in refused.stderr
        files.put_back()
        text = service.config.read_text()
        service.config.write_text(text.replace('grace = "10 s"', 'grace = "11 s"'))
        for _ in range(2):  # it waits for the restart still
            notes = json.loads(service.sams("reload", "--json").stdout)["notes"]
            assert "[server] grace is in force after a restart only" in notes


# --- the end


@pytest.mark.parametrize(
    ("workers", "number"), [pytest.param(0, signal.SIGINT, marks=pytest.mark.long), (2, signal.SIGTERM)]
)
def test_told_to_stop_twice_it_ends_at_once_but_in_order(
    tmp_path: Path, workers: int, number: signal.Signals
) -> None:
    """A member in the middle of a message, and a grace that nobody waits for."""
    service = Service(tmp_path / "service", workers=workers)
    service.add_account("alice")
    service.config.write_text(service.config.read_text().replace('grace = "10 s"', 'grace = "10 min"'))
    service.start()
    client = service.signed_in("alice")
    client.mail("alice@example.org")
    client.rcpt("bob@example.net")
    client.docmd("DATA")
    assert service.process is not None
    for _ in range(2):
        service.process.send_signal(number)
        until(lambda: '"stopping"' in service.log, "it stops")
    assert client.getreply()[0] == 421
    client.close()
    assert service.process.wait(PATIENCE) == 0
    service.process = None
    assert "stop in time" not in service.log
    assert json.loads(service.log.splitlines()[-1])["event"] == "stopped"


# --- workers that hang


_IMPATIENT = """
from sams.service import slots, worker
slots.HANG, worker.ALIVE_EVERY = 4.0, 0.2
"""


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_worker_that_hangs_is_replaced_under_load_and_its_shard_is_served(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(_IMPATIENT)
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    with sink() as hop:
        service = Service(
            tmp_path / "service", route=smarthost(hop.port), workers=2, environment={"PYTHONPATH": paths}
        )
        service.add_account("alice")
        with service.running():
            members = Members(service, count=4, sizes=(500,))
            members.start()
            for how in (signal.SIGSTOP, signal.SIGSEGV, signal.SIGSTOP):
                victim, *_ = service.worker_pids()
                os.kill(victim, how)
                until(lambda: victim not in service.worker_pids(), "it is gone", 60.0)  # noqa: B023 - waits here
                until(lambda: len(service.worker_pids()) == 2, "both workers")
                taken = len(members.promised)
                until(lambda: len(members.promised) >= taken + 5, "mail is taken")  # noqa: B023 - the same
            members.stop()
            until(lambda: members.promised <= hop.marks.keys(), "all arrived", 60.0)
            assert hop.broken == []
        assert "a worker hangs and is killed" in service.log


# --- two owners


ROUNDS = 12
CONTENDERS = 3


async def _deliver_what_waits(data_dir: Path, delivered: int) -> None:
    storage = Storage(data_dir, 0, 1, clock=SystemClock(), settings=SETTINGS, hooks=Hooks())
    works, _ = storage.primary.claim("hub", time.time(), None, 100)
    for work in works:
        os.write(delivered, f"{work.message.id} {os.getpid()}\n".encode())
        await _settled(storage.primary, work)
    await storage.close()


def _settled(spool: Spool, work: Work) -> asyncio.Future[tuple[Work, ...]]:
    stored: asyncio.Future[tuple[Work, ...]] = asyncio.get_running_loop().create_future()
    taken = tuple(Settled(each.number, DELIVERED) for each in work.recipients)
    spool.settle(Settlement(work.message.id, taken), stored.set_result, stored.set_exception)
    return stored


def contend(data_dir: Path, delivered: int, gate: int) -> int:
    """A child that owns the shard for a moment, if it can; all of them begin when the gate opens."""
    child = os.fork()
    if child:
        return child
    status = 9
    try:
        os.read(gate, 1)
        asyncio.run(_deliver_what_waits(data_dir, delivered))
        status = 0
    except ShardInUse:
        status = 1
    finally:
        os._exit(status)


def test_who_races_for_a_shard_never_delivers_what_another_delivered(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o700)
    told = os.open(tmp_path / "delivered", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    accepted_ids: list[str] = []

    async def fill() -> None:
        storage = Storage(data_dir, 0, 1, clock=SystemClock(), settings=SETTINGS, hooks=Hooks())
        accepted_ids.extend([await accepted(storage.primary, "bob@example.net") for _ in range(3)])
        await storage.close()

    for _ in range(ROUNDS):
        asyncio.run(fill())
        gate, opener = os.pipe()
        pids = [contend(data_dir, told, gate) for _ in range(CONTENDERS)]
        os.close(gate)
        os.write(opener, b"x" * CONTENDERS)
        os.close(opener)
        statuses = {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids}
        assert statuses <= {0, 1}
        assert 0 in statuses
    os.close(told)
    counts = Counter(line.split()[0] for line in (tmp_path / "delivered").read_text().splitlines())
    assert counts == dict.fromkeys(accepted_ids, 1)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_services_commands_and_a_restore_that_begin_together_never_deliver_twice(tmp_path: Path) -> None:
    """Two services with different numbers of workers, commands on the files, and a restore into a folder in use."""
    with sink() as hop:
        service = Service(tmp_path / "service", route=smarthost(hop.port), workers=2)
        service.limits = "recipients_per_hour = 1000000\nrecipients_per_day = 1000000"
        service.configure()
        service.add_account("alice")
        service.sams("backup", str(tmp_path / "backup"))
        for turn in range(3):
            second = rival(service, workers=1 + turn % 2)
            with concurrent_commands(service, str(tmp_path / "backup")) as statuses:
                won = begins(service)
                if not won:
                    second.terminate()
                    assert second.wait(PATIENCE) == 0
                    service.start()
            assert not won or second.wait(PATIENCE) == 1
            assert "restore 0" not in statuses
            members = Members(service, count=2, sizes=(500,))
            members.start()
            until(lambda: len(members.promised) >= 3, "mail is taken")  # noqa: B023 - waits here
            members.stop()
            until(lambda: members.promised <= hop.marks.keys(), "all arrived")  # noqa: B023 - the same
            assert service.stop() == 0
            assert {mark: times for mark, times in hop.marks.items() if times > 1} == {}
            hop.marks.clear()


def begins(service: Service) -> bool:
    """Whether this one of two services has the data folder."""
    try:
        service.start()
    except AssertionError:
        assert "in use by another service" in service.log
        return False
    return True


def rival(service: Service, workers: int) -> subprocess.Popen[bytes]:
    """Another service on the same data folder, with ports of its own."""
    path = service.folder / "rival.toml"
    first, second = free_ports(2)
    text = service.config.read_text().replace(str(service.starttls), str(first))
    text = text.replace(str(service.implicit), str(second)).replace("workers = 2", f"workers = {workers}")
    path.write_text(text)
    sources = [str(Path(one).absolute()) for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]
    return subprocess.Popen(
        [sys.executable, "-m", "sams", "serve", "--config", str(path)],
        cwd=service.folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sources)},
        stderr=subprocess.DEVNULL,
    )


@contextlib.contextmanager
def concurrent_commands(service: Service, backup: str) -> Iterator[list[str]]:
    """Commands that are run all the while; what they end with."""
    done = threading.Event()
    statuses: list[str] = []

    def run(*command: str) -> None:
        while not done.is_set():
            statuses.append(f"{command[0]} {service.sams(*command, check=False).returncode}")

    threads = [
        threading.Thread(target=run, args=command, daemon=True)
        for command in (("queue", "list"), ("restore", backup))
    ]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        done.set()
        for thread in threads:
            thread.join()


# --- no DNS


def without_dns(folder: Path, resolv_conf: str) -> tuple[str, ...]:
    """A wrapper: the program sees another /etc/resolv.conf."""
    path = folder / "resolv.conf"
    path.write_text(resolv_conf)
    script = f'mount --bind {path} /etc/resolv.conf && exec "$@"'
    return ("unshare", "--mount", "--propagation=private", "sh", "-c", script, "sh")


BY_NAME = """
[[route]]
domains = ["*"]
hosts = ["hub.example.net:25"]
security = "none"
"""


@needs_root
def test_without_dns_it_starts_takes_mail_and_puts_it_off_as_4_4_3(tmp_path: Path) -> None:
    wrapper = without_dns(tmp_path, "")
    service = Service(tmp_path / "service", route=BY_NAME, workers=1, wrapper=wrapper)
    service.add_account("alice")
    with service.running():
        with service.signed_in("alice") as client:
            client.send_message(message("alice@example.org"))
        until(lambda: '"route down"' in service.log, "the route is known to be down")
        assert "4.4.3 The address of hub.example.net cannot be found" in service.log
        attempts = len(events(service, "delivery"))
        with service.signed_in("alice") as client:
            for _ in range(5):
                client.send_message(message("alice@example.org"))
        # One probe a second at most, however much waits: six messages at once would be no back-off.
        assert len(events(service, "delivery")) - attempts <= 5
        assert len(waiting(service)) == 6


@needs_root
@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.long)])
def test_a_resolver_that_never_answers_holds_up_neither_sessions_nor_the_end(
    tmp_path: Path, workers: int
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        resolver.bind(("127.0.0.91", 53))
        resolver.settimeout(PATIENCE)
        wrapper = without_dns(tmp_path, "nameserver 127.0.0.91\noptions timeout:30 attempts:5\n")
        service = Service(tmp_path / "service", route=BY_NAME, workers=workers, wrapper=wrapper)
        service.config.write_text(service.config.read_text().replace('grace = "10 s"', 'grace = "1 s"'))
        service.add_account("alice")
        service.start()
        with service.signed_in("alice") as client:
            client.send_message(message("alice@example.org"))
        assert b"hub" in resolver.recv(1_000)
        for _ in range(3):  # each would wait 150 seconds behind the name
            with service.signed_in("alice") as client:
                client.send_message(message("alice@example.org"))
        assert '"route down"' not in service.log
        assert service.stop() == 0
        assert len(waiting(service)) == 4


# --- socket activation


_HAND_OVER = """
import os, sys
count = int(sys.argv[1])
for at in range(count):
    os.dup2(int(sys.argv[2 + at]), 100 + at)
for at in range(count):
    os.dup2(100 + at, 3 + at, inheritable=True)
    os.close(100 + at)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(count), LISTEN_FDNAMES=":".join(["sams"] * count))
os.execvp(sys.argv[2 + count], sys.argv[2 + count:])
"""


@contextlib.contextmanager
def activated(service: Service, each: int = 1) -> Iterator[None]:
    """Plays the service manager: opens the sockets, so many for each port, and keeps them."""
    opened = []
    for port in (service.starttls, service.implicit):
        for _ in range(each):
            one = socket.socket()
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(each > 1))
            one.bind(("127.0.0.1", port))
            one.listen(256)
            opened.append(one)
    numbers = tuple(one.fileno() for one in opened)
    service.descriptors = numbers
    service.wrapper = (sys.executable, "-c", _HAND_OVER, str(len(numbers)), *map(str, numbers))
    try:
        yield
    finally:
        for one in opened:
            one.close()


class Visitors:
    """Members who connect all the time, and hear a greeting or that the service restarts."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._done = threading.Event()
        self.heard: Counter[str] = Counter()
        self._threads = [threading.Thread(target=self._visit, daemon=True) for _ in range(4)]
        for thread in self._threads:
            thread.start()

    def _visit(self) -> None:
        while not self._done.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self._port), PATIENCE) as one:
                    self.heard[one.recv(100)[:3].decode() or "nothing"] += 1
                    one.sendall(b"QUIT\r\n")
                    one.recv(100)
            except ConnectionRefusedError:
                self.heard["refused"] += 1
            except OSError:
                self.heard["broken"] += 1

    def leave(self) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("workers", "each"),
    [
        pytest.param(0, 1, marks=pytest.mark.long),
        (2, 1),
        pytest.param(2, 3, marks=pytest.mark.long),
    ],
)
def test_with_sockets_of_the_service_manager_a_restart_refuses_nobody(
    tmp_path: Path, workers: int, each: int
) -> None:
    service = Service(tmp_path / "service", workers=workers)
    service.add_account("alice")
    with activated(service, each):
        service.start()
        visitors = Visitors(service.starttls)
        wanted = set(range(max(1, workers)))
        until(
            lambda: {shard_of(str(one["session"])) for one in events(service, "session")} == wanted,
            "all serve",
        )
        assert service.stop() == 0
        service.start()
        before = visitors.heard.total()
        until(lambda: visitors.heard.total() > before + 20, "they come and go")
        visitors.leave()
        assert service.stop() == 0
        assert set(visitors.heard) <= {"220", "421"}, visitors.heard


def test_a_socket_that_no_listener_asks_for_is_refused_by_name(tmp_path: Path) -> None:
    service = Service(tmp_path / "service")
    with activated(service):
        former, service.starttls = service.starttls, free_ports(1)[0]
        service.configure()
        with pytest.raises(AssertionError, match=rf"hands over 127\.0\.0\.1:{former} \(sams\)"):
            service.start()


# --- rights


@needs_root
@pytest.mark.parametrize("workers", [2])
def test_an_unprivileged_user_serves_on_a_system_that_may_only_be_read(workers: int) -> None:
    user = "nobody"
    folder = Path(tempfile.mkdtemp(prefix="sams-confined-", dir="/var/tmp"))
    try:
        with sink() as hop:
            service = Service(folder / "service", route=smarthost(hop.port), workers=workers)
            data = service.folder / "data"
            data.mkdir(mode=0o700)
            for path in (folder, service.folder, data, *service.folder.iterdir()):
                shutil.chown(path, user)
                path.chmod(0o700 if path.is_dir() else 0o600)
            paths = os.pathsep.join(
                [str(ROOT), str(Path(os.environ.get("PYTHONPATH", ROOT / "src")).absolute())]
            )
            service.environment = {"PYTHONPATH": paths}
            confined = (sys.executable, "-m", "tests.support.confined", str(data), user)
            service.wrapper = ("env", f"PYTHONPATH={paths}", "unshare", "--mount", *confined)
            previous = os.umask(0)  # the service sees to its own
            try:
                service.start()
            finally:
                os.umask(previous)
            service.add_account("alice")
            with service.signed_in("alice") as client:
                client.send_message(message("alice@example.org", body="x" * 70 + "\n"))
                client.send_message(message("alice@example.org", body=("x" * 70 + "\n") * 4_000))
            until(lambda: len(hop.messages) == 2, "both arrived")
            for pid in processes(service):
                status = Path(f"/proc/{pid}/status").read_text()
                assert "\nNoNewPrivs:\t1\n" in status
                assert "\nUmask:\t0077\n" in status
            service.sams("backup", str(folder / "backup"))
            assert service.stop() == 0
            assert open_to_others(data) == []
            assert not any(path.stat().st_uid == 0 for path in data.rglob("*"))
    finally:
        shutil.rmtree(folder)


def open_to_others(data: Path) -> list[str]:
    """What somebody else could look into; the folder of the control sockets is passable, and says who may ask."""
    found = []
    for path in (data, *data.rglob("*")):
        mode = path.lstat().st_mode
        allowed = 0o011 if path == data / "control" else 0
        if not stat.S_ISSOCK(mode) and mode & 0o077 & ~allowed:
            found.append(f"{path} {stat.S_IMODE(mode):o}")
    return found


# --- the clock


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.skipif(_FAKETIME is None, reason="needs libfaketime (Debian: faketime)")
def test_a_clock_that_jumps_by_a_day_loses_nothing_and_stops_nobody(tmp_path: Path) -> None:
    offset = tmp_path / "offset"

    def jump(to: str) -> None:
        fresh = tmp_path / "offset.new"
        fresh.write_text(to + "\n")
        fresh.replace(offset)

    jump("+0")
    (port,) = free_ports(1)
    service = Service(tmp_path / "service", route=smarthost(port), workers=1)
    service.add_account("alice")
    service.environment = {
        "LD_PRELOAD": str(_FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    sent = 0
    with service.running():
        kept = service.signed_in("alice")
        for to in ("+0", "+1d", "-1d"):
            jump(to)
            with service.signed_in("alice") as fresh:
                for client in (kept, fresh):
                    client.send_message(message("alice@example.org", f"number {sent}"))
                    sent += 1
        assert len({entry["id"] for entry in waiting(service)}) == sent
        # What was put off while it was tomorrow is due in two days by now, and yet does not wait for them.
        with sink(port) as hop:
            until(lambda: not waiting(service), "all are sent", 120.0)
            assert len(hop.messages) == sent
        assert '"clock jumped"' in service.log
        kept.quit()


def waiting(service: Service) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(service.sams("queue", "list", "--json").stdout)["messages"]
    return found
