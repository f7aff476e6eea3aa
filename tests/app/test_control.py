from __future__ import annotations

import errno
from pathlib import Path

import apsw
import pytest

from sams.app.control import backup_folder
from sams.core.errors import OperatorError


@pytest.mark.parametrize(
    "error", [apsw.FullError("database or disk is full"), OSError(errno.ENOSPC, "No space left on device")]
)
def test_a_backup_for_which_there_is_no_room_is_refused_in_words(tmp_path: Path, error: Exception) -> None:
    with (
        pytest.raises(OperatorError, match=r"cannot be written: .*(full|No space).*sams doctor"),
        backup_folder(str(tmp_path)),
    ):
        raise error


@pytest.mark.parametrize("target", ["relative", "/no/such/folder"])
def test_a_backup_goes_into_a_folder_that_is_there(target: str) -> None:
    with pytest.raises(OperatorError, match="no existing folder"), backup_folder(target):
        pass


def test_a_bug_in_a_backup_stays_one(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), backup_folder(str(tmp_path)):
        raise ZeroDivisionError
