from __future__ import annotations

import signal
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from sams.activity import journal as journal_module
from sams.activity import segments
from sams.activity.events import Accepted, Connected, Greeted, SignedIn
from sams.activity.interface import Reader, Search
from sams.activity.journal import Journal
from sams.activity.journal_file import JournalFile, JournalFull
from sams.activity.reader import JournalReader, journal_files
from sams.activity.rows import Keep, Record, Row, encode_record
from tests.activity.rig import KEEP, START, FakeClock, journal_at

NOW = int(START * 1_000_000)
"""The number of a row that is written now: older ones may be cleaned away."""


def row(number: int, *terms: str, keep: Keep = Keep.SESSIONS, ended: bool = True, text: str = "x") -> Row:
    record = Record(
        number / 1e6, "session", "0SES", "alice", "192.0.2.1", [(0.0, Greeted("EHLO", text))], terms
    )
    return Row(number, keep, ended, encode_record(record), terms)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def journal(tmp_path: Path, clock: FakeClock) -> Iterator[Journal]:
    opened = journal_at(tmp_path, clock)
    opened.start()
    yield opened
    opened.close()


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[JournalReader]:
    opened = JournalReader(lambda: journal_files(tmp_path))
    yield opened
    opened.close()


def test_what_is_put_is_found(journal: Journal, reader: JournalReader) -> None:
    finder: Reader = reader
    journal.put(row(NOW + 1, "lalice", "m0MSG"))
    assert journal.flush()
    (entry,) = finder.search(Search(login="Alice")).entries
    assert (entry.number, entry.login, entry.client, entry.ended) == (NOW + 1, "alice", "192.0.2.1", True)
    assert entry.steps[0].event == Greeted("EHLO", "x")
    assert finder.search(Search(login="alice", message="0msg")).entries == (entry,)
    assert finder.search(Search(login="alice", message="0OTHER")).entries == ()


def test_a_row_put_again_takes_the_place_of_the_first(journal: Journal, reader: JournalReader) -> None:
    journal.put(row(NOW + 1, "lalice", ended=False))
    journal.put(row(NOW + 2, "lalice"))
    assert journal.flush()
    journal.put(row(NOW + 1, "lalice", "m0MSG", text="again"))
    assert journal.flush()
    (entry,) = reader.search(Search(message="0MSG")).entries
    assert entry.steps[0].event == Greeted("EHLO", "again")
    assert len(reader.search(Search(login="alice")).entries) == 2


def test_numbers_rise_even_when_the_clock_goes_back_or_the_service_restarts(
    tmp_path: Path, clock: FakeClock
) -> None:
    first = journal_at(tmp_path, clock)
    first.start()
    one = first.next_number(clock.now())
    clock.advance(-100)
    two = first.next_number(clock.now())
    first.put(row(two))
    first.close()
    second = journal_at(tmp_path, clock)
    second.start()
    assert one < two < second.next_number(clock.now())
    second.close()


def test_a_session_that_a_killed_process_left_running_is_ended_at_the_next_start(
    tmp_path: Path, clock: FakeClock, reader: JournalReader
) -> None:
    for _ in range(2):
        journal = journal_at(tmp_path, clock)
        journal.start()
        if not journal_files(tmp_path) or not reader.search(Search()).entries:
            journal.put(row(NOW + 1, ended=False))
        journal.close()
    (entry,) = reader.search(Search()).entries
    assert entry.ended


def test_what_waits_is_written_when_the_journal_closes(
    tmp_path: Path, clock: FakeClock, reader: JournalReader
) -> None:
    journal = journal_at(tmp_path, clock)
    journal.start()
    for number in range(1, 501):
        journal.put(row(NOW + number))
    journal.close()
    assert len(reader.search(Search(), limit=1_000).entries) == 500


