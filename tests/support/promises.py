"""What a spool has acknowledged, and what must therefore be there after the power was cut."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sams.app.storage import Storage
from sams.spool.interface import NewMessage, Search, Settled, Settlement
from sams.spool.layout import Layout, discover
from sams.spool.settings import KIB, Settings
from sams.spool.shelf import Shelf
from tests.spool.rig import (
    DEFERRED,
    DELIVERED,
    HEAD,
    START,
    Clock,
    Told,
    new_message,
    on_loop,
    read,
)
from tests.support.recorded_disk import RecordedDisk, without_syncs

SETTINGS = Settings(
    min_free=0,
    ballast=4 * KIB,
    body_in_memory=4 * KIB,
    body_write=4 * KIB,
    body_write_most=4 * KIB,
    write_back=4 * KIB,
    body_threads=2,
)
SMALL, LARGE = 700, 10 * KIB


@dataclass(frozen=True, slots=True)
class Accepted:
    """250 was said for the message with this label."""

    label: str


@dataclass(frozen=True, slots=True)
class Settling:
    """Some recipients of a message leave, perhaps with a report; it `is_stored` when that is on disk."""

    label: str
    numbers: frozenset[int]
    report: str | None
    is_stored: bool = False


@dataclass(frozen=True, slots=True)
class Offered:
    """A message that was handed to a spool; `label` is its envelope id."""

    label: str
    recipients: int
    body: bytes


@dataclass(slots=True)
class Found:
    """What is there after a start: for each label the recipients and octets, once for each place where it waits."""

    messages: dict[str, list[tuple[frozenset[int], bytes]]] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    troubles: list[str] = field(default_factory=list)


class Client:
    """Hands mail to a spool that runs on a recorded disk, and notes what it acknowledged."""

    def __init__(self, disk: RecordedDisk, spool: Shelf, seed: int = 1) -> None:
        self.spool = spool
        self.offered: dict[str, Offered] = {}
        self._disk = disk
        self._chance = random.Random(seed)
        self._ids: dict[str, str] = {}

    async def accept(self, label: str, *, size: int = SMALL, recipients: int = 1) -> None:
        """Submit a message, and wait for its 250."""
        body = self._chance.randbytes(size)
        self.offered[label] = Offered(label, recipients, body)
        addresses = [f"r{number}@x.org" for number in range(recipients)]
        message = await new_message(self.spool, *addresses, body=body, envid=label)
        self._ids[label] = message.id
        await self.spool.accept(message)
        self._disk.say(Accepted(label))

    async def settle(
        self, label: str, *numbers: int, report: str | None = None, wait: Iterable[int] = ()
    ) -> None:
        """Store that some recipients are done, perhaps with a report of them, and that others wait on."""
        reports: tuple[NewMessage, ...] = ()
        if report is not None:
            body = self._chance.randbytes(SMALL)
            self.offered[report] = Offered(report, 1, body)
            made = await new_message(
                self.spool, "ann@example.ac.uk", body=body, envid=report, reverse_path=None
            )
            self._ids[report] = made.id
            reports = (made,)
        begun = Settling(label, frozenset(numbers), report)
        self._disk.say(begun)
        settled = (
            *(Settled(number, DELIVERED) for number in numbers),
            *(Settled(number, DEFERRED, START + 60) for number in wait),
        )
        stored: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.spool.settle(
            Settlement(self._ids[label], settled, reports), stored.set_result, stored.set_exception
        )
        await stored
        self._disk.say(Settling(label, begun.numbers, report, is_stored=True))


def storage(data_dir: Path, told: Told, clock: Clock | None = None) -> Storage:
    """The spools of a service with one worker, as it opens them at its start."""
    opened = Storage(data_dir, 0, 1, clock=clock or Clock(), settings=SETTINGS, hooks=told.hooks())
    opened.adopt()
    return opened


async def taken_over(shelves: Iterable[Shelf]) -> None:
    """Wait until nothing is being taken over."""
    for shelf in shelves:
        await shelf._active._take_overs.done()


@on_loop
async def _start(data_dir: Path, found: Found) -> None:
    told = Told()
    opened = storage(data_dir, told, Clock(START + 3600))
    shelves = [opened.primary, *opened.further]
    try:
        await taken_over(shelves)
        for shelf in shelves:
            await _look(shelf, found)
        await opened.primary.accept(await new_message(opened.primary, envid="afterwards"))
    finally:
        await opened.close()
    found.troubles += [f"shard {shard} failed: {detail}" for shard, detail in told.failed]
    found.troubles += [f"{message} was set aside: {reason}" for message, reason in told.damaged]


async def _look(shelf: Shelf, found: Found) -> None:
    for entry in await shelf.search(Search(), None, 1_000):
        content = shelf.load(entry.message.id)
        assert content.head == HEAD
        numbers = frozenset(recipient.number for recipient in entry.recipients)
        label = entry.message.envid or entry.message.id
        body = await read(content.body)
        found.messages.setdefault(label, []).append((numbers, body))
        if len(body) > SETTINGS.body_in_memory:
            found.files.add(entry.message.id)


def found_in(data_dir: Path) -> Found:
    """Start a service's storage on what the power cut left, and say what is there.

    Raises:
        OperatorError: it does not start.
    """
    found = Found()
    with without_syncs():
        _start(data_dir, found)
    files = {path.name for shard in discover(data_dir) for path in Layout(data_dir, shard).bodies.iterdir()}
    found.troubles += [f"the file {name} belongs to no message" for name in sorted(files - found.files)]
    return found


def broken_promises(offered: dict[str, Offered], said: list[Hashable], found: Found) -> list[str]:
    """What is not there although it was acknowledged, is there in part, or came back."""
    there = {label: places[0][0] for label, places in found.messages.items()}
    settlings = [one for one in said if isinstance(one, Settling)]
    accepted = {one.label for one in said if isinstance(one, Accepted)}
    accepted |= {one.report for one in settlings if one.is_stored and one.report}
    broken = list(found.troubles)
    for label, places in found.messages.items():
        broken += _of_content(offered[label], places)
    for label, one in offered.items():
        broken += _of_recipients(
            one, [each for each in settlings if each.label == label], there.get(label), label in accepted
        )
    for one_settling in settlings:
        broken += _of_report(one_settling, there)
    return broken


def _of_content(offered: Offered, places: list[tuple[frozenset[int], bytes]]) -> Iterator[str]:
    if len(places) > 1:
        yield f"{offered.label} is there {len(places)} times"
    if any(body != offered.body for _, body in places):
        yield f"{offered.label} is not what was sent"


def _of_recipients(
    offered: Offered,
    settlings: list[Settling],
    there: frozenset[int] | None,
    was_accepted: bool,
) -> Iterator[str]:
    every = frozenset(range(offered.recipients))
    begun = _numbers(settlings)
    stored = _numbers(one for one in settlings if one.is_stored)
    now = there or frozenset()
    if was_accepted and not every - begun <= now:
        yield f"{offered.label} was accepted, and {set(every - begun - now)} are not there"
    if not was_accepted and there is not None and now != every:
        yield f"{offered.label} is there in part: {set(now)}"
    if stored & now:
        yield f"{offered.label} was settled, and {set(stored & now)} came back"
    if there is not None and not there:
        yield f"{offered.label} is there without a recipient"


def _of_report(settling: Settling, there: dict[str, frozenset[int]]) -> Iterator[str]:
    waits = bool(settling.numbers & there.get(settling.label, frozenset()))
    if settling.report is not None and (settling.report in there) == waits:
        yield f"{settling.report} and the settlement that it tells of are not stored in one"


def _numbers(settlings: Iterable[Settling]) -> frozenset[int]:
    return frozenset(number for one in settlings for number in one.numbers)
