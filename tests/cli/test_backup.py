from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sams.cli import archive
from sams.cli.failures import Exit
from sams.control.messages import BackedUp, Backup, Response
from sams.core.errors import OperatorError
from sams.spool.layout import Layout, mark_failed
from tests.cli.desk import PASSWORD, Desk
from tests.control.fakes import Answers, listening, supervisor
from tests.spool.rig import SETTINGS


@pytest.fixture
def full(desk: Desk) -> Desk:
    desk.add_account("ann", "ann@example.org")
    desk.queued(("bob@example.org",), ("eve@example.net", "bob@example.org"))
    desk.queued(("eve@example.net",), shard=1, login="zoe")
    desk.sams("queue", "hold", "--login", "zoe")
    return desk


def _state(desk: Desk) -> tuple[object, object]:
    return desk.json("queue", "list"), desk.json("account", "list")


def test_what_was_backed_up_comes_back(full: Desk, tmp_path: Path) -> None:
    before = _state(full)
    full.sams("backup", str(tmp_path / "copy"))
    full.data_dir.rename(tmp_path / "lost")
    full.sams("restore", str(tmp_path / "copy"))
    assert _state(full) == before
    changed = full.server.sams("account", "passwd", "ann", "--password-stdin", text=f"{PASSWORD}2\n")
    assert changed.returncode == 0


def test_only_its_owner_may_read_a_backup(full: Desk, tmp_path: Path) -> None:
    made = full.json("backup", str(tmp_path / "deep" / "copy"))
    assert set(made["files"]) == {"accounts.db", "sams.toml", "spool/0/queue.db", "spool/1/queue.db"}
    modes = [
        stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "deep" / "copy").rglob("*")
        if path.is_file()
    ]
    assert set(modes) == {0o600}
    assert stat.S_IMODE((tmp_path / "deep" / "copy").stat().st_mode) == 0o700


def test_a_folder_in_use_is_left_alone(full: Desk, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "notes").write_text("mine")
    assert "not empty" in full.sams("backup", str(tmp_path / "copy"), code=Exit.FAILED).stderr
    assert os.listdir(tmp_path / "copy") == ["notes"]  # noqa: PTH208 - one name


def test_data_that_is_there_is_never_overwritten(full: Desk, tmp_path: Path) -> None:
    before = _state(full)
    full.sams("backup", str(tmp_path / "copy"))
    assert "not empty" in full.sams("restore", str(tmp_path / "copy"), code=Exit.FAILED).stderr
    assert _state(full) == before


def test_a_damaged_backup_is_refused_before_anything_is_written(full: Desk, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    full.sams("backup", str(copy))
    octets = bytearray((copy / "accounts.db").read_bytes())
    octets[100] ^= 1
    (copy / "accounts.db").write_bytes(octets)
    full.data_dir.rename(tmp_path / "lost")
    result = full.sams("restore", str(copy), code=Exit.FAILED)
    assert "accounts.db was changed or damaged" in result.stderr
    assert not full.data_dir.exists()


def test_nothing_is_restored_under_a_running_service(full: Desk, tmp_path: Path) -> None:
    full.sams("backup", str(tmp_path / "copy"))
    with listening(full.data_dir, supervisor(0)):
        result = full.sams("restore", str(tmp_path / "copy"), code=Exit.FAILED)
    assert "stop it" in result.stderr


def _writing(name: str) -> Callable[[Backup], Response]:
    """A part of the service that writes one file."""

    def handle(request: Backup) -> Response:
        path = Path(request.target) / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
        return BackedUp((name,))

    return handle


def test_a_running_service_writes_its_own_part(desk: Desk, tmp_path: Path) -> None:
    desk.data_dir.mkdir(mode=0o700)
    service: Answers = {**supervisor(1), Backup: _writing("accounts.db")}
    with listening(desk.data_dir, service, {Backup: _writing("spool/0")}):
        made = desk.json("backup", str(tmp_path / "copy"))
    assert made["files"] == ["accounts.db", "sams.toml", "spool/0"]
    assert archive.check(tmp_path / "copy").files.keys() == set(made["files"])
    assert [path.name for path in desk.data_dir.iterdir()] == ["control"]


def test_what_a_killed_backup_left_in_the_data_folder_goes_with_the_next(desk: Desk, tmp_path: Path) -> None:
    left = desk.data_dir / "backup-killed" / "spool"
    left.mkdir(mode=0o700, parents=True)
    (left / "queue.db").write_text("members' mail")
    with listening(
        desk.data_dir, {**supervisor(1), Backup: _writing("accounts.db")}, {Backup: _writing("spool/0")}
    ):
        desk.sams("backup", str(tmp_path / "copy"))
    assert [path.name for path in desk.data_dir.iterdir()] == ["control"]


def test_a_second_backup_leaves_the_first_alone(desk: Desk, tmp_path: Path) -> None:
    first = desk.data_dir / "backup-first"
    first.mkdir(mode=0o700, parents=True)
    descriptor = os.open(desk.data_dir, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with listening(desk.data_dir, supervisor(1), {}):
            refused = desk.sams("backup", str(tmp_path / "copy"), code=Exit.FAILED)
    finally:
        os.close(descriptor)
    assert "another backup of this service runs" in refused.stderr
    assert first.exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("manifest.json", None),
        ("manifest.json", "{}"),
        ("manifest.json", "not json"),
        ("extra", "x"),
        ("sams.toml", None),
    ],
)
def test_a_folder_that_is_not_what_its_manifest_says_is_no_backup(
    tmp_path: Path, name: str, text: str | None
) -> None:
    archive.write_config(tmp_path, b"[server]")
    archive.seal(tmp_path, 1_000.0)
    assert archive.check(tmp_path).made == 1_000.0
    if text is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_text(text)
    with pytest.raises(OperatorError):
        archive.check(tmp_path)


