"""A smarthost, from the scheduler's work to a next hop on loopback, and to a peer that others wrote."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiosmtpd.smtp
import pytest

from sams.core.address import parse_mailbox
from sams.core.clock import SystemClock
from sams.core.envelope import Body, Notify, OriginalRecipient, Recipient, Ret
from sams.core.outcome import Result
from sams.delivery.connection import Connector
from sams.delivery.hop_settings import HopAddress, RouteSettings, Security
from sams.delivery.interface import AttemptResult, Hop
from sams.delivery.pool import HopPool
from sams.delivery.smarthost import Smarthost
from sams.protocol.smtp.client_opening import Credentials
from sams.protocol.smtp.client_waits import Timeouts
from sams.spool.interface import Content, MessageFacts, QueuedMessage, QueuedRecipient, Work
from tests.support.next_hop import EXTENSIONS, Answer, Authority, Do, NextHop, until

HEAD = b"Subject: x\r\n\r\n"
PLAIN = MessageFacts()


@dataclass
class StoredText:
    """A stored body."""

    text: bytes
    on_disk: bool = False

    @property
    def size(self) -> int:
        return len(self.text)

    def in_memory(self) -> bytes | None:
        return None if self.on_disk else self.text

    async def chunks(self, size: int = 65_536) -> AsyncIterator[bytes]:
        for piece in self.blocking_chunks(size):
            yield piece

    def blocking_chunks(self, size: int = 65_536) -> Iterator[bytes]:
        for start in range(0, len(self.text), size):
            yield self.text[start : start + size]


def work(*addresses: str | Recipient, facts: MessageFacts = PLAIN) -> Work:
    message = QueuedMessage(
        "id",
        "ann",
        "s",
        parse_mailbox("ann@example.org"),
        0.0,
        0,
        facts,
        Body.SEVEN_BIT,
        smtputf8=False,
        ret=Ret.HEADERS,
        envid="E+1",
    )
    recipients = [
        each if isinstance(each, Recipient) else Recipient(parse_mailbox(each)) for each in addresses
    ]
    queued = tuple(QueuedRecipient(10 + n, each, "hub", 0.0) for n, each in enumerate(recipients))
    return Work(message, "hub", queued)


def content(text: bytes = b"Hi\r\n", *, on_disk: bool = False) -> Content:
    return Content(HEAD, StoredText(text, on_disk))


def smarthost(*ports: int, timeouts: Timeouts | None = None, **more: Any) -> Smarthost:
    hosts = tuple(HopAddress("localhost", port) for port in ports)
    settings = RouteSettings("hub", hosts, "me.example.org", **{"security": Security.NONE, **more})

    async def loopback(name: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    connector = Connector(settings, resolve=loopback, timeouts=timeouts)
    return Smarthost(HopPool(settings, connector, SystemClock()), SystemClock())


def told(result: AttemptResult) -> list[tuple[int, Result, int]]:
    return sorted((number, one.result, one.reply.code) for number, one in result.outcomes)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


D, T, F = Result.DELIVERED, Result.DEFERRED, Result.FAILED


def test_each_recipient_has_its_outcome_by_its_number() -> None:
    async def main() -> None:
        answers: dict[str, Answer] = {
            "RCPT:eve@example.com": "550 5.1.1 no",
            "RCPT:kim@example.com": "450 4.2.1 later",
        }
        async with NextHop(answers) as hop:
            one = smarthost(hop.port)
            result = await one.deliver(
                work("bob@example.com", "eve@example.com", "kim@example.com"), content()
            )
            assert told(result) == [(10, D, 250), (11, F, 550), (12, T, 450)]
            assert (result.hop, result.trouble, result.tls) == (Hop.WORKS, None, "")
            assert result.remote == f"localhost:{hop.port}"
            assert {outcome.remote for _, outcome in result.outcomes} == {result.remote}
            assert [outcome.relayed_to_dsn_aware for _, outcome in result.outcomes] == [True, False, False]
            assert one.open_connections == 1
            await one.close()

    run(main())


def test_the_envelope_is_carried_on() -> None:
    async def main() -> None:
        async with NextHop() as hop:
            one = smarthost(hop.port)
            bob = Recipient(
                parse_mailbox("bob@example.com"),
                Notify.SUCCESS,
                OriginalRecipient("rfc822", "Bob@example.org"),
            )
            await one.deliver(work(bob), content())
            (mail,) = hop.mails
            assert mail.parameters == (b"SIZE=18", b"RET=HDRS", b"ENVID=E+2B1")
            assert mail.recipients == [
                (b"bob@example.com", (b"NOTIFY=SUCCESS", b"ORCPT=rfc822;Bob@example.org"))
            ]
            await one.close()

    run(main())


@pytest.mark.parametrize("limit", ["rcpt_max", "LIMITS"])
def test_recipients_beyond_the_hops_limit_go_at_once_in_further_transactions(limit: str) -> None:
    async def main() -> None:
        extensions = (*EXTENSIONS, "LIMITS RCPTMAX=3") if limit == "LIMITS" else EXTENSIONS
        async with NextHop(extensions=extensions, rcpt_max=3) as hop:
            one = smarthost(hop.port)
            result = await one.deliver(work(*[f"u{n}@example.com" for n in range(10)]), content())
            assert told(result) == [(10 + n, D, 250) for n in range(10)]
            assert [len(mail.recipients) for mail in hop.mails] == [3, 3, 3, 1]
            assert hop.connections == 1
            await one.close()

    run(main())


def test_a_connections_own_limit_leads_to_a_new_one() -> None:
    async def main() -> None:
        async with NextHop(extensions=(*EXTENSIONS, "LIMITS RCPTMAX=1 MAILMAX=2")) as hop:
            one = smarthost(hop.port)
            result = await one.deliver(work(*[f"u{n}@example.com" for n in range(5)]), content())
            assert told(result) == [(10 + n, D, 250) for n in range(5)]
            assert hop.connections == 3
            await one.close()

    run(main())


def test_an_idle_connection_that_is_gone_is_replaced_without_a_word() -> None:
    async def main() -> None:
        async with NextHop() as hop:
            one = smarthost(hop.port)
            await one.deliver(work("bob@example.com"), content())
            hop.drop_all()  # the news of it has not reached us when the next attempt begins
            result = await one.deliver(work("bob@example.com"), content())
            assert told(result) == [(10, D, 250)]
            assert (result.hop, hop.connections) == (Hop.WORKS, 2)
            await one.close()

    run(main())


def test_an_idle_connection_that_says_421_to_mail_is_replaced_too() -> None:
    async def main() -> None:
        async with NextHop({"MAIL": [None, ("421 4.4.2 too late", Do.DROP), None]}) as hop:
            one = smarthost(hop.port)
            await one.deliver(work("bob@example.com"), content())
            result = await one.deliver(work("bob@example.com"), content())
            assert told(result) == [(10, D, 250)]
            await one.close()

    run(main())


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "END"])
@pytest.mark.parametrize("answer", [Do.DROP, "421 4.3.2 closing"])
def test_a_break_on_a_new_connection_makes_the_hop_suspect(verb: str, answer: Answer) -> None:
    async def main() -> None:
        async with NextHop({verb: answer}) as hop:
            one = smarthost(hop.port)
            result = await one.deliver(work("bob@example.com"), content())
            assert [(number, kind) for number, kind, _ in told(result)] == [(10, T)]
            assert result.hop is Hop.SUSPECT
            assert result.trouble is not None
            assert hop.connections == 1
            assert one.open_connections == 0

    run(main())


@pytest.mark.parametrize(
    ("verb", "answer"), [("CONNECT", "554 5.3.2 no"), ("CONNECT", "421 busy"), ("EHLO", Do.DROP)]
)
def test_a_hop_that_cannot_be_spoken_to_is_down_and_no_recipient_is_touched(
    verb: str, answer: Answer
) -> None:
    async def main() -> None:
        async with NextHop({verb: answer}) as hop:
            result = await smarthost(hop.port).deliver(work("bob@example.com"), content())
            assert (result.hop, list(result.outcomes)) == (Hop.DOWN, [])
            assert result.trouble is not None
            assert result.trouble.result is T
            assert result.remote == f"localhost:{hop.port}"

    run(main())


def test_a_hop_that_asks_to_sign_in_is_down_and_no_mail_is_returned() -> None:
    async def main() -> None:
        async with NextHop({"MAIL": "530 5.7.0 sign in first"}) as hop:
            result = await smarthost(hop.port).deliver(work("bob@example.com"), content())
            assert (result.hop, list(result.outcomes)) == (Hop.DOWN, [])

    run(main())


def test_a_second_host_takes_over() -> None:
    async def main() -> None:
        async with NextHop({"CONNECT": "421 busy"}) as bad, NextHop() as good:
            one = smarthost(bad.port, good.port)
            for _ in range(3):
                result = await one.deliver(work("bob@example.com"), content())
                assert told(result) == [(10, D, 250)]
            assert (bad.connections, good.connections) == (1, 1)
            await one.close()

    run(main())


def test_a_hop_that_hangs_up_as_soon_as_it_was_greeted_is_no_endless_loop() -> None:
    class Rude(NextHop):
        """Answers EHLO, and closes."""

        def answer(self, verb: str, address: bytes | None = None) -> Answer:
            return ("250 hop", "421 bye", Do.DROP) if verb == "EHLO" else super().answer(verb, address)

    async def main() -> None:
        async with Rude() as hop:
            result = await smarthost(hop.port).deliver(work("bob@example.com"), content())
            assert result.hop is not Hop.WORKS
            assert hop.connections == 1

    run(main())


def test_a_hop_that_does_not_know_the_bdat_it_offers_gets_the_message_by_data() -> None:
    async def main() -> None:
        async with NextHop({"BDAT": "500 5.5.1 what?"}, extensions=(*EXTENSIONS, "CHUNKING")) as hop:
            one = smarthost(hop.port)
            result = await one.deliver(work("bob@example.com", "eve@example.com"), content())
            assert told(result) == [(10, D, 250), (11, D, 250)]
            assert result.hop is Hop.WORKS
            await one.deliver(work("bob@example.com"), content())
            assert [mail.by for mail in hop.mails] == ["DATA", "DATA"]
            await one.close()

    run(main())


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_message_is_encoded_for_a_hop_without_8bitmime(on_disk: bool) -> None:
    text = "Grüße\r\n".encode() * 20_000

    async def main() -> None:
        async with NextHop(extensions=("PIPELINING", "SIZE 9999999")) as hop:
            one = smarthost(hop.port)
            facts = MessageFacts(has_8bit_body=True)
            result = await one.deliver(work("bob@example.com", facts=facts), content(text, on_disk=on_disk))
            assert told(result) == [(10, D, 250)]
            (mail,) = hop.mails
            assert mail.data.isascii()
            assert b"Content-Transfer-Encoding: quoted-printable\r\n" in mail.data
            assert mail.data.count(b"Gr=C3=BC=C3=9Fe\r\n") == 20_000
            assert mail.parameters[0] == b"SIZE=%d" % len(mail.data)
            await one.close()

    run(main())


def test_what_cannot_be_encoded_is_refused_with_5_6_3() -> None:
    async def main() -> None:
        async with NextHop(extensions=("PIPELINING",)) as hop:
            one = smarthost(hop.port)
            head = b"MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n"
            body = "--b\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n--b\r\n\r\n--b--\r\n".encode()
            stored = Content(head, StoredText(body))
            facts = MessageFacts(has_8bit_body=True)
            result = await one.deliver(work("bob@example.com", "eve@example.com", facts=facts), stored)
            assert told(result) == [(10, F, 554), (11, F, 554)]
            assert {str(outcome.reply.status) for _, outcome in result.outcomes} == {"5.6.3"}
            assert result.hop is Hop.WORKS
            assert not any(command.startswith(b"MAIL") for command in hop.commands)
            await one.close()

    run(main())


def test_a_header_in_utf8_needs_a_hop_that_takes_it() -> None:
    async def main() -> None:
        async with NextHop(extensions=("8BITMIME",)) as hop:
            one = smarthost(hop.port)
            facts = MessageFacts(has_8bit_header=True)
            result = await one.deliver(work("bob@example.com", facts=facts), content())
            assert [str(outcome.reply.status) for _, outcome in result.outcomes] == ["5.6.7"]
            hop.extensions.append("SMTPUTF8")
            await one.close()
            one = smarthost(hop.port)
            assert told(await one.deliver(work("bob@example.com", facts=facts), content())) == [(10, D, 250)]
            assert b"SMTPUTF8" in hop.mails[0].parameters
            await one.close()

    run(main())


def test_many_messages_share_few_connections() -> None:
    async def main() -> None:
        async with NextHop(extensions=(*EXTENSIONS, "CHUNKING")) as hop:
            one = smarthost(hop.port, connections=3)
            results = await asyncio.gather(
                *[one.deliver(work(f"u{n}@example.com"), content()) for n in range(200)]
            )
            assert all(told(result) == [(10, D, 250)] for result in results)
            assert hop.connections == 3
            assert sorted(address for mail in hop.mails for address in mail.addresses) == sorted(
                b"u%d@example.com" % n for n in range(200)
            )
            await one.close()
            await until(lambda: not hop.open)

    run(main())


def test_a_cancelled_attempt_gives_its_connection_back_cut() -> None:
    async def main() -> None:
        async with NextHop({"END": [Do.HANG, None]}) as hop:
            one = smarthost(hop.port, connections=1)
            task = asyncio.create_task(one.deliver(work("bob@example.com"), content()))
            await until(lambda: b"DATA" in hop.commands)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert told(await one.deliver(work("bob@example.com"), content())) == [(10, D, 250)]
            await one.close()

    run(main())


def test_a_cancelled_attempt_keeps_the_outcomes_that_it_has() -> None:
    async def main() -> None:
        async with NextHop({"END": ["250 2.0.0 ok", Do.HANG]}, rcpt_max=1) as hop:
            one = smarthost(hop.port)
            task = asyncio.create_task(one.deliver(work("bob@example.com", "eve@example.com"), content()))
            await until(lambda: hop.commands.count(b"DATA") == 2)
            task.cancel()
            result = await task
            assert told(result) == [(10, D, 250)]
            assert result.hop is Hop.DOWN
            assert result.trouble is not None
            assert str(result.trouble.reply).startswith("451 4.3.2 The attempt was stopped")
            await one.close()

    run(main())


def test_tls_that_failed_and_was_done_without_is_told() -> None:
    async def main() -> None:
        async with NextHop({"HANDSHAKE": Do.DROP}, tls=Authority().server()) as hop:
            one = smarthost(hop.port, security=Security.OPPORTUNISTIC)
            result = await one.deliver(work("bob@example.com"), content())
            assert told(result) == [(10, D, 250)]
            assert result.tls.startswith("in clear text, because TLS failed")
            await one.close()

    run(main())


# ---- a peer that others wrote


class Mailbox:
    """Keeps what aiosmtpd's server received."""

    def __init__(self) -> None:
        self.got: list[aiosmtpd.smtp.Envelope] = []

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self,
        server: aiosmtpd.smtp.SMTP,
        session: object,
        envelope: aiosmtpd.smtp.Envelope,
        address: str,
        options: list[str],
    ) -> str:
        if address.startswith("nobody"):
            return "550 5.1.1 nobody here"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: aiosmtpd.smtp.SMTP, session: object, envelope: aiosmtpd.smtp.Envelope
    ) -> str:
        self.got.append(envelope)
        return "250 2.0.0 kept"


