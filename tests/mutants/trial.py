"""A copy of the tree, in which tests run on one mutant at a time."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.mutants.catalogue import Mutant

PATIENCE = 300.0
"""Seconds for one test; a test that hangs on a mutant has not said that something is wrong."""
_PARTS = ("src", "tests", "benchmarks", "tools", "packaging", "docs", "changelog.d", "requirements")
_PYTEST_FAILED = 1


@dataclass(slots=True)
class Tree:
    """A copy of the tree at `root`, which a mutant may change."""

    root: Path
    _moments: Iterator[int] = field(default_factory=lambda: itertools.count(2_000_000_000))

    @classmethod
    def copied(cls, origin: Path, root: Path) -> Tree:
        """What tests need of `origin`, in a new folder."""
        root.mkdir()
        unwanted = shutil.ignore_patterns("__pycache__", ".*", "*.egg-info")
        for path in origin.iterdir():
            if path.is_dir() and path.name in _PARTS:
                shutil.copytree(path, root / path.name, ignore=unwanted)
            elif path.is_file() and not path.name.startswith("."):
                shutil.copy2(path, root / path.name)
        return cls(root)

    @contextmanager
    def mutated(self, mutant: Mutant) -> Iterator[None]:
        """The tree with this mutant in it."""
        path = self.root / mutant.file
        sound = path.read_text()
        self._write(path, mutant.applied(sound))
        try:
            yield
        finally:
            self._write(path, sound)

    def survived(self, test: str) -> str | None:
        """Why this test does not count as one that noticed, or None where it failed as it must."""
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-n0",
            "-q",
            "-p",
            "no:cacheprovider",
            "-m",
            "",
            "--hypothesis-seed=0",
            test,
        ]
        try:
            done = subprocess.run(
                command,
                cwd=self.root,
                env=self._environment(),
                timeout=PATIENCE,
                capture_output=True,
                text=True,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"did not end within {PATIENCE:.0f} s"
        if done.returncode == 0:
            return "passes"
        if done.returncode != _PYTEST_FAILED:
            return f"could not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        return None

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.root / "src")}

    def _write(self, path: Path, text: str) -> None:
        # Python takes a compiled file for valid by the source's size and second: no two versions may share one.
        path.write_text(text)
        moment = next(self._moments)
        os.utime(path, (moment, moment))
