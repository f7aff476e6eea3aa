"""A bad next hop, hour by hour: right statuses, few attempts, one report, and nobody else is harmed (R6, R9)."""

from __future__ import annotations

import asyncio
import re
from collections import Counter

import pytest

from sams.core.envelope import Notify, Ret
from sams.core.reply import SHORT
from sams.core.text import is_visible
from sams.spool.interface import MessageFacts
from tests.faults.hop_rows import ALONE, DELIVERED, ROWS, WAYS, Row, liar, of
from tests.faults.hop_world import HOUR, World
from tests.support.next_hop import EXTENSIONS, NextHop
from tests.support.wire import WireLoop, on_wires

HOURS = 1.5
"""Longer than a message may wait: whatever can end has ended."""
MOST_CONNECTIONS = 40
"""In that time: a probe each 10 seconds to 5 minutes for a hop that is down, or 3 messages' own attempts."""
MOST_OF_A_FLOOD = 1_000_000
"""Octets that a hop could write before it was hung up on, in one connection; the network holds some of them."""

TABLE = [
    pytest.param(row, way, id=f"{name.replace(' ', '-')}-{way}")
    for name, row in ROWS.items()
    for way in row.ways
]


@pytest.mark.parametrize(("row", "way"), TABLE)
def test_a_bad_hop_harms_its_own_mail_only_and_not_for_longer_than_it_must(row: Row, way: str) -> None:
    async def main(loop: WireLoop) -> None:
        hop = row.make(row.answers, **{"extensions": WAYS[way], **row.hop})
        world = World(loop, hop, **row.route)
        await world.send("a@x.example", "b@x.example")
        await world.send("c@x.example", sender=None)
        await world.send("d@x.example", login="ben")
        await world.pass_time(HOURS * HOUR)
        judge_recipients(row, world)
        judge_the_rest(world, hop)
        await world.close()
        assert not hop.open
        assert len(asyncio.all_tasks()) == 1

    on_wires(main)


def judge_recipients(row: Row, world: World) -> None:
    """Of each the right first reply, the right end, no more copies than there may be, and one report at most."""
    first, copies, had = world.first(), world.copies(), world.had()
    reports = world.reported()
    for name in "abcd":
        assert first[name].startswith(of(row.first, name)), (name, first[name])
        end = of(row.ends, name)
        assert copies[name] > 0 or end != DELIVERED, name
        assert max(copies[name], had[name]) <= row.had, name
        is_told = name != "c" and end != DELIVERED
        assert [each for each in reports if each[1] == name] == [("ann@example.ac.uk", name, end)] * is_told
    assert max(Counter(world.reported("delayed")).values(), default=0) <= 1


def judge_the_rest(world: World, hop: NextHop) -> None:
    """No busy loop, no bug, nothing left over, nothing of the hop's raw in what we wrote."""
    assert len(world.dialled()) <= MOST_CONNECTIONS
    assert len(world.attempts) <= MOST_CONNECTIONS
    assert hop.poured <= MOST_OF_A_FLOOD * max(1, hop.connections)
    assert hop.faults == []
    messages = [{b"a@x.example", b"b@x.example"}, {b"c@x.example"}, {b"d@x.example"}]
    for mail in [*hop.mails, *hop.refused]:
        assert any(message.issuperset(mail.addresses) for message in messages), "recipients were mixed"
    assert not world.faults
    assert not world.spool.messages
    assert not len(world.window)
    text = re.sub(r"\r?\n[ \t]?", "", world.written())
    assert is_visible(text), re.search(r".{30}[^\x20-\x7e].{30}", text)
    assert "A" * 2_000 not in text


def test_of_long_replies_no_more_is_kept_than_is_shown() -> None:
    async def main(loop: WireLoop) -> None:
        lines = b"".join(b"450-4.2.1 " + b"long " * 200 + b"\r\n" for _ in range(7)) + b"450 4.2.1 later\r\n"
        world = World(loop, NextHop({"RCPT": lines}))
        await world.send(*[f"u{place}@x.example" for place in range(300)])
        await asyncio.sleep(10.0)
        ((_, recipients),) = world.spool.recipients.items()
        kept = [one.last.reply.lines for one in recipients.values() if one.last is not None]
        assert len(kept) == 300
        assert max(sum(len(line) for line in each) for each in kept) <= SHORT
        await world.close()

    on_wires(main)


@pytest.mark.parametrize(
    ("unknown", "facts", "notify"),
    [
        (b" BODY=8BITMIME", MessageFacts(has_8bit_body=True), None),
        (b" NOTIFY=", MessageFacts(), Notify.FAILURE),
        (b" RET=", MessageFacts(), None),
    ],
)
@pytest.mark.parametrize("way", WAYS)
def test_a_hop_that_offers_what_a_message_needs_and_refuses_it_gets_it_otherwise(
    unknown: bytes, facts: MessageFacts, notify: Notify | None, way: str
) -> None:
    async def main(loop: WireLoop) -> None:
        hop = liar(unknown)({}, extensions=(*EXTENSIONS, *WAYS[way]))
        if way == ALONE:
            hop.extensions.remove("PIPELINING")
        world = World(loop, hop)
        for _ in range(3):
            text = "Grüße\r\n".encode() if facts.has_8bit_body else b"text\r\n"
            await world.send("a@x.example", body=text, facts=facts, notify=notify, ret=Ret.HEADERS)
            await asyncio.sleep(10.0)
        assert world.first() == {"a": "delivered 250 2.0.0 taken"}
        assert world.copies() == {"a": 3}
        assert len(hop.mails) == 3
        refusals = [each for each in hop.commands if unknown in each]
        assert len(refusals) == 1, "it was said again"
        await world.close()

    on_wires(main)
