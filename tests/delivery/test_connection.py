"""Connections to a scripted next hop on loopback, at every stage where one can go wrong."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvloop

from sams.core.errors import OperatorError, TemporaryFailure
from sams.core.outcome import Result
from sams.delivery.connection import Connector, HopConnection
from sams.delivery.fitting import BytesBody
from sams.delivery.hop_settings import HopAddress, RouteSettings, Security, parse_host
from sams.protocol.smtp.client_message import OutgoingMessage
from sams.protocol.smtp.client_opening import Credentials
from sams.protocol.smtp.client_result import OutgoingTransaction, TransactionResult
from sams.protocol.smtp.client_waits import ConversationEnded, Stage, Timeouts
from tests.support.client_script import transaction
from tests.support.next_hop import EXTENSIONS, Answer, Authority, Do, NextHop, until

_T = TypeVar("_T")

LONG = Timeouts(connect=30, greeting=30, hello=30, starttls=30, handshake=30, auth=30, mail=30, rcpt=30)
SHORT = 0.05
BDAT = (*EXTENSIONS, "CHUNKING")
AUTHORITY = Authority()
WRONG = Authority()
ANN = Credentials("ann", "s3cret")


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, _T]], _T]:
    """Runs a test on each of the loops."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    def runner(main: Coroutine[Any, Any, _T]) -> _T:
        with asyncio.Runner(loop_factory=factory) as own:
            return own.run(main)

    return runner


Run = Callable[[Coroutine[Any, Any, Any]], Any]


def settings(hop: NextHop, security: Security = Security.NONE, **more: Any) -> RouteSettings:
    name = more.pop("host", "127.0.0.1")
    return RouteSettings("hub", (HopAddress(name, hop.port),), "me.example.org", security, **more)


async def loopback(name: str, port: int) -> list[str]:
    """A resolver that knows one address."""
    return ["127.0.0.1"]


async def connect(
    hop: NextHop, security: Security = Security.NONE, timeouts: Timeouts = LONG, **more: Any
) -> HopConnection:
    route = settings(hop, security, **more)
    return await Connector(route, resolve=loopback, timeouts=timeouts).connect(route.hosts[0])


async def failure(coroutine: Awaitable[Any]) -> ConversationEnded:
    with pytest.raises(ConversationEnded) as caught:
        await coroutine
    return caught.value


def results(result: TransactionResult) -> list[Result | None]:
    return [None if each is None else each.result for each in result.verdicts]


def ca(folder: Path) -> str:
    return AUTHORITY.ca_file(folder)


# ---- the happy path


@pytest.mark.parametrize("extensions", [(), EXTENSIONS, BDAT])
def test_a_message_arrives_as_it_was(run: Run, extensions: tuple[str, ...]) -> None:
    text = b".one\r\n..\r\n.\r\n\r\ntwo.\r\n."

    async def main() -> None:
        async with NextHop(extensions=extensions) as hop:
            connection = await connect(hop)
            result = await connection.send(transaction("bob@example.com", "eve@example.com", text=text))
            connection.close()
            assert results(result) == [Result.DELIVERED] * 2
            (mail,) = hop.mails
            end = b"" if mail.by == "BDAT" else b"\r\n"
            assert mail.data == b"Subject: x\r\n\r\n" + text + end
            assert mail.addresses == [b"bob@example.com", b"eve@example.com"]
            assert mail.helo == b"me.example.org"
            assert connection.remote == f"127.0.0.1:{hop.port}"
            assert not hop.faults

    run(main())


@pytest.mark.parametrize(("extensions", "segments"), [(EXTENSIONS, 2), (BDAT, 1)])
def test_a_small_message_takes_as_few_writes_as_it_can(
    run: Run, extensions: tuple[str, ...], segments: int
) -> None:
    async def main() -> None:
        async with NextHop(extensions=extensions) as hop:
            connection = await connect(hop)
            before = len(hop.segments)
            for _ in range(5):
                await connection.send(transaction("bob@example.com"))
            assert len(hop.segments) - before == 5 * segments
            assert hop.connections == 1
            connection.close()

    run(main())


