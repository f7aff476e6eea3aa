"""What is asked of which server, on which connection: real slapds, stopped, paused and started again."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
import uvloop

from sams.core.errors import OperatorError, TemporaryFailure
from sams.identity.account_sources import Finding
from sams.identity.replies import BUSY
from sams.identity.sources.interface import Answer, Member
from sams.identity.sources.ldap.connection import MAX_ANSWER
from sams.identity.sources.ldap.directory import LdapDirectory
from sams.identity.sources.ldap.servers import LONGEST_IDLE
from sams.protocol.ldap import ber
from tests.identity.sources.ldap.rig import WORD, FixedClock, asking, login, person, run, section
from tests.support.slapd_server import MISSING, PROGRAM, SERVICE_PASSWORD, SUFFIX, Slapd

pytestmark = [pytest.mark.real, pytest.mark.skipif(PROGRAM is None, reason=MISSING)]

LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
RIGHT = Answer(Finding.RIGHT, Member("alice"))
Loop = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with Slapd(tmp_path_factory.mktemp("slapd"), person("alice")) as server:
        yield server


@pytest.fixture
def own_slapd(tmp_path: Path) -> Iterator[Slapd]:
    """One that a test may stop."""
    with Slapd(tmp_path, person("alice")) as server:
        yield server


async def ask(directory: LdapDirectory, typed: str = "alice", password: str = WORD) -> Answer:
    return await directory.verify(login(typed), password, "192.0.2.1")


class TestTls:
    """StartTLS is demanded, certificates are checked."""

    @LOOPS
    @pytest.mark.parametrize("way", ["clear", "tls", "local"])
    def test_each_way_to_the_server_works(self, slapd: Slapd, way: str, loop: Loop) -> None:
        async def main() -> None:
            async with asking(slapd, servers=(getattr(slapd, way),)) as directory:
                assert await ask(directory) == RIGHT
                assert (await ask(directory, password="wrong")).finding is Finding.WRONG

        run(main(), loop)

    @LOOPS
    @pytest.mark.parametrize("way", ["clear", "tls"])
    def test_a_certificate_of_another_authority_is_down(
        self, slapd: Slapd, way: str, loop: Loop, tmp_path: Path
    ) -> None:
        trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")

        async def main() -> None:
            keys = {"servers": (getattr(slapd, way),), "ca_file": tmp_path / "other.pem"}
            async with asking(slapd, **keys) as directory:
                with pytest.raises(TemporaryFailure, match=r"certificate is not trusted.*ca_file"):
                    await ask(directory)

        run(main(), loop)

    @pytest.mark.parametrize("way", ["clear", "tls"])
    def test_a_certificate_for_another_name_is_down(self, way: str, tmp_path: Path) -> None:
        async def main(server: Slapd) -> None:
            async with asking(server, servers=(getattr(server, way),)) as directory:
                with pytest.raises(TemporaryFailure, match="certificate is not trusted"):
                    await ask(directory)

        with Slapd(tmp_path, person("alice"), names=("ldap.elsewhere.example",)) as server:
            run(main(server))

    def test_without_tls_only_where_that_is_configured(self, slapd: Slapd) -> None:
        async def main() -> None:
            async with asking(slapd, security="none", ca_file=None) as directory:
                assert await ask(directory) == RIGHT

        run(main())

    def test_authorities_that_cannot_be_read_are_the_configurations_fault(
        self, slapd: Slapd, tmp_path: Path
    ) -> None:
        (tmp_path / "empty.pem").write_text("")
        for name in ("missing.pem", "empty.pem"):
            with pytest.raises(OperatorError, match=name):
                LdapDirectory(section(slapd, ca_file=tmp_path / name), SERVICE_PASSWORD)

    def test_what_comes_before_tls_begins_does_not_count_after_it(self) -> None:
        started = bytes.fromhex("300c 020101 7807 0a0100 0400 0400")
        forged = bytes.fromhex("300c 020102 6107 0a0100 0400 0400")

        async def main() -> None:
            async with told(started + forged) as url, asking(servers=(url,)) as directory:
                with pytest.raises(TemporaryFailure, match="what nobody asked"):
                    await ask(directory)

        run(main())

    def test_a_server_that_has_no_tls_is_down(self) -> None:
        refused = bytes.fromhex("300c 020101 7807 0a0102 0400 0400")

        async def main() -> None:
            async with told(refused) as url, asking(servers=(url,)) as directory:
                with pytest.raises(TemporaryFailure, match="does not begin TLS"):
                    await ask(directory)

        run(main())


class TestService:
    """As whom is searched."""

    def test_its_wrong_password_is_down_and_no_members_fault(self, slapd: Slapd) -> None:
        async def main() -> None:
            directory = LdapDirectory(section(slapd), "not the word", FixedClock())
            with pytest.raises(
                TemporaryFailure, match="bind_dn with bind_password_file is refused"
            ) as raised:
                await ask(directory)
            assert "not the word" not in raised.value.detail
            await directory.close()

        run(main())

    def test_its_empty_password_is_never_sent(self, slapd: Slapd) -> None:
        with pytest.raises(OperatorError, match="empty"):
            LdapDirectory(section(slapd), "")

    def test_it_may_be_nobody(self, slapd: Slapd) -> None:
        async def main() -> None:
            async with asking(slapd, bind_dn="") as directory:
                assert await ask(directory) == RIGHT

        run(main())

    def test_a_base_that_does_not_exist_is_down(self, slapd: Slapd) -> None:
        async def main() -> None:
            async with asking(slapd, base=f"ou=missing,{SUFFIX}") as directory:
                with pytest.raises(TemporaryFailure, match="does base exist"):
                    await ask(directory)

        run(main())

    def test_a_question_that_the_server_does_not_understand_is_no_outage(self) -> None:
        invalid = bytes.fromhex("300c 020101 6507 0a0115 0400 0400")

        async def main() -> None:
            async with told(invalid) as url, asking(servers=(url,), security="none") as directory:
                with pytest.raises(TemporaryFailure, match="code 21") as raised:
                    await ask(directory)
                assert raised.value.reply == BUSY

        run(main())

    def test_its_password_is_shown_nowhere(self, slapd: Slapd) -> None:
        directory = LdapDirectory(section(slapd), SERVICE_PASSWORD)
        assert SERVICE_PASSWORD not in repr(vars(directory._servers)) + repr(
            directory._servers._servers[0]._service
        )


class TestOutage:
    """What is down is down, until it is up."""

    def test_a_server_that_is_killed_is_down_and_up_again(self, own_slapd: Slapd) -> None:
        async def main() -> None:
            async with asking(own_slapd) as directory:
                assert await ask(directory) == RIGHT
                own_slapd.stop(signal.SIGKILL)
                for _ in range(2):
                    with pytest.raises(TemporaryFailure, match="cannot be reached"):
                        await ask(directory)
                own_slapd.start()
                assert await ask(directory) == RIGHT

        run(main())

    def test_connections_that_died_while_idle_are_noticed(self, own_slapd: Slapd) -> None:
        async def main() -> None:
            async with asking(own_slapd) as directory:
                for _ in range(3):
                    assert await ask(directory) == RIGHT
                    own_slapd.stop()
                    own_slapd.start()

        run(main())

    def test_a_server_that_says_nothing_is_down_in_time(self) -> None:
        async def main() -> None:
            for scheme in ("ldap", "ldaps"):
                async with told(b"") as url:
                    servers = (url.replace("ldap:", f"{scheme}:"),)
                    async with asking(servers=servers, timeout=0.2) as directory:
                        with pytest.raises(TemporaryFailure, match=r"no answer within 0\.2 s"):
                            await ask(directory)

        run(main())

    @pytest.mark.parametrize(
        "octets", [b"220 smtp.example.org\r\n", b"\x30\x84\x7f\xff\xff\xff", b"\x30\x80"]
    )
    def test_what_is_no_ldap_is_down(self, octets: bytes) -> None:
        async def main() -> None:
            async with told(octets) as url, asking(servers=(url,)) as directory:
                with pytest.raises(TemporaryFailure, match=r"LDAP|more than"):
                    await ask(directory)

        run(main())

    @pytest.mark.parametrize(
        "found", [b"\x73\x02\x04\x00", ber.constructed(0x64, ber.octets(b"x" * 60_000), b"\x30\x00")]
    )
    def test_an_answer_without_an_end_is_down_before_it_fills_memory_or_time(self, found: bytes) -> None:
        message = ber.constructed(ber.SEQUENCE, ber.integer(1), found)

        async def main() -> None:
            flood = message * (2 * MAX_ANSWER // len(message))
            async with told(flood) as url, asking(servers=(url,), timeout=20.0) as directory:
                with pytest.raises(TemporaryFailure, match="more than 8388608 octets"):
                    await ask(directory)

        run(main())


class TestFailover:
    """The next server."""

    def test_a_server_that_is_gone_or_silent_leaves_time_for_the_next(self, slapd: Slapd) -> None:
        gone = f"ldap://127.0.0.1:{closed_port()}"

        async def main() -> None:
            async with (
                told(b"") as silent,
                asking(slapd, servers=(gone, silent, slapd.clear), timeout=3.0) as directory,
            ):
                assert await ask(directory) == RIGHT
                assert [server.text for server in directory._servers._in_order()] == [
                    slapd.clear,
                    gone,
                    silent,
                ]

        run(main())

    def test_the_first_is_asked_again_after_a_while(self, own_slapd: Slapd, slapd: Slapd) -> None:
        clock = FixedClock()

        async def main() -> None:
            made = section(slapd, servers=(own_slapd.clear, slapd.clear), security="none", ca_file=None)
            directory = LdapDirectory(made, SERVICE_PASSWORD, clock)
            own_slapd.stop()
            assert await ask(directory) == RIGHT
            own_slapd.start()
            own_slapd.modify(
                f"dn: uid=alice,ou=people,{SUFFIX}\nchangetype: modify\nadd: mail\nmail: new@example.org\n"
            )
            assert await ask(directory) == RIGHT
            clock.later = 31.0
            assert (await ask(directory)).member == Member("alice", ("new@example.org",))
            await directory.close()

        run(main())

    def test_all_that_are_down_are_named(self) -> None:
        async def main() -> None:
            one, other = (f"ldap://127.0.0.1:{closed_port()}" for _ in range(2))
            async with asking(servers=(one, other)) as directory:
                with pytest.raises(TemporaryFailure, match=f"{one}: .*; {other}: "):
                    await ask(directory)

        run(main())


class TestConnections:
    """They are kept, and let go of."""

    def test_they_are_used_again(self, slapd: Slapd) -> None:
        async def main() -> None:
            async with relayed(slapd) as relay, asking(slapd, servers=(relay.url,)) as directory:
                for typed, password in (
                    ("alice", WORD),
                    ("alice", "wrong"),
                    ("nobody", "x"),
                    ("alice", WORD),
                ):
                    await ask(directory, typed, password)
                await asyncio.gather(*(ask(directory) for _ in range(3)))
                assert relay.connections <= 2 * 3

        run(main())

    def test_they_outlive_an_answer_that_is_of_no_use(self, slapd: Slapd) -> None:
        async def main() -> None:
            everybody = "(|(objectClass=person)(uid={user}))"
            async with relayed(slapd) as relay:
                async with asking(slapd, servers=(relay.url,), base=SUFFIX, filter=everybody) as directory:
                    for _ in range(3):
                        with pytest.raises(TemporaryFailure, match="more than one"):
                            await ask(directory)
                assert relay.connections == 1

        run(main())

    def test_those_that_were_idle_for_long_are_not(self, slapd: Slapd) -> None:
        clock = FixedClock()

        async def main() -> None:
            async with relayed(slapd) as relay:
                directory = LdapDirectory(section(slapd, servers=(relay.url,)), SERVICE_PASSWORD, clock)
                await ask(directory)
                clock.later = LONGEST_IDLE + 1
                await ask(directory)
                assert relay.connections == 4
                await directory.close()

        run(main())

    def test_unknown_logins_take_as_many_round_trips_as_wrong_passwords(self, slapd: Slapd) -> None:
        async def main() -> list[int]:
            async with (
                relayed(slapd) as relay,
                asking(slapd, servers=(relay.url,), security="none") as directory,
            ):
                asked = []
                for typed in ("alice", "alice", "nobody", "nobody"):
                    before = relay.questions
                    await ask(directory, typed, "wrong")
                    asked.append(relay.questions - before)
                return asked[1:]

        assert run(main()) == [2, 2, 2]

    @LOOPS
    def test_a_question_that_is_cancelled_leaves_no_answer_behind(self, own_slapd: Slapd, loop: Loop) -> None:
        async def main() -> None:
            async with asking(own_slapd) as directory:
                assert await ask(directory) == RIGHT
                own_slapd.pause()
                tasks = [asyncio.ensure_future(ask(directory, password="wrong")) for _ in range(3)]
                await asyncio.sleep(0.05)
                for task in tasks:
                    task.cancel()
                own_slapd.go_on()
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.gather(*tasks)
                assert await ask(directory) == RIGHT
                assert (await ask(directory, password="wrong")).finding is Finding.WRONG

        run(main(), loop)

    def test_cancelled_at_any_moment_the_next_answer_is_right(self, slapd: Slapd) -> None:
        async def main() -> None:
            async with asking(slapd) as directory:
                for step in range(40):
                    task = asyncio.ensure_future(ask(directory, password="wrong" if step % 2 else WORD))
                    for _ in range(step):
                        await asyncio.sleep(0)
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task
                    assert await ask(directory, "nobody") == Answer(Finding.UNKNOWN)
                    assert await ask(directory) == RIGHT

        run(main())


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@asynccontextmanager
async def told(octets: bytes) -> AsyncIterator[str]:
    """A server that says this to the first octets that come, and then nothing."""
    writers: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.read(1)
        writer.write(octets)

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"ldap://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


class Relay:
    """Between a directory and slapd: counts connections, and questions where they are in clear."""

    def __init__(self, port: int) -> None:
        self.connections = 0
        self.questions = 0
        self.url = ""
        self._port = port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        there, here = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(
            self._pass_on(reader, here, counts=True), self._pass_on(there, writer, counts=False)
        )

    async def _pass_on(self, source: asyncio.StreamReader, to: asyncio.StreamWriter, *, counts: bool) -> None:
        with contextlib.suppress(OSError):
            while octets := await source.read(65_536):
                self.questions += counts
                to.write(octets)
        to.close()


@asynccontextmanager
async def relayed(slapd: Slapd) -> AsyncIterator[Relay]:
    relay = Relay(int(slapd.clear.rpartition(":")[2]))
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    relay.url = f"ldap://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield relay
    finally:
        server.close()
        await asyncio.sleep(0.01)
