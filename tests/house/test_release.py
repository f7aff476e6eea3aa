"""What comes with a release: the bill of materials, and files that are the same for the same commit."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from email import message_from_string
from importlib.metadata import PackageMetadata
from pathlib import Path
from typing import Any, cast

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from sams import __version__
from tools.pins import REQUIREMENTS, ROOT, Pin, read_pins
from tools.sbom import WrongEnvironment, licences, make_bom, text_of

EPOCH = 1_700_000_000
PINS = read_pins(REQUIREMENTS / "runtime.txt")


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text_of(make_bom(PINS, EPOCH)))
    return found


def test_the_bill_keeps_to_the_schema_and_the_check_would_see_if_it_did_not(bill: dict[str, Any]) -> None:
    check = JsonStrictValidator(SchemaVersion.V1_6)
    assert check.validate_str(json.dumps(bill)) is None
    assert check.validate_str(json.dumps(bill | {"materials": []})) is not None


def test_it_lists_sams_and_every_pin_with_its_hashes_and_licence(bill: dict[str, Any]) -> None:
    assert bill["metadata"]["component"]["version"] == __version__
    listed = {part["name"]: part for part in bill["components"]}
    assert set(listed) == {pin.name for pin in PINS}
    for pin in PINS:
        part = listed[pin.name]
        assert part["version"] == pin.version
        assert {one["content"] for one in part["hashes"]} == set(pin.hashes)
        assert part["licenses"]


def test_it_says_what_needs_what(bill: dict[str, Any]) -> None:
    needs = {one["ref"].partition("@")[0]: one.get("dependsOn", []) for one in bill["dependencies"]}
    names = {name: {ref.partition("@")[0] for ref in refs} for name, refs in needs.items()}
    assert names["pkg:pypi/argon2-cffi"] == {"pkg:pypi/argon2-cffi-bindings"}
    assert "pkg:pypi/apsw" in names["pkg:pypi/sams"]
    assert "pkg:pypi/pycparser" not in names["pkg:pypi/sams"]


def test_the_same_pins_give_the_same_octets_and_others_another_number() -> None:
    assert text_of(make_bom(PINS, EPOCH)) == text_of(make_bom(PINS, EPOCH))
    serial = {make_bom(pins, EPOCH).serial_number for pins in (PINS, PINS[1:])}
    assert len(serial) == 2


def test_a_package_of_another_version_than_the_pin_is_refused() -> None:
    with pytest.raises(WrongEnvironment):
        make_bom([Pin("click", "0.1", "", ("0" * 64,), ())], EPOCH)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("License-Expression: MIT OR Apache-2.0\nLicense: x", ["MIT OR Apache-2.0"]),
        ("Classifier: License :: OSI Approved :: MIT License\nLicense: The MIT", ["MIT"]),
        ("License: House rules\n", ["House rules"]),
        ("Classifier: Typing :: Typed", []),
    ],
)
def test_a_licence_is_read_from_the_best_that_a_package_says(said: str, found: list[str]) -> None:
    about = cast("PackageMetadata", message_from_string(said))
    names = [[getattr(one, key, None) for key in ("value", "id", "name")] for one in licences(about)]
    assert [next(filter(None, each)) for each in names] == found


@pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="no git repository")
def test_a_release_has_all_its_files_and_is_the_same_twice(tmp_path: Path) -> None:
    venv = Path(sys.prefix).relative_to(ROOT) if Path(sys.prefix).is_relative_to(ROOT) else None
    if venv is None:
        pytest.skip("the environment is not below the tree")
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in ("one", "two"):
        command = ["tools/release", str(venv), str(tmp_path / name), found.stdout.strip()]
        subprocess.run(command, cwd=ROOT, check=True, timeout=100)
    files = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert set(files) == {
        "SHA256SUMS",
        f"sams-{__version__}-py3-none-any.whl",
        f"sams-{__version__}-requirements.txt",
        f"sams-{__version__}-requirements-kerberos.txt",
        f"sams-{__version__}-requirements-postgresql.txt",
        f"sams-{__version__}-requirements-web.txt",
        f"sams-{__version__}.cdx.json",
        f"sams-{__version__}.tar.gz",
    }
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()}
