"""Whether the configuration can be used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sams.cli.doctor.finding import Finding, fail, ok, warn
from sams.config.loading import load
from sams.config.problems import ConfigError

SUBJECT = "configuration"


def check(path: Path) -> Iterator[Finding]:
    """The configuration with the files and users that it names."""
    try:
        loaded = load(path)
    except ConfigError as error:
        for problem in error.problems:
            yield fail(SUBJECT, problem.show(path), "correct it; `sams config check` looks again")
        return
    for warning in loaded.warnings:
        yield warn(SUBJECT, warning.show(path), "correct it, or leave it if it is meant")
    if not loaded.warnings:
        yield ok(SUBJECT, f"{path} can be used")
