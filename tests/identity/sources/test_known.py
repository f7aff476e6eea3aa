from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from sams.identity.sources.interface import Member
from sams.identity.sources.known import Known, KnownMembers

MANY = 500


def note(known: KnownMembers, key: str, asked: float) -> None:
    known.note("staff", key, Known(Member(key), asked))
    known.write(known.take())


def filled(path: Path) -> None:
    known = KnownMembers(path)
    for number in range(MANY):
        known.note("staff", f"member{number}", Known(Member(f"member{number}"), 1.0))
    known.write(known.take())
    known.close()


def damage(path: Path) -> None:
    """All but what is read when the file is opened."""
    octets = path.read_bytes()
    path.write_bytes(octets[:8_192] + b"\xff" * (len(octets) - 8_192))


def test_damage_that_is_met_by_a_change_begins_the_file_anew_for_all_workers(tmp_path: Path) -> None:
    path = tmp_path / "members.db"
    filled(path)
    damage(path)
    one, other = KnownMembers(path), KnownMembers(path)
    assert one.read("staff", "member250") is None
    note(one, "member250", 2.0)
    note(other, "member300", 2.0)
    assert other.read("staff", "member250") == Known(Member("member250"), 2.0)
    assert one.read("staff", "member300") == Known(Member("member300"), 2.0)
    one.close()
    other.close()


def test_damage_ends_no_sweep(tmp_path: Path) -> None:
    path = tmp_path / "members.db"
    filled(path)
    damage(path)
    known = KnownMembers(path)
    known.forget(1.5)
    assert known.lost("staff", "carol", 3.0) == 3.0
    assert known.lost("staff", "carol", 4.0) == 3.0
    known.found("staff", "carol")
    assert known.lost("staff", "carol", 5.0) == 5.0
    known.close()


def test_a_file_that_is_deleted_under_a_running_service_is_begun_anew_by_all(tmp_path: Path) -> None:
    path = tmp_path / "members.db"
    one, other = KnownMembers(path), KnownMembers(path)
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    note(one, "alice", 1.0)
    note(other, "bob", 1.0)
    assert one.read("staff", "bob") == other.read("staff", "bob") == Known(Member("bob"), 1.0)
    one.close()
    other.close()


def test_tables_that_are_not_ours_keep_no_worker_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "members.db"
    foreign = apsw.Connection(str(path))
    foreign.execute("CREATE TABLE members (a, b)")
    foreign.close()
    known = KnownMembers(path)
    note(known, "alice", 1.0)
    assert known.read("staff", "alice") is not None
    known.close()


def test_what_is_no_damage_is_told(tmp_path: Path) -> None:
    known = KnownMembers(tmp_path / "members.db")
    with pytest.raises(apsw.Error):
        known.write([("staff", "alice", b"{}", None)])  # type: ignore[list-item]
    note(known, "bob", 1.0)
    assert known.read("staff", "bob") is not None
    known.close()
