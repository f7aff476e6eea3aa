"""A worker's place: how soon its successor comes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sams.service.channel import Channel
from sams.service.slots import HANG, Slot


@pytest.fixture
def slot(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slot]:
    monkeypatch.setattr("sams.service.slots.time.monotonic", lambda: 1_000.0)
    made = Slot(0)
    ours, theirs = Channel.pair()
    theirs.close()
    made.begin(7, ours)
    yield made
    ours.close()


def test_who_keeps_dying_comes_back_ever_more_slowly_for_days(slot: Slot) -> None:
    pauses = [slot.plan_successor() for _ in range(5_000)]
    assert pauses[:9] == [0.0, 0.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert set(pauses[9:]) == {30.0}


def test_who_lived_long_comes_back_at_once(slot: Slot, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        slot.plan_successor()
    monkeypatch.setattr("sams.service.slots.time.monotonic", lambda: 1_020.0)
    assert slot.plan_successor() == 0.0


def test_silence_counts_from_when_it_was_ready(slot: Slot) -> None:
    later = 1_000.0 + HANG + 1.0
    assert not slot.hangs(later)
    slot.ready = True
    assert slot.hangs(later)
    slot.heard = later
    assert not slot.hangs(later)
