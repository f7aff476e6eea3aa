from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from sams.identity.sqlite_files import create_file, open_expendable
from tests.identity.rig import ended_well, fork

SCHEMA = "CREATE TABLE IF NOT EXISTS kept (word TEXT) STRICT"


def words(path: Path) -> list[str]:
    connection = open_expendable(path, SCHEMA)
    try:
        return [str(word) for (word,) in connection.execute("SELECT word FROM kept")]
    finally:
        connection.close()


def test_a_file_is_made_for_us_alone_and_one_that_is_there_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "some.db"
    old = os.umask(0)
    try:
        create_file(path)
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o600

    def closed(descriptor: int) -> None:
        raise AssertionError(f"{descriptor} was open: closing it ends SQLite's locks")

    monkeypatch.setattr(os, "close", closed)
    create_file(path)


@pytest.mark.parametrize("damage", [b"no database at all", b"SQLite format 3\0" + b"\xff" * 4_000])
def test_an_expendable_file_that_is_damaged_is_begun_anew(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "some.db"
    path.write_bytes(damage)
    path.with_name("some.db-wal").write_bytes(b"of before")
    assert words(path) == []


def test_an_expendable_file_that_is_whole_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    connection = open_expendable(path, SCHEMA)
    connection.execute("INSERT INTO kept VALUES ('one')")
    connection.close()
    assert words(path) == ["one"]


@pytest.mark.parametrize("kind", ["a link to nowhere", "a link to what is not ours"])
def test_an_expendable_file_that_is_a_link_is_begun_anew_beside_it(tmp_path: Path, kind: str) -> None:
    path, target = tmp_path / "some.db", tmp_path / "elsewhere"
    path.symlink_to(target)
    if kind == "a link to what is not ours":
        target.write_bytes(b"another's")
    assert words(path) == []
    assert not path.is_symlink()
    assert target.exists() == (kind == "a link to what is not ours")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_an_expendable_file_that_root_brought_keeps_nobody_from_the_start() -> None:
    nobody = 65_534
    with tempfile.TemporaryDirectory() as folder:  # those of tmp_path are for root alone
        Path(folder).chmod(0o777)
        path = Path(folder, "some.db")
        path.touch(mode=0o600)

        def start() -> None:
            os.setresuid(nobody, nobody, nobody)
            assert words(path) == []

        assert ended_well(fork(start))
        assert path.stat().st_uid == nobody


def test_workers_that_start_together_open_a_file_together(tmp_path: Path) -> None:
    for attempt in range(25):
        reader, writer = os.pipe()

        def start(
            path: Path = tmp_path / f"{attempt}.db", reader: int = reader, writer: int = writer
        ) -> None:
            os.close(writer)
            os.read(reader, 1)  # all at once
            open_expendable(path, "CREATE TABLE IF NOT EXISTS t (a)").close()

        workers = [fork(start) for _ in range(4)]
        os.close(reader)
        os.close(writer)
        assert ended_well(*workers), attempt
