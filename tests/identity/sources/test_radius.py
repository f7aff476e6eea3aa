"""RADIUS servers as a directory, asked at a real FreeRADIUS, and at sockets that forge, lose and stay silent."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest
import uvloop

from sams.config.places import HostPort
from sams.config.sources import LoginForm, RadiusSource
from sams.core.errors import OperatorError, TemporaryFailure
from sams.identity.account_sources import Finding
from sams.identity.logins import LoginForms, map_login
from sams.identity.sources.interface import Answer, Member
from sams.identity.sources.radius import OUT_OF_USE, RadiusDirectory
from tests.support.radius_server import MISSING, PROGRAM, SECRET, RadiusServer, free_port

FORMS = LoginForms(("example.org",))
HOME = "192.0.2.7"
ALICE = Answer(Finding.RIGHT, Member("alice"))

real = pytest.mark.skipif(PROGRAM is None, reason=MISSING)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def radius() -> Iterator[RadiusServer]:
    server = RadiusServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def own_radius() -> Iterator[RadiusServer]:
    """One that may be stopped."""
    server = RadiusServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


def section(
    *ports: int,
    timeout: float = 5.0,
    login_form: LoginForm = "user",
    require_attribute: str = "",
    host: str = "127.0.0.1",
) -> RadiusSource:
    return RadiusSource(
        servers=tuple(HostPort(host, port) for port in ports),
        secret_file=Path("/etc/sams/radius-secret"),
        timeout=timeout,
        login_form=login_form,
        require_attribute=require_attribute,
    )


def directory(
    of: RadiusSource, secret: str = SECRET, clock: Callable[[], float] | None = None
) -> RadiusDirectory:
    return RadiusDirectory(of, secret, "smtp.example.org", clock or Clock())


async def verify(asked: RadiusDirectory, login: str, password: str) -> Answer:
    return await asked.verify(FORMS.parse(map_login(login)), password, HOME)


def ask(asked: RadiusDirectory, login: str = "alice", password: str = "correct horse") -> Answer:
    return asyncio.run(verify(asked, login, password))


# --- a real FreeRADIUS


@real
@pytest.mark.real
@pytest.mark.parametrize(
    ("login", "password", "answer"),
    [
        ("alice", "correct horse", ALICE),
        ("Alice@Example.org", "correct horse", ALICE),
        ("alice", "wrong", Answer(Finding.REFUSED)),
        ("nobody", "wrong", Answer(Finding.REFUSED)),
        ("caro", "with ümlaut", Answer(Finding.RIGHT, Member("caro"))),
        ("long", "p" * 128, Answer(Finding.RIGHT, Member("long"))),
        ("closed", "x", Answer(Finding.REFUSED, detail="the server says: Your account is\\x09closed")),
        ("*)(uid=*", "' OR 1=1 --", Answer(Finding.REFUSED)),
        ("%{User-Name}", "%{exec:id}", Answer(Finding.REFUSED)),
        ("a" * 253, "x", Answer(Finding.REFUSED)),
        ("ålice\x85", "x\x01", Answer(Finding.REFUSED)),
    ],
)
def test_the_server_decides(radius: RadiusServer, login: str, password: str, answer: Answer) -> None:
    assert ask(directory(section(radius.port)), login, password) == answer


@real
@pytest.mark.real
def test_a_challenge_is_a_refusal_that_says_what_to_do(radius: RadiusServer) -> None:
    answer = ask(directory(section(radius.port)), "otp", "x")
    assert answer.finding is Finding.REFUSED
    assert "app passwords" in answer.detail


@real
@pytest.mark.real
@pytest.mark.parametrize(
    ("required", "suspended"),
    [("Filter-Id=mail", False), ("Class=staff", False), ("Class=mail", True), ("Filter-Id=MAIL", True)],
)
def test_an_attribute_may_be_demanded(radius: RadiusServer, required: str, suspended: bool) -> None:
    answer = ask(directory(section(radius.port, require_attribute=required)))
    assert answer.finding is Finding.RIGHT
    assert answer.member is not None
    assert (answer.member.suspended is not None) is suspended
    assert (required in answer.detail) is suspended


@real
@pytest.mark.real
@pytest.mark.parametrize(
    ("form", "login", "finding"),
    [
        ("user", "alice@elsewhere.example", Finding.UNKNOWN),
        ("typed", "alice@elsewhere.example", Finding.RIGHT),
        ("address", "alice", Finding.REFUSED),
    ],
)
def test_a_login_is_told_in_the_form_that_the_section_says(
    radius: RadiusServer, form: LoginForm, login: str, finding: Finding
) -> None:
    assert ask(directory(section(radius.port, login_form=form)), login, "elsewhere").finding is finding


@real
@pytest.mark.real
def test_the_members_address_goes_along(radius: RadiusServer) -> None:
    ask(directory(section(radius.port)))
    assert f"cli {HOME}" in radius.log


@real
@pytest.mark.real
@pytest.mark.parametrize("on_uvloop", [False, True])
def test_many_questions_at_once_have_each_its_own_answer(radius: RadiusServer, on_uvloop: bool) -> None:
    asked = directory(section(radius.port))

    async def all_at_once() -> list[Answer]:
        return await asyncio.gather(
            *(verify(asked, "alice", "correct horse" if at % 2 else "wrong") for at in range(40))
        )

    with asyncio.Runner(loop_factory=uvloop.new_event_loop if on_uvloop else None) as runner:
        answers = runner.run(all_at_once())
    assert answers == [ALICE if at % 2 else Answer(Finding.REFUSED) for at in range(40)]


@real
@pytest.mark.real
def test_a_server_that_was_restarted_is_asked_again(own_radius: RadiusServer) -> None:
    asked = directory(section(own_radius.port))
    assert ask(asked) == ALICE
    own_radius.stop()
    with pytest.raises(TemporaryFailure) as failure:
        ask(asked)
    assert str(own_radius.port) in failure.value.detail
    own_radius.start()
    assert ask(asked) == ALICE


@real
@pytest.mark.real
def test_a_slow_server_is_waited_for_and_asked_but_once(own_radius: RadiusServer) -> None:
    asked = directory(section(own_radius.port, timeout=6))
    before = own_radius.log.count("Login OK")

    async def slowly() -> Answer:
        own_radius.pause()
        question = asyncio.create_task(verify(asked, "alice", "correct horse"))
        await asyncio.sleep(2.2)  # it is sent again meanwhile
        own_radius.go_on()
        return await question

    assert asyncio.run(slowly()) == ALICE
    assert own_radius.log.count("Login OK") == before + 1


@real
@pytest.mark.real
def test_another_server_answers_for_one_that_is_gone_or_silent(radius: RadiusServer) -> None:
    with silent() as relay:
        assert ask(directory(section(free_port(), relay.port, radius.port, timeout=2.5))) == ALICE


@real
@pytest.mark.real
def test_a_server_that_was_silent_is_asked_last_and_tried_again_after_a_while(radius: RadiusServer) -> None:
    clock = Clock()
    with silent() as relay:
        port = relay.port
        asked = directory(section(port, radius.port, timeout=2), clock=clock)
        assert [server.address.port for server in asked.order()] == [port, radius.port]
        assert ask(asked) == ALICE
        assert [server.address.port for server in asked.order()] == [radius.port, port]
        clock.now += OUT_OF_USE
        assert [server.address.port for server in asked.order()] == [port, radius.port]
        assert [server.address.port for server in asked.order()] == [radius.port, port]  # one tries it


@real
@pytest.mark.real
def test_a_server_with_another_secret_is_down_and_says_what_to_look_at(radius: RadiusServer) -> None:
    with pytest.raises(TemporaryFailure) as failure:
        ask(directory(section(radius.port, timeout=0.3), "another-shared-secret"))
    assert "shared secret" in failure.value.detail
    assert "another-shared-secret" not in failure.value.detail


@real
@pytest.mark.real
def test_a_server_that_does_not_sign_its_answers_is_down() -> None:
    server = RadiusServer(signs=False)
    try:
        server.start()
        if server.does_sign:
            return
        with pytest.raises(TemporaryFailure) as failure:
            ask(directory(section(server.port, timeout=0.3)))
    finally:
        server.remove()
    assert "Message-Authenticator" in failure.value.detail


# --- between us and the server


class Relay:
    """A socket that hands questions on to a server, and does with them and the answers as a test says."""

    def __init__(self, port: int, do: Callable[[bytes, Callable[[bytes], bytes]], list[bytes]]) -> None:
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.02)
        self.port = int(self._socket.getsockname()[1])
        self.seen = list[bytes]()
        self.sources = set[int]()
        self._server = port
        self._do = do
        self._is_over = False
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._is_over = True
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while not self._is_over:
            try:
                question, source = self._socket.recvfrom(4_096)
            except TimeoutError:
                continue
            self.seen.append(question)
            self.sources.add(source[1])
            for answer in self._do(question, self._asked):
                self._socket.sendto(answer, source)

    def _asked(self, question: bytes) -> bytes:
        with socket.socket(type=socket.SOCK_DGRAM) as server:
            server.settimeout(5)
            server.connect(("127.0.0.1", self._server))
            server.send(question)
            return server.recv(4_096)


def silent() -> Relay:
    return Relay(0, lambda question, ask: [])


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def forged_accept(question: bytes) -> bytes:
    """What somebody sends who has no secret."""
    return bytes((2, question[1], 0, 38)) + bytes(16) + b"\x50\x12" + bytes(16)


def unsigned_accept(question: bytes) -> bytes:
    """With a right Response Authenticator and no Message-Authenticator: what Blast-RADIUS comes to."""
    head = bytes((2, question[1], 0, 20))
    return head + hashlib.md5(head + question[4:20] + SECRET.encode(), usedforsecurity=False).digest()


@real
@pytest.mark.real
@pytest.mark.parametrize("forge", [forged_accept, unsigned_accept])
@pytest.mark.parametrize("password", ["correct horse", "wrong"])
def test_forged_answers_before_the_true_one_decide_nothing(
    radius: RadiusServer, forge: Callable[[bytes], bytes], password: str
) -> None:
    def do(question: bytes, ask: Callable[[bytes], bytes]) -> list[bytes]:
        return [forge(question), b"", b"\x02" * 4_096, forge(question), ask(question)]

    with Relay(radius.port, do) as relay:
        answer = ask(directory(section(relay.port)), "alice", password)
    assert answer == (ALICE if password == "correct horse" else Answer(Finding.REFUSED))


@real
@pytest.mark.real
def test_a_refusal_that_was_made_an_acceptance_on_the_way_is_not_believed(radius: RadiusServer) -> None:
    def do(question: bytes, ask: Callable[[bytes], bytes]) -> list[bytes]:
        answer = ask(question)
        assert answer[0] == 3
        return [b"\x02" + answer[1:]]

    with Relay(radius.port, do) as relay, pytest.raises(TemporaryFailure) as failure:
        ask(directory(section(relay.port, timeout=0.4)), "alice", "wrong")
    assert "another shared secret, or by somebody else" in failure.value.detail


@pytest.mark.parametrize(
    ("forge", "hint"), [(forged_accept, "somebody else"), (unsigned_accept, "Message-Authenticator")]
)
def test_forged_answers_alone_are_an_outage(forge: Callable[[bytes], bytes], hint: str) -> None:
    with (
        Relay(0, lambda question, ask: [forge(question)]) as relay,
        pytest.raises(TemporaryFailure) as failure,
    ):
        ask(directory(section(relay.port, timeout=0.3)))
    assert hint in failure.value.detail


@real
@pytest.mark.real
def test_what_is_lost_is_sent_again_the_very_same(radius: RadiusServer) -> None:
    asked = list[bytes]()

    def lose_two(question: bytes, ask: Callable[[bytes], bytes]) -> list[bytes]:
        asked.append(question)
        return [ask(question)] if len(asked) > 2 else []

    with Relay(radius.port, lose_two) as relay:
        assert ask(directory(section(relay.port, timeout=2.4))) == ALICE
        assert len(relay.sources) == 1
    assert len(asked) == 3
    assert len(set(asked)) == 1


@real
@pytest.mark.real
def test_each_question_has_a_socket_and_an_authenticator_of_its_own(radius: RadiusServer) -> None:
    with Relay(radius.port, lambda question, ask: [ask(question)]) as relay:
        asked = directory(section(relay.port))
        for _ in range(8):
            assert ask(asked) == ALICE
    assert len({question[4:20] for question in relay.seen}) == 8
    assert len(relay.sources) > 1


def test_an_answer_from_another_address_is_not_seen() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as other:

        def do(question: bytes, ask: Callable[[bytes], bytes]) -> list[bytes]:
            for source in relay.sources:
                other.sendto(unsigned_accept(question), ("127.0.0.1", source))
            return []

        with Relay(0, do) as relay, pytest.raises(TemporaryFailure) as failure:
            ask(directory(section(relay.port, timeout=0.3)))
    assert "no answer" in failure.value.detail


# --- without a server


def test_a_silent_server_is_down_in_time() -> None:
    with silent() as relay, pytest.raises(TemporaryFailure) as failure:
        ask(directory(section(relay.port, timeout=0.3)))
    assert str(relay.port) in failure.value.detail
    assert "no answer" in failure.value.detail


def test_a_closed_port_is_told_at_once() -> None:
    async def timed() -> None:
        async with asyncio.timeout(5):
            with pytest.raises(TemporaryFailure):
                await verify(directory(section(free_port(), timeout=60)), "alice", "x")

    asyncio.run(timed())


def test_a_name_that_is_none_is_down() -> None:
    with pytest.raises(TemporaryFailure):
        ask(directory(section(1812, host="radius.invalid", timeout=2)))


def test_sockets_are_closed_also_when_a_question_is_cancelled() -> None:
    async def cancelled(port: int) -> None:
        for _ in range(20):
            question = asyncio.create_task(verify(directory(section(port)), "alice", "x"))
            await asyncio.sleep(0.005)
            question.cancel()
            with pytest.raises(asyncio.CancelledError):
                await question
        await asyncio.sleep(0)
        assert open_files() <= before + 5  # the loop's own

    with silent() as relay:
        before = open_files()
        asyncio.run(cancelled(relay.port))


@pytest.mark.parametrize(
    ("login", "password", "finding"),
    [
        ("alice", "p" * 129, Finding.REFUSED),
        ("alice", "ü" * 65, Finding.REFUSED),
        ("ü" * 127, "x", Finding.UNKNOWN),
        ("a\ud800b", "x", Finding.UNKNOWN),
    ],
)
def test_what_radius_cannot_carry_is_not_asked(login: str, password: str, finding: Finding) -> None:
    assert ask(directory(section(1)), login, password).finding is finding


def test_a_short_secret_is_refused_without_being_shown() -> None:
    with pytest.raises(OperatorError, match="16 characters") as error:
        directory(section(1), "short-secret")
    assert "short-secret" not in str(error.value)
    assert "/etc/sams/radius-secret" in str(error.value)


def test_nobody_can_be_found() -> None:
    async def find() -> None:
        asked = directory(section(1))
        assert not asked.can_find
        with pytest.raises(TemporaryFailure):
            await asked.find(FORMS.parse("alice"))
        await asked.close()

    asyncio.run(find())
