from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from benchmarks.compare.programs import BenchError
from benchmarks.compare.targets import BENCHMARKS, Target

CTL = """#!/bin/sh
case $2 in
  port | implicit) echo {port} ;;
  queue) echo some words; echo 7 ;;
  roots) echo $$ ;;
  version) echo "server $1"; echo "and more" ;;
  stop) echo oops; exit 3 ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    server = tmp_path / "server"
    server.mkdir()
    ctl = server / "ctl"
    ctl.write_text(CTL.format(port=9))
    ctl.chmod(0o755)
    return server


def test_a_target_is_a_folder_with_a_ctl_and_a_variant(folder: Path, tmp_path: Path) -> None:
    target = Target(f"{folder}:quick", {}, tmp_path)
    assert target.label == "server:quick"
    assert target.queue() == 7
    assert target.version() == "server quick / and more"
    target.stop()  # whatever ctl says


@pytest.mark.parametrize("spec", ["nobody:x", "sams", ":x", "/nowhere/at/all:x"])
def test_what_is_no_target_is_said(spec: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="NAME:VARIANT"):
        Target(spec, {}, tmp_path)


def test_a_ctl_that_fails_is_quoted(folder: Path, tmp_path: Path) -> None:
    folder.joinpath("ctl").write_text("#!/bin/sh\necho it burns; exit 1\n")
    target = Target(f"{folder}:quick", {}, tmp_path)
    with pytest.raises(BenchError, match="it burns"):
        target.start()
    target.stop()


@pytest.mark.parametrize(
    ("ctl", "variant"),
    [
        ("sams/ctl", "default"),
        ("sams/ctl", "w0"),
        ("sams/ctl", "w2"),
        ("targets/floor/ctl", "bare"),
        ("targets/floor/ctl", "dialogue"),
    ],
)
def test_the_targets_here_tell_their_ports_and_refuse_what_they_do_not_know(
    ctl: str, variant: str, tmp_path: Path
) -> None:
    environment = {**os.environ, "BENCH_HOME": str(BENCHMARKS), "BENCH_DIR": str(tmp_path)}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(BENCHMARKS / ctl), *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    for command in ("port", "implicit"):
        assert 1_024 < int(run(variant, command).stdout) < 65_536
    assert run(variant, "dance").returncode == 2
    assert run("unheard-of", "port").returncode == 2
    assert len((tmp_path / "users").read_text().splitlines()) == 100
    assert (tmp_path / "certs" / "ecdsa.key").stat().st_mode & 0o077 == 0
