"""The status board."""

from __future__ import annotations

import os

from sams.service.board import StatusBoard, WorkerStatus


def test_each_half_of_a_row_has_its_own_writer() -> None:
    board = StatusBoard(2)
    board.note_worker(1, pid=42, ready=True, restarts=3)
    board.note_sessions(1, 10, 4)
    board.note_worker(1, pid=42, ready=True, restarts=3)
    assert board.read(1) == WorkerStatus(42, True, 3, 10, 4)
    assert board.read(0) == WorkerStatus(0, False, 0, 0, 0)


def test_a_worker_that_is_gone_has_no_sessions() -> None:
    board = StatusBoard(1)
    board.note_sessions(0, 10, 4)
    board.note_worker(0, pid=0, ready=False, restarts=1)
    assert board.read(0) == WorkerStatus(0, False, 1, 0, 0)


def test_what_a_worker_writes_is_read_in_another_process() -> None:
    board = StatusBoard(1)
    child = os.fork()
    if child == 0:
        board.note_sessions(0, 7, 7)
        os._exit(0)
    os.waitpid(child, 0)
    assert board.read(0).connections == 7
