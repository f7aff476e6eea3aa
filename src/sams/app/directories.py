"""The directory of each kind of source, made of its section: the one place that knows them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sams.config.sources import (
    DirectorySection,
    DovecotSource,
)
from sams.core.clock import Clock
from sams.identity.passwords import Hashes, HashPool
from sams.identity.sources.dovecot import DovecotDirectory
from sams.identity.sources.interface import Directory


@dataclass(frozen=True, slots=True)
class Tools:
    """What directories are made with, besides their sections.

    name: the service's, as members know it. secrets: by the file that holds each.
    """

    name: str
    secrets: Mapping[str, str]
    clock: Clock
    hashes: Hashes
    pool: HashPool

    def secret(self, file: Path | None) -> str | None:
        """What a key's file holds; None: the key is not set."""
        return None if file is None else self.secrets[str(file)]


def make_directory(section: DirectorySection, tools: Tools) -> Directory:
    """The directory of a section; what it is made of is imported when it is needed.

    Raises:
        OperatorError: something that it needs is not installed, or cannot be used; says what to do.
    """
    return _MAKERS[type(section)](section, tools)


def _dovecot(section: DovecotSource, _: Tools) -> Directory:
    return DovecotDirectory(section)


_MAKERS: Mapping[type, Callable[..., Directory]] = {
    DovecotSource: _dovecot,
}
