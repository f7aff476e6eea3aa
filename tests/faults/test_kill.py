"""R1: what got its 250 arrives whole or is reported, for each recipient, however often the service is killed."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.test_memory import family
from tests.support.load import Members
from tests.support.service import PATIENCE, Service, smarthost
from tests.support.sink import Sink, sink

pytestmark = [pytest.mark.real, pytest.mark.faults]
MEMBERS = 8
KILLS = 5
BETWEEN_KILLS = 5, 40
MANY_KILLS = 50
BETWEEN_MANY_KILLS = 100, 250
KINDS = (("here", "there"), ("here", "late"), ("gone", "here"), ("late", "gone"))
"""The recipients of a message: `late` is put off the first time, as every other report is; `gone` is refused."""


def recipients_of(mark: str) -> list[str]:
    """Two, in whose names the mark stands, so that a report of them says which message it tells of."""
    kinds = KINDS[int(mark.partition("-")[2]) % len(KINDS)]
    return [f"{kind}-{mark}@example.net" for kind in kinds]


def until(condition: Callable[[], object], service: Service, what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"still not: {what}: {service.log[-4000:]}"
        time.sleep(0.002)


def loaded(folder: Path, hop: Sink, workers: int) -> tuple[Service, Members]:
    """A service that runs, and members who send all the time."""
    hop.refused, hop.late = {b"<gone-"}, b"<late-"
    service = Service(folder / "service", route=smarthost(hop.port), workers=workers)
    service.limits = "recipients_per_hour = 1000000\nrecipients_per_day = 1000000"
    service.configure()
    service.add_account("alice")
    members = Members(service, count=MEMBERS, recipients_of=recipients_of)
    service.start()
    members.start()
    return service, members


def wait_for_more(members: Members, number: int) -> None:
    """Wait until so many messages more were promised, and others are on their way at this moment."""
    wanted = len(members.promised) + number
    until(lambda: len(members.promised) >= wanted, members.service, "mail is taken")


def has_opened_its_queue(service: Service) -> bool:
    """Whether a process of it has."""
    assert service.process is not None
    for pid in family(service.process.pid):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                if descriptor.readlink().name == "queue.db":
                    return True
    return False


def killed_while_it_opens(service: Service, wait: float) -> bool:
    """Start it, and kill it when it has just opened its queue; whether it had not said `ready` by then."""
    ready = service.log.count('"ready"')
    service.launch()
    until(lambda: has_opened_its_queue(service), service, "the queue is opened")
    time.sleep(wait)
    service.kill()
    return service.log.count('"ready"') == ready


def wait_for_all(hop: Sink, members: Members) -> None:
    """Until each promised recipient has the mail, or is named in a report; the refused ones, in a report."""
    missing = {(mark, one) for mark in members.promised for one in recipients_of(mark)}

    def is_complete() -> bool:
        missing.difference_update(
            [each for each in missing if each in hop.arrived or each[1] in hop.reported]
        )
        return not missing

    until(is_complete, members.service, f"all arrived: {missing}")
    assert all(address.startswith("gone-") for address in hop.reported)
    assert hop.broken == []


def twice(hop: Sink) -> int:
    """How often a recipient got again what was there."""
    return sum(times - 1 for times in hop.arrived.values())


@pytest.mark.timeout(300)
@pytest.mark.parametrize("workers", [0, 2])
def test_every_promised_message_arrives_whole_though_the_service_is_killed(
    tmp_path: Path, workers: int
) -> None:
    chance = random.Random(workers)
    with sink() as hop:
        service, members = loaded(tmp_path, hop, workers)
        for _ in range(KILLS):
            wait_for_more(members, chance.randint(*BETWEEN_KILLS))
            service.kill()
            service.start()
        wait_for_more(members, 5)
        service.kill()
        until(lambda: killed_while_it_opens(service, 0.0), service, "killed before it is ready")
        service.start()
        members.stop()
        wait_for_all(hop, members)
        assert service.stop() == 0
        # What was being sent at the moment of a kill is sent again: at most what was under way, at each kill.
        assert twice(hop) <= (KILLS + 1) * MEMBERS * 2 * max(1, workers)


@pytest.mark.long
@pytest.mark.timeout(1_200)
def test_fifty_kills_lose_nothing_and_send_hardly_anything_twice(tmp_path: Path) -> None:
    chance, early = random.Random(4), 0
    with sink() as hop:
        service, members = loaded(tmp_path, hop, workers=2)
        for kill in range(MANY_KILLS):
            wait_for_more(members, chance.randint(*BETWEEN_MANY_KILLS))
            service.kill()
            if kill % 3 == 0:
                early += killed_while_it_opens(service, chance.choice((0.0, 0.0, 0.05)))
            service.start()
        members.stop()
        wait_for_all(hop, members)
        assert service.stop() == 0
        assert early > 0, "it was never killed before it was ready"
        assert twice(hop) <= len(hop.arrived) / 100, f"{twice(hop)} of {len(hop.arrived)} came twice"
