"""What is wrong with a configuration, said so that the administrator can put it right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sams.core.errors import OperatorError


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    key: where, as `listener[2].security`; tables of one name are counted from 1. Empty: the whole file.
    text: what was found and what is allowed, or what to do.
    line: the line in the file, from 1; None where it is not known.
    """

    key: str
    text: str
    line: int | None = None

    def show(self, path: Path | str) -> str:
        """`sams.toml:12: listener[2].security: …`."""
        place = f"{path}:{self.line}" if self.line else str(path)
        return f"{place}: {self.key}: {self.text}" if self.key else f"{place}: {self.text}"


class ConfigError(OperatorError):
    """A configuration that cannot be used. All problems at once, in the order of the file."""

    def __init__(self, path: Path | str, problems: Iterable[Problem]) -> None:
        self.path = path
        self.problems = tuple(problems)
        super().__init__("\n".join(problem.show(path) for problem in self.problems))


def key_path(path: Iterable[str | int]) -> str:
    """`("listener", 1, "port")` as `listener[2].port`."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text
