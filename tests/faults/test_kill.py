"""R1: what got its 250 arrives, and whole, however often the service is killed."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.support.load import Members
from tests.support.service import PATIENCE, Service, smarthost
from tests.support.sink import Sink, sink

pytestmark = [pytest.mark.real, pytest.mark.faults]
KILLS = 8
MANY_KILLS = 50
BETWEEN_KILLS = 100, 250


def loaded(folder: Path, arrived: Sink, workers: int) -> tuple[Service, Members]:
    """A service that runs, and eight members who send all the time."""
    service = Service(folder / "service", route=smarthost(arrived.port), workers=workers)
    service.limits = "recipients_per_hour = 1000000\nrecipients_per_day = 1000000"
    service.configure()
    service.add_account("alice")
    members = Members(service, count=8)
    service.start()
    members.start()
    return service, members


def wait_for_all(arrived: Sink, promised: set[str], service: Service) -> None:
    until = time.monotonic() + PATIENCE
    while not promised <= arrived.marks.keys():
        assert time.monotonic() < until, (
            f"{len(promised - arrived.marks.keys())} of {len(promised)} are missing: {service.log[-4000:]}"
        )
        time.sleep(0.05)


def wait_for_more(members: Members, number: int, service: Service) -> None:
    """Wait until so many messages more were promised, and are on their way at this moment."""
    wanted = len(members.promised) + number
    until = time.monotonic() + PATIENCE
    while len(members.promised) < wanted:
        assert time.monotonic() < until, f"hardly anything is taken: {service.log[-4000:]}"
        time.sleep(0.002)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("workers", [0, 2])
def test_every_promised_message_arrives_whole_though_the_service_is_killed(
    tmp_path: Path, workers: int
) -> None:
    chance = random.Random(workers)
    with sink() as arrived:
        service, members = loaded(tmp_path, arrived, workers)
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.2, 1.2))
            service.kill()
            service.start()
        members.stop()
        wait_for_all(arrived, members.promised, service)
        assert service.stop() == 0
        assert len(members.promised) > 20
        assert arrived.broken == []
        duplicates = sum(times - 1 for times in arrived.marks.values())
        # What was being sent at the moment of a kill is sent again: at most what was under way, at each kill.
        assert duplicates <= KILLS * 8 * max(1, workers)


@pytest.mark.long
@pytest.mark.timeout(1_200)
def test_fifty_kills_lose_nothing_and_send_hardly_anything_twice(tmp_path: Path) -> None:
    chance = random.Random(4)
    with sink() as arrived:
        service, members = loaded(tmp_path, arrived, workers=2)
        for kill in range(MANY_KILLS):
            wait_for_more(members, chance.randint(*BETWEEN_KILLS), service)
            service.kill()
            if kill % 3 == 0:  # again, while it opens its queue
                service.launch()
                time.sleep(chance.uniform(0.1, 1.5))
                service.kill()
            service.start()
        members.stop()
        wait_for_all(arrived, members.promised, service)
        assert service.stop() == 0
        assert arrived.broken == []
        duplicates = sum(times - 1 for times in arrived.marks.values())
        assert duplicates <= len(arrived.marks) / 100, f"{duplicates} of {len(arrived.marks)} came twice"
