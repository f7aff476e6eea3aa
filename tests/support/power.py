"""Cuts the power at each step of a run that was recorded, and tries whether what was promised is kept."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from tests.support.disk_image import Image, cuts, write_image
from tests.support.recorded_disk import RecordedDisk

SEED = "7"
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
_FAILURES_SHOWN = 5

Look: TypeAlias = Callable[[Path, list[Hashable]], list[str]]
"""Starts on what a power cut left, after so much was acknowledged; gives the promises that are broken."""


@dataclass(slots=True)
class Tally:
    """How much was tried, so that a test can say that it was something.

    steps: what happened in the run, by kind; cuts: moments; images: what may have been left at these.
    """

    steps: Counter[str] = field(default_factory=Counter)
    cuts: int = 0
    images: int = 0


@contextmanager
def memory_folder() -> Iterator[Path]:
    """A folder that is thrown away, in memory where the system has such."""
    at = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="sams-power-", dir=at) as folder:
        yield Path(folder)


def recorded(folder: Path, run: Callable[[RecordedDisk], None], image: Image | None = None) -> RecordedDisk:
    """Run something on a disk that holds `image`."""
    folder.parent.mkdir(exist_ok=True)
    write_image(image or {}, folder)
    disk = RecordedDisk(folder)
    with disk.running():
        run(disk)
    return disk


def cut_everywhere(disk: RecordedDisk, look: Look, *, draws: int = 1, seed: str = SEED) -> Tally:
    """Cut the power before each step, and behind the last.

    Args:
        disk: where something ran.
        look: says which promises are broken.
        draws: how often it is drawn what is left of what was not synced, beside all of it and nothing.
        seed: of these.
    """
    tally = Tally(Counter(type(step).__name__ for step in disk.steps[disk.begin :]))
    seen: set[int] = set()
    broken: list[str] = []
    with memory_folder() as folder:
        for cut in cuts(disk.before, disk.steps, lambda step: step >= disk.begin):
            tally.cuts += 1
            said = disk.said_before(cut.step)
            for words, image in cut.images(seed, draws):
                key = hash((len(said), frozenset(image.items())))
                if key not in seen:
                    seen.add(key)
                    tally.images += 1
                    where = f"{words}, the power cut before step {cut.step} ({_shown(disk, cut.step)})"
                    broken += [f"{where}: {one}" for one in _kept(image, folder / "disk", look, said)]
            assert len(broken) < _FAILURES_SHOWN, "\n".join(broken)
    assert not broken, "\n".join(broken)
    return tally


def _kept(image: Image, folder: Path, look: Look, said: list[Hashable]) -> list[str]:
    write_image(image, folder)
    try:
        return look(folder, said)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told with the cut that it came of
        return [f"{type(error).__name__}: {error}"]
    finally:
        shutil.rmtree(folder)


def _shown(disk: RecordedDisk, step: int) -> str:
    return repr(disk.steps[step])[:120] if step < len(disk.steps) else "none"
