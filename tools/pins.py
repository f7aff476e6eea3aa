"""The pinned requirements as values: what the audit looks at, and what the bill of materials lists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
REQUIREMENTS = ROOT / "requirements"
_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;]+)(?:\s*;\s*(.*))?\Z")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})\Z")
_VIA = re.compile(r"#\s+(?:via\s+)?(.+)\Z")


class NotPinned(Exception):
    """A line of a requirements file that may bring something else tomorrow than today."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One distribution.

    name: normalised as PEP 503 says. marker: where it is installed at all; empty: everywhere.
    hashes: SHA-256 of each file that may be installed. via: the distributions that need it, and `-r FILE` where it
    was asked for.
    """

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    via: tuple[str, ...]

    @property
    def line(self) -> str:
        """As pip reads it, for every platform."""
        return f"{self.name}=={self.version} " + " ".join(f"--hash=sha256:{one}" for one in self.hashes)


def normalised(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_pins(path: Path) -> list[Pin]:
    """All of a file that was compiled with hashes.

    Raises:
        NotPinned: a line names no exact version, or no hash.
    """
    return [_pin(block, path) for block in _blocks(path.read_text().splitlines())]


def _blocks(lines: Iterable[str]) -> Iterator[list[str]]:
    """A requirement with the indented lines below it."""
    block: list[str] = []
    for line in lines:
        if line and not line[0].isspace() and not line.startswith("#"):
            if block:
                yield block
            block = []
        if line.strip() and (block or not line.startswith("#")):
            block.append(line.strip().removesuffix("\\").strip())
    if block:
        yield block


def _pin(block: list[str], path: Path) -> Pin:
    found = _PIN.match(block[0])
    hashes = tuple(match[1] for line in block[1:] if (match := _HASH.match(line)))
    if found is None or not hashes:
        raise NotPinned(f"{path.name}: {block[0]!r} has no exact version with hashes")
    comments = [match[1].strip() for line in block[1:] if (match := _VIA.match(line))]
    via = tuple(one for one in comments if one != "via" and not one.startswith("-c "))
    return Pin(normalised(found[1]), found[2], found[3] or "", hashes, via)


def asked_for(path: Path) -> list[str]:
    """The names in a `.in` file."""
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return [
        normalised(re.split(r"[\[<>=!~; ]", line)[0]) for line in lines if line and not line.startswith("-")
    ]
