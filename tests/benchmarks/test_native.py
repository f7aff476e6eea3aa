from __future__ import annotations

import smtplib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.compare.programs import BenchError, Counts, Generator, Sink, running_sink
from benchmarks.compare.results import Load
from tests.support.certificates import Authority
from tests.support.service import PASSWORD, Service, free_ports, smarthost

MESSAGES = 6
ENVELOPE = b"MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nRCPT TO:<c@y>\r\n"
ID = b"X-Bench-Id: 00000000000000%02x\r\n\r\n"


@pytest.fixture
def sink(programs: Path) -> Iterator[tuple[Sink, int]]:
    """A running sink and its port."""
    port, control = free_ports(2)
    with running_sink(programs, port, control) as running:
        yield running, port


class Conversation:
    """A connection to the sink."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.replies = self.socket.makefile("rb")
        self.expect(220)

    def expect(self, *codes: int) -> None:
        for code in codes:
            assert self.replies.readline().startswith(b"%d " % code)

    def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.socket.sendall(piece)

    def end(self) -> None:
        self.replies.close()
        self.socket.close()


@pytest.fixture
def conversation(sink: tuple[Sink, int]) -> Iterator[Conversation]:
    made = Conversation(sink[1])
    yield made
    made.end()


def came(sink: tuple[Sink, int]) -> Counts:
    return sink[0].ask("GET")


def test_the_sink_takes_what_a_client_sends(sink: tuple[Sink, int]) -> None:
    with smtplib.SMTP("127.0.0.1", sink[1]) as client:
        for number in (1, 2, 2):
            client.sendmail("a@example.org", ["b@example.net", "c@example.net"], ID % number + b"..\r\nx\r\n")
    counts = came(sink)
    assert (counts.unique, counts.rcpts) == (2, 6)


@pytest.mark.parametrize("cut", range(1, 6))
def test_the_sink_finds_the_end_of_a_message_wherever_it_is_cut(
    sink: tuple[Sink, int], conversation: Conversation, cut: int
) -> None:
    conversation.say(ENVELOPE + b"DATA\r\n")
    conversation.expect(250, 250, 250, 354)
    end = b"\r\n.\r\n"
    conversation.say(ID % 1 + b"\r\n.\rx\r\n..\r\n\r\r\n.x", end[:cut])
    time.sleep(0.01)  # so that the pieces are read apart; whether they are changes no result
    conversation.say(end[cut:] + b"NOOP\r\n")
    conversation.expect(250, 250)
    assert came(sink).unique == 1


def test_the_sink_takes_chunks(sink: tuple[Sink, int], conversation: Conversation) -> None:
    conversation.say(
        ENVELOPE, b"BDAT %d\r\n" % len(ID % 1) + ID % 1 + b"BDAT 0 LAST\r\n", ENVELOPE, b"BDAT 3 LAST\r\nabc"
    )
    conversation.expect(*[250] * 5, *[250] * 4)
    assert came(sink).unique == 1


def test_the_sink_counts_anew_and_writes_what_came(
    sink: tuple[Sink, int], conversation: Conversation, tmp_path: Path
) -> None:
    conversation.say(ENVELOPE, b"BDAT %d LAST\r\n" % len(ID % 1) + ID % 1)
    conversation.expect(*[250] * 4)
    sink[0].ask(f"DUMP {tmp_path / 'ids'}")
    assert (tmp_path / "ids").read_text() == f"{1:016x}\n"
    sink[0].ask("RESET")
    assert (came(sink).unique, came(sink).rcpts) == (0, 0)


def test_the_sink_asks_for_recipients_and_ends_with_quit(conversation: Conversation) -> None:
    conversation.say(b"DATA\r\nNONSENSE\r\nQUIT\r\n")
    conversation.expect(503, 502, 221)
    assert conversation.replies.read() == b""


def test_a_port_that_is_taken_is_said(programs: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(BenchError, match="another benchmark"),
        running_sink(programs, taken.getsockname()[1], free_ports(1)[0]),
    ):
        pass


def generate(programs: Path, folder: Path, port: int, *arguments: str) -> Load:
    (folder / "users").write_text("".join(f"{name}@example.org:{PASSWORD}\n" for name in ("ann", "bob")))
    command = [str(programs / "loadgen"), "--port", str(port), "--users", str(folder / "users")]
    return Generator([*command, "--timeout", "20", "--idlog", str(folder / "accepted"), *arguments]).result()


def test_the_floor_gives_back_what_it_gets(programs: Path, tmp_path: Path) -> None:
    [port] = free_ports(1)
    pair = Authority.make().host("localhost").pairs[0]
    for name, content in (("certificate", pair.chain), ("key", pair.key)):
        (tmp_path / name).write_bytes(content)
    command = [str(programs / "floor"), "--port", str(port)]
    command += ["--certificate", str(tmp_path / "certificate"), "--key", str(tmp_path / "key")]
    with subprocess.Popen(command) as floor:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                assert floor.poll() is None
        load = generate(programs, tmp_path, port, "--mode", "echo", "-n", "5", "-c", "2", "-s", "40000")
        floor.terminate()
    assert (load.accepted, load.connections, load.failures) == (5, 5, {})
    assert load.tls.startswith("TLSv1.3 ")


@pytest.fixture(scope="module")
def relaying(tmp_path_factory: pytest.TempPathFactory, programs: Path) -> Iterator[tuple[Service, Sink]]:
    """The real service, and the sink that it relays to."""
    port, control = free_ports(2)
    with running_sink(programs, port, control) as running:
        service = Service(tmp_path_factory.mktemp("bench") / "service", route=smarthost(port), workers=0)
        for name in ("ann", "bob"):
            service.add_account(f"{name}@example.org", f"{name}@example.org")
        with service.running():
            yield service, running


@pytest.mark.real
@pytest.mark.parametrize(
    ("arguments", "recipients"),
    [
        (("--mode", "fresh"), 1),
        (("--mode", "fresh", "--tls", "implicit"), 1),
        (("--mode", "persist", "-M", "2"), 1),
        (("--mode", "persist", "--no-pipelining", "-r", "3"), 3),
        (("--mode", "persist", "-s", "300000", "--threads", "2"), 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_the_generator_sends_through_sams_comes_to_the_sink(
    relaying: tuple[Service, Sink],
    programs: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    recipients: int,
) -> None:
    service, sink = relaying
    sink.ask("RESET")
    port = service.implicit if "implicit" in arguments else service.starttls
    load = generate(programs, tmp_path, port, "-n", str(MESSAGES), "-c", "2", *arguments)
    assert (load.accepted, load.failures) == (MESSAGES, {})
    while sink.ask("GET").rcpts < MESSAGES * recipients:
        time.sleep(0.01)
    sink.ask(f"DUMP {tmp_path / 'delivered'}")
    accepted, delivered = ((tmp_path / name).read_text().split() for name in ("accepted", "delivered"))
    assert len(accepted) == MESSAGES
    assert set(accepted) == set(delivered)


@pytest.mark.real
def test_the_generator_holds_idle_connections(
    relaying: tuple[Service, Sink], programs: Path, tmp_path: Path
) -> None:
    service, _ = relaying
    arguments = ("--mode", "idle", "--idle", "4", "-c", "2", "--hold", "0.2")
    load = generate(programs, tmp_path, service.starttls, *arguments)
    assert (load.idle_alive_at_end, load.failures) == (4, {})


@pytest.mark.real
def test_the_generator_tells_of_refusals(
    relaying: tuple[Service, Sink], programs: Path, tmp_path: Path
) -> None:
    service, _ = relaying
    load = generate(programs, tmp_path, service.starttls, "-n", "2", "-c", "1", "-s", "90000000")
    assert load.accepted == 0
    assert load.failures == {"552": 2, "rcpt_rejected": 2}