@dataclass
class SlowBody:
    """A body that is read piece by piece."""

    pieces: list[bytes]
    size: int = 0
    closed: bool = False
    fails: bool = False

    def __post_init__(self) -> None:
        self.size = self.size or sum(map(len, self.pieces))

    def in_memory(self) -> bytes | None:
        return None

    async def chunks(self, size: int = 65_536) -> AsyncIterator[bytes]:
        try:
            for piece in self.pieces:
                await asyncio.sleep(0)
                yield piece
            if self.fails:
                raise OSError(5, "the disk is broken")
        finally:
            self.closed = True


def large(body: SlowBody) -> OutgoingTransaction:
    small = transaction("bob@example.com")
    return OutgoingTransaction(small.envelope, OutgoingMessage(b"Subject: x\r\n\r\n", body))


@pytest.mark.parametrize("extensions", [(), EXTENSIONS, BDAT])
@pytest.mark.parametrize("pieces", [[b"x"] * 7, [b"\r\n.y" * 20_000] * 30, [b"a\r", b"\n", b".", b"\r\n"]])
def test_a_body_is_streamed_piece_by_piece(
    run: Run, extensions: tuple[str, ...], pieces: list[bytes]
) -> None:
    async def main() -> None:
        async with NextHop(extensions=extensions) as hop:
            connection = await connect(hop)
            body = SlowBody(pieces)
            result = await connection.send(large(body))
            assert results(result) == [Result.DELIVERED]
            assert hop.mails[0].data.removesuffix(b"\r\n") == (
                b"Subject: x\r\n\r\n" + b"".join(pieces)
            ).removesuffix(b"\r\n")
            assert body.closed
            assert connection.is_usable
            connection.close()

    run(main())


def test_a_large_body_in_memory_is_sent_in_pieces(run: Run) -> None:
    async def main() -> None:
        async with NextHop() as hop:
            connection = await connect(hop)
            text = b".line of text\r\n" * 100_000
            assert results(await connection.send(transaction("bob@example.com", text=text))) == [
                Result.DELIVERED
            ]
            assert hop.mails[0].data == b"Subject: x\r\n\r\n" + text
            connection.close()

    run(main())


@pytest.mark.parametrize("extensions", [EXTENSIONS, BDAT])
@pytest.mark.parametrize(("size", "fails"), [(50, False), (5, False), (0, True)])
def test_a_message_that_cannot_be_read_in_full_is_never_ended(
    run: Run, extensions: tuple[str, ...], size: int, fails: bool
) -> None:
    async def main() -> None:
        async with NextHop(extensions=extensions) as hop:
            connection = await connect(hop)
            body = SlowBody([b"0123456789"], size=size, fails=fails)
            with pytest.raises((TemporaryFailure, OSError)):
                await connection.send(large(body))
            assert not connection.is_usable
            assert body.closed
            await until(lambda: not hop.open)
            assert not hop.mails

    run(main())


def test_a_cancelled_transaction_cuts_the_connection(run: Run) -> None:
    async def main() -> None:
        async with NextHop({"END": Do.HANG}) as hop:
            connection = await connect(hop)
            task = asyncio.create_task(connection.send(transaction("bob@example.com")))
            await until(lambda: b"DATA" in hop.commands)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not connection.is_usable

    run(main())


def test_many_recipients_get_their_own_replies(run: Run) -> None:
    async def main() -> None:
        names = [f"user{number}@example.com" for number in range(1_000)]
        answers: dict[str, Answer] = {f"RCPT:{name}": "550 5.1.1 no" for name in names[::3]}
        async with NextHop(answers) as hop:
            connection = await connect(hop)
            result = await connection.send(transaction(*names))
            assert results(result) == [
                Result.DELIVERED if number % 3 else Result.FAILED for number in range(1_000)
            ]
            connection.close()

    run(main())


# ---- refusals, silence and breaks, stage by stage

OPENING = [("CONNECT", Stage.GREETING), ("EHLO", Stage.HELLO)]
WITHIN = [
    ("MAIL", Stage.MAIL, False),
    ("RCPT", Stage.RCPT, False),
    ("DATA", Stage.DATA, False),
    ("END", Stage.END, True),
]


