"""Who serves, and the data folder."""

from __future__ import annotations

import contextlib
import os
import pwd
import sys
import tempfile
from pathlib import Path

import pytest

from sams.core.errors import OperatorError
from sams.core.rights import ServiceUser, become
from sams.service.privileges import (
    acting_as,
    check_contents,
    may_read,
    may_run_program,
    prepare_data_dir,
    service_user,
)

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def nobody() -> ServiceUser:
    entry = pwd.getpwnam("nobody")
    return ServiceUser("nobody", entry.pw_uid, entry.pw_gid)


@root_only
def test_a_user_that_may_not_read_the_program_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert may_run_program(ServiceUser("root", 0, 0))
    hidden = tmp_path / "python"
    hidden.symlink_to(sys.executable)
    tmp_path.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(hidden))
    assert not may_run_program(nobody())


@root_only
def test_whether_a_user_may_read_a_file_is_told_by_its_rights_and_those_above_it() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        folder, file = Path(name), Path(name, "key.pem")
        file.touch(mode=0o400)
        folder.chmod(0o755)
        assert not may_read(nobody(), file)
        os.chown(file, nobody().uid, nobody().gid)
        assert may_read(nobody(), file)
        folder.chmod(0o700)
        assert not may_read(nobody(), file)


@root_only
def test_a_process_that_became_the_user_is_no_more_root_and_cannot_be_again() -> None:
    child = os.fork()
    if child == 0:
        become(nobody())
        fine = os.getresuid() == (nobody().uid,) * 3 and 0 not in os.getgroups()
        try:
            os.setuid(0)
        except PermissionError:
            os._exit(0 if fine else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@root_only
def test_who_acts_as_the_user_for_a_while_has_its_rights_and_is_root_again_whatever_happens() -> None:
    before = os.getresuid(), os.getresgid(), os.getgroups()
    with contextlib.suppress(KeyError), acting_as(nobody()):
        during = os.getresuid(), os.getegid(), os.getgroups()
        raise KeyError
    assert during == ((0, nobody().uid, 0), nobody().gid, os.getgrouplist("nobody", nobody().gid))
    assert (os.getresuid(), os.getresgid(), os.getgroups()) == before


@root_only
def test_who_acts_as_the_user_has_its_further_groups_as_the_service_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "getgrouplist", lambda name, group: [group, 4242])
    before = os.getgroups()
    with acting_as(nobody()):
        assert set(os.getgroups()) == {nobody().gid, 4242}
    assert os.getgroups() == before


@root_only
def test_a_user_that_this_machine_lacks_is_refused_with_the_command_that_makes_it() -> None:
    with pytest.raises(OperatorError, match="adduser --system"):
        service_user("no-such-user-here")


@root_only
def test_the_data_folder_is_made_for_the_user(tmp_path: Path) -> None:
    prepare_data_dir(tmp_path / "data", nobody())
    found = (tmp_path / "data").stat()
    assert (found.st_uid, found.st_mode & 0o777) == (nobody().uid, 0o700)


def test_others_may_pass_to_the_control_sockets_only_where_that_is_asked_for(tmp_path: Path) -> None:
    prepare_data_dir(tmp_path / "data", None)
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    prepare_data_dir(tmp_path / "data", None, passable=True)
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o711


def test_a_data_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o770)
    with pytest.raises(OperatorError, match="chmod go-w"):
        prepare_data_dir(folder, None)


@root_only
def test_a_data_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    os.chown(folder, 12_345, 12_345)
    with pytest.raises(OperatorError, match="chown -R nobody"):
        prepare_data_dir(folder, nobody())


@root_only
def test_root_without_a_user_is_told_whose_the_data_folder_is(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    os.chown(folder, nobody().uid, nobody().gid)
    with pytest.raises(OperatorError, match='user = "nobody"'):
        prepare_data_dir(folder, None)


@pytest.mark.parametrize("name", ["accounts.db", "control", "lanes", "lock"])
@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_what_others_may_write_to_in_the_data_folder_is_refused_by_name(
    name: str, mode: int, tmp_path: Path
) -> None:
    entry = tmp_path / name
    entry.mkdir() if name in {"control", "lanes"} else entry.touch()
    entry.chmod(mode)
    with pytest.raises(OperatorError, match=f"write to {entry}.*chmod go-w"):
        check_contents(tmp_path)


@root_only
@pytest.mark.parametrize("name", ["accounts.db", "spool"])
def test_what_belongs_to_somebody_else_in_the_data_folder_is_refused_by_name(
    name: str, tmp_path: Path
) -> None:
    """As a service manager leaves it that made all of it root's, and a start that took the folder alone back."""
    folder = tmp_path / "data"
    prepare_data_dir(folder, nobody())
    entry = folder / name
    entry.mkdir(0o700) if name == "spool" else entry.touch(0o600)
    with pytest.raises(OperatorError, match=f"{entry} belongs to the user root.*chown -R nobody {folder}$"):
        check_contents(folder)
    os.chown(entry, nobody().uid, nobody().gid)
    (folder / "lost+found").mkdir(0o700)
    assert check_contents(folder) == ()


def test_what_others_may_read_in_the_data_folder_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "accounts.db").touch(0o600)
    (tmp_path / "control").mkdir(0o711)
    (tmp_path / "link").symlink_to("/dev/null")
    assert check_contents(tmp_path) == ()
    (tmp_path / "accounts.db").chmod(0o640)
    (warning,) = check_contents(tmp_path)
    assert "chmod go-r" in warning
