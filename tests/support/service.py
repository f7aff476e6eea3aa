"""The real service, started as a user starts it: `sams serve` with a configuration in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path

from tests.support.certificates import Authority
from tests.support.processes import children

PASSWORD = "a-long-enough-secret"
PATIENCE = 30.0
_CONFIGURATION = """\
[server]
name = "smtp.example.org"
data_dir = "data"
workers = {workers}
grace = "10 s"

[tls]
certificate = "certificate.pem"
private_key = "key.pem"

{listeners}

[accounts]
domains = ["example.org", "lab.example.org"]

{route}

[limits]
min_free = "1 MiB"
{limits}

[guard]
allow = {allow}

[retry]
first = "1 s"
longest = "2 s"

[log]
format = "json"
"""
_LISTENERS = """\
[[listener]]
address = "127.0.0.1"
port = {starttls}

[[listener]]
address = "127.0.0.1"
port = {implicit}
security = "implicit"
"""
MAILDIR = """\
[[route]]
domains = ["*"]
type = "maildir"
path = "Maildir"
"""


def smarthost(port: int, **settings: str) -> str:
    """A route to a next hop on loopback, in clear."""
    lines = "".join(f'{name} = "{value}"\n' for name, value in settings.items())
    return f'[[route]]\ndomains = ["*"]\nhosts = ["127.0.0.1:{port}"]\nsecurity = "none"\n{lines}'


def _command_line(pid: int) -> bytes:
    """Empty where it ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@dataclass
class Service:
    """One configured service.

    wrapper: a program to run the service under, such as strace with its arguments. descriptors: handed to it open.
    listeners: where it listens, at the ports `starttls` and `implicit`; empty: at 127.0.0.1.
    """

    folder: Path
    route: str = MAILDIR
    workers: int = 1
    limits: str = ""
    allow: str = '["127.0.0.0/8"]'
    wrapper: tuple[str, ...] = ()
    descriptors: tuple[int, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    listeners: str = ""
    authority: Authority = field(default_factory=Authority.make)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.starttls, self.implicit = free_ports(2)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        pair = self.authority.host("smtp.example.org", "localhost", "127.0.0.1").pairs[0]
        (self.folder / "certificate.pem").write_bytes(pair.chain)
        key = self.folder / "key.pem"
        key.touch(mode=0o600)
        key.write_bytes(pair.key)
        (self.folder / "ca.pem").write_bytes(self.authority.ca.cert_pem.bytes())
        self.configure()

    @property
    def config(self) -> Path:
        return self.folder / "sams.toml"

    @property
    def maildir(self) -> Path:
        return self.folder / "Maildir" / "new"

    @property
    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def configure(self) -> None:
        """Write the configuration file from the fields as they are now."""
        self.config.write_text(
            _CONFIGURATION.format(
                workers=self.workers,
                listeners=(self.listeners or _LISTENERS).format(
                    starttls=self.starttls, implicit=self.implicit
                ),
                route=self.route,
                limits=self.limits,
                allow=self.allow,
            )
        )

    def sams(self, *arguments: str, text: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the command."""
        done = subprocess.run(
            [sys.executable, "-m", "sams", *arguments],
            input=text,
            text=True,
            capture_output=True,
            check=False,
            timeout=PATIENCE,
            env={**os.environ, "SAMS_CONFIG": str(self.config)},
        )
        assert not check or done.returncode == 0, f"sams {arguments}: {done.stdout}{done.stderr}\n{self.log}"
        return done

    def add_account(self, login: str, *addresses: str, password: str = PASSWORD) -> None:
        chosen = [
            part for address in addresses or (f"{login}@example.org",) for part in ("--address", address)
        ]
        self.sams("account", "add", login, *chosen, "--password-stdin", text=password + "\n")

    def start(self) -> None:
        """Start it, and wait until every listener accepts."""
        already = self.log.count('"ready"')
        self.launch()
        assert self.process is not None
        until = time.monotonic() + PATIENCE
        while self.log.count('"ready"') == already:
            assert self.process.poll() is None, f"the service ended:\n{self.log}"
            assert time.monotonic() < until, f"the service is not ready:\n{self.log}"
            time.sleep(0.02)

    def launch(self) -> None:
        """Start it, and do not wait."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, sys.executable, "-m", "sams", "serve", "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=self.descriptors,
                env={**os.environ, **self.environment},
            )

    def stop(self) -> int:
        """SIGTERM, and its exit status."""
        assert self.process is not None
        if self.wrapper:  # which may not pass the signal on
            os.killpg(self.process.pid, signal.SIGTERM)
        else:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()  # a test that fails leaves nothing running
            raise
        self.process = None
        return status

    def worker_pids(self) -> list[int]:
        """Those that were forked, and have the command line of the supervisor."""
        assert self.process is not None
        own = _command_line(self.process.pid)
        return [pid for pid in children(self.process.pid) if _command_line(pid) == own]

    def hasher_pid(self) -> int:
        """Of the process that compares passwords; 0: there is none at the moment."""
        assert self.process is not None
        name = b"sams.identity.passwords.hasher"
        return next((pid for pid in children(self.process.pid) if name in _command_line(pid)), 0)

    def kill(self) -> None:
        """SIGKILL to the supervisor and all of its workers at once, as a power cut would."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)
        self.process = None

    @contextlib.contextmanager
    def running(self) -> Iterator[Service]:
        self.start()
        try:
            yield self
        finally:
            if self.process is not None:
                status = self.stop()
                assert status == 0, self.log

    def trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.ca.configure_trust(context)
        return context

    def client(self) -> smtplib.SMTP:
        """A connection inside TLS, not signed in."""
        return self._opened(lambda client: client.ehlo())

    def signed_in(self, login: str, password: str = PASSWORD) -> smtplib.SMTP:
        return self._opened(lambda client: client.login(login, password))

    def _opened(self, begin: Callable[[smtplib.SMTP], object]) -> smtplib.SMTP:
        client = smtplib.SMTP("127.0.0.1", self.starttls, timeout=PATIENCE)
        try:
            client.starttls(context=self.trust())
            begin(client)
        except BaseException:
            client.close()
            raise
        return client

    def delivered(self, count: int) -> list[str]:
        """The messages in the Maildir, once there are so many."""
        until = time.monotonic() + PATIENCE
        while True:
            found = sorted(self.maildir.glob("*")) if self.maildir.is_dir() else []
            if len(found) >= count:
                return [path.read_text() for path in found]
            assert time.monotonic() < until, f"{len(found)} of {count} messages arrived:\n{self.log}"
            time.sleep(0.02)


def message(sender: str, subject: str = "hello", body: str = "Hello.\n") -> EmailMessage:
    """A message as a mail program makes it."""
    made = EmailMessage()
    made["From"] = sender
    made["To"] = "friend@example.net"
    made["Subject"] = subject
    made.set_content(body)
    return made
