"""One service, or one restore, on a data folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from sams.core.errors import OperatorError
from sams.service import data_lock


def test_a_second_one_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    with data_lock.held(tmp_path), pytest.raises(OperatorError, match="in use by another service"):
        data_lock.take(tmp_path, 0.0)
    os.close(data_lock.take(tmp_path, 0.0))


def test_it_is_held_as_long_as_a_child_lives(tmp_path: Path) -> None:
    lock = data_lock.take(tmp_path)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    os.close(reader)
    os.close(lock)
    try:
        with pytest.raises(OperatorError, match="in use"):
            data_lock.take(tmp_path, 0.0)
    finally:
        os.close(writer)
        os.waitpid(child, 0)
    os.close(data_lock.take(tmp_path, 0.0))


def test_nobody_else_may_open_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with data_lock.held(tmp_path):
            assert stat.S_IMODE((tmp_path / data_lock.NAME).stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_no_link_is_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    (tmp_path / data_lock.NAME).symlink_to(target)
    with pytest.raises(OperatorError, match="cannot be opened"):
        data_lock.take(tmp_path, 0.0)
    assert not target.exists()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / data_lock.NAME)
    with pytest.raises(OperatorError, match="no file"):
        data_lock.take(tmp_path, 0.0)
