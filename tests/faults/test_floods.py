"""R11: whatever is poured into a place that takes input, memory is bounded, and there is a reply or a close."""

from __future__ import annotations

import base64
import contextlib
import select
import smtplib
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from sams.control import sockets
from tests.faults.test_memory import family, watched
from tests.faults.test_overload import descriptors, until
from tests.support.service import PASSWORD, PATIENCE, Service, free_ports, message, smarthost

pytestmark = [pytest.mark.real, pytest.mark.faults, pytest.mark.timeout(600)]

MIB = 1024 * 1024
PIECE = 256 * 1024
BOUND = 16 * MIB
"""What the service may need more than before while somebody pours, all of its processes together."""
STUCK_SECONDS = 3.0
"""Who is not read from for so long is no more read from at all."""
_SECRET = base64.b64encode(f"\0alice\0{PASSWORD}".encode())
_SIGN_IN = b"AUTH PLAIN " + _SECRET
_MAIL = (b"MAIL FROM:<alice@example.org>", b"RCPT TO:<x@example.net>")
_HEAD = b"From: alice@example.org\r\n"


@dataclass(frozen=True)
class Flood:
    """One place, and what is poured into it.

    begin: commands, each answered before the next is sent. opening, drop, ending: sent without waiting, `drop` again
        and again. replies: what the last ones begin with; empty: the connection is closed without a word.
    where: the listener, or `control`. reads: whether replies are taken; else it is enough that no more is read.
    """

    replies: tuple[bytes, ...]
    drop: bytes
    begin: tuple[bytes, ...] = ()
    opening: bytes = b""
    ending: bytes = b"\r\nQUIT\r\n"
    where: str = "implicit"
    reads: bool = True