class Gate:
    """Makes writing fail for as long as it is shut."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
        self.shut = True
        self.tried = threading.Semaphore(0)
        write = JournalFile.write

        def guarded(file: JournalFile, rows: list[Row]) -> None:
            self.tried.release()
            if self.shut:
                raise error
            write(file, rows)

        monkeypatch.setattr(JournalFile, "write", guarded)
        monkeypatch.setattr(journal_module, "RETRY", 0.001)


@pytest.mark.parametrize(
    "error", [apsw.FullError("disk"), apsw.IOError("disk"), JournalFull("room"), OSError("x")]
)
def test_what_cannot_be_written_waits_and_is_told_once(
    tmp_path: Path, clock: FakeClock, reader: JournalReader, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    gate, told = Gate(monkeypatch, error), list[str]()
    journal = journal_at(tmp_path, clock, on_trouble=told.append)
    journal.start()
    journal.put(row(NOW + 1, "m0MSG"))
    for _ in range(3):
        assert gate.tried.acquire(timeout=20)
    journal.put(row(NOW + 2))
    gate.shut = False
    assert journal.flush(20)
    journal.close()
    assert [entry.number for entry in reader.search(Search()).entries] == [NOW + 2, NOW + 1]
    assert len(told) == 1
    assert str(error) in told[0]


def test_more_than_the_backlog_is_counted_and_told_when_there_is_room(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, apsw.FullError("disk"))
    monkeypatch.setattr(journal_module, "MAX_ROWS", 10)
    journal = journal_at(tmp_path, clock, on_trouble=lambda text: None)
    journal.start()
    for number in range(1, 11):
        journal.put(row(NOW + number))
    assert gate.tried.acquire(timeout=20)
    for number in range(11, 100):
        journal.put(row(NOW + number))
    gate.shut = False
    assert journal.flush(20)
    lost = journal.take_lost()
    assert 0 < lost <= 89
    assert journal.take_lost() == 0
    journal.close()


def test_nothing_is_written_while_the_disk_has_too_little_room(tmp_path: Path) -> None:
    file = JournalFile(tmp_path / "a.db", keep=KEEP, max_octets=2**30, min_free=2**62)
    with pytest.raises(JournalFull):
        file.write([row(NOW + 1)])
    file.close()


def test_a_new_journal_is_for_its_owner_alone(tmp_path: Path) -> None:
    JournalFile(tmp_path / "a.db", keep=KEEP, max_octets=2**30, min_free=0).close()
    assert stat.S_IMODE((tmp_path / "a.db").stat().st_mode) == 0o600


def test_a_damaged_journal_is_set_aside_and_a_new_one_begun(
    tmp_path: Path, clock: FakeClock, reader: JournalReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "RETRY", 0.001)
    told: list[str] = []
    journal = journal_at(tmp_path, clock, on_trouble=told.append)
    path = tmp_path / "spool" / "shard-0000" / "activity.db"
    path.write_bytes(b"no database" * 1_000)
    journal.start()
    journal.put(row(NOW + 1))
    assert journal.flush(20)
    journal.close()
    assert len(reader.search(Search()).entries) == 1
    assert path.with_name("activity.db.damaged").read_bytes().startswith(b"no database")
    assert "set aside" in told[0]


def test_a_journal_whose_folder_is_missing_harms_nobody(tmp_path: Path, clock: FakeClock) -> None:
    told: list[str] = []
    journal = Journal(
        tmp_path / "none" / "activity.db",
        clock=clock,
        keep=KEEP,
        max_octets=2**30,
        min_free=0,
        on_trouble=told.append,
        gather=0.0,
    )
    journal.start()
    journal.put(row(NOW + 1))
    journal.close()
    assert len(told) == 1


def number_at(seconds_ago: float) -> int:
    return int((START - seconds_ago) * 1_000_000)


@pytest.mark.parametrize(("keep", "seconds"), KEEP.items())
def test_each_kind_is_kept_for_its_time_and_no_longer(tmp_path: Path, keep: Keep, seconds: float) -> None:
    file = JournalFile(tmp_path / "a.db", keep=KEEP, max_octets=2**30, min_free=0)
    old, young = number_at(seconds + 1), number_at(seconds - 1)
    file.write([row(old, "lalice", keep=keep), row(young, "lalice", keep=keep)])
    while file.clean(START):
        pass
    assert [number for (number,) in file._connection.execute("SELECT number FROM entry")] == [young]
    file.close()


def test_much_that_is_old_goes_in_short_transactions(tmp_path: Path) -> None:
    file = JournalFile(tmp_path / "a.db", keep=KEEP, max_octets=2**30, min_free=0)
    file.write([row(number_at(200) + at, "lalice") for at in range(segments.ROWS * 2 + 1)])
    assert [file.clean(START) for _ in range(4)] == [True, True, True, False]
    file.close()


def test_beyond_its_size_the_oldest_of_strangers_go_first(tmp_path: Path) -> None:
    file = JournalFile(tmp_path / "a.db", keep=KEEP, max_octets=400_000, min_free=0)
    rows = [row(number_at(5) + at, keep=Keep.STRANGERS, text="x" * 500) for at in range(2_000)]
    file.write([*rows, row(number_at(6), keep=Keep.SESSIONS)])
    while file.clean(START):
        pass
    kept = dict(file._connection.execute("SELECT keep, count(*) FROM entry GROUP BY keep"))
    assert kept.get(int(Keep.STRANGERS), 0) < 2_000
    assert kept[int(Keep.SESSIONS)] == 1
    file.close()


def test_the_journal_cleans_itself(tmp_path: Path, clock: FakeClock, reader: JournalReader) -> None:
    journal = journal_at(tmp_path, clock)
    journal.start()
    journal.put(row(number_at(200), "lold"))
    journal.put(row(number_at(0), "lnew"))
    journal.close()
    clock.advance(1)
    again = journal_at(tmp_path, clock)
    again.start()
    again.put(row(number_at(-1)))
    assert again.flush()
    again.close()
    assert [entry.number for entry in reader.search(Search()).entries] == [number_at(-1), number_at(0)]


def test_a_kill_loses_no_row_that_was_flushed_and_leaves_a_whole_file(
    tmp_path: Path, reader: JournalReader
) -> None:
    program = textwrap.dedent(
        f"""
        import os
        from pathlib import Path
        from tests.activity.rig import FakeClock, journal_at
        from tests.activity.test_journal import NOW, row
        journal = journal_at(Path({str(tmp_path)!r}), FakeClock())
        journal.start()
        number = 0
        while True:
            number += 1
            journal.put(row(NOW + number, "lalice"))
            if number % 50 == 0:
                journal.flush()
                os.write(1, f"{{number}}\\n".encode())
        """
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert process.stdout is not None
    flushed = [int(process.stdout.readline()) for _ in range(4)][-1]
    process.send_signal(signal.SIGKILL)
    process.stdout.close()
    process.wait()
    assert set(range(1, flushed + 1)) <= {
        number - NOW for number in _all_numbers(reader, Search(login="alice"))
    }


def _all_numbers(reader: JournalReader, search: Search) -> Iterator[int]:
    """Of every page: much may be written before a kill arrives."""
    cursor = None
    while True:
        page = reader.search(search, cursor, limit=1_000)
        yield from (entry.number for entry in page.entries)
        cursor = page.cursor
        if cursor is None:
            return


def test_pages_go_on_behind_each_other_over_all_shards(tmp_path: Path, reader: JournalReader) -> None:
    for shard in range(3):
        folder = tmp_path / "spool" / f"shard-{shard:04}"
        folder.mkdir(parents=True)
        file = JournalFile(folder / "activity.db", keep=KEEP, max_octets=2**30, min_free=0)
        file.write(
            [row(NOW + number, "lalice") for number in range(1, 41) if number % 3 == shard or number > 30]
        )
        file.close()
    seen: list[tuple[int, int]] = []
    cursor = None
    while True:
        page = reader.search(Search(login="alice"), cursor, limit=7)
        seen += [(entry.number, entry.shard) for entry in page.entries]
        cursor = page.cursor
        if cursor is None:
            break
    assert len(seen) == 60
    assert seen == sorted(set(seen), reverse=True)


def test_a_time_narrows_a_search(journal: Journal, reader: JournalReader) -> None:
    for seconds_ago in (30, 20, 10):
        journal.put(row(number_at(seconds_ago), "lalice"))
    assert journal.flush()
    for search in (
        Search(since=START - 25, until=START - 15),
        Search(login="alice", since=START - 25, until=START - 15),
    ):
        assert [entry.number for entry in reader.search(search).entries] == [number_at(20)]


def test_a_tail_shows_the_latest_few_and_then_what_is_new_or_has_grown(
    journal: Journal, reader: JournalReader
) -> None:
    for number in range(1, 31):
        journal.put(row(NOW + number))
    assert journal.flush()
    assert [entry.number - NOW for entry in reader.tail()] == list(range(11, 31))
    assert reader.tail() == ()
    running = Record(0.0, "session", "0SES", "", "", [(0.0, Connected("192.0.2.1", 587))], ())
    journal.put(Row(NOW + 31, Keep.STRANGERS, False, encode_record(running), ()))
    assert journal.flush()
    assert [entry.number - NOW for entry in reader.tail()] == [31]
    assert reader.tail() == ()
    grown = Record(0.0, "session", "0SES", "", "", [*running.steps, (1.0, SignedIn("alice", "PLAIN"))], ())
    journal.put(Row(NOW + 31, Keep.SESSIONS, False, encode_record(grown), ()))
    journal.put(row(NOW + 32))
    assert journal.flush()
    assert [(entry.number - NOW, len(entry.steps)) for entry in reader.tail()] == [(31, 2), (32, 1)]
    over = Record(0.0, "session", "0SES", "", "", [*grown.steps, (2.0, Accepted("0MSG", 1, 1))], ())
    journal.put(Row(NOW + 31, Keep.SESSIONS, True, encode_record(over), ()))
    assert journal.flush()
    (entry,) = reader.tail()
    assert entry.ended
    assert reader.tail() == ()


def test_other_files_below_the_data_folder_are_no_journals(tmp_path: Path) -> None:
    for name in ("shard-0007", "shard-x", "other"):
        (tmp_path / "spool" / name).mkdir(parents=True)
        (tmp_path / "spool" / name / "activity.db").touch()
    assert [number for number, _ in journal_files(tmp_path)] == [7]


@pytest.mark.parametrize("what", ["folder", "garbage", "row"])
def test_whatever_stands_in_its_place_the_journal_goes_on(
    what: str, tmp_path: Path, clock: FakeClock
) -> None:
    path = tmp_path / "spool/shard-0000/activity.db"
    if what == "row":
        first = journal_at(tmp_path, clock)
        first.start()
        first.put(row(NOW + 1, "lalice"))
        assert first.flush()
        first.close()
        connection = apsw.Connection(str(path))
        connection.execute("PRAGMA user_version = 1")
        connection.execute("CREATE TABLE term(a); CREATE INDEX entry_keep ON entry(keep)")
        connection.execute("UPDATE entry SET record = 'no record'")
        connection.close()
    else:
        path.parent.mkdir(parents=True)
        if what == "folder":
            path.mkdir()
        else:
            path.write_bytes(b"garbage" * 5_000)
    told: list[str] = []
    journal = journal_at(tmp_path, clock, on_trouble=told.append)
    journal.start()
    try:
        journal.put(row(NOW + 2, "lalice"))
        assert told
        if what != "row":  # which stays to be looked at, and is told of
            assert journal.flush()
            assert path.is_file()
    finally:
        journal.close()
