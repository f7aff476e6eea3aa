"""What the checks of a configuration have found so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from sams.config.positions import KeyPath, Positions
from sams.config.problems import Problem, key_path


@dataclass(slots=True)
class Findings:
    """What checks find: problems stop, warnings are told."""

    positions: Positions
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def problem(self, path: KeyPath, text: str) -> None:
        """This configuration cannot be used."""
        self.problems.append(Problem(key_path(path), text, self.positions.line(path)))

    def warning(self, path: KeyPath, text: str) -> None:
        """It can be used, but is perhaps not what was meant."""
        self.warnings.append(Problem(key_path(path), text, self.positions.line(path)))