def impatient(stage: Stage) -> Timeouts:
    """Waits shortly there, and as ever elsewhere: a busy machine is no slow hop."""
    return Timeouts(**{_WAITS[stage]: SHORT})


_WAITS = {
    Stage.GREETING: "greeting",
    Stage.HELLO: "hello",
    Stage.MAIL: "mail",
    Stage.RCPT: "rcpt",
    Stage.DATA: "data",
    Stage.END: "end",
}


@pytest.mark.parametrize(("verb", "stage"), OPENING)
@pytest.mark.parametrize("answer", ["421 4.3.2 busy", "450 4.3.2 later", "554 5.3.2 no"])
def test_a_hop_that_refuses_at_the_beginning_is_not_used(
    run: Run, verb: str, stage: Stage, answer: str
) -> None:
    async def main() -> None:
        async with NextHop({verb: answer, "HELO": answer}) as hop:
            ended = await failure(connect(hop))
            assert (ended.stage, ended.reply.code, ended.by_peer) == (stage, int(answer[:3]), True)

    run(main())


@pytest.mark.parametrize(("verb", "stage"), OPENING)
@pytest.mark.parametrize("answer", [Do.DROP, Do.RESET, Do.HANG, b"rubbish\r\n", b"220"])
def test_a_hop_that_fails_at_the_beginning_is_not_used(
    run: Run, verb: str, stage: Stage, answer: Answer
) -> None:
    async def main() -> None:
        async with NextHop({verb: answer}) as hop:
            ended = await failure(connect(hop, timeouts=impatient(stage)))
            assert (ended.stage, ended.reply.is_temporary, ended.by_peer) == (stage, True, False)

    run(main())


@pytest.mark.parametrize(("verb", "stage", "after_end"), WITHIN)
@pytest.mark.parametrize("answer", [Do.DROP, Do.RESET, Do.HANG, b"rubbish\r\n", b"2"])
@pytest.mark.parametrize("extensions", [(), EXTENSIONS])
def test_a_hop_that_fails_in_a_transaction_defers(
    run: Run, extensions: tuple[str, ...], verb: str, *, stage: Stage, after_end: bool, answer: Answer
) -> None:
    async def main() -> None:
        async with NextHop({verb: answer}, extensions=extensions) as hop:
            connection = await connect(hop, timeouts=impatient(stage))
            result = await connection.send(transaction("bob@example.com"))
            assert results(result) == [Result.DEFERRED]
            assert result.broke_off is not None
            assert (result.broke_off.stage, result.broke_off.after_end) == (stage, after_end)
            assert not connection.is_usable

    run(main())


@pytest.mark.parametrize(("verb", "stage", "after_end"), WITHIN)
@pytest.mark.parametrize(
    ("answer", "expected"), [("550 5.7.1 no", Result.FAILED), ("450 4.7.1 later", Result.DEFERRED)]
)
@pytest.mark.parametrize("extensions", [(), EXTENSIONS])
def test_a_refusal_in_a_transaction_keeps_the_connection(
    run: Run,
    extensions: tuple[str, ...],
    verb: str,
    *,
    stage: Stage,
    after_end: bool,
    answer: str,
    expected: Result,
) -> None:
    async def main() -> None:
        async with NextHop({verb: [answer, None]}, extensions=extensions) as hop:
            connection = await connect(hop)
            assert results(await connection.send(transaction("bob@example.com"))) == [expected]
            assert results(await connection.send(transaction("bob@example.com"))) == [Result.DELIVERED]
            assert hop.connections == 1
            connection.close()

    run(main())


def test_a_trickled_reply_is_late_all_the_same(run: Run) -> None:
    async def main() -> None:
        async with NextHop({"EHLO": Do.HANG}) as hop:
            task = asyncio.create_task(failure(connect(hop, timeouts=Timeouts(hello=0.2))))
            while not task.done():
                hop.say_to_all(b"2" if hop.commands else b"")
                await asyncio.sleep(0.01)
            ended = await task
            assert ended.stage is Stage.HELLO

    run(main())


