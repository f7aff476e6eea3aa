from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sams.activity import segments
from sams.activity.events import Greeted
from sams.activity.interface import Cursor, Search
from sams.activity.journal_file import VERSION, JournalFile
from sams.activity.reader import JournalReader, journal_files
from sams.activity.rows import Keep, Record, Row, encode_record
from sams.core.errors import OperatorError
from sams.core.stored_version import StoredVersion
from tests.activity.rig import KEEP, START

NOW = int(START * 1_000_000)


def row(number: int, *terms: str, keep: Keep = Keep.SESSIONS, ended: bool = True) -> Row:
    record = Record(number / 1e6, "session", "0SES", "alice", "", [(0.0, Greeted("EHLO", "x"))], terms)
    return Row(number, keep, ended, encode_record(record), terms)


def journal_in(folder: Path) -> JournalFile:
    shard = folder / "spool" / "shard-0000"
    shard.mkdir(parents=True, exist_ok=True)
    return JournalFile(shard / "activity.db", keep=KEEP, max_octets=2**30, min_free=0)


def found(reader: JournalReader, search: Search, limit: int = 3) -> Iterator[int]:
    """All that matches, page by page."""
    cursor: Cursor | None = None
    while True:
        page = reader.search(search, cursor, limit)
        yield from [entry.number - NOW for entry in page.entries]
        cursor = page.cursor
        if cursor is None:
            return


LOGINS, MESSAGES = ("alice", "bob"), ("0A", "0B", "0C")
ROWS = st.tuples(
    st.integers(1, 40),
    st.sampled_from(Keep),
    st.sets(st.sampled_from([f"l{one}" for one in LOGINS] + [f"m{one}" for one in MESSAGES])),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(ROWS, min_size=1, max_size=8), max_size=12), st.integers(0, 40))
