"""R5: the power goes at any step, and nothing that was acknowledged is lost, there in part, or back again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterable
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.spool.rig import Told, on_loop
from tests.support.disk_image import cuts
from tests.support.power import Look, Tally, cut_everywhere, recorded
from tests.support.promises import (
    LARGE,
    Client,
    Offered,
    broken_promises,
    found_in,
    storage,
    taken_over,
)
from tests.support.recorded_disk import RecordedDisk

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]
Scenario: TypeAlias = Callable[[RecordedDisk, Client], Awaitable[None]]


def kept(offered: dict[str, Offered], before: Iterable[Hashable] = ()) -> Look:
    """Whether all that a client was promised is kept, and what was acknowledged in a run before this one."""

    def look(data_dir: Path, said: list[Hashable]) -> list[str]:
        return broken_promises(offered, [*before, *said], found_in(data_dir))

    return look


def played(folder: Path, scenario: Scenario) -> tuple[RecordedDisk, dict[str, Offered]]:
    """A service's storage from its first start on an empty disk to its stop, with what happens in between."""
    offered: dict[str, Offered] = {}

    @on_loop
    async def run(disk: RecordedDisk) -> None:
        opened = storage(disk.root, Told())
        client = Client(disk, opened.primary)
        await scenario(disk, client)
        await taken_over([opened.primary])
        await opened.close()
        offered.update(client.offered)

    return recorded(folder, run), offered


async def mail(_: RecordedDisk, client: Client) -> None:
    """Mail is accepted, small and large, and settled in part, with a report, and whole."""
    await client.accept("small")
    await client.accept("large", size=LARGE, recipients=3)
    await client.settle("large", 1)
    await client.settle("large", 0, 2, report="report")
    await client.accept("waits", recipients=2)
    await client.settle("waits", 0, wait=[1])
    await client.settle("small", 0)


async def log(disk: RecordedDisk, client: Client) -> None:
    """The log is copied into the database and begun anew, between messages."""
    await client.accept("first")
    disk.begin_here()
    for round_ in range(2):
        await client.accept(f"small {round_}")
        await client.accept(f"large {round_}", size=LARGE)
        if round_:
            await client.settle(f"small {round_ - 1}", 0)
            await client.settle(f"large {round_ - 1}", 0)
        housekeeper = client.spool._active._housekeeper
        housekeeper.free_log()
        assert housekeeper._task is not None
        await housekeeper._task


async def failure(disk: RecordedDisk, client: Client) -> None:
    """A sync fails; another shard takes over what waits, and a settlement that met the failure."""
    await client.accept("small", recipients=2)
    await client.accept("large", size=LARGE)
    await client.accept("gone")
    disk.begin_here()
    disk.fails = lambda name: name.startswith("spool/shard-0000/")
    await client.settle("small", 1)
    await taken_over([client.spool])
    await client.accept("new")
    await client.settle("gone", 0)


SCENARIOS: dict[Scenario, dict[str, int]] = {
    mail: {"Written": 80, "Synced": 12, "FolderSynced": 9, "Created": 9, "Removed": 3},
    log: {"Written": 60, "Synced": 12, "FolderSynced": 2, "Created": 2, "Removed": 2},
    failure: {"Written": 80, "Synced": 15, "FolderSynced": 9, "Created": 10, "Moved": 3, "Removed": 2},
}
"""Each with how many steps there must be of a kind, so that a cut at each of them is one at what is meant."""


def missing(tally: Tally, least: dict[str, int]) -> dict[str, int]:
    """What there was too little of."""
    return {kind: tally.steps[kind] for kind, number in least.items() if tally.steps[kind] < number}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_a_power_cut_at_any_step_breaks_no_promise(scenario: Scenario, tmp_path: Path) -> None:
    disk, offered = played(tmp_path / "run", scenario)
    tally = cut_everywhere(disk, kept(offered), draws=1)
    assert missing(tally, SCENARIOS[scenario]) == {}
    assert tally.images > tally.cuts


def test_folders_that_a_killed_service_made_are_synced_by_the_next(tmp_path: Path) -> None:
    offered: dict[str, Offered] = {}

    @on_loop
    async def run(disk: RecordedDisk) -> None:
        for folder in ("spool", "spool/shard-0000", "spool/shard-0000/bodies"):
            (disk.root / folder).mkdir(0o700)
        opened = storage(disk.root, Told())
        client = Client(disk, opened.primary)
        await client.accept("large", size=LARGE)
        disk.begin_here()
        offered.update(client.offered)
        await opened.close()

    assert cut_everywhere(recorded(tmp_path / "run", run), kept(offered)).cuts > 3


@on_loop
async def start_and_stop(disk: RecordedDisk) -> None:
    """A service's storage starts on what a power cut left, and stops."""
    opened = storage(disk.root, Told())
    await taken_over([opened.primary, *opened.further])
    await opened.close()


def cut_while_recovering(
    folder: Path, scenario: Scenario, share: float, *, once: bool = False
) -> Counter[str]:
    """Cut the power when so much of a scenario has happened, and at each step of the start behind it.

    once: go on with one of the things that may be left, not with all that were drawn.
    """
    disk, offered = played(folder / "first", scenario)
    at = disk.begin + int(share * (len(disk.steps) - disk.begin))
    [cut] = cuts(disk.before, disk.steps[:at], lambda _: False)
    images = list(cut.images("first", 1))
    steps: Counter[str] = Counter()
    for number, (words, image) in enumerate(images[-1:] if once else images):
        again = recorded(folder / f"again-{number}", start_and_stop, image)
        look = kept(offered, disk.said_before(at))
        steps += cut_everywhere(again, look, seed=f"{words}, then").steps
    return steps


@pytest.mark.parametrize(
    ("scenario", "share"), [(mail, 0.75), pytest.param(failure, 0.2, marks=pytest.mark.long)]
)
def test_a_power_cut_while_recovering_from_one_breaks_no_promise(
    scenario: Scenario, share: float, tmp_path: Path
) -> None:
    steps = cut_while_recovering(tmp_path, scenario, share, once=True)
    assert steps["Synced"] >= 3
    assert steps["Written"] >= 15


@pytest.mark.long
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_whatever_a_power_cut_leaves_no_promise_is_broken(scenario: Scenario, tmp_path: Path) -> None:
    disk, offered = played(tmp_path / "run", scenario)
    assert cut_everywhere(disk, kept(offered), draws=4, seed="long").images > 300


@pytest.mark.long
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_the_power_may_go_again_and_again(scenario: Scenario, tmp_path: Path) -> None:
    for share in (0.1, 0.5, 0.8):
        assert cut_while_recovering(tmp_path / str(share), scenario, share)
