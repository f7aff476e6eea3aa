"""The systemd units: systemd itself finds nothing wrong with them, and little that they leave open."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sams.identity.sources.pam.rights import KEPT
from sams.service import slots, supervisor

PACKAGING = Path(__file__).parents[2] / "packaging"
MOST_EXPOSED = 16
"""Tenths of what `systemd-analyze security` counts: 0 is locked in, 100 is everything."""

pytestmark = pytest.mark.real
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with a program that is there."""
    for name in ("sams.service", "sams.socket"):
        text = (PACKAGING / name).read_text().replace("/opt/sams/.venv/bin/sams", sys.executable)
        (tmp_path / name).write_text(text)
    return tmp_path


@needs_systemd
@pytest.mark.parametrize("name", ["sams.service", "sams.socket"])
def test_systemd_finds_nothing_wrong(units: Path, name: str) -> None:
    done = analyze("verify", "--man=no", "--recursive-errors=no", str(units / name))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("names", [("pam.conf",), ("pages.conf",), ("pages.conf", "pam.conf")])
def test_systemd_finds_nothing_wrong_with_what_pam_and_pages_need(
    units: Path, names: tuple[str, ...]
) -> None:
    folder = units / "sams.service.d"
    folder.mkdir()
    for name in names:
        (folder / name).write_text((PACKAGING / name).read_text())
    done = analyze("verify", "--man=no", "--recursive-errors=no", str(units / "sams.service"))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_with_pam_the_unit_leaves_the_helper_what_it_keeps() -> None:
    names = {
        name.removeprefix("CAP_").lower() for name in setting("pam.conf", "CapabilityBoundingSet").split()
    }
    kept = {"chown", "dac_override", "dac_read_search", "fowner", "kill", "setgid", "setuid", "audit_write"}
    assert names == kept
    assert len(KEPT) == len(kept)


def test_with_pages_of_their_own_user_the_first_process_may_become_others_end_them_and_read_their_files() -> (
    None
):
    assert set(setting("pages.conf", "CapabilityBoundingSet").split()) == {
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_DAC_READ_SEARCH",
        "CAP_FOWNER",
        "CAP_KILL",
        "CAP_SETGID",
        "CAP_SETUID",
    }


@pytest.mark.parametrize("name", ["pages.conf", "pam.conf"])
def test_where_the_first_process_is_root_the_manager_leaves_the_data_folder_to_the_workers_user(
    name: str,
) -> None:
    """systemd gives all of a StateDirectory= to User=, at each start."""
    assert setting(name, "User") == "root"
    assert setting(name, "StateDirectory") == ""
    folder = f"/var/lib/{setting('sams.service', 'StateDirectory')}"
    assert setting(name, "ReadWritePaths") == folder
    owner = f"-o {setting('sams.service', 'User')} -g {setting('sams.service', 'Group')}"
    assert setting(name, "ExecStartPre") == f"+/usr/bin/install -d {owner} -m 700 {folder}"


@needs_systemd
def test_little_is_left_open(units: Path) -> None:
    done = analyze(
        "security", "--offline=yes", f"--threshold={MOST_EXPOSED}", "--no-pager", str(units / "sams.service")
    )
    assert done.returncode == 0, done.stdout


def setting(unit: str, name: str) -> str:
    (found,) = re.findall(rf"(?m)^{name}=(.*)$", (PACKAGING / unit).read_text())
    return str(found)


def test_the_service_ends_a_hanging_worker_before_the_manager_ends_the_service() -> None:
    assert int(setting("sams.service", "WatchdogSec")) > slots.HANG * 1.5


def test_workers_are_told_to_stop_by_the_service_alone() -> None:
    assert setting("sams.service", "KillMode") == "mixed"
    assert int(setting("sams.service", "TimeoutStopSec")) > supervisor._PATIENCE + 30
