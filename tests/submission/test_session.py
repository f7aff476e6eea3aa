"""Sessions on a real connection, from the greeting to the spool."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from sams.activity.events import Accepted, Refused, SignedIn, SignInRefused, TlsFailed, TlsStarted, Warned
from sams.core.clock import SystemClock
from sams.core.errors import TemporaryFailure
from sams.core.reply import reply
from sams.identity.accounts.records import Device
from sams.identity.app_passwords.store import AppPasswordStore
from sams.identity.authentication.authenticator import ChainAuthenticator
from sams.identity.interface import Audience, SignInVerdict
from sams.protocol.sasl.interface import PasswordClaim
from sams.spool.bodies import SpoolBodyWriter
from sams.submission.composition import Composer
from sams.submission.connection import Connection
from tests.submission.rig import PASSWORD, Client, Rig, message, plain, serving
from tests.support.certificates import Authority

Scene = Callable[[Rig], Awaitable[None]]


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.make()


@pytest.fixture(params=["asyncio", "uvloop"])
def play(tmp_path: Path, authority: Authority, request: pytest.FixtureRequest) -> Callable[..., None]:
    """Runs a scene against a served rig, on either event loop."""
    make_loop = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    def run(scene: Scene, **configured: str) -> None:
        async def served() -> None:
            async with serving(tmp_path, authority=authority, **configured) as rig:
                await asyncio.wait_for(scene(rig), 60)

        with asyncio.Runner(loop_factory=make_loop) as runner:
            runner.run(served())

    return run


Play = Callable[..., None]


def test_a_message_is_on_disk_and_on_its_way_when_250_is_said(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.connect()
        assert "STARTTLS" in await client.ask("EHLO client.example.com")
        await client.start_tls()
        assert "AUTH PLAIN LOGIN" in await client.ask("EHLO client.example.com")
        assert (await client.ask(plain("alice"))).startswith("235 2.7.0 ")
        answer = await client.submit(message())
        assert answer.startswith("250 2.0.0 Message accepted for delivery as ")
        (waiting,) = await rig.waiting()
        assert answer.endswith(waiting)
        (work,) = rig.submitted
        assert (work.message.id, work.route, work.message.login) == (waiting, "hub", "alice")
        assert work.content is not None
        assert work.content.head.startswith(b"Received: from member.invalid\r\n")
        assert b"with ESMTPSA id " + waiting.encode() in work.content.head
        assert b"127.0.0.1" not in work.content.head
        assert work.content.body.in_memory() == b"Hello.\r\n"
        assert (await client.ask("QUIT")).startswith("221 2.0.0 ")
        assert await client.ended()
        await asyncio.sleep(0)
        assert [len(rig.told.of(kind)) for kind in (TlsStarted, SignedIn, Accepted)] == [1, 1, 1]

    play(scene)


def test_implicit_tls_greets_after_the_handshake_and_offers_no_starttls(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.connect(implicit=True)
        offered = await client.ask("EHLO client.example.com")
        assert "STARTTLS" not in offered
        assert "AUTH PLAIN LOGIN" in offered
        assert (await client.ask("STARTTLS")).startswith("503 5.5.1 ")

    play(scene)


def test_a_pipelined_batch_gets_its_replies_in_order(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.signed_in()
        client.send(
            b"MAIL FROM:<alice@example.org>\r\nRCPT TO:<a@example.net>\r\nRCPT TO:<nobody@nowhere.example>\r\n"
            b"RCPT TO:<b@example.net>\r\nDATA\r\n"
        )
        codes = [(await client.reply())[:9] for _ in range(5)]
        assert (
            codes == ["250 2.1.0", "250 2.1.5", "550 5.1.2", "250 2.1.5", "354 Go ah"[:9]]
            or codes[4][:3] == "354"
        )
        client.send(message() + b"\r\n.\r\nMAIL FROM:<alice@example.org>\r\nRSET\r\nNOOP\r\nQUIT\r\n")
        replies = [await client.reply() for _ in range(5)]
        assert [one[:3] for one in replies] == ["250", "250", "250", "250", "221"]
        assert len(rig.submitted[0].recipients) == 2

    play(scene)


def test_commands_sent_behind_starttls_in_clear_never_reach_the_session(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.connect()
        await client.ask("EHLO client.example.com")
        client.send(b"STARTTLS\r\nEHLO injected.example\r\nNOOP\r\n")
        assert (await client.reply()).startswith("554 5.5.1 ")
        assert await client.ended()

    play(scene)


def test_a_client_that_speaks_plain_text_to_the_tls_port_is_told_of_in_the_journal(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        reader, writer = await rig.open(rig.implicit)
        writer.write(b"EHLO client.example.com\r\n")
        await asyncio.wait_for(reader.read(), 20)
        assert len(rig.told.of(TlsFailed)) == 1

    play(scene)


@pytest.mark.parametrize(
    ("login", "password"),
    [("alice", "wrong-password"), ("nobody", PASSWORD), ("alice@example.org", "x" * 900)],
)
def test_a_refused_sign_in_says_the_same_whoever_it_was(play: Play, login: str, password: str) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.secured()
        answer = await client.ask(plain(login, password))
        assert answer.startswith("535 5.7.8 Wrong user name or password")
        (told,) = rig.told.of(SignInRefused)
        assert told.login == login
        assert told.reference in answer
        assert password not in repr(rig.told.events)

    play(scene)


def test_a_login_by_challenges_may_be_cancelled_and_begun_again(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.secured()
        assert await client.ask("AUTH LOGIN") == "334 VXNlcm5hbWU6"
        assert (await client.ask("*")).startswith("501 ")
        assert await client.ask("AUTH LOGIN") == "334 VXNlcm5hbWU6"
        assert await client.ask(base64.b64encode(b"alice").decode()) == "334 UGFzc3dvcmQ6"
        assert (await client.ask(base64.b64encode(PASSWORD.encode()).decode())).startswith("235 2.7.0 ")

    play(scene)


def test_a_changed_password_ends_the_session_before_its_next_message(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.signed_in()
        assert (await client.submit(message())).startswith("250 ")
        await asyncio.to_thread(rig.accounts.passwd, "alice", "another-long-secret")
        assert (await client.ask("MAIL FROM:<alice@example.org>")).startswith("421 4.7.0 ")
        assert await client.ended()
        fresh = await rig.secured()
        assert (await fresh.ask(plain("alice"))).startswith("535 5.7.8 ")

    play(scene)


def test_a_suspension_ends_idle_sessions_at_once_and_is_told_after_the_right_password_only(
    play: Play,
) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.signed_in()
        await asyncio.to_thread(rig.accounts.suspend, "alice", "ask the help desk")
        assert rig.reception.revoke(frozenset({"alice"})) == 1
        assert (await client.reply()).startswith("421 4.7.0 ")
        fresh = await rig.secured()
        answer = await fresh.ask(plain("alice"))
        assert answer.startswith("535 5.7.13 ")
        assert "ask the help desk" in answer
        assert (await fresh.ask(plain("alice", "wrong-password"))).startswith("535 5.7.8 ")

    play(scene)


@pytest.mark.parametrize(
    ("sender", "author", "expected"),
    [
        ("alice@example.org", "alice@example.org", "250 2.0.0"),
        ("ALICE@EXAMPLE.ORG", "Alice <Alice@Example.org>", "250 2.0.0"),
        ("bob@example.org", "alice@example.org", "553 5.7.1"),
        ("alice@example.org", "bob@example.org", "550 5.7.1"),
        ("alice@example.org", "alice@example.org, bob@example.org", "550 5.7.1"),
        ("alice@example.org", "not an address", "550 5.7.1"),
        ("", "alice@example.org", "250 2.0.0"),
        ("", "bob@example.org", "550 5.7.1"),
    ],
)
def test_a_member_sends_as_nobody_else(play: Play, sender: str, author: str, expected: str) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.signed_in()
        assert (await client.submit(message(author), sender)).startswith(expected)
        assert len(await rig.waiting()) == (expected == "250 2.0.0")

    play(scene)


def test_who_sends_for_another_is_named_in_sender(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.signed_in("bob")
        assert (await client.submit(message("alice@example.org"), "bob@example.org")).startswith("250 ")
        content = rig.submitted[0].content
        assert content is not None
        assert b"\r\nSender: bob@example.org\r\n" in content.head

    play(scene)


def test_a_second_sender_field_does_not_stay(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        alice = await rig.signed_in()
        two = b"Sender: alice@example.org\r\nSender: boss@example.net\r\n" + message()
        assert (await alice.submit(two)).startswith("250 ")
        content = rig.submitted[0].content
        assert content is not None
        assert content.head.count(b"Sender: ") == 1
        assert b"boss@example.net" not in content.head

    play(scene)


def test_a_name_that_shows_a_foreign_address_is_warned_of(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.signed_in()
        answer = await client.submit(message('"boss@bank.example" <alice@example.org>'))
        assert answer.startswith("250 ")
        (warning,) = rig.told.of(Warned)
        assert "boss@bank.example" in warning.detail

    play(scene)


def test_a_refused_message_leaves_nothing_and_the_next_one_is_taken(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.signed_in()
        assert (await client.submit(message(body=b"a bare\nnewline"))).startswith("550 5.6.11 ")
        deep = b"From: alice@example.org\r\n" + b"X-Filler: y\r\n" * 2_000 + b"\r\nHello."
        assert (await client.submit(deep)).startswith("552 5.3.4 ")
        assert (await client.submit(message(body=b"x" * 2_000_000))).startswith("552 5.3.4 ")
        assert await rig.waiting() == []
        assert (await client.submit(message())).startswith("250 ")
        assert len(rig.told.of(Refused)) == 3

    play(scene, limits='message_size = "1 MiB"')


def test_a_large_message_is_stored_whole(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.signed_in()
        body = b"".join(b"%06d " % number + b"x" * 60 + b"\r\n" for number in range(40_000))
        assert (await client.submit(message(body=body))).startswith("250 ")
        (waiting,) = await rig.waiting()
        stored = rig.spool.load(waiting)
        assert b"".join([chunk async for chunk in stored.body.chunks()]) == body + b"\r\n"

    play(scene)


def test_a_message_begins_when_there_is_room_for_it(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        room = asyncio.get_running_loop().create_future()
        rig.rooms.append(room)
        client = await rig.signed_in()
        client.send("MAIL FROM:<alice@example.org>\r\nRCPT TO:<x@example.net>\r\nNOOP")
        (session,) = rig.reception.sessions
        while rig.rooms:  # noqa: ASYNC110 - the session tells nobody that it waits
            await asyncio.sleep(0.001)
        assert client.reader._buffer == b""  # type: ignore[attr-defined]
        assert not session.shut_down(reply(421, "4.3.2", "The service stops"))
        room.set_result(None)
        assert [(await client.reply())[:9] for _ in range(3)] == ["250 2.1.0", "250 2.1.5", "250 2.0.0"]

    play(scene)


def test_a_wait_for_room_that_fails_is_told_as_a_refusal_of_mail(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        room = asyncio.get_running_loop().create_future()
        room.set_exception(TemporaryFailure(reply(451, "4.3.0", "No room"), "the disk"))
        rig.rooms.append(room)
        client = await rig.signed_in()
        assert (await client.ask("MAIL FROM:<alice@example.org>")).startswith("451 4.3.0 No room (ref ")
        (told,) = rig.told.of(Refused)
        assert (told.verb, told.detail) == ("MAIL", "the disk")
        assert (await client.submit(message())).startswith("250 ")

    play(scene)


def test_who_goes_while_there_is_no_room_leaves_nothing(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        room = asyncio.get_running_loop().create_future()
        rig.rooms.append(room)
        client = await rig.signed_in()
        client.send("MAIL FROM:<alice@example.org>")
        while rig.rooms:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.001)
        client.close()
        while rig.reception.sessions:
            await asyncio.sleep(0.001)
            if not room.done():
                room.set_result(None)
        assert rig.submitted == []

    play(scene)


def test_a_member_over_quota_is_told_the_limit_and_the_use(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.signed_in()
        to = [f"{number}@example.net" for number in range(3)]
        assert (await client.submit(message(), "alice@example.org", *to)).startswith("250 ")
        answer = await client.submit(message(), "alice@example.org", *to)
        assert answer.startswith("450 4.7.1 ")
        assert "5" in answer
        assert (await client.ask("RSET")).startswith("250 ")
        assert (await client.submit(message())).startswith("250 ")
        assert rig.notices

    play(scene, limits="recipients_per_hour = 5")


def test_a_device_writes_to_whom_it_may_from_where_it_may(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        device = Device("alice", ("127.0.0.0/8",), ("*@example.net",))
        rig.accounts.add("printer", PASSWORD, ["printer@example.org"], device=device)
        client = await rig.signed_in("printer")
        answer = await client.submit(
            message("printer@example.org"), "printer@example.org", "x@elsewhere.example"
        )
        assert answer.startswith("550 5.7.1 You may write to *@example.net only, not to x@elsewhere.example")
        assert (await client.ask("RSET")).startswith("250 ")
        to = "printer@example.org", "x@example.net"
        assert (await client.submit(message("printer@example.org"), *to)).startswith("250 ")
        rig.accounts.set_device("printer", Device("alice", ("192.0.2.0/24",)))
        elsewhere = await rig.secured()
        assert (await elsewhere.ask(plain("printer"))).startswith("535 5.7.0 ")

    play(scene)


def test_each_use_of_an_app_password_is_noted_with_the_program(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        store = AppPasswordStore(rig.accounts.file, SystemClock())
        made, password = store.add("builtin", "alice", "phone", is_builtin=True)
        client = await rig.secured()
        assert (await client.ask(plain("alice", password))).startswith("235 ")
        content = b"User-Agent: Pigeon\r\n 7.1\r\n" + message()
        assert (await client.submit(content)).startswith("250 ")
        assert rig.uses == [(made.id, "127.0.0.1", ""), (made.id, "127.0.0.1", "Pigeon 7.1")]
        in_time = await rig.signed_in()
        assert (await in_time.submit(message())).startswith("250 ")
        assert len(rig.uses) == 2
        store.revoke("alice", "phone")
        assert (await client.ask("MAIL FROM:<alice@example.org>")).startswith("421 4.7.0 ")

    play(scene)


def test_connections_that_do_not_sign_in_are_few_for_each_address(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        held = [await rig.connect() for _ in range(3)]
        reader, _ = await rig.open(rig.starttls)
        assert (await asyncio.wait_for(reader.readline(), 20)).startswith(b"421 4.7.0 ")
        held[0].close()
        await asyncio.sleep(0.05)
        await rig.connect()

    play(scene, limits="connections_per_address = 3")


def test_a_full_worker_lets_strangers_go_and_never_members(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        member = await rig.signed_in()
        stranger = await rig.connect()
        for _ in range(5):
            newcomer = await rig.connect()
            assert await stranger.ended()
            stranger = newcomer
        await rig.signed_in("bob")
        assert (await member.submit(message())).startswith("250 ")
        assert "limits" in rig.told.ended

    play(scene, limits="connections = 2")


def test_under_pressure_a_stranger_may_make_one_mistake(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        first = await rig.connect()
        assert (await first.ask("WHAT")).startswith("500 ")
        assert (await first.ask("EHLO client.example.com")).startswith("250-")
        member = await rig.signed_in()
        assert (await first.ask("WHAT")).startswith("500 ")
        assert (await first.reply()).startswith("421 4.3.2 ")
        assert await first.ended()
        await rig.connect()
        assert (await member.ask("WHAT")).startswith("500 ")
        assert (await member.submit(message())).startswith("250 ")

    play(scene, limits="connections = 2")


def test_a_worker_full_of_members_refuses(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        for _ in range(2):
            await rig.signed_in()
        reader, _ = await rig.open(rig.starttls)
        assert (await asyncio.wait_for(reader.readline(), 20)).startswith(b"421 4.3.2 ")

    play(scene, limits="connections = 2")


def test_the_service_ends_idle_sessions_at_once_when_it_stops(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.signed_in()
        closing = asyncio.ensure_future(rig.reception.close(5))
        assert (await client.reply()).startswith("421 4.3.2 ")
        await closing

    play(scene)


def test_a_message_under_way_is_finished_before_the_service_stops(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.signed_in()
        for line in ("MAIL FROM:<alice@example.org>", "RCPT TO:<x@example.net>", "DATA"):
            await client.ask(line)
        closing = asyncio.ensure_future(rig.reception.close(20))
        await asyncio.sleep(0.1)
        assert (await client.ask(message() + b"\r\n.\r\n")).startswith("250 ")
        assert (await client.reply()).startswith("421 4.3.2 ")
        await closing
        assert len(rig.submitted) == 1

    play(scene)


def test_a_bug_ends_the_session_with_a_reference_and_the_others_go_on(
    play: Play, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scene(rig: Rig) -> None:
        other: Client = await rig.signed_in()
        client = await rig.signed_in("bob")

        def broken(*_: object, **__: object) -> None:
            raise ZeroDivisionError

        with monkeypatch.context() as patched:
            patched.setattr(Composer, "compose", broken)
            answer = await client.submit(message("bob@example.org"), "bob@example.org")
        assert answer.startswith("451 4.3.0 ")
        assert "(ref " in answer
        assert await client.ended()
        assert (await other.submit(message())).startswith("250 ")
        assert rig.told.ended == ["bug"]

    play(scene)
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_a_client_that_makes_too_many_mistakes_ends_by_the_protocol_and_by_no_bug(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.signed_in()
        while not (await client.ask("XYZZY")).startswith("421 "):
            pass
        assert await client.ended()
        assert rig.told.ended == ["protocol"]

    play(scene)


def test_a_wait_that_fails_as_expected_answers_the_message(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(rig: Rig) -> None:
        def failing(_: object) -> asyncio.Future[object]:
            future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
            future.set_exception(TemporaryFailure(reply(452, "4.3.1", "The disk is full; try again later")))
            return future

        client = await rig.signed_in()
        with monkeypatch.context() as patched:
            patched.setattr(rig.spool, "accept", failing)
            for _ in range(3):
                assert (await client.submit(message())).startswith("452 4.3.1 ")
        assert rig.submitted == []
        assert (await client.submit(message())).startswith("250 ")

    play(scene, limits="recipients_per_hour = 2")


def test_who_hangs_up_in_the_moment_of_the_verdict_does_not_count_as_signed_in(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.secured()
        (session,) = rig.reception.sessions
        verify = ChainAuthenticator.verify

        def decided_too_late(
            authenticator: ChainAuthenticator, claim: PasswordClaim, address: str, audience: Audience
        ) -> asyncio.Future[SignInVerdict]:
            verdict = verify(authenticator, claim, address, audience)
            told: asyncio.Future[SignInVerdict] = asyncio.get_running_loop().create_future()

            def cut_and_tell(done: asyncio.Future[SignInVerdict]) -> None:
                session.cut()
                told.set_result(done.result())

            assert isinstance(verdict, asyncio.Future)
            verdict.add_done_callback(cut_and_tell)
            return told

        with monkeypatch.context() as patched:
            patched.setattr(ChainAuthenticator, "verify", decided_too_late)
            client.send(plain("alice"))
            assert await client.ended()
        await rig.signed_in()

    play(scene, limits="connections_per_login = 1")


def test_a_member_who_hangs_up_while_the_body_is_stored_leaves_nothing_behind(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(rig: Rig) -> None:
        complete = SpoolBodyWriter._complete
        has_hung_up = asyncio.Event()

        def hang_up_first(writer: SpoolBodyWriter) -> None:
            (session,) = rig.reception.sessions
            session.cut()
            complete(writer)
            has_hung_up.set()

        monkeypatch.setattr(SpoolBodyWriter, "_complete", hang_up_first)
        client = await rig.signed_in()
        with contextlib.suppress(ConnectionError):
            await client.submit(message(body=b"A line of text.\r\n" * 20_000))
        await has_hung_up.wait()
        while rig.reception.sessions:  # noqa: ASYNC110 - what is waited for is no event of ours
            await asyncio.sleep(0)
        answer = await (await rig.signed_in()).submit(message())
        assert [answer.rpartition(" ")[2]] == await rig.waiting()

    play(scene)


def test_the_octets_of_a_message_are_acknowledged_at_once(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    acknowledge = Connection._acknowledge_at_once

    def acknowledged(connection: Connection) -> None:
        acknowledge(connection)
        assert connection._transport is not None
        connected = connection._transport.get_extra_info("socket")
        asked.append(bool(connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK)))

    async def scene(rig: Rig) -> None:
        monkeypatch.setattr(Connection, "_acknowledge_at_once", acknowledged)
        client = await rig.signed_in()
        assert asked == []
        assert (await client.submit(message(body=b"A line of text.\r\n" * 20_000))).startswith("250 ")
        assert len(asked) > 1
        assert all(asked)

    play(scene)


def test_who_is_gone_in_the_moment_of_a_refusal_is_waited_for_no_more(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal's delay was waited for by a connection that had let go of its session."""

    async def scene(rig: Rig) -> None:
        loop, broken = asyncio.get_running_loop(), list[object]()
        loop.set_exception_handler(lambda _, context: broken.append(context))
        verdict: asyncio.Future[SignInVerdict] = loop.create_future()
        monkeypatch.setattr(ChainAuthenticator, "verify", lambda *_: verdict)
        client = await rig.secured()
        client.send(plain("alice"))
        (session,) = rig.reception.sessions
        connection = session._connection
        while connection.is_idle:  # noqa: ASYNC110 - a wait that begins sets no event
            await asyncio.sleep(0.001)
        transport = connection._transport
        assert transport is not None
        verdict.set_result(
            SignInVerdict(None, reply(535, "5.7.8", "Wrong"), "wrong password", delay=0.01, why="password")
        )
        connection.connection_lost(None)
        await asyncio.sleep(0.05)
        monkeypatch.setattr(Connection, "connection_lost", lambda *_: None)  # it has heard of it
        transport.abort()
        await asyncio.sleep(0.01)
        assert broken == []
        assert not hasattr(connection, "_handler")

    play(scene)