def test_a_search_finds_all_that_has_its_terms_and_nothing_else(
    batches: list[list[tuple[int, Keep, set[str], bool]]], gone: int
) -> None:
    """Rows come in any order and again, with further terms and another kind; segments are small; the oldest go."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "ROWS", 4)
        file = journal_in(Path(folder))
        terms: dict[int, list[str]] = {}
        for batch in batches:
            rows = {}
            for number, keep, more, ended in batch:
                own = terms.setdefault(number, [])
                own += sorted(more.difference(own))
                rows[number] = row(NOW + number, *own, keep=keep, ended=ended)
            file.write([*rows.values()])
        for keep in Keep:
            while file._drop(keep, NOW + gone):
                pass
        reader = JournalReader(lambda: journal_files(Path(folder)))
        for login, message in [("alice", ""), ("", "0B"), ("bob", "0A")]:
            meant = {"l" + login} if login else set()
            meant |= {"m" + message} if message else set()
            has = [number for number, own in terms.items() if meant <= set(own) and number >= gone]
            assert list(found(reader, Search(login=login, message=message))) == sorted(has, reverse=True)
        search = Search(login="alice", since=(NOW + 10) / 1e6, until=(NOW + 20) / 1e6)
        within = [number for number, own in terms.items() if "lalice" in own and max(10, gone) <= number < 20]
        assert list(found(reader, search)) == sorted(within, reverse=True)
        reader.close()
        file.close()


def test_terms_of_one_hash_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "_hashes", lambda terms: [7 for _ in terms])
    file = journal_in(tmp_path)
    file.write([row(NOW + number, "lalice" if number % 3 else "lbob") for number in range(1, 31)])
    reader = JournalReader(lambda: journal_files(tmp_path))
    assert list(found(reader, Search(login="bob"))) == list(range(30, 0, -3))
    reader.close()
    file.close()


def test_a_journal_that_is_opened_again_goes_on_in_its_newest_segment(tmp_path: Path) -> None:
    for number in range(1, 4):
        file = journal_in(tmp_path)
        file.write([row(NOW + number, "lalice")])
        assert file._connection.execute("SELECT count(*) FROM segment").get == 1
        file.close()
    reader = JournalReader(lambda: journal_files(tmp_path))
    assert list(found(reader, Search(login="alice"))) == [3, 2, 1]
    reader.close()


def test_nothing_is_left_of_rows_that_have_gone(tmp_path: Path) -> None:
    file = journal_in(tmp_path)
    file.write([row(NOW + number, f"l{number}") for number in range(10)])
    assert file._drop(Keep.SESSIONS, NOW + 7)
    ((numbers, terms),) = file._connection.execute("SELECT numbers, terms FROM segment")
    assert (len(numbers), len(terms)) == (3 * 8, 3 * 8)
    assert not file._drop(Keep.SESSIONS, NOW + 7)
    assert file._drop(Keep.SESSIONS, NOW + 10)
    assert file._connection.execute("SELECT count(*) FROM segment").get == 0
    file.write([row(NOW + 11, "l11")])
    assert len(file._connection.execute("SELECT numbers FROM segment").get) == 8
    file.close()


VERSION_1 = """
CREATE TABLE entry(
    number INTEGER PRIMARY KEY, keep INTEGER NOT NULL, ended INTEGER NOT NULL, record TEXT NOT NULL
) STRICT;
CREATE INDEX entry_keep ON entry(keep, number);
CREATE INDEX entry_running ON entry(number) WHERE NOT ended;
CREATE TABLE term(term TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY(term, number)) STRICT, WITHOUT ROWID;
PRAGMA user_version = 1;
"""


def test_a_journal_of_the_first_version_is_read_on(tmp_path: Path) -> None:
    path = tmp_path / "spool" / "shard-0000" / "activity.db"
    path.parent.mkdir(parents=True)
    old = apsw.Connection(str(path))
    old.execute(VERSION_1)
    with old:
        for number in range(1, 1_001):
            one = row(NOW + number, "lalice" if number % 100 else "lbob", keep=Keep(number % 4))
            old.execute("INSERT INTO entry VALUES(?, ?, 1, ?)", (one.number, int(one.keep), one.record))
    old.close()
    reader = JournalReader(lambda: journal_files(tmp_path))
    with pytest.raises(OperatorError, match="start the service"):
        reader.search(Search(login="bob"))
    journal_in(tmp_path).close()
    assert list(found(reader, Search(login="bob"))) == list(range(1_000, 0, -100))
    assert len(reader.tail()) == 20
    reader.close()


def made_newer(folder: Path, version: StoredVersion) -> Path:
    """A journal to which a later version added."""
    file = journal_in(folder)
    file.write([row(NOW + 1, "lalice")])
    file.close()
    path = folder / "spool" / "shard-0000" / "activity.db"
    newer = apsw.Connection(str(path))
    newer.execute("ALTER TABLE entry ADD COLUMN place TEXT; ALTER TABLE segment ADD COLUMN weight INTEGER")
    newer.execute("CREATE TABLE more(number INTEGER PRIMARY KEY) STRICT")
    newer.pragma("user_version", version.user_version)
    newer.close()
    return path


def test_a_journal_to_which_the_next_version_added_is_written_and_read(tmp_path: Path) -> None:
    version = StoredVersion(VERSION.number + 1, VERSION.readable_from)
    path = made_newer(tmp_path, version)
    file = journal_in(tmp_path)
    file.write([row(NOW + 2, "lalice"), row(NOW + 3, "lbob")])
    assert file._drop(Keep.SESSIONS, NOW + 2)
    file.close()
    reader = JournalReader(lambda: journal_files(tmp_path))
    assert list(found(reader, Search(login="alice"))) == [2]
    assert len(reader.tail()) == 2
    reader.close()
    assert apsw.Connection(str(path)).pragma("user_version") == version.user_version


def test_a_journal_that_this_version_would_misread_is_refused_in_clear_words(tmp_path: Path) -> None:
    made_newer(tmp_path, StoredVersion(VERSION.number + 1, VERSION.number + 1))
    with pytest.raises(apsw.NotADBError, match=f"a newer SAMS wrote it .version {VERSION.number + 1};"):
        journal_in(tmp_path)
    reader = JournalReader(lambda: journal_files(tmp_path))
    with pytest.raises(OperatorError, match="of another version"):
        reader.search(Search(login="alice"))
    reader.close()
