"""The pages as a part of the service: what their process is told, as whom it runs, and how long."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from sams.app.inherited import open_listeners
from sams.app.pages import Pages, open_pages, pages_helpers, site_of
from sams.config.offered import MailServer
from sams.core.errors import OperatorError
from sams.core.rights import ServiceUser
from sams.service.material import Material
from sams.service.privileges import may_run_program
from sams.service.sockets import Activated
from sams.service.tls_contexts import HostCertificates, KeyPair
from sams.web.site import Brand, Certificate, Logo, NamedLink, StsPolicy
from sams.web.starting import decode
from tests.config.samples import MINIMAL, loaded
from tests.support.certificates import Authority
from tests.support.processes import children
from tests.support.service import PASSWORD, Service, free_ports, message

AUTHORITY = Authority.make()
NAME = "smtp-auth.example.ac.uk"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def material(text: str) -> Material:
    hosts = (AUTHORITY.host(NAME), AUTHORITY.host("help.example.ac.uk", sni="help.example.ac.uk"))
    return Material(loaded(MINIMAL + text).config, hosts, {})


# --- what it is told


def test_a_site_has_what_the_configuration_says(tmp_path: Path) -> None:
    logo = tmp_path / "logo"
    logo.write_bytes(PNG)
    made = material(
        f"""