_HELLO = (b"EHLO flood.example.com",)
_MEMBER = (*_HELLO, _SIGN_IN)
_DATA = (*_MEMBER, *_MAIL, b"DATA")
_END = b"\r\n.\r\nQUIT\r\n"
FLOODS = {
    "a command in clear": Flood((b"500 5.5.2 ", b"221 "), b"A", where="starttls"),
    "a command": Flood((b"500 5.5.2 ", b"221 "), b"A"),
    "the name of EHLO": Flood((b"500 5.5.2 ", b"221 "), b"a", opening=b"EHLO "),
    "a member's command": Flood((b"500 5.5.2 ", b"221 "), b"A", _MEMBER),
    "an initial response": Flood((b"500 5.5.6 ", b"221 "), b"A", _HELLO, b"AUTH PLAIN "),
    "a response": Flood((b"500 5.5.6 ", b"221 "), b"A", (*_HELLO, b"AUTH PLAIN")),
    "NUL": Flood((b"554 5.5.1 ",), b"\0"),
    "empty lines": Flood((b"421 4.7.0 ",), b"\r\n"),
    "NOOP": Flood((b"421 4.7.0 ",), b"NOOP\r\n"),
    "a member's NOOP": Flood((b"421 4.7.0 ",), b"NOOP\r\n", _MEMBER),
    "a member's RSET and MAIL": Flood(
        (b"421 4.7.0 ",), b"MAIL FROM:<alice@example.org>\r\nRSET\r\n", _MEMBER
    ),
    "cancelled sign-ins": Flood((b"421 4.7.0 ",), b"AUTH PLAIN\r\n*\r\n", _HELLO),
    "refused recipients": Flood((b"421 4.7.0 ",), b"RCPT TO:<x@nowhere.invalid>\r\n", (*_MEMBER, _MAIL[0])),
    "refused recipients, replies unread": Flood(
        (), b"RCPT TO:<x@nowhere.invalid>\r\n", (*_MEMBER, _MAIL[0]), reads=False
    ),
    "foreign senders, replies unread": Flood((), b"MAIL FROM:<x@example.com>\r\n", _MEMBER, reads=False),
    "chunks of nothing, replies unread": Flood((), b"BDAT 0\r\n", (*_MEMBER, *_MAIL), reads=False),
    "one field": Flood((b"552 5.3.4 ", b"221 "), b"x", _DATA, _HEAD + b"Subject: ", _END),
    "one field of many lines": Flood(
        (b"552 5.3.4 ", b"221 "), b" folded\r\n", _DATA, _HEAD + b"Subject:\r\n", _END
    ),
    "many fields": Flood((b"552 5.3.4 ", b"221 "), b"X: y\r\n", _DATA, _HEAD, _END),
    "one line of a body": Flood((b"552 5.3.4 ", b"221 "), b"x", _DATA, _HEAD + b"\r\n", _END),
    "a body": Flood((b"552 5.3.4 ", b"221 "), b"A line.\r\n", _DATA, _HEAD + b"\r\n", _END),
    "a body of dots": Flood((b"552 5.3.4 ", b"221 "), b"..\r\n", _DATA, _HEAD + b"\r\n", _END),
    "parts": Flood(
        (b"554 5.6.0 ", b"221 "),
        b"\r\n--b\r\n\r\n",
        _DATA,
        _HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n",
        _END,
    ),
    "lines that are nearly boundaries": Flood(
        (b"552 5.3.4 ", b"221 "),
        b"\r\n--bb",
        _DATA,
        _HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n",
        _END,
    ),
    "a chunk before the sign-in": Flood(
        (b"530 5.7.0 ", b"221 "), b"x", _HELLO, b"BDAT %d LAST\r\n", b"QUIT\r\n"
    ),
    "a chunk without a recipient": Flood(
        (b"554 5.5.1 ", b"221 "), b"x", (*_MEMBER, _MAIL[0]), b"BDAT %d LAST\r\n", b"QUIT\r\n"
    ),
    "a chunk that is too large": Flood(
        (b"552 5.3.4 ", b"221 "), b"x", (*_MEMBER, *_MAIL), b"BDAT %d LAST\r\n", b"QUIT\r\n"
    ),
    "a chunk of any size": Flood((b"421 4.7.0 ",), b"x", _HELLO, b"BDAT 99999999999999999999\r\n"),
    "plain text at a port that begins with TLS": Flood((), b"EHLO x\r\n", where="plain"),
    "TLS at a port that begins without": Flood(
        (b"554 5.5.1 ",), b"\x16\x03\x01\x02\x00", where="starttls", ending=b""
    ),
    "an endless ClientHello": Flood((), b"", where="fragments"),
    "an endless line at the control socket": Flood((b'{"version":1,',), b"x", where="control", ending=b""),
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    (nobody,) = free_ports(1)
    route = smarthost(nobody).replace('domains = ["*"]', 'domains = ["example.net"]')
    made = Service(tmp_path_factory.mktemp("floods") / "service", route=route, workers=1, allow="[]")
    made.limits = (
        "message_size = '4 MiB'\nrecipients_per_hour = 100000\n"
        "connections_per_address = 1000\nnew_connections_per_minute = 100000"
    )
    made.configure()
    made.add_account("alice")
    with made.running():
        with made.signed_in("alice") as client:
            client.send_message(message("alice@example.org"))
        yield made


class Pourer:
    """One connection that is poured into. tail: the last replies."""

    def __init__(self, service: Service, flood: Flood) -> None:
        self._flood = flood
        self._socket = _connected(service, flood)
        self._socket.settimeout(PATIENCE)
        self.tail: deque[bytes] = deque(maxlen=8)
        self.is_closed = False
        self._rest = b""
        self._line_end = b"\n" if flood.where == "control" else b"\r\n"
        if flood.where not in {"plain", "fragments", "control"}:
            self._reply()
        for line in flood.begin:
            self._socket.sendall(line + b"\r\n")
            answer = self._reply()
            assert answer[:1] in b"23", answer

    def pour(self, octets: int, is_enough: Callable[[], bool]) -> int:
        """How many octets were taken before the end, or until nothing more was."""
        sent = 0
        try:
            for piece in self._pieces(octets):
                self._send(piece)
                sent += len(piece)
                if is_enough():
                    return sent
        except TimeoutError:
            assert not self._flood.reads, f"stuck after {sent // MIB} MiB: {list(self.tail)}"
        except OSError:  # it was closed meanwhile
            pass
        if self._flood.reads:
            self._read_to_the_end(sent)
        else:
            assert sent < octets, "all was taken although no reply was"
        return sent

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.close()

    def _pieces(self, octets: int) -> Iterator[bytes]:
        flood = self._flood
        if flood.where == "fragments":
            record = b"\x16\x03\x01\x40\x00" + b"\x01\xff\xff\xff" * 4_096
            yield from (record for _ in range(octets // len(record)))
            return
        piece = flood.drop * (PIECE // len(flood.drop))
        count = octets // len(piece)
        opening = flood.opening % (count * len(piece)) if b"%d" in flood.opening else flood.opening
        yield opening
        yield from (piece for _ in range(count))
        yield flood.ending

    def _reply(self) -> bytes:
        line = b""
        while not line.endswith(b"\n") or line.rpartition(b"\n")[0].rpartition(b"\n")[2][3:4] == b"-":
            octets = self._socket.recv(4_096)
            assert octets, "it was closed too early"
            line += octets
        return line

    def _send(self, piece: bytes) -> None:
        """In one thread with the reading: a TLS connection of OpenSSL must not be used by two at once."""
        if not self._flood.reads:
            self._socket.settimeout(STUCK_SECONDS)
            self._socket.sendall(piece)
            return
        self._socket.settimeout(0)
        rest, until_when = memoryview(piece), time.monotonic() + PATIENCE
        while rest:
            _, can_write, _ = select.select([self._socket], [self._socket], [], PATIENCE)
            self._take_replies()
            if time.monotonic() > until_when:
                raise TimeoutError
            if can_write:
                with contextlib.suppress(BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                    rest = rest[self._socket.send(rest) :]

    def _read_to_the_end(self, sent: int) -> None:
        until_when = time.monotonic() + PATIENCE
        while not self.is_closed and time.monotonic() < until_when:
            select.select([self._socket], [], [], 0.1)
            self._take_replies()
        assert self.is_closed, f"open behind {sent // MIB} MiB: {list(self.tail)}"

    def _take_replies(self) -> None:
        """Whatever is there."""
        self._socket.settimeout(0)
        try:
            while not self.is_closed:
                octets = self._socket.recv(65_536)
                *lines, self._rest = (self._rest + octets).split(self._line_end)
                self.tail.extend(lines)
                self.is_closed = not octets
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError:
            self.is_closed = True


def _connected(service: Service, flood: Flood) -> socket.socket:
    if flood.where == "control":
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(sockets.service_path(service.folder / "data")))
        return connection
    clear = socket.socket()
    if not flood.reads:  # the system's own buffers are soon full
        clear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
    clear.connect(("127.0.0.1", service.starttls if flood.where == "starttls" else service.implicit))
    return _careless().wrap_socket(clear) if flood.where == "implicit" else clear


def _careless() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Bystander:
    """A member who submits all the time. longest: seconds of a transaction."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._submit_all)
        self.longest = 0.0
        self.problems: list[Exception] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _submit_all(self) -> None:
        try:
            with self._service.signed_in("alice") as client:
                while not self._over.wait(0.05):
                    began = time.monotonic()
                    client.send_message(message("alice@example.org"))
                    self.longest = max(self.longest, time.monotonic() - began)
        except (OSError, smtplib.SMTPException) as error:
            self.problems.append(error)


def pour(service: Service, name: str, octets: int) -> None:
    assert service.process is not None
    flood, files = FLOODS[name], descriptors(service)
    pourer = Pourer(service, flood)
    with watched(service.process.pid) as watch, Bystander(service) as bystander:
        sent = pourer.pour(octets, lambda: watch.most - watch.before > BOUND)
        watch.look()
    pourer.close()
    assert watch.most - watch.before < BOUND, (
        f"{(watch.most - watch.before) // MIB} MiB more, {sent // MIB} sent"
    )
    found = [line for line in pourer.tail if not line.startswith(b"250 ")]
    last = found[-len(flood.replies) :] if flood.replies else found
    assert [line[: len(reply)] for line, reply in zip(last, flood.replies, strict=True)] == [*flood.replies]
    assert bystander.problems == []
    assert bystander.longest < PATIENCE / 6
    until(lambda: descriptors(service) <= files + 1, "descriptors come back")


@pytest.mark.parametrize("name", FLOODS)
def test_what_is_poured_in_takes_no_memory_and_is_answered_or_cut_off(service: Service, name: str) -> None:
    pour(service, name, 32 * MIB)


@pytest.mark.long
@pytest.mark.parametrize("name", FLOODS)
def test_500_mb_poured_in_take_no_memory_and_are_answered_or_cut_off(service: Service, name: str) -> None:
    pour(service, name, 500 * MIB)


# --- messages that are as hard to read as one can be


_HARDER = 30
"""How much more of the loop's time than a plain message of 256 KB takes: others wait so long. A CPython parser of
these headers takes 5,000 times as much."""
_TIMES = 3
_OWN = b"From: alice@example.org\r\n"
_PLAIN = _OWN + b"\r\n" + (b"x" * 70 + b"\r\n") * 3_640


def _folded(name: bytes, unit: bytes, count: int) -> bytes:
    return name + b": " + b"\r\n ".join([unit * 100] * (count // 100)) + b"\r\n\r\n"


def _nested(deep: int) -> bytes:
    types = [b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n" % one for one in range(deep + 1)]
    return _OWN + types[0] + b"".join([b"--b%d\r\n%b" % (one, inner) for one, inner in enumerate(types[1:])])


_MIXED = _OWN + b"Content-Type: multipart/mixed"
HARD: dict[str, tuple[bytes, tuple[int, bytes]]] = {
    "50,000 in Cc": (_OWN + _folded(b"Cc", b"a@b.cd,", 50_000), (552, b"5.3.4 ")),
    "as many in Cc as a header holds": (_OWN + _folded(b"Cc", b"a@b.cd,", 35_000), (250, b"2.0.0 ")),
    "as many in Bcc": (_OWN + _folded(b"Bcc", b"a@b.cd,", 35_000), (250, b"2.0.0 ")),
    "60,000 commas in From": (_OWN[:-2] + b"," * 60_000 + b"\r\n\r\n", (550, b"5.7.1 ")),
    "60,000 brackets in From": (
        b"From: " + b"(" * 30_000 + b")" * 30_000 + _OWN[5:] + b"\r\n",
        (550, b"5.7.1 "),
    ),
    "20,000 parameters": (_folded(_MIXED + b"; boundary=b; x", b"; a=b", 20_000), (250, b"2.0.0 ")),
    "48 parts in each other": (_nested(48) + b"\r\n--b48x" * 28_000 + b"\r\n", (250, b"2.0.0 ")),
    "parts in each other without end": (_nested(5_000), (554, b"5.6.0 ")),
}


def loop_seconds(service: Service) -> float:
    """CPU time of the thread that serves everybody: the worker's first."""
    assert service.process is not None
    worker = family(service.process.pid)[-1]
    return int(Path(f"/proc/{worker}/schedstat").read_text().split()[0]) / 1e9


def submitted(service: Service, client: smtplib.SMTP, text: bytes) -> tuple[float, tuple[int, bytes]]:
    """Send a message; how long the loop worked on it, and what was said."""
    client.mail("alice@example.org")
    client.rcpt("x@example.net")
    began = loop_seconds(service)
    answer = client.data(text)
    return loop_seconds(service) - began, answer


@pytest.mark.parametrize("name", HARD)
def test_a_message_that_is_hard_to_read_takes_no_time_from_others(service: Service, name: str) -> None:
    text, (code, status) = HARD[name]
    with service.signed_in("alice") as client:
        plain = min(submitted(service, client, _PLAIN)[0] for _ in range(_TIMES))
        with Bystander(service) as bystander:
            found = [submitted(service, client, text) for _ in range(_TIMES)]
    assert {(answer[0], answer[1][: len(status)]) for _, answer in found} == {(code, status)}
    assert min(took for took, _ in found) < _HARDER * plain
    assert bystander.problems == []
    assert bystander.longest < PATIENCE / 6
