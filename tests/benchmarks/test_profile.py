from __future__ import annotations

import pstats
from pathlib import Path

import pytest

import sams
from benchmarks.profile import calls_by_room, room_of, share_by_library, table
from benchmarks.sams.profiled import Switch

SAMS = str(Path(sams.__file__).parent)
PERF = """
    52.90%  libpython3.11.so.1.0
    26.50%  [kernel.kallsyms]
     6.30%  libc.so.6
     4.20%  __init__.cpython-311-x86_64-linux-gnu.so
     3.80%  libcrypto.so.3
     1.20%  libssl.so.3
     0.10%  [vdso]
"""


@pytest.mark.parametrize(
    ("filename", "room"),
    [
        (f"{SAMS}/spool/commits.py", "spool"),
        (f"{SAMS}/protocol/smtp/server.py", "protocol"),
        ("/usr/lib/python3.11/ssl.py", "ssl"),
        ("/opt/sams/lib/python3.11/asyncio/base_events.py", "other"),
    ],
)
def test_a_file_belongs_to_its_room(filename: str, room: str) -> None:
    assert room_of(filename) == room


def test_a_call_of_a_c_function_counts_for_the_room_that_made_it() -> None:
    delivery, spool = (f"{SAMS}/delivery/pool.py", 1, "take"), (f"{SAMS}/spool/keys.py", 9, "row")
    functions = {
        delivery: (2, 2, 0.0, 0.0, {}),
        ("~", 0, "<built-in len>"): (7, 7, 0.0, 0.0, {delivery: (3, 3, 0.0, 0.0), spool: (4, 4, 0.0, 0.0)}),
    }
    assert calls_by_room(functions) == {"delivery": 5, "spool": 4}


def test_the_samples_are_told_by_library() -> None:
    shares = share_by_library(PERF)
    assert shares["the interpreter"] == 52.9
    assert shares["the kernel"] == pytest.approx(26.6)
    assert shares["OpenSSL"] == pytest.approx(5.0)
    assert (shares["SQLite (apsw)"], shares["all else"]) == (4.2, 6.3)


def test_the_table_begins_with_the_largest() -> None:
    lines = table("calls", {"fresh": {"a": 1.0, "b": 20.4}, "persist": {"a": 2.0}}, "").splitlines()
    assert lines[2:] == ["| b | 20 | 0 |", "| a | 1 | 2 |"]


def test_the_switch_keeps_what_was_called_between_two_signals(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    switch = Switch(kept)
    switch()
    assert Path(f"{kept}.on").exists()
    Path(f"{kept}.other").touch()
    switch()
    assert not Path(f"{kept}.on").exists()
    called = {name for _, _, name in vars(pstats.Stats(str(kept)))["stats"]}
    assert "touch" in called
