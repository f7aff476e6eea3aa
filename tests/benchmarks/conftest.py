"""The programs of the benchmark, built once for all tests; where they cannot be built, their tests are left out."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "benchmarks" / "native"


def _can_build() -> bool:
    """Whether there is a compiler with OpenSSL's headers."""
    compiler = shutil.which("cc")
    if compiler is None or shutil.which("make") is None:
        return False
    include = "#include <openssl/ssl.h>\n"
    looked = subprocess.run([compiler, "-E", "-"], input=include, text=True, capture_output=True, check=False)
    return looked.returncode == 0


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of loadgen, sink and floor. Warnings of the compiler are errors."""
    if not _can_build():
        pytest.skip("cc or OpenSSL's headers are missing: make system")
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "programs"
    with (shared / "programs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = ["make", "-s", "-C", str(NATIVE), f"BUILD={folder}", "CFLAGS=-O1 -Werror"]
        subprocess.run(command, check=True, capture_output=True)
    return folder
