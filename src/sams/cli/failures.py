"""How a command ends: exit codes, and errors as one line on standard error that says what to do next."""

from __future__ import annotations

import enum
import sys
from typing import IO, Any

import click

from sams.core.errors import OperatorError


class Exit(enum.IntEnum):
    """The exit codes of every command but `sams sendmail`, which has those of sysexits.h."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_RUNNING = 3
    NOT_PERMITTED = 4


class Failed(click.ClickException):
    """An expected failure with its exit code."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.exit_code = int(code)  # type: ignore[misc] # click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        """On standard error, without a trace."""
        click.echo(f"sams: {self.message}", file=file or sys.stderr)


def failure_of(error: OperatorError | OSError) -> Failed:
    """What the person is told about an error, and the exit code that scripts see."""
    from sams.control.operations import NotPermitted, NotRunning  # noqa: PLC0415 - costs `sams --help` 50 ms

    if isinstance(error, NotRunning):
        return Failed(str(error), Exit.NOT_RUNNING)
    if isinstance(error, NotPermitted):
        return Failed(str(error), Exit.NOT_PERMITTED)
    if isinstance(error, PermissionError):
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        return Failed(f"{what}: run this as root or as the service's own user", Exit.NOT_PERMITTED)
    return Failed(str(error))
