"""Groups of messages from the scheduler to a next hop on loopback, wherever that refuses, stops or vanishes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any, cast

import pytest

from sams.core.clock import SystemClock
from sams.delivery.connection import Connector
from sams.delivery.group_size import MOST
from sams.delivery.hop_settings import HopAddress, RouteSettings, Security
from sams.delivery.pool import HopPool
from sams.delivery.smarthost import Smarthost
from sams.protocol.smtp.client_waits import Timeouts
from sams.spool.interface import Search
from tests.delivery.rig import Rig, ScriptedHop, rig
from tests.support.next_hop import EXTENSIONS, Answer, Do, NextHop, until

BDAT = (*EXTENSIONS, "CHUNKING")


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def smarthost(hop: NextHop, **more: Any) -> Smarthost:
    settings = RouteSettings(
        "hub",
        (HopAddress("127.0.0.1", hop.port),),
        "me.example.org",
        **{"security": Security.NONE, "connections": 4, **more},
    )
    return Smarthost(
        HopPool(settings, Connector(settings, timeouts=Timeouts(end=5)), SystemClock()), SystemClock()
    )


def relaying(one: Smarthost) -> Rig:
    """A scheduler that sends to the hop, on a real loop."""
    return rig(hops={"hub": cast("ScriptedHop", one)})


async def sent(made: Rig, *names: str) -> None:
    """Commit a message to each at one moment, and wait until none is in hand."""
    works = [await made.spool.accept(made.message(f"{name}@x.example")) for name in names]
    for work in works:
        made.scheduler.submit(work, made.spool)
    await until(lambda: not len(made.window))


async def sent_and_held(made: Rig, *messages: tuple[str, ...]) -> None:
    """The same, but they are held as soon as they are on their way."""
    works = [await made.spool.accept(made.message(*recipients)) for recipients in messages]
    ids = tuple(work[0].message.id for work in works)
    await made.spool.hold(Search(ids=ids))
    for work in works:
        made.scheduler.submit(work, made.spool)
    await asyncio.sleep(0)
    assert made.scheduler.status()[0].sending == len(works)
    made.scheduler.forget(ids)
    await until(lambda: not len(made.window))


async def deep(made: Rig, one: Smarthost) -> None:
    """Let the hop be trusted with a group."""
    while one.group_size < MOST:
        await sent(made, *[f"warm{number}" for number in range(one.group_size)])


def delivered(hop: NextHop) -> Counter[bytes]:
    """How often each recipient had a message, but for those of `deep`."""
    return Counter(
        address for mail in hop.mails for address in mail.addresses if not address.startswith(b"warm")
    )


def waiting(made: Rig) -> dict[str, int]:
    """Who is to be tried again, with the code of the last reply."""
    return {
        one.recipient.mailbox.local: one.last.reply.code if one.last else 0
        for all_of in made.spool.recipients.values()
        for one in all_of.values()
    }


def test_what_comes_together_goes_out_together_and_each_once() -> None:
    async def main() -> None:
        async with NextHop(extensions=BDAT) as hop:
            one = smarthost(hop)
            made = relaying(one)
            await deep(made, one)
            before = len(hop.segments)
            names = [f"u{number}" for number in range(3 * MOST)]
            await sent(made, *names)
            assert delivered(hop) == {f"{name}@x.example".encode(): 1 for name in names}
            assert {mail.by for mail in hop.mails} == {"BDAT"}
            assert len(hop.segments) - before <= MOST
            assert not made.spool.messages
            assert not hop.faults
            await made.scheduler.drain(1)

    run(main())


@pytest.mark.parametrize("extensions", [(), EXTENSIONS])
def test_a_hop_that_takes_no_groups_gets_one_message_after_the_other(extensions: tuple[str, ...]) -> None:
    async def main() -> None:
        async with NextHop(extensions=extensions) as hop:
            one = smarthost(hop)
            made = relaying(one)
            names = [f"u{number}" for number in range(40)]
            await sent(made, *names)
            assert delivered(hop) == {f"{name}@x.example".encode(): 1 for name in names}
            assert one.group_size == 1
            await made.scheduler.drain(1)

    run(main())


def test_mail_that_must_go_by_itself_goes_so_between_groups() -> None:
    async def main() -> None:
        async with NextHop(extensions=BDAT) as hop:
            one = smarthost(hop)
            made = relaying(one)
            await deep(made, one)
            texts = [b"small\r\n", b"large\r\n" * 20_000, b"small\r\n", b"small\r\n"] * 3
            messages = [
                made.message(
                    f"u{place}@x.example", "jürgen@x.example" if place == 2 else "v@x.example", body=text
                )
                for place, text in enumerate(texts)
            ]
            for message in messages:
                made.scheduler.submit(await made.spool.accept(message), made.spool)
            await until(lambda: not len(made.window))
            got = {mail.addresses[0]: mail.data.split(b"\r\n\r\n", 1)[1] for mail in hop.mails}
            assert [got[b"u%d@x.example" % place] for place in range(len(texts))] == texts
            assert not made.spool.messages
            await made.scheduler.drain(1)

    run(main())


def begin(hop: NextHop, answers: dict[str, Answer]) -> None:
    """Let the hop answer by this table from now on."""
    hop.answers, hop._times = answers, {}


NAMES = ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("answers", "refused"),
    [
        ({"RCPT:b@x.example": "550 5.1.1 no"}, {}),
        ({"RCPT:b@x.example": "450 4.2.1 later"}, {"b": 450}),
        ({"END": [None, "450 4.3.0 later", None]}, {"b": 450}),
        ({"MAIL": [None, "450 4.3.0 later", None]}, {"b": 450}),
    ],
)
def test_who_is_refused_within_a_group_is_alone_in_it(
    answers: dict[str, Answer], refused: dict[str, int]
) -> None:
    async def main() -> None:
        async with NextHop(extensions=BDAT) as hop:
            one = smarthost(hop)
            made = relaying(one)
            await deep(made, one)
            begin(hop, answers)
            connections = hop.connections
            await sent(made, *NAMES)
            assert delivered(hop) == {b"a@x.example": 1, b"c@x.example": 1, b"d@x.example": 1}
            assert [len(mail.recipients) for mail in hop.mails] == [1] * len(hop.mails)
            assert waiting(made) == refused
            assert made.reporter.told == [] if refused else len(made.reporter.told) == 1
            assert hop.connections == connections
            assert one.group_size == MOST
            await made.scheduler.drain(1)

    run(main())


@pytest.mark.parametrize("how", [Do.DROP, Do.RESET, ("421 4.3.2 enough", Do.DROP)])
@pytest.mark.parametrize(
    ("where", "heard"),
    [("RSET", False), ("MAIL", False), ("RCPT:b@x.example", True), ("END", True)],
)
def test_where_the_hop_vanishes_in_a_group_nothing_is_lost_and_what_it_had_not_begun_goes_on(
    where: str, how: Answer, *, heard: bool
) -> None:
    async def main() -> None:
        async with NextHop(extensions=BDAT) as hop:
            one = smarthost(hop)
            made = relaying(one)
            await deep(made, one)
            begin(hop, {where: [*[None] * (where in {"MAIL", "END"}), how, None]})
            await sent(made, *NAMES)
            got = delivered(hop)
            assert {name for name in NAMES if not got[f"{name}@x.example".encode()]} == set(waiting(made))
            assert set(got.values()) == {1}
            if how is Do.RESET:  # the replies before it may not have come
                assert set(waiting(made)) <= {"b"}
            else:
                assert set(waiting(made)) == ({"b"} if heard else set())
            assert made.scheduler.status()[0].is_up
            await made.scheduler.drain(1)

    run(main())


@pytest.mark.parametrize("how", [Do.DROP, ("421 4.3.2 enough", Do.DROP)])
def test_where_the_hop_vanishes_in_a_group_what_was_held_meanwhile_is_not_sent(how: Answer) -> None:
    async def main() -> None:
        async with NextHop(extensions=BDAT) as hop:
            one = smarthost(hop)
            made = relaying(one)
            await deep(made, one)
            begin(hop, {"MAIL": [None, how, None]})
            await sent_and_held(made, *[(f"{name}@x.example",) for name in NAMES])
            assert delivered(hop) == {b"a@x.example": 1}
            assert waiting(made) == {"b": 0, "c": 0, "d": 0}
            assert made.scheduler.status()[0].is_up
            await made.scheduler.drain(1)

    run(main())


def test_of_a_message_that_was_held_meanwhile_those_that_the_hop_took_are_settled() -> None:
    async def main() -> None:
        async with NextHop(extensions=BDAT) as hop:
            one = smarthost(hop)
            made = relaying(one)
            await deep(made, one)
            begin(hop, {"RCPT:b@x.example": ["452 4.5.3 too many", None]})
            await sent_and_held(made, ("a@x.example", "b@x.example"), ("c@x.example",))
            assert delivered(hop) == {b"a@x.example": 1, b"c@x.example": 1}
            assert waiting(made) == {"b": 0}
            await made.scheduler.drain(1)

    run(main())


def test_after_a_break_without_a_word_messages_go_one_by_one() -> None:
    async def main() -> None:
        async with NextHop(extensions=BDAT) as hop:
            one = smarthost(hop)
            made = relaying(one)
            await deep(made, one)
            begin(hop, {"END": [None, Do.DROP, None]})
            await sent(made, *NAMES)
            assert one.group_size == 1
            before = len(hop.segments)
            names = [f"u{number}" for number in range(12)]
            await sent(made, *names)
            assert len(hop.segments) - before >= len(names)
            await made.scheduler.drain(1)

    run(main())


def test_a_connection_is_used_for_no_more_messages_than_configured() -> None:
    async def main() -> None:
        async with NextHop(extensions=BDAT) as hop:
            made = relaying(smarthost(hop, messages=10))
            names = [f"u{number}" for number in range(65)]
            await sent(made, *names)
            assert sum(delivered(hop).values()) == len(names)
            assert hop.connections >= 7
            assert {len(command) for command in hop.commands if command == b"QUIT"} == {4}
            await made.scheduler.drain(1)

    run(main())


def test_at_the_end_a_group_that_is_not_answered_is_cut_and_what_it_had_not_brought_stays() -> None:
    async def main() -> None:
        async with NextHop(extensions=BDAT) as hop:
            one = smarthost(hop)
            made = relaying(one)
            await deep(made, one)
            begin(hop, {"END": [None, Do.HANG]})
            works = [await made.spool.accept(made.message(f"{name}@x.example")) for name in NAMES]
            for work in works:
                made.scheduler.submit(work, made.spool)
            await until(lambda: delivered(hop)[b"a@x.example"])
            await made.scheduler.drain(0.1)
            assert waiting(made) == {"b": 0, "c": 0, "d": 0}
            assert one.open_connections == 0
            await until(lambda: not hop.open)

    run(main())


def test_a_group_that_ends_within_the_grace_is_settled() -> None:
    async def main() -> None:
        async with NextHop(extensions=BDAT) as hop:
            one = smarthost(hop)
            made = relaying(one)
            await deep(made, one)
            works = [await made.spool.accept(made.message(f"{name}@x.example")) for name in NAMES]
            for work in works:
                made.scheduler.submit(work, made.spool)
            await asyncio.sleep(0)
            await made.scheduler.drain(5)
            assert waiting(made) == {}
            assert sum(delivered(hop).values()) == len(NAMES)

    run(main())