@pytest.mark.parametrize(
    "noise", [b"250-" + b"x" * 60 + b"\r\n", b"250 2.0.0 again\r\n", b"y" * 100, b"\r\n" * 30]
)
def test_a_hop_that_talks_without_end_is_dropped(run: Run, noise: bytes) -> None:
    async def main() -> None:
        async with NextHop({"MAIL": noise * 10_000}) as hop:
            connection = await connect(hop)
            result = await connection.send(transaction("bob@example.com"))
            assert results(result)[0] is Result.DEFERRED
            assert not connection.is_usable

    run(main())


@pytest.mark.parametrize("extensions", [EXTENSIONS, BDAT])
@pytest.mark.parametrize(
    ("answer", "expected", "code"),
    [
        (("552 5.3.4 too large", Do.DROP), Result.FAILED, 552),
        (("451 4.3.0 no room", Do.DROP), Result.DEFERRED, 451),
        (("421 4.3.2 closing", Do.DROP), Result.DEFERRED, 421),
    ],
)
def test_a_refusal_before_the_end_of_a_large_message_counts(
    run: Run, extensions: tuple[str, ...], answer: Answer, expected: Result, code: int
) -> None:
    class Early(NextHop):
        """Speaks as soon as it sees octets of the message, and reads no further."""

        def answer(self, verb: str, address: bytes | None = None) -> Answer:
            if verb == "MESSAGE":
                self.say_to_all(str(answer[0] if isinstance(answer, tuple) else "").encode() + b"\r\n")
                return Do.HANG
            return super().answer(verb, address)

    async def main() -> None:
        async with Early(extensions=extensions) as hop:
            connection = await connect(hop)
            result = await connection.send(large(SlowBody([b"x" * 65_536] * 200)))
            (verdict,) = result.verdicts
            assert verdict is not None
            assert (verdict.result, verdict.reply.code, verdict.by_peer) == (expected, code, True)
            assert not connection.is_usable

    run(main())


def test_a_hop_that_stops_reading_is_given_up(run: Run) -> None:
    class Stuck(NextHop):
        """Reads nothing more once a message has begun."""

        def answer(self, verb: str, address: bytes | None = None) -> Answer:
            if verb == "MESSAGE":
                self.pause_all()
            return super().answer(verb, address)

    async def main() -> None:
        async with Stuck() as hop:
            connection = await connect(hop, timeouts=Timeouts(message=SHORT))
            result = await connection.send(large(SlowBody([b"x" * 65_536] * 400)))
            assert results(result) == [Result.DEFERRED]
            assert result.broke_off is not None
            assert (result.broke_off.stage, result.broke_off.after_end) == (Stage.MESSAGE, False)

    run(main())


def test_a_whole_transaction_has_a_limit_too(run: Run) -> None:
    async def main() -> None:
        async with NextHop({"RCPT": Do.HANG}) as hop:
            connection = await connect(hop, timeouts=Timeouts(transaction=SHORT, slowest=1e9))
            result = await connection.send(transaction("bob@example.com"))
            assert results(result) == [Result.DEFERRED]

    run(main())


def test_a_hop_that_lies_about_chunking_is_given_the_message_otherwise(run: Run) -> None:
    async def main() -> None:
        async with NextHop({"BDAT": "500 5.5.1 what?"}, extensions=BDAT) as hop:
            connection = await connect(hop)
            result = await connection.send(transaction("bob@example.com"))
            assert (result.verdicts, result.distrust) == ((None,), frozenset({"CHUNKING"}))
            route = settings(hop)
            connection = await Connector(route).connect(route.hosts[0], frozenset({"CHUNKING"}))
            assert results(await connection.send(transaction("bob@example.com"))) == [Result.DELIVERED]
            assert hop.mails[0].by == "DATA"
            connection.close()

    run(main())


def test_an_idle_connection_that_the_hop_closes_is_not_usable(run: Run) -> None:
    async def main() -> None:
        async with NextHop() as hop:
            connection = await connect(hop)
            assert connection.is_usable
            hop.drop_all()
            await until(lambda: not connection.is_usable)
            result = await connection.send(transaction("bob@example.com"))
            assert result.broke_off is not None
            assert result.broke_off.untouched

    run(main())


