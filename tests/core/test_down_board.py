from __future__ import annotations

import os

from sams.core.down_board import PLACES, DownBoard


def test_a_route_is_down_while_any_worker_finds_it_so() -> None:
    board = DownBoard(3)
    board.note(0, [False, True])
    board.note(2, [False, True, True])
    assert [board.is_down(place) for place in range(4)] == [False, True, True, False]
    board.note(0, [False, False])
    board.forget(2)
    assert not any(board.is_down(place) for place in range(4))


def test_what_a_forked_worker_notes_is_seen_by_all() -> None:
    board = DownBoard(2)
    pid = os.fork()
    if pid == 0:
        board.note(1, [True])
        os._exit(0)
    os.waitpid(pid, 0)
    assert board.is_down(0)


def test_routes_beyond_the_last_place_count_as_up_and_harm_no_other() -> None:
    board = DownBoard(2)
    board.note(0, [False] * PLACES + [True] * 10)
    board.note(1, [True])
    assert [board.is_down(place) for place in (0, 1, PLACES, PLACES + 1)] == [True, False, False, False]