NOBODY = "nobody"
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root restores for another user")


@pytest.fixture
def owned() -> Iterator[Desk]:
    """A server that nobody runs, without its data; root's backup of that holds a large message."""
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        folder = Path(name)
        desk = Desk.at(folder / "server")
        for each in (folder, desk.server.folder):
            each.chmod(0o711)
        desk.add_account("ann", "ann@example.org")
        desk.queued(("bob@example.org",), body=b"x" * (SETTINGS.body_in_memory + 1))
        desk.sams("backup", str(folder / "copy"))
        desk.data_dir.rename(folder / "lost")
        text = desk.server.config.read_text()
        desk.server.config.write_text(text.replace("[server]\n", f'[server]\nuser = "{NOBODY}"\n'))
        yield desk


def _owners(folder: Path) -> set[str]:
    return {path.owner() for path in (folder, *folder.rglob("*"))}


@root_only
def test_root_restores_its_own_backup_for_the_services_user_and_each_keeps_what_is_its(owned: Desk) -> None:
    copy = owned.server.folder.parent / "copy"
    owned.server.sams("restore", str(copy))
    assert _owners(owned.data_dir) == {NOBODY}
    assert _owners(copy) == {"root"}
    assert [path.stat().st_nlink for path in owned.data_dir.glob("spool/*/bodies/*")] == [1]
    assert {path.name for path in owned.data_dir.iterdir()} == {"accounts.db", "spool", "lock"}
    assert len(json.loads(owned.server.sams("queue", "list", "--json").stdout)["messages"]) == 1


@root_only
def test_what_the_services_user_has_prepared_in_the_data_folder_changes_no_owner(owned: Desk) -> None:
    """`control/` may be there already, and that user may swap what is in it meanwhile: nothing there is touched."""
    folder = owned.server.folder.parent
    victim, control = folder / "shadow", owned.data_dir / "control"
    victim.write_text("root's")
    (control / "etc").mkdir(parents=True)
    (control / "link").symlink_to(victim)
    os.link(victim, control / "etc" / "shadow")
    owned.data_dir.chmod(0o700)
    for path in (owned.data_dir, control, control / "etc"):
        shutil.chown(path, NOBODY)
    before = {path: path.lstat().st_ctime_ns for path in (victim, control, *control.rglob("*"))}
    owned.server.sams("restore", str(folder / "copy"))
    assert {path: path.lstat().st_ctime_ns for path in before} == before


@root_only
def test_a_restore_that_breaks_off_leaves_no_copy_of_the_backup_in_the_data_folder(owned: Desk) -> None:
    copy = owned.server.folder.parent / "copy"
    (copy / "spool" / "0" / "queue.db").write_bytes(b"no database")
    (copy / archive.MANIFEST).unlink()
    archive.seal(copy, 1_000.0)
    refused = owned.server.sams("restore", str(copy), check=False)
    assert "queue.db is damaged" in refused.stderr
    assert {path.name for path in owned.data_dir.iterdir()} == {"lock"}


def test_a_backup_that_lacks_something_is_written_says_so_and_says_it_again_at_the_restore(
    full: Desk, tmp_path: Path
) -> None:
    """As where a disk failed: here, one shard of which nothing can be read."""
    layout = Layout(full.data_dir, 1)
    mark_failed(layout, "the disk is gone")
    found = full.sams("backup", str(tmp_path / "copy"), code=Exit.FAILED)
    assert "it is not whole: shard 1 could not be opened" in found.stderr
    made = full.sams("backup", "--json", str(tmp_path / "another"), code=Exit.FAILED)
    assert json.loads(made.stdout)["lacks"] == ["shard 1 could not be opened"]
    copy = tmp_path / "copy"
    (copy / "manifest.json").unlink()
    (copy / "spool/0/lacks").write_text("what waits in shard 7 could not be read\n")
    manifest = archive.seal(copy, 0.0)
    assert archive.lacks(copy, manifest) == ["what waits in shard 7 could not be read"]
    full.data_dir.rename(tmp_path / "lost")
    assert "what waits in shard 7 could not be read" in full.sams("restore", str(copy)).stderr
