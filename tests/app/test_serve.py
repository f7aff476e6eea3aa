"""What is settled for the whole process."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from sams.activity.logs import make_logger
from sams.app import serve
from sams.core.clock import SystemClock
from sams.core.errors import OperatorError
from tests.app.rig import LogLines


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """What belongs to the process is afterwards as it was."""
    before, handler = os.umask(0), signal.getsignal(signal.SIGHUP)
    try:
        yield
    finally:
        os.umask(before)
        signal.signal(signal.SIGHUP, handler)


def test_nothing_is_made_before_the_umask_keeps_others_out_whatever_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    masks: list[int] = []

    def prepare(*_: object) -> None:
        masks.append(os.umask(0o777))
        raise OperatorError("far enough")

    monkeypatch.setattr(serve, "prepare", prepare)
    with restored(), pytest.raises(OperatorError, match="far enough"):
        serve.run(tmp_path / "sams.toml", {})
    assert masks == [0o077]


def test_what_libraries_log_stands_in_the_log_of_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = LogLines()
    log = make_logger("info", people=False, clock=SystemClock(), lines=lines)
    prepared = SimpleNamespace(inherited=SimpleNamespace(log=log), config=None)

    def served(_: object) -> int:
        logging.getLogger("concurrent.futures").warning("a callback of %s failed", "x\x1b")
        return 0

    for name, value in (("prepare", lambda *_: prepared), ("worker_count", lambda _: 0)):
        monkeypatch.setattr(serve, name, value)
    monkeypatch.setattr(serve, "_serve_alone", served)
    monkeypatch.setattr(logging.root, "handlers", [])
    with restored():
        assert serve.run(tmp_path / "sams.toml", {}) == 0
    (line,) = lines.lines
    assert (line["event"], line["source"]) == ("a callback of x\\x1b failed", "concurrent.futures")
