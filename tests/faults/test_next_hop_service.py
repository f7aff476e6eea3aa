"""A bad next hop behind the real service: what a person sees of it, and a port that does not even refuse."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sams.core.text import is_visible
from sams.delivery.connection import Connector
from sams.delivery.hop_settings import HopAddress, RouteSettings
from sams.protocol.smtp.client_waits import ConversationEnded, Timeouts
from tests.faults.hop_rows import BAD_UTF8, NASTY
from tests.support.next_hop import NextHop, until
from tests.support.service import Service, message, smarthost

pytestmark = [pytest.mark.real, pytest.mark.faults]
COMMANDS = (
    ("queue", "list"),
    ("queue", "list", "--json"),
    ("activity", "show"),
    ("activity", "show", "--json"),
    ("health",),
)

NOT_TOLD = {"queue list", "queue list --json", "health"}
"""Where no reply of a recipient is shown."""


@contextlib.contextmanager
def unanswering() -> Iterator[int]:
    """A port of loopback that answers no SYN: its backlog is full, and nobody accepts."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as held:
        port: int = listener.getsockname()[1]
        for _ in range(8):
            one = held.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        yield port


def test_a_hop_that_does_not_answer_the_syn_is_given_up_in_time() -> None:
    async def main(port: int) -> None:
        settings = RouteSettings("hub", (HopAddress("127.0.0.1", port),), "me.example.org")
        connector = Connector(settings, timeouts=Timeouts(connect=0.3))
        with pytest.raises(ConversationEnded) as caught:
            await connector.connect(settings.hosts[0])
        assert str(caught.value.reply).startswith("451 4.4.1 No connection to 127.0.0.1:")
        assert "no answer within 0.3 s" in caught.value.detail

    with unanswering() as port:
        asyncio.run(main(port))


def test_nothing_that_a_hop_says_reaches_log_terminal_or_mailbox_raw(tmp_path: Path) -> None:
    """Refusals, deferrals and a 250 with what harms a terminal, and every place where a person meets them."""
    answers = {
        "EHLO": b"250-" + NASTY[:900] + b"\r\n250 DSN\r\n",
        "RCPT:refused@x.example": b"550 5.1.1 " + NASTY + b"\r\n",
        "RCPT:later@x.example": b"450 4.2.1 " + BAD_UTF8 + NASTY + b"\r\n",
        "END": b"250 2.0.0 " + NASTY[:900] + b"\r\n",
    }

    async def main() -> None:
        async with NextHop(answers) as hop:
            service = Service(tmp_path / "service", smarthost(hop.port), workers=0)
            await asyncio.to_thread(service.add_account, "alice")
            with contextlib.ExitStack() as stack:
                await asyncio.to_thread(stack.enter_context, service.running())
                await asyncio.to_thread(send, service)
                await until(lambda: any(mail.reverse_path == b"" for mail in hop.mails))
                shown = await asyncio.to_thread(look, service)
                reports = [mail.data.decode("ascii") for mail in hop.mails if mail.reverse_path == b""]
                await asyncio.to_thread(stack.close)
        assert len(reports) == 1
        assert "Status: 5.1.1" in reports[0]
        for name, text in {**shown, "log": service.log, "report": reports[0]}.items():
            assert "boss@example.ac.uk" in text or name in NOT_TOLD, name
            lines = re.sub(r"\r?\n", " ", text).replace("\t", " ")
            assert is_visible(lines), (name, re.search(r".{20}[^\x20-\x7e].{20}", lines))
            assert "A" * 2_000 not in text, name
            assert not re.search(r"(?m)^From: boss@", text), name

    asyncio.run(main())


def send(service: Service) -> None:
    with service.signed_in("alice") as client:
        to = ["good@x.example", "refused@x.example", "later@x.example"]
        client.send_message(message("alice@example.org"), to_addrs=to)


def look(service: Service) -> dict[str, str]:
    """What each command shows, once the deferral is stored."""
    told, waiting = "", {"id": ""}
    while "deferred" not in told:
        (waiting,) = json.loads(service.sams("queue", "list", "--json").stdout)["messages"]
        told = service.sams("queue", "show", waiting["id"]).stdout
    shown = {"queue show": told}
    for command in (("queue", "show", waiting["id"], "--json"), *COMMANDS):
        shown[" ".join(command)] = service.sams(*command, check=False).stdout
    return shown
