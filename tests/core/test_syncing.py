from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sams.core.syncing import sync_file, sync_folder


@pytest.mark.parametrize(("sync", "name"), [(sync_file, "file"), (sync_folder, ".")])
def test_what_is_named_is_synced_and_closed_even_where_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sync: Callable[[Path], None], name: str
) -> None:
    (tmp_path / "file").write_bytes(b"text")
    synced: list[int] = []

    def fail(descriptor: int) -> None:
        assert os.path.samestat(os.fstat(descriptor), (tmp_path / name).stat())
        synced.append(descriptor)
        raise OSError(5, "sick disk")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="sick disk"):
        sync(tmp_path / name)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(synced[0])


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"text")
    with pytest.raises(NotADirectoryError):
        sync_folder(tmp_path / "file")
