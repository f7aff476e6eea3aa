"""How a worker ends: what is under way may finish, then it is told 421; who is told twice does not wait."""

from __future__ import annotations

import asyncio
import smtplib
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.app.rig import Rig, worker
from tests.support.next_hop import Do, NextHop, until

Scene = Callable[[Rig, NextHop], Awaitable[None]]
HEAD = b"From: alice@example.org\r\nTo: bob@example.net\r\nSubject: hello\r\n\r\n"
LONG = 600.0
"""A grace that no test waits for."""


def play(folder: Path, scene: Scene, hop: NextHop | None = None, route: str = "") -> None:
    async def served() -> None:
        table = f'security = "none"\n{route}'
        async with hop or NextHop() as hub, worker(folder, hub, route=table) as rig:
            await asyncio.wait_for(scene(rig, hub), 60)

    asyncio.run(served())


class Writer:
    """A member in the middle of a message, on a thread that waits to be told to go on."""

    def __init__(self) -> None:
        self.is_writing, self.may_go_on = threading.Event(), threading.Event()

    def write(self, client: smtplib.SMTP) -> list[int]:
        """The codes of the replies from then on, to the end of the connection."""
        client.mail("alice@example.org")
        client.rcpt("bob@example.net")
        client.docmd("DATA")
        client.send(HEAD + b"One line.\r\n")
        self.is_writing.set()
        self.may_go_on.wait(60)
        codes = []
        try:
            client.send(b"The last line.\r\n.\r\n")
            while True:
                codes.append(client.getreply()[0])
        except (smtplib.SMTPServerDisconnected, OSError):
            return codes

    async def begins(self) -> None:
        await asyncio.to_thread(self.is_writing.wait, 60)


def test_a_message_under_way_is_finished_stored_and_its_sender_told_to_come_back(tmp_path: Path) -> None:
    writer = Writer()

    async def scene(rig: Rig, hop: NextHop) -> None:
        member = asyncio.ensure_future(rig.play(writer.write))
        await writer.begins()
        stopping = asyncio.ensure_future(rig.stop(LONG))
        await until(lambda: '"stopping"' in str(rig.log.lines).replace("'", '"'))
        writer.may_go_on.set()
        assert await member == [250, 421]
        await stopping
        last = rig.log.lines[-1]
        assert (last["event"], last["what"], last["detail"]) == ("service", "stopped", "worker 0")
        assert "what='stopped'" in await asyncio.to_thread(rig.story)

    play(tmp_path, scene)


def test_a_message_that_does_not_end_within_the_grace_is_told_421(tmp_path: Path) -> None:
    writer = Writer()

    async def scene(rig: Rig, hop: NextHop) -> None:
        member = asyncio.ensure_future(rig.play(writer.write))
        await writer.begins()
        await rig.stop(0.2)
        writer.may_go_on.set()
        assert await member == [421]
        assert hop.mails == []

    play(tmp_path, scene)


def test_told_twice_a_slow_member_is_told_421_at_once(tmp_path: Path) -> None:
    writer = Writer()

    async def scene(rig: Rig, hop: NextHop) -> None:
        member = asyncio.ensure_future(rig.play(writer.write))
        await writer.begins()
        stopping = asyncio.ensure_future(rig.stop(LONG))
        await asyncio.sleep(0)
        rig.worker.hurry()
        await stopping
        writer.may_go_on.set()
        assert await member == [421]

    play(tmp_path, scene)


@pytest.mark.parametrize("first", [True, False], ids=["before the stop", "during it"])
def test_told_twice_a_hop_that_hangs_is_not_waited_for_and_its_mail_stays(
    tmp_path: Path, first: bool
) -> None:
    async def scene(rig: Rig, hop: NextHop) -> None:
        await rig.play(
            lambda client: client.sendmail("alice@example.org", ["bob@example.net"], HEAD + b"x\r\n")
        )
        await until(lambda: b"." in hop.commands or hop.taken or b"DATA" in hop.commands)
        if first:
            rig.worker.hurry()
        stopping = asyncio.ensure_future(rig.stop(LONG))
        await asyncio.sleep(0.1)
        rig.worker.hurry()
        await stopping

    play(tmp_path, scene, NextHop({"END": Do.HANG}))
    found: list[int] = []

    async def again(rig: Rig, hop: NextHop) -> None:
        await until(lambda: hop.mails)
        found.append(len(hop.mails))

    play(tmp_path, again)
    assert found == [1]


def test_the_answer_of_a_slow_hop_is_awaited_and_its_mail_is_not_sent_again(tmp_path: Path) -> None:
    async def scene(rig: Rig, hop: NextHop) -> None:
        await rig.play(
            lambda client: client.sendmail("alice@example.org", ["bob@example.net"], HEAD + b"x\r\n")
        )
        await until(lambda: b"DATA" in hop.commands)
        stopping = asyncio.ensure_future(rig.stop(LONG))
        await asyncio.sleep(0.3)
        assert not stopping.done()
        hop.say_to_all(b"250 2.0.0 taken\r\n")
        await stopping

    play(tmp_path, scene, NextHop({"END": Do.HANG}))

    async def again(rig: Rig, hop: NextHop) -> None:
        assert not any(spool.waiting_domains() for spool in rig.worker._storage.spools)

    play(tmp_path, again)
