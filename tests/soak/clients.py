"""The members of a soak: real programs and raw ones, each of its own kind, each on a thread of its own."""

from __future__ import annotations

import base64
import hashlib
import random
import shutil
import smtplib
import socket
import ssl
import struct
import subprocess
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from tests.soak.ledger import Ledger
from tests.support.service import PASSWORD, PATIENCE, Service

_LINE = 72
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER that makes of a close a reset."""


class Refused(Exception):
    """A reply that is not the wanted one."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text


def mail_of(mark: str, sender: str, size: int, chance: random.Random) -> bytes:
    """A message whose header says what its body must be; lines that begin with dots are among it."""
    line = f".{chance.getrandbits(120):030x} " + "x" * (_LINE - 34) + "\r\n"
    body = (line * (size // _LINE + 1)).encode()
    digest = hashlib.sha256(body.rstrip(b"\r\n")).hexdigest()
    return (
        f"From: {sender}\r\nTo: x@example.net\r\nSubject: {mark}\r\nX-Mark: {mark} {digest}\r\n\r\n"
    ).encode() + body


@dataclass(frozen=True)
class Setting:
    """What clients are handed."""

    service: Service
    ledger: Ledger
    folder: Path


class Client(threading.Thread, ABC):
    """Sends until it is told to stop.

    pause: the mean time between two rounds, seconds.
    """

    pause = 0.5

    def __init__(self, setting: Setting, seed: int) -> None:
        super().__init__(name=f"{type(self).__name__.lower()}-{seed}", daemon=True)
        self.setting = setting
        self.service, self.ledger = setting.service, setting.ledger
        self.chance = random.Random(f"{self.name}")
        self.login = f"member{seed % 4}"
        self.sender = f"{self.login}@example.org"
        self._stop_asked = threading.Event()
        self._sent = 0

    def stop(self) -> None:
        self._stop_asked.set()

    def run(self) -> None:
        while not self._stop_asked.wait(self.chance.expovariate(1 / self.pause)):
            try:
                self.round()
            except Refused as refusal:
                self.ledger.refuse(self.name, refusal.code, refusal.text)
            except smtplib.SMTPResponseException as refusal:
                self.ledger.refuse(self.name, refusal.smtp_code, repr(refusal.smtp_error))
            except (OSError, smtplib.SMTPException) as broken:
                self.ledger.refuse(self.name, 0, f"{type(broken).__name__}: {broken}")

    @abstractmethod
    def round(self) -> None:
        """One connection, or one program."""

    def connection(self) -> smtplib.SMTP:
        """Over STARTTLS or implicit TLS; not signed in."""
        if self.chance.random() < 0.5:
            return smtplib.SMTP_SSL(
                "127.0.0.1", self.service.implicit, timeout=PATIENCE, context=self.service.trust()
            )
        client = smtplib.SMTP("127.0.0.1", self.service.starttls, timeout=PATIENCE)
        try:
            client.starttls(context=self.service.trust())
        except BaseException:
            client.close()
            raise
        return client

    def mark(self) -> str:
        """The name of the next message."""
        self._sent += 1
        return f"{self.name}-{self._sent}"

    def recipients(self) -> list[str]:
        """One, mostly; sometimes many, and sometimes one among them whom the next hop refuses."""
        kind = self.chance.random()
        if kind < 0.04:
            return [f"r{number}@example.net" for number in range(150)]
        if kind < 0.10:
            return ["nobody@example.net", "friend@example.net"]
        return ["friend@example.net"]


class Smtplib(Client):
    """Python's own, over STARTTLS or implicit TLS: some messages on each connection."""

    sizes: Sequence[int] = (200, 4_000, 4_000, 40_000, 200_000)
    pause = 0.4

    def round(self) -> None:
        with self.connection() as client:
            client.login(self.login, PASSWORD)
            for _ in range(self.chance.randint(1, 5)):
                self._send(client)

    def _send(self, client: smtplib.SMTP) -> None:
        mark, recipients = self.mark(), self.recipients()
        _expect(client.mail(self.sender), 250)
        for recipient in recipients:
            _expect(client.rcpt(recipient), 250)
        content = mail_of(mark, self.sender, self.chance.choice(self.sizes), self.chance)
        reply = client.data(content)
        _expect(reply, 250)
        self.ledger.promise(type(self).__name__, mark, recipients, reply[1].decode())


class Large(Smtplib):
    """The same with large messages."""

    sizes = (2_000_000, 5_000_000)
    pause = 12.0


class Pipeliner(Client):
    """A raw client: everything up to the content in one write, and by BDAT the content as well."""

    pause = 0.3

    def round(self) -> None:
        with self._raw() as (talk, stream):
            _heard(stream, 220)
            talk.sendall(b"EHLO pipeliner.example.net\r\n")
            _heard(stream, 250)
            secret = base64.b64encode(f"\0{self.login}\0{PASSWORD}".encode())
            talk.sendall(b"AUTH PLAIN " + secret + b"\r\n")
            _heard(stream, 235)
            for _ in range(self.chance.randint(1, 6)):
                self._send(talk, stream, chunked=self.chance.random() < 0.5)
            talk.sendall(b"QUIT\r\n")

    @contextmanager
    def _raw(self) -> Iterator[tuple[ssl.SSLSocket, BufferedReader]]:
        plain = socket.create_connection(("127.0.0.1", self.service.implicit), PATIENCE)
        with (
            plain,
            self.service.trust().wrap_socket(plain, server_hostname="localhost") as talk,
            talk.makefile("rb") as stream,
        ):
            yield talk, stream

    def _send(self, talk: ssl.SSLSocket, stream: BufferedReader, *, chunked: bool) -> None:
        mark, recipients = self.mark(), self.recipients()
        content = mail_of(mark, self.sender, self.chance.choice((500, 4_000, 150_000)), self.chance)
        envelope = f"MAIL FROM:<{self.sender}>\r\n" + "".join(f"RCPT TO:<{one}>\r\n" for one in recipients)
        if chunked:
            half = len(content) // 2
            first, last = content[:half], content[half:]
            talk.sendall(
                envelope.encode() + b"BDAT %d\r\n%bBDAT %d LAST\r\n%b" % (len(first), first, len(last), last),
            )
        else:
            talk.sendall(envelope.encode() + b"DATA\r\n")
        for _ in range(len(recipients) + 1 + chunked):
            _heard(stream, 250)
        if not chunked:
            _heard(stream, 354)
            talk.sendall(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        self.ledger.promise("Pipeliner", mark, recipients, _heard(stream, 250))


class Patient(Client):
    """On a slow line: a small message takes half a minute, and is taken."""

    pause = 5.0

    def round(self) -> None:
        mark, recipients = self.mark(), self.recipients()
        with self.connection() as client:
            client.login(self.login, PASSWORD)
            _expect(client.mail(self.sender), 250)
            for recipient in recipients:
                _expect(client.rcpt(recipient), 250)
            _expect(client.docmd("DATA"), 354)
            content = mail_of(mark, self.sender, 60_000, self.chance).replace(b"\r\n.", b"\r\n..")
            for start in range(0, len(content), 1_000):
                client.send(content[start : start + 1_000])
                self._stop_asked.wait(0.4)
            reply = client.docmd(".")
            _expect(reply, 250)
            self.ledger.promise("Patient", mark, recipients, reply[1].decode())


class Aborter(Client):
    """Goes away in the middle: in the handshake, behind the envelope, inside a message, by a close or a reset."""

    pause = 0.7

    def round(self) -> None:
        plain = socket.create_connection(("127.0.0.1", self.service.implicit), PATIENCE)
        if self.chance.random() < 0.3:
            plain.send(b"\x16\x03\x01\x02\x00\x01\x00")  # a ClientHello begins, and never goes on
            _cut(plain)
            return
        with suppress(OSError):
            talk = self.service.trust().wrap_socket(plain, server_hostname="localhost")
            secret = base64.b64encode(f"\0{self.login}\0{PASSWORD}".encode()).decode()
            lines = [
                "EHLO aborter.example.net",
                f"AUTH PLAIN {secret}",
                f"MAIL FROM:<{self.sender}>",
                "RCPT TO:<friend@example.net>",
                "DATA",
            ]
            for line in lines[: self.chance.randint(1, len(lines))]:
                talk.sendall(line.encode() + b"\r\n")
                talk.recv(4_096)
            talk.sendall(b"X-Half: yes\r\n\r\n" + b"half a message\r\n" * self.chance.randint(1, 20_000))
            _cut(talk)
        plain.close()


class Program(Client):
    """A mail program that is started for each message."""

    pause = 1.5

    @abstractmethod
    def command(self, mark: str, recipients: Sequence[str], path: Path) -> list[str]:
        """How to send the message in a file."""

    def round(self) -> None:
        mark, recipients = self.mark(), ["friend@example.net"]
        path = self.setting.folder / self.name
        path.write_bytes(self.content(mail_of(mark, self.sender, 3_000, self.chance)))
        with path.open("rb") as stream:
            done = subprocess.run(
                self.command(mark, recipients, path),
                stdin=stream,
                capture_output=True,
                check=False,
                timeout=2 * PATIENCE,
            )
        told = (done.stdout + done.stderr).decode(errors="replace")
        if done.returncode:
            raise Refused(0, f"status {done.returncode}: {told[-150:]}")
        self.ledger.promise(type(self).__name__, mark, recipients, told)

    def content(self, mail: bytes) -> bytes:
        return mail


class Curl(Program):
    def command(self, mark: str, recipients: Sequence[str], path: Path) -> list[str]:
        wanted = [part for one in recipients for part in ("--mail-rcpt", one)]
        return [
            *("curl", "--silent", "--show-error", "--ssl-reqd", "--max-time", "60"),
            *("--cacert", str(self.service.folder / "ca.pem"), "--user", f"{self.login}:{PASSWORD}"),
            *("--mail-from", self.sender, *wanted, "--upload-file", str(path)),
            f"smtps://localhost:{self.service.implicit}",
        ]


class Swaks(Program):
    def command(self, mark: str, recipients: Sequence[str], path: Path) -> list[str]:
        return [
            *("swaks", "--server", f"127.0.0.1:{self.service.starttls}", "-tls", "--auth", "LOGIN"),
            *("--auth-user", self.login, "--auth-password", PASSWORD, "--from", self.sender),
            *("--to", ",".join(recipients), "--data", f"@{path}"),
        ]


class Msmtp(Program):
    def command(self, mark: str, recipients: Sequence[str], path: Path) -> list[str]:
        settings = path.with_suffix(".rc")
        settings.touch(mode=0o600)
        settings.write_text(
            f"account default\nhost localhost\nport {self.service.starttls}\ntls on\ntls_starttls on\n"
            f"tls_trust_file {self.service.folder / 'ca.pem'}\nauth on\nuser {self.login}\n"
            f"password {PASSWORD}\nfrom {self.sender}\n"
        )
        return ["msmtp", "-C", str(settings), *recipients]

    def content(self, mail: bytes) -> bytes:
        return mail.replace(b"\r\n", b"\n")


PROGRAMS: dict[str, type[Program]] = {"curl": Curl, "swaks": Swaks, "msmtp": Msmtp}


def make_clients(setting: Setting) -> list[Client]:
    """All of them; programs that are not there are left out."""
    clients: list[Client] = [Smtplib(setting, number) for number in range(3)]
    clients += [Pipeliner(setting, number) for number in range(2)]
    clients += [Large(setting, 0), Patient(setting, 1), Aborter(setting, 2)]
    return clients + [kind(setting, 3) for name, kind in PROGRAMS.items() if shutil.which(name)]


def _expect(reply: tuple[int, bytes], code: int) -> None:
    if reply[0] != code:
        raise Refused(reply[0], reply[1].decode(errors="replace"))


def _heard(stream: BufferedReader, code: int) -> str:
    line = stream.readline()
    while line[3:4] == b"-":
        line = stream.readline()
    text = line.decode(errors="replace").strip()
    if not text.startswith(str(code)):
        raise Refused(int(text[:3]) if text[:3].isdigit() else 0, text or "the connection was closed")
    return text


def _cut(talk: socket.socket) -> None:
    talk.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    talk.close()
