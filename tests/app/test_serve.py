"""What is settled before anything is read."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from sams.app import serve
from sams.core.errors import OperatorError


def test_nothing_is_made_before_the_umask_keeps_others_out_whatever_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    masks: list[int] = []

    def prepare(*_: object) -> None:
        masks.append(os.umask(0o777))
        raise OperatorError("far enough")

    monkeypatch.setattr(serve, "prepare", prepare)
    before, handler = os.umask(0), signal.getsignal(signal.SIGHUP)
    try:
        with pytest.raises(OperatorError, match="far enough"):
            serve.run(tmp_path / "sams.toml", {})
    finally:
        os.umask(before)
        signal.signal(signal.SIGHUP, handler)
    assert masks == [0o077]