@contextlib.asynccontextmanager
async def peer(mailbox: Mailbox, **more: Any) -> AsyncIterator[int]:
    """An aiosmtpd server; its port."""
    loop = asyncio.get_running_loop()

    def session() -> aiosmtpd.smtp.SMTP:
        return aiosmtpd.smtp.SMTP(
            mailbox, hostname="peer.example.net", enable_SMTPUTF8=True, loop=loop, **more
        )

    async with await loop.create_server(session, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def check_login(
    _server: object, _session: object, _envelope: object, _how: str, said: object
) -> aiosmtpd.smtp.AuthResult:
    right = isinstance(said, aiosmtpd.smtp.LoginPassword) and (said.login, said.password) == (
        b"ann",
        b"s3cret",
    )
    return aiosmtpd.smtp.AuthResult(success=right)


def test_aiosmtpd_takes_what_we_send() -> None:
    mailbox = Mailbox()
    text = b".dot\r\n..\r\n" + b"line\r\n" * 50_000

    async def main() -> None:
        async with peer(mailbox) as port:
            one = smarthost(port)
            for _ in range(3):
                result = await one.deliver(work("bob@example.com", "nobody@example.com"), content(text))
                assert told(result) == [(10, D, 250), (11, F, 550)]
            await one.close()

    run(main())
    assert [envelope.rcpt_tos for envelope in mailbox.got] == [["bob@example.com"]] * 3
    assert {envelope.content for envelope in mailbox.got} == {HEAD + text}


def test_aiosmtpd_takes_our_tls_and_password(tmp_path: Path) -> None:
    mailbox = Mailbox()
    authority = Authority()
    demands = {"tls_context": authority.server(), "require_starttls": True, "auth_required": True}

    async def main() -> None:
        async with peer(mailbox, authenticator=check_login, **demands) as port:
            one = smarthost(
                port,
                security=Security.OPPORTUNISTIC,
                credentials=Credentials("ann", "s3cret"),
                ca_file=authority.ca_file(tmp_path),
            )
            result = await one.deliver(work("bob@example.com"), content())
            assert told(result) == [(10, D, 250)]
            assert result.tls.endswith("name verified")
            await one.close()

    run(main())
    assert len(mailbox.got) == 1