@pytest.mark.parametrize("noise", [b"421 4.4.2 idle too long\r\n", b"rubbish\r\n", b"x" * 9_000])
def test_a_hop_that_speaks_on_an_idle_connection_is_hung_up_on(run: Run, noise: bytes) -> None:
    async def main() -> None:
        async with NextHop() as hop:
            connection = await connect(hop)
            hop.say_to_all(noise)
            await until(lambda: not connection.is_usable)
            hop.say_to_all(noise)
            await until(lambda: not hop.open)

    run(main())


def test_closing_says_quit(run: Run) -> None:
    async def main() -> None:
        async with NextHop() as hop:
            (await connect(hop)).close()
            await until(lambda: not hop.open)
            assert hop.commands[-1] == b"QUIT"

    run(main())


# ---- TLS


def test_opportunistic_tls_is_used_with_any_certificate(run: Run) -> None:
    async def main() -> None:
        async with NextHop(tls=WRONG.server("elsewhere.example")) as hop:
            connection = await connect(hop, Security.OPPORTUNISTIC)
            await connection.send(transaction("bob@example.com"))
            assert hop.mails[0].in_tls
            assert connection.tls is not None
            assert (connection.tls.version, connection.tls.verified) == ("TLSv1.3", False)
            assert not hop.faults
            connection.close()

    run(main())


def test_opportunistic_means_clear_text_where_there_is_no_tls(run: Run) -> None:
    async def main() -> None:
        async with NextHop() as hop:
            connection = await connect(hop, Security.OPPORTUNISTIC)
            assert connection.tls is None
            connection.close()

    run(main())


@pytest.mark.parametrize("answer", [Do.DROP, Do.RESET, Do.HANG])
def test_opportunistic_means_clear_text_where_the_handshake_fails_and_tells_so(
    run: Run, answer: Answer
) -> None:
    async def main() -> None:
        async with NextHop({"HANDSHAKE": answer}, tls=AUTHORITY.server()) as hop:
            connection = await connect(hop, Security.OPPORTUNISTIC, Timeouts(handshake=SHORT))
            assert connection.tls is None
            assert connection.note.startswith("in clear text")
            assert results(await connection.send(transaction("bob@example.com"))) == [Result.DELIVERED]
            assert hop.connections == 2
            connection.close()

    run(main())


def test_required_tls_takes_any_certificate_but_never_clear_text(run: Run) -> None:
    async def main() -> None:
        async with NextHop(tls=WRONG.server("elsewhere.example")) as hop:
            connection = await connect(hop, Security.REQUIRED)
            assert connection.tls is not None
            connection.close()
            hop.answers["STARTTLS"] = "454 4.7.0 not now"
            assert (await failure(connect(hop, Security.REQUIRED))).stage is Stage.STARTTLS
            hop.answers["STARTTLS"] = None
            hop.answers["HANDSHAKE"] = Do.DROP
            assert (await failure(connect(hop, Security.REQUIRED))).stage is Stage.HANDSHAKE
            hop.tls = None
            assert (await failure(connect(hop, Security.REQUIRED))).stage is Stage.STARTTLS
            assert not hop.mails

    run(main())


@pytest.mark.parametrize("implicit", [False, True])
def test_verified_tls_takes_the_right_certificate(run: Run, implicit: bool, tmp_path: Path) -> None:
    security = Security.IMPLICIT if implicit else Security.VERIFIED

    async def main() -> None:
        async with NextHop(tls=AUTHORITY.server(), implicit=implicit) as hop:
            for host in ("127.0.0.1", "localhost"):
                connection = await connect(hop, security, ca_file=ca(tmp_path), host=host)
                assert connection.tls is not None
                assert connection.tls.verified
                assert results(await connection.send(transaction("bob@example.com"))) == [Result.DELIVERED]
                connection.close()
            assert all(mail.in_tls for mail in hop.mails)

    run(main())


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("case", ["name", "authority", "expired"])
def test_verified_tls_takes_no_wrong_certificate(run: Run, implicit: bool, case: str, tmp_path: Path) -> None:
    security = Security.IMPLICIT if implicit else Security.VERIFIED
    cases: dict[str, Callable[[], ssl.SSLContext]] = {
        "name": lambda: AUTHORITY.server("elsewhere.example"),
        "authority": WRONG.server,
        "expired": lambda: AUTHORITY.server(expired=True),
    }
    context = cases[case]()

    async def main() -> None:
        async with NextHop(tls=context, implicit=implicit, accounts={"ann": "s3cret"}) as hop:
            for credentials in (None, ANN):
                ended = await failure(connect(hop, security, ca_file=ca(tmp_path), credentials=credentials))
                assert ended.stage is Stage.HANDSHAKE
                assert str(ended.reply.status) == "4.7.5"
            assert not any(command.startswith((b"MAIL", b"AUTH")) for command in hop.commands)

    run(main())


