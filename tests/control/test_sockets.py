from __future__ import annotations

import stat
from pathlib import Path

import pytest

from sams.control import sockets
from sams.core.errors import OperatorError


def test_a_path_of_any_length_can_be_listened_on_and_reached(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    path = sockets.service_path(deep)
    with sockets.listen(path, 1), sockets.connect(path, 5):
        assert stat.S_ISSOCK(path.stat().st_mode)


def test_everybody_may_ask_and_the_peer_check_decides(tmp_path: Path) -> None:
    path = sockets.worker_path(tmp_path, 3)
    with sockets.listen(path, 1):
        assert stat.S_IMODE(path.stat().st_mode) == 0o666
        assert path.name == "worker-3.sock"


def test_a_socket_left_over_is_replaced(tmp_path: Path) -> None:
    path = sockets.service_path(tmp_path)
    sockets.listen(path, 1).close()
    assert path.exists()
    with sockets.listen(path, 1), sockets.connect(path, 5):
        pass


def test_a_socket_in_use_is_not_taken_away(tmp_path: Path) -> None:
    path = sockets.service_path(tmp_path)
    with sockets.listen(path, 1):
        with pytest.raises(OperatorError, match="already: stop it first"):
            sockets.listen(path, 1)
        sockets.connect(path, 5).close()


def test_a_file_in_its_place_is_left_alone(tmp_path: Path) -> None:
    path = sockets.service_path(tmp_path)
    path.parent.mkdir()
    path.write_text("notes")
    with pytest.raises(OperatorError, match="is no socket"):
        sockets.listen(path, 1)
    assert path.read_text() == "notes"
