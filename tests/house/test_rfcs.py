"""The table of standards is complete, and points at what is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "sams"
TABLE = tomllib.loads((ROOT / "docs" / "rfcs.toml").read_text())


def test_every_standard_that_the_code_names_is_in_the_table() -> None:
    named: dict[str, str] = {}
    for path in SOURCE.parent.rglob("*.py"):
        for number in re.findall(r"RFC (\d{4})", path.read_text()):
            named[number] = str(path.relative_to(SOURCE.parent))
    assert {number: where for number, where in named.items() if number not in TABLE} == {}


def test_every_place_in_the_table_exists_and_every_state_is_known() -> None:
    for number, entry in TABLE.items():
        assert entry["state"] in {"full", "part", "reference"}, number
        assert entry["state"] != "part" or entry["note"], number
        for place in entry["where"]:
            assert (SOURCE / place).exists(), f"RFC {number}: {place}"