@pytest.mark.parametrize("security", [Security.OPPORTUNISTIC, Security.REQUIRED, Security.VERIFIED])
@pytest.mark.parametrize("injected", [b"250 ok\r\n", b"2", b"\r\n", b"\x16\x03\x03"])
def test_octets_between_the_reply_to_starttls_and_the_handshake_are_never_heard(
    run: Run, security: Security, injected: bytes, tmp_path: Path
) -> None:
    async def main() -> None:
        answer = b"220 ready\r\n" + injected
        async with NextHop({"STARTTLS": answer}, tls=AUTHORITY.server()) as hop:
            ended = await failure(connect(hop, security, ca_file=ca(tmp_path)))
            assert ended.stage in {Stage.STARTTLS, Stage.HANDSHAKE}
            assert not any(command.startswith(b"MAIL") for command in hop.commands)

    run(main())


def test_a_hop_that_speaks_no_tls_at_all_fails_the_implicit_handshake(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with NextHop() as hop:
            ended = await failure(connect(hop, Security.IMPLICIT, ca_file=ca(tmp_path)))
            assert ended.stage is Stage.HANDSHAKE

    run(main())


# ---- signing in


@pytest.mark.parametrize("mechanisms", ["AUTH PLAIN LOGIN", "AUTH LOGIN"])
@pytest.mark.parametrize("security", list(Security))
def test_with_a_password_the_name_is_verified_whatever_is_configured(
    run: Run, mechanisms: str, security: Security, tmp_path: Path
) -> None:
    async def main() -> None:
        implicit = security is Security.IMPLICIT
        async with NextHop(
            tls=AUTHORITY.server(),
            implicit=implicit,
            tls_extensions=(*EXTENSIONS, mechanisms),
            accounts={"ann": "s3cret"},
        ) as hop:
            connection = await connect(hop, security, ca_file=ca(tmp_path), credentials=ANN)
            assert connection.tls is not None
            assert connection.tls.verified
            await connection.send(transaction("bob@example.com"))
            assert hop.mails[0].login == "ann"
            assert b"AUTH=<>" in hop.mails[0].parameters
            connection.close()
            assert not hop.faults

    run(main())


@pytest.mark.parametrize("security", [Security.NONE, Security.OPPORTUNISTIC, Security.REQUIRED])
def test_a_password_is_sent_neither_in_clear_nor_to_an_unverified_hop(
    run: Run, security: Security, tmp_path: Path
) -> None:
    async def main() -> None:
        offered = (*EXTENSIONS, "AUTH PLAIN")
        async with NextHop(extensions=offered, accounts={"ann": "s3cret"}) as hop:
            ended = await failure(connect(hop, security, credentials=ANN))
            assert ended.stage is Stage.STARTTLS
            hop.tls = WRONG.server()
            ended = await failure(connect(hop, security, ca_file=ca(tmp_path), credentials=ANN))
            assert ended.stage is Stage.HANDSHAKE
            assert not any(b"AUTH" in command for command in hop.commands)

    run(main())


def test_auth_that_was_offered_only_in_clear_is_not_used(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with NextHop(
            extensions=(*EXTENSIONS, "AUTH PLAIN"), tls_extensions=EXTENSIONS, tls=AUTHORITY.server()
        ) as hop:
            ended = await failure(connect(hop, Security.VERIFIED, ca_file=ca(tmp_path), credentials=ANN))
            assert ended.stage is Stage.AUTH

    run(main())


def test_a_wrong_password_is_the_routes_trouble(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with NextHop(tls=AUTHORITY.server(), tls_extensions=("AUTH PLAIN",), accounts={}) as hop:
            ended = await failure(connect(hop, Security.VERIFIED, ca_file=ca(tmp_path), credentials=ANN))
            assert (ended.stage, ended.reply.code, ended.by_peer) == (Stage.AUTH, 535, True)
            assert "s3cret" not in str(ended)

    run(main())


# ---- addresses


def test_a_port_where_nobody_listens_is_no_connection(run: Run) -> None:
    async def main() -> None:
        async with NextHop() as hop:
            pass
        ended = await failure(connect(hop))
        assert (ended.stage, str(ended.reply.status)) == (Stage.CONNECT, "4.4.1")

    run(main())


def test_a_name_that_cannot_be_resolved_is_told_apart(run: Run) -> None:
    async def nowhere(name: str, port: int) -> list[str]:
        raise OSError(2, "no such name")

    async def main() -> None:
        route = RouteSettings("hub", (HopAddress("hub.example.org", 25),), "me.example.org")
        ended = await failure(Connector(route, resolve=nowhere).connect(route.hosts[0]))
        assert (ended.stage, str(ended.reply.status)) == (Stage.CONNECT, "4.4.3")

    run(main())


def test_each_address_of_a_name_is_tried(run: Run) -> None:
    async def two(name: str, port: int) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    async def main() -> None:
        async with NextHop() as hop:
            route = settings(hop, host="hub.example.org")
            connection = await Connector(route, resolve=two).connect(route.hosts[0])
            assert connection.remote == f"hub.example.org:{hop.port}"
            connection.close()

    run(main())


def test_a_source_address_is_used_and_chooses_the_family(run: Run) -> None:
    async def both(name: str, port: int) -> list[str]:
        return ["::1", "127.0.0.1"]

    async def main() -> None:
        async with NextHop() as hop:
            route = settings(hop, host="hub.example.org", source_address="127.0.0.3")
            connection = await Connector(route, resolve=both).connect(route.hosts[0])
            assert hop.peers == ["127.0.0.3"]
            connection.close()
            route = settings(hop, source_address="::1")
            assert (await failure(Connector(route).connect(route.hosts[0]))).stage is Stage.CONNECT

    run(main())


@pytest.mark.parametrize(
    ("text", "name", "port"),
    [
        ("hub.example.org", "hub.example.org", 25),
        ("hub.example.org:2525", "hub.example.org", 2525),
        ("192.0.2.1", "192.0.2.1", 25),
        ("192.0.2.1:587", "192.0.2.1", 587),
        ("[2001:db8::1]:587", "2001:db8::1", 587),
        ("[2001:db8::1]", "2001:db8::1", 25),
        ("2001:db8::1", "2001:db8::1", 25),
    ],
)
def test_a_host_is_a_name_and_a_port(text: str, name: str, port: int) -> None:
    assert parse_host(text) == HopAddress(name, port)
    assert parse_host(str(parse_host(text))) == parse_host(text)


@pytest.mark.parametrize(
    "text",
    ["", ":25", "hub:", "hub:0", "hub:65536", "hub:9999999", "hub:x", "[hub]:25", "a b", "[::1", "hub:²"],
)
def test_what_is_no_host_is_said_so(text: str) -> None:
    with pytest.raises(OperatorError, match="is no host"):
        parse_host(text)


def test_implicit_tls_has_a_port_of_its_own() -> None:
    assert parse_host("hub.example.org", Security.IMPLICIT).port == 465


def test_a_ca_file_that_cannot_be_read_is_told_to_the_operator(tmp_path: Path) -> None:
    route = RouteSettings(
        "hub", (HopAddress("h", 25),), "me", Security.VERIFIED, ca_file=str(tmp_path / "none.pem")
    )
    with pytest.raises(OperatorError, match=r"none\.pem"):
        Connector(route)


def test_bytes_bodies_can_be_read_in_pieces(run: Run) -> None:
    async def main() -> None:
        body = BytesBody(b"0123456789")
        assert [piece async for piece in body.chunks(4)] == [b"0123", b"4567", b"89"]
        assert (body.size, body.in_memory()) == (10, b"0123456789")

    run(main())
