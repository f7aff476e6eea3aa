from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.micro import activity, content, engines, message, sign_ins, spool, tls

SIMPLE = {**engines.PARTS, **content.PARTS, **message.PARTS, **tls.PARTS}


@pytest.mark.parametrize("part", SIMPLE.values(), ids=SIMPLE)
def test_a_part_runs_and_gives_seconds(part: Callable[[int], float]) -> None:
    assert part(20) > 0


@pytest.mark.parametrize("kind", ["session with one message", "further message"])
def test_telling_runs_and_gives_seconds(tmp_path: Path, kind: str) -> None:
    part, messages = activity.parts(str(tmp_path))[f"activity, {kind}"]
    assert messages == activity.EACH
    assert part(2) > 0


@pytest.mark.parametrize("busy", [False, True])
def test_the_spool_runs_beside_a_busy_loop_or_at_rest(tmp_path: Path, busy: bool) -> None:
    parts = spool.parts(str(tmp_path))
    part, messages = parts["spool, 1 waiting, beside a busy loop" if busy else "spool, 1 waiting"]
    assert messages == spool.EACH
    assert part(1) > 0


SIGN_INS = sign_ins.parts(None)


@pytest.mark.parametrize("name", SIGN_INS)
def test_a_sign_in_runs_and_gives_seconds(tmp_path: Path, name: str) -> None:
    part, sign_ins_each = sign_ins.parts(str(tmp_path))[name]
    assert sign_ins_each == 1
    assert part(2) > 0
