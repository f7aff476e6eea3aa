"""What attempts bring, where it is much; and mail that cannot be read: put off, told of, given up as any other."""

from __future__ import annotations

import asyncio

import pytest

from sams.activity.events import Attempted
from sams.core.outcome import Result
from sams.core.reply import reply
from sams.delivery.interface import AttemptResult
from sams.spool.failures import StorageFailed
from sams.spool.interface import Content, DamagedEntry, Work
from tests.delivery.rig import DELIVERED, DOWN, Rig, answer, rig, virtual

HOUR, DAY = 3_600.0, 86_400.0


def unreadable(made: Rig, error: Exception | None = None) -> None:
    """From here on no octets can be read."""

    def load(message_id: str) -> Content:
        made.spool.loads += 1
        raise error or StorageFailed("its octets are in shard 0, which failed and cannot be read now")

    made.spool.load = load  # type: ignore[method-assign]


@virtual
async def test_mail_that_cannot_be_read_is_put_off_at_growing_intervals_and_told_when_it_expires() -> None:
    made = rig(started=False)
    messages = [await made.store() for _ in range(10)]
    unreadable(made)
    made.begin()
    await asyncio.sleep(HOUR)
    assert made.spool.loads == 60
    await asyncio.sleep(5 * DAY)
    assert not made.spool.messages
    for message in messages:
        assert [what for what, about, _ in made.reporter.told if about == message] == ["delayed", "failed"]
    assert not made.faults
    assert not made.hub.sent


@virtual
async def test_a_message_that_cannot_be_read_is_one_alarm_however_often_it_is_tried() -> None:
    made = rig(started=False)
    await made.store("bob@example.org", "eve@example.org")
    unreadable(made)
    made.begin()
    await asyncio.sleep(DAY)
    assert made.alarms() == ["spool"]


@virtual
async def test_what_can_be_read_again_is_sent() -> None:
    made = rig(started=False)
    message = await made.store()
    load = made.spool.load
    unreadable(made)
    made.begin()
    await asyncio.sleep(1)
    (waiting,) = made.spool.recipients[message].values()
    assert waiting.last is not None
    assert (waiting.attempts, waiting.last.result) == (1, Result.DEFERRED)
    made.spool.load = load  # type: ignore[method-assign]
    await asyncio.sleep(120)
    assert made.hub.ids == [message]
    assert not made.spool.messages


@virtual
async def test_on_a_dead_route_what_cannot_be_read_leaves_the_probe_to_others_and_is_not_read_at_once_again() -> (
    None
):
    made = rig(started=False)
    sick = [await made.store() for _ in range(3)]
    made.hub.usual = DOWN
    made.begin()
    await asyncio.sleep(1)
    well, load = await made.store(), made.spool.load

    def load_some(message_id: str) -> Content:
        made.spool.loads += 1
        if message_id in sick:
            raise StorageFailed("Input/output error")
        return load(message_id)

    made.spool.load, made.spool.loads = load_some, 0  # type: ignore[method-assign]
    await asyncio.sleep(HOUR)
    assert made.hub.ids[-1] == well
    assert made.spool.loads < 50
    made.hub.usual = DELIVERED
    await asyncio.sleep(HOUR)
    assert set(made.spool.messages) == set(sick)


@virtual
async def test_what_the_spool_sets_aside_is_left_to_it() -> None:
    made = rig(started=False)
    await made.store()
    unreadable(made, DamagedEntry("the header does not have its checksum"))
    made.begin()
    await asyncio.sleep(1)
    assert not made.spool.settlements
    assert not made.alarms()
    assert not len(made.window)


@virtual
async def test_a_bug_while_octets_are_read_is_told_with_a_trace_and_puts_the_message_off() -> None:
    made = rig(started=False)
    await made.store()
    unreadable(made, ValueError("a bug"))
    made.begin()
    await asyncio.sleep(50)
    assert [str(error) for error in made.faults] == ["a bug"]
    assert made.alarms() == ["fault"]
    assert made.spool.loads == 1


@pytest.mark.parametrize(("count", "length"), [(20, 900), (21, 250)])
@virtual
async def test_of_many_recipients_with_words_of_their_own_less_is_told_of_each(
    count: int, length: int
) -> None:
    made = rig()

    async def refuse(work: Work) -> AttemptResult:
        said = [reply(450, "4.2.1", f"{one.number:03} " + "\u202ex" * 445) for one in work.recipients]
        outcomes = zip(work.recipients, said, strict=True)
        return AttemptResult([(one.number, answer(Result.DEFERRED, words)) for one, words in outcomes])

    made.hub.script.append(refuse)
    await made.accept(*[f"r{number}@example.org" for number in range(count)])
    await asyncio.sleep(1)
    (told,) = [each for each in made.events if isinstance(each, Attempted)]
    assert [each.reply[10:13] for each in told.recipients] == [f"{number:03}" for number in range(count)]
    assert {len(each.reply) > 250 for each in told.recipients} == {length > 250}
