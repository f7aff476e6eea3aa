from __future__ import annotations

import stat
from pathlib import Path

from sams.identity.app_passwords.uses import AppPasswordUses, Use, forget_uses, read_uses
from tests.identity.rig import CAFE, HOME, FakeClock


def written(uses: AppPasswordUses) -> None:
    uses.write(uses.take(is_last=True))


def test_the_last_use_is_told_with_the_program_that_was_named_last(tmp_path: Path) -> None:
    path, clock = tmp_path / "uses.db", FakeClock()
    uses = AppPasswordUses(path, clock)
    assert read_uses(path, ["phone"]) == {}
    uses.note("phone", HOME)
    uses.note("phone", HOME, "Thunder\x1b[2Jbird " + "x" * 200)
    written(uses)
    clock.epoch += 60
    uses.note("phone", CAFE)
    uses.note("tablet", CAFE)
    written(uses)
    found = read_uses(path, ["phone", "tablet", "other"])
    assert set(found) == {"phone", "tablet"}
    assert (found["phone"].at, found["phone"].address) == (clock.now(), CAFE)
    assert found["phone"].program.startswith("Thunder")
    assert "\x1b" not in found["phone"].program
    assert len(found["phone"].program) <= 100
    assert found["tablet"] == Use(clock.now(), CAFE, "")
    forget_uses(path, ["phone"])
    assert set(read_uses(path, ["phone", "tablet"])) == {"tablet"}
    assert {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()} == {0o600}


def test_a_worker_that_is_late_does_not_write_over_a_later_use(tmp_path: Path) -> None:
    path, clock = tmp_path / "uses.db", FakeClock()
    early, late = AppPasswordUses(path, clock), AppPasswordUses(path, clock)
    early.note("phone", HOME)
    clock.epoch += 5
    late.note("phone", CAFE)
    written(late)
    written(early)
    assert read_uses(path, ["phone"])["phone"].address == CAFE


def test_a_use_after_the_clock_was_set_back_is_the_last_one(tmp_path: Path) -> None:
    path, clock = tmp_path / "uses.db", FakeClock()
    uses = AppPasswordUses(path, clock)
    uses.note("phone", HOME)
    written(uses)
    clock.epoch -= 86_400
    uses.note("phone", CAFE)
    written(uses)
    assert read_uses(path, ["phone"])["phone"] == Use(clock.now(), CAFE, "")


def test_who_sends_all_day_is_written_now_and_then(tmp_path: Path) -> None:
    clock = FakeClock()
    uses = AppPasswordUses(tmp_path / "uses.db", clock)
    taken = 0
    for _ in range(100):
        uses.note("phone", HOME)
        taken += len(uses.take())
        clock.seconds += 1.0
    assert taken == 10


def test_a_damaged_file_is_begun_anew(tmp_path: Path) -> None:
    path, clock = tmp_path / "uses.db", FakeClock()
    path.write_bytes(b"no database at all" * 1_000)
    assert read_uses(path, ["phone"]) == {}
    uses = AppPasswordUses(path, clock)
    uses.note("phone", HOME)
    written(uses)
    assert set(read_uses(path, ["phone"])) == {"phone"}


def test_a_file_whose_damage_is_met_in_the_middle_of_a_write_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "uses.db"
    uses = AppPasswordUses(path, FakeClock())
    uses.write([(f"id{number}", 1.0, HOME, "x" * 50) for number in range(500)])
    octets = path.read_bytes()
    path.write_bytes(
        octets[:8_192] + b"\xff" * (len(octets) - 8_192)
    )  # what stands at its beginning is whole
    uses.note("id250", CAFE)
    written(uses)
    assert read_uses(path, ["id250"])["id250"].address == CAFE