[web]
security = "tls"
url = "https://help.example.ac.uk/"
proxies = ["192.0.2.0/24"]
languages = ["de", "en"]
user_name = "login"
[organisation]
name = "University of Example"
short_name = "Example"
account_name = "UOB account"
logo = "{logo}"
colour = "#aa0000"
help_mail = "help@example.ac.uk"
help_phone = "+44 117 496 0000"
help_url = "https://www.example.ac.uk/it"
[[organisation.link]]
text = "Privacy"
url = "https://www.example.ac.uk/privacy"
[incoming]
host = "imap.example.ac.uk"
[dns]
mx = ["mx1.example.ac.uk"]
mta_sts = "enforce"
"""
    )
    found = site_of(made.config, made)
    assert (found.server_name, found.url) == (NAME, "https://help.example.ac.uk")
    assert found.domains == ("example.ac.uk",)
    assert found.outgoing == (MailServer("smtp", NAME, 587, "starttls", "login"),)
    assert found.incoming == (MailServer("imap", "imap.example.ac.uk", 993, "implicit", "login"),)
    assert found.brand == Brand(
        "University of Example",
        "Example",
        "UOB account",
        Logo("image/png", PNG),
        "#aa0000",
        "help@example.ac.uk",
        "+44 117 496 0000",
        "https://www.example.ac.uk/it",
        (NamedLink("Privacy", "https://www.example.ac.uk/privacy"),),
    )
    assert (found.languages, found.user_name, found.proxies) == (("de", "en"), "login", ("192.0.2.0/24",))
    assert found.does_tls
    assert found.sts == StsPolicy("enforce", ("mx1.example.ac.uk",))
    pair = made.hosts[0].pairs[0]
    assert found.certificates == (Certificate(pair.chain, pair.key),)
    assert [host.name for host in found.hosts] == ["help.example.ac.uk"]
    assert "PRIVATE" not in repr(found)


def test_what_is_left_out_follows_from_the_rest() -> None:
    made = material("[web]\n")
    found = site_of(made.config, made)
    assert found.url == f"https://{NAME}"
    assert found.brand == Brand("example.ac.uk", "example.ac.uk")
    assert (found.does_tls, found.sts, found.incoming) == (False, None, ())


def test_a_short_name_is_the_name_where_none_is_given() -> None:
    made = material('[web]\n[organisation]\nname = "University of Example"\n')
    assert site_of(made.config, made).brand.short_name == "University of Example"


# --- what is opened for it


@pytest.fixture
def opened() -> Iterator[Callable[..., Pages]]:
    """Opens pages, and lets go of them."""
    made: list[Pages] = []

    def open_them(text: str, *activated: Activated) -> Pages:
        found = material(text)
        pages = open_pages(found.config, found, activated)
        assert pages is not None
        made.append(pages)
        return pages

    yield open_them
    for pages in made:
        pages.let_go()


def handed(address: str = "127.0.0.1") -> Activated:
    listening = socket.create_server((address, 0))
    listening.setblocking(False)
    return Activated(listening, "pages")


def test_without_pages_nothing_is_opened() -> None:
    found = material("")
    assert open_pages(found.config, found, ()) is None
    assert pages_helpers(None) == ()


def test_a_port_is_opened_and_one_that_is_taken_is_told(opened: Callable[..., Pages]) -> None:
    (port,) = free_ports(1)
    pages = opened(f"[web]\nport = {port}\n")
    assert pages.listening.getsockname() == ("127.0.0.1", port)
    with pytest.raises(OperatorError, match=f"cannot listen on 127.0.0.1:{port}: another program"):
        opened(f"[web]\nport = {port}\n")


def test_the_service_manager_may_have_opened_it(opened: Callable[..., Pages]) -> None:
    one = handed()
    pages = opened(f"[web]\nport = {one.endpoint.port}\n", one)
    assert pages.listening is one.listening


def test_one_that_was_opened_twice_would_be_served_in_part(opened: Callable[..., Pages]) -> None:
    one = handed()
    with one.listening, pytest.raises(OperatorError, match="name it once"):
        opened(f"[web]\nport = {one.endpoint.port}\n", one, one)


def test_the_socket_of_the_pages_is_no_stray_of_the_listeners() -> None:
    one, (port,) = handed(), free_ports(1)
    own = f"[web]\nport = {one.endpoint.port}\n"
    with one.listening:
        for text, is_theirs in ((own, True), ("", False)):
            found = material(text)
            listener = replace_listener(found, port)
            if is_theirs:
                for opened_one in open_listeners(listener, 1, [one]):
                    for each in opened_one.sockets:
                        each.close()
            else:
                with pytest.raises(OperatorError, match=r"make the socket unit agree with \[\[listener\]\]"):
                    open_listeners(listener, 1, [one])


def replace_listener(found: Material, port: int) -> Material:
    """The same, listening on loopback."""
    text = MINIMAL.replace("port = 587\n", f'address = "127.0.0.1"\nport = {port}\n')
    config = found.config
    (listener,) = loaded(text).config.listeners
    fields = {name: getattr(config, name) for name in config.__struct_fields__}
    return replace(found, config=type(config)(**{**fields, "listeners": (listener,)}))


def test_new_material_that_changes_nothing_for_the_pages_leaves_them_alone(
    opened: Callable[..., Pages],
) -> None:
    (port,) = free_ports(1)
    pages = opened(f"[web]\nport = {port}\n")
    same = Material(loaded(MINIMAL + f"[web]\nport = {port}\n").config, site_hosts(pages), {})
    assert pages.changed(same) is None
    assert pages.is_stale(), "none was started yet"
    other = Material(loaded(MINIMAL + f'[web]\nport = {port}\nuser_name = "login"\n').config, same.hosts, {})
    octets = pages.changed(other)
    assert octets is not None
    assert decode(octets).user_name == "login"
    pages.renew(octets)
    assert pages.changed(other) is None


def site_hosts(pages: Pages) -> tuple[HostCertificates, ...]:
    """The certificates that it was told."""
    told = decode(pages.octets)
    default = HostCertificates("", tuple(KeyPair(one.chain, one.key) for one in told.certificates))
    others = (
        HostCertificates(host.name, tuple(KeyPair(one.chain, one.key) for one in host.certificates))
        for host in told.hosts
    )
    return (default, *others)


# --- the whole service

SERVICE_USER, PAGES_USER = "daemon", "www-data"
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="other users are for root")
PATIENCE = 60.0


@dataclass
class Place:
    """A service with pages, in a folder that its users can reach."""

    service: Service
    port: int
    tls: bool = False
    users: bool = True
    more: str = ""

    def configure(self) -> None:
        self.service.configure()
        text = self.service.config.read_text()
        web = f'[web]\nport = {self.port}\nurl = "https://smtp.example.org"\n'
        web += 'security = "tls"\n' if self.tls else 'proxies = ["127.0.0.9"]\n'
        if self.users:
            web += f'user = "{PAGES_USER}"\n'
            text = text.replace("[server]\n", f'[server]\nuser = "{SERVICE_USER}"\n')
        self.service.config.write_text(f"{text}{web}{self.more}")

    def get(self, path: str = "/") -> tuple[int, bytes]:
        client = self.connection()
        with contextlib.closing(client):
            client.request("GET", path, headers={"Host": "smtp.example.org"})
            answer = client.getresponse()
            return answer.status, answer.read()

    def connection(self) -> http.client.HTTPConnection:
        if not self.tls:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        return http.client.HTTPSConnection(
            "localhost", self.port, timeout=PATIENCE, context=self.service.trust()
        )

    def processes(self) -> list[int]:
        """The web processes that run."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                parts = (entry / "cmdline").read_bytes().split(b"\0")
                is_ours = f'"parent":{self.parent},'.encode() in b"\0".join(parts)
                if is_ours and any(b"sams.web.process" in part for part in parts):
                    found.append(int(entry.name))
        return found

    @property
    def parent(self) -> int:
        """Who started it: the supervisor, or the keeper that the one process has forked."""
        assert self.service.process is not None
        pid = self.service.process.pid
        if self.service.workers:
            return pid
        return children(pid)[0]

    def process(self) -> int:
        """The one that runs, once it is the only one."""
        until(lambda: len(self.processes()) == 1)
        return self.processes()[0]

    def as_user(self, user: str, program: str) -> str:
        """What a program prints that runs as a user."""
        found = pwd.getpwnam(user)
        done = subprocess.run(
            [sys.executable, "-c", program],
            user=found.pw_uid,
            group=found.pw_gid,
            extra_groups=os.getgrouplist(user, found.pw_gid),
            cwd="/",
            env={"PYTHONPATH": str(Path(__file__).parents[2] / "src")},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition, however busy the machine is."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.05)


@contextlib.contextmanager
def place(workers: int, *, tls: bool = False, users: bool = True, more: str = "") -> Iterator[Place]:
    if users and not may_run_program(ServiceUser(PAGES_USER, *_numbers(PAGES_USER))):
        pytest.skip("this Python lies where other users may not read it")
    (port,) = free_ports(1)
    folder = Path(tempfile.mkdtemp(prefix="sams-pages-"))
    try:
        folder.chmod(0o755)
        service = Service(folder, workers=workers)
        for name in ("data", "Maildir"):
            (folder / name).mkdir(mode=0o700)
            if users:
                os.chown(folder / name, *_numbers(SERVICE_USER))
        made = Place(service, port, tls, users, more)
        made.configure()
        service.add_account("alice")
        with service.running():
            made.process()
            yield made
    finally:
        shutil.rmtree(folder)


def _numbers(user: str) -> tuple[int, int]:
    found = pwd.getpwnam(user)
    return found.pw_uid, found.pw_gid


def status(pid: int, name: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{name}:"))


@pytest.mark.real
@AS_ROOT
@pytest.mark.parametrize("workers", [2, 0])
def test_the_web_process_runs_as_its_user_and_has_nothing_but_its_own(workers: int) -> None:
    with place(workers, tls=True) as made:
        assert made.get()[0] == 200
        pid, entry = made.process(), pwd.getpwnam(PAGES_USER)
        assert status(pid, "Uid").split() == [str(entry.pw_uid)] * 4
        assert status(pid, "Gid").split() == [str(entry.pw_gid)] * 4
        assert status(pid, "NoNewPrivs") == "1"
        assert int(status(pid, "CapEff"), 16) == int(status(pid, "CapPrm"), 16) == 0
        assert {int(one) for one in status(pid, "Groups").split()} <= set(
            os.getgrouplist(PAGES_USER, entry.pw_gid)
        )
        shown = Path(f"/proc/{pid}/environ").read_bytes() + Path(f"/proc/{pid}/cmdline").read_bytes()
        assert b"PRIVATE KEY" not in shown
        assert b"LC_ALL" in shown
        assert b"SAMS_CONFIG" not in shown
        targets = [str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir()]
        files = [one for one in targets if one.startswith("/")]
        assert sorted(set(files) - {str(made.service.folder / "log")}) == ["/dev/null"]
        assert not [one for one in targets if "memfd" in one or "sams-tls" in one]
        assert len([one for one in targets if one.startswith("socket:")]) <= 4, "it listens, and wakes itself"


@pytest.mark.real
@AS_ROOT
def test_the_user_of_the_pages_can_read_nothing_and_ask_four_questions() -> None:
    with place(1) as made:
        data = made.service.folder / "data"
        tried = made.as_user(
            PAGES_USER,
            f"""
import pathlib
for name in ("", "accounts.db", "spool", "control/worker-0.sock"):
    path = pathlib.Path({str(data)!r}, name)
    try:
        print(len(path.read_bytes() if path.suffix == ".db" else list(path.iterdir())))
    except OSError as error:
        print(type(error).__name__)
""",
        )
        assert set(tried.split()) <= {"PermissionError", "NotADirectoryError", "FileNotFoundError"}
        asked = made.as_user(
            PAGES_USER,
            f"""
import json, pathlib
from sams.control import sockets, wire
from sams.control.messages import *
data = pathlib.Path({str(data)!r})
requests = [HealthQuery(), QueueDepth(), MetricsQuery(), AccountList(), AccountTest("alice", None), Reload(),
    GuardList(), Backup("/tmp"), AccountPassword("alice", "x"), PagesSignOut("x"), StoriesOfMember("x", 0.0),
    StoriesOfAddress("192.0.2.1", 0.0)]
for path in (sockets.service_path(data), sockets.worker_path(data, 0)):
    for request in requests:
        with sockets.connect(path, 20) as connection:
            connection.sendall(wire.encode(request))
            answer = wire.decode_response(connection.makefile("rb").readline())
        found = answer.trouble.value if isinstance(answer, Failure) else "answered"
        print(path.name, type(request).__name__, found)
""",
        )
        lines = [line.split() for line in asked.splitlines()]
        pages = {"PagesSignOut", "StoriesOfMember", "StoriesOfAddress"}
        assert len(lines) == 24
        assert {found for name, kind, found in lines if kind not in pages} == {"forbidden"}
        assert {found for name, kind, found in lines if kind in pages and name == "service.sock"} == {
            "answered"
        }


@pytest.mark.real
@AS_ROOT
def test_the_user_of_the_pages_signs_members_in_and_hears_their_stories() -> None:
    with place(1) as made:
        with made.service.signed_in("alice") as client:
            client.send_message(message("alice@example.org"))
        asked = made.as_user(
            PAGES_USER,
            f"""
import asyncio, json, pathlib, time
from sams.web.link import ControlLink
async def ask():
    link = ControlLink(pathlib.Path({str(made.service.folder / "data")!r}))
    wrong = await link.sign_in("alice", "not the password", "192.0.2.77")
    right = await link.sign_in("alice@example.org", {PASSWORD!r}, "192.0.2.77")
    for _ in range(200):
        own = await link.stories_of_member(right.ticket, time.time() - 600)
        if own.stories: break
        await asyncio.sleep(0.1)
    strange = await link.stories_of_address("127.0.0.1", time.time() - 600)
    await link.sign_out(right.ticket)
    after = await link.stories_of_member(right.ticket, time.time() - 600)
    print(json.dumps([wrong.why, right.login, repr(own), repr(strange), after.known]))
asyncio.run(ask())
""",
        )
        why, login, own, strange, known = json.loads(asked)
        assert (why, login, known) == ("password", "alice", False)
        assert "accepted" in own
        assert "friend@example.net" in own
        assert "connected-starttls" in strange
        assert "alice" not in strange
        assert "friend@" not in strange
        until(lambda: "192.0.2.77" in made.service.sams("activity", "show", "alice").stdout)


@pytest.mark.real
@AS_ROOT
@pytest.mark.parametrize("workers", [1, 0])
def test_a_reload_takes_the_certificate_and_what_pages_say_and_refuses_no_connection(workers: int) -> None:
    with place(workers, tls=True) as made:
        first = made.process()
        pair = made.service.authority.host("smtp.example.org", "localhost", "127.0.0.1").pairs[0]
        (made.service.folder / "certificate.pem").write_bytes(pair.chain)
        (made.service.folder / "key.pem").write_bytes(pair.key)
        made.more = '[organisation]\nname = "Another Name"\n'
        made.configure()
        if workers == 0:  # it has given up the rights of who started it
            for name in ("key.pem", "certificate.pem", "sams.toml"):
                os.chown(made.service.folder / name, pwd.getpwnam(SERVICE_USER).pw_uid, -1)
        made.service.sams("reload")
        wanted = ssl.PEM_cert_to_DER_cert(pair.chain.decode().partition("-----END CERTIFICATE-----")[0] + END)

        def is_new() -> bool:
            assert made.get()[0] == 200  # each time: none is refused while one process follows another
            return presented(made) == wanted and b"Another Name" in made.get()[1]

        until(is_new)
        until(lambda: first not in made.processes())
        assert made.process() != first
        assert made.get()[0] == 200


END = "-----END CERTIFICATE-----\n"


def presented(made: Place) -> bytes:
    context = made.service.trust()
    with (
        socket.create_connection(("127.0.0.1", made.port), PATIENCE) as connection,
        context.wrap_socket(connection, server_hostname="localhost") as secured,
    ):
        found = secured.getpeercert(binary_form=True)
        assert found is not None
        return found


@pytest.mark.real
@AS_ROOT
@pytest.mark.parametrize("workers", [1, 0])
def test_a_web_process_that_is_killed_has_a_successor_and_mail_goes_on(workers: int) -> None:
    with place(workers) as made:
        first = made.process()
        os.kill(first, signal.SIGKILL)
        with made.service.signed_in("alice") as client:
            client.noop()
        until(lambda: made.processes() not in ([], [first]))
        assert made.get()[0] == 200


@pytest.mark.real
@AS_ROOT
@pytest.mark.parametrize("workers", [1, 0])
def test_no_web_process_outlives_the_service(workers: int) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with place(workers) as made:
            assert made.service.process is not None
            pid = made.process()
            made.service.process.send_signal(number)
            made.service.process.wait(PATIENCE)
            made.service.process = None
            until(lambda pid=pid: not Path(f"/proc/{pid}").exists())  # type: ignore[misc]


@pytest.mark.real
@AS_ROOT
def test_what_needs_a_restart_is_refused_by_a_reload_and_the_pages_go_on() -> None:
    with place(1) as made:
        first = made.process()
        text = made.service.config.read_text()
        (other,) = free_ports(1)
        made.service.config.write_text(text.replace(f"port = {made.port}", f"port = {other}"))
        done = made.service.sams("reload", check=False)
        assert done.returncode != 0
        assert (
            f"web.port: {made.port} → {other} cannot change while the service runs"
            in done.stdout + done.stderr
        )
        made.service.config.write_text(text.replace(f'user = "{PAGES_USER}"', 'user = "games"'))
        assert "web.user" in made.service.sams("reload", check=False).stderr
        made.service.config.write_text(text + '[organisation]\nlogo = "gone.png"\n')
        assert "gone.png" in made.service.sams("reload", check=False).stderr
        assert made.process() == first
        assert made.get()[0] == 200


@pytest.mark.real
@AS_ROOT
def test_the_doctor_asks_for_a_page_and_whether_its_user_reaches_the_service() -> None:
    with place(1, tls=True) as made:

        def found() -> dict[str, tuple[str, str]]:
            told = json.loads(made.service.sams("doctor", "--offline", "--json", check=False).stdout)
            return {
                one["subject"].partition(" (")[0]: (one["level"], one["what"]) for one in told["findings"]
            }

        assert found()["pages"] == (
            "ok",
            "the front page comes; that others reach it is up to proxies and firewalls on the way",
        )
        assert found()["user of the pages"][0] == "ok"
        (made.service.folder / "data").chmod(0o700)
        level, what = found()["user of the pages"]
        assert level == "fail"
        assert "nobody can sign in to the doctor" in what


@pytest.mark.real
def test_without_a_user_the_pages_run_as_who_started_the_service() -> None:
    with place(1, users=False) as made:
        assert made.get()[0] == 200
        assert status(made.process(), "Uid").split()[0] == str(os.geteuid())
        assert status(made.process(), "NoNewPrivs") == "1"
