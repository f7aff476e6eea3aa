"""The form of a backup: a folder with a manifest that names every file with its checksum.

manifest.json     written last: a folder without it is no backup
sams.toml         the configuration as it was; the files it names (certificates, secrets) are not in here
accounts.db       the built-in accounts
spool/N/          shard N: queue.db and bodies/, and `lacks` where a part of the queue could not be read
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sams import __version__
from sams.core.errors import OperatorError
from sams.core.syncing import sync_folder
from sams.core.text import visible
from sams.spool.backups import LACKS

MANIFEST = "manifest.json"
CONFIG = "sams.toml"
ACCOUNTS = "accounts.db"
SPOOL = "spool"
FORMAT = 1
_PIECE = 1_048_576


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds: when it was made (UNIX seconds), by which version, and each file's SHA-256."""

    made: float
    version: str
    files: dict[str, str]

    @property
    def shards(self) -> tuple[str, ...]:
        """The folders of the shards, below the backup."""
        names = {tuple(Path(file).parts[:2]) for file in self.files if Path(file).parts[0] == SPOOL}
        return tuple(sorted("/".join(parts) for parts in names))


def seal(folder: Path, now: float) -> Manifest:
    """Write the manifest of what is in the folder, all of it synced. From here on it is a backup."""
    files = {name: _checksum(folder / name, sync=True) for name in _files(folder)}
    for path in folder.rglob("*"):
        if path.is_dir():
            sync_folder(path)
    manifest = Manifest(now, __version__, files)
    text = json.dumps(
        {"format": FORMAT, "made": now, "version": __version__, "files": files}, indent=1, sort_keys=True
    )
    _write_synced(folder / MANIFEST, f"{text}\n".encode())
    return manifest


def check(folder: Path) -> Manifest:
    """Read a backup's manifest and compare every file with it.

    Raises:
        OperatorError: it is no backup, not complete, or damaged; every difference is named.
    """
    manifest = _read(folder)
    there = set(_files(folder))
    missing = sorted(manifest.files.keys() - there)
    further = sorted(there - manifest.files.keys())
    changed = sorted(
        name for name in there & manifest.files.keys() if _checksum(folder / name) != manifest.files[name]
    )
    wrong = [f"{name} is missing" for name in missing]
    wrong += [f"{name} does not belong to it" for name in further]
    wrong += [f"{name} was changed or damaged" for name in changed]
    if wrong:
        raise OperatorError(f"{folder} cannot be trusted: {'; '.join(wrong[:10])}. Take another backup")
    return manifest


def lacks(folder: Path, manifest: Manifest) -> list[str]:
    """What a backup that was sealed does not hold, in words, because it could not be read when it was made."""
    names = sorted(name for name in manifest.files if Path(name).parts[::2] == (SPOOL, LACKS))
    return [visible(line) for name in names for line in (folder / name).read_text().splitlines()]


def write_config(folder: Path, octets: bytes) -> None:
    """Keep the configuration, for its owner alone."""
    _write_synced(folder / CONFIG, octets)


def _read(folder: Path) -> Manifest:
    try:
        value: Any = json.loads((folder / MANIFEST).read_bytes())
        manifest = Manifest(float(value["made"]), str(value["version"]), dict(value["files"]))
        found = value["format"]
    except FileNotFoundError:
        raise OperatorError(f"{folder} is no complete backup: it has no {MANIFEST}") from None
    except (ValueError, KeyError, TypeError):
        raise OperatorError(f"{folder / MANIFEST} cannot be read: take another backup") from None
    if found != FORMAT:
        raise OperatorError(f"{folder} is a backup of form {found}, this SAMS knows form {FORMAT}")
    return manifest


def _files(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    return sorted(str(path.relative_to(folder)) for path in found if path != folder / MANIFEST)


def _checksum(path: Path, *, sync: bool = False) -> str:
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
        if sync:
            os.fsync(file.fileno())
    return digest.hexdigest()


def _write_synced(path: Path, octets: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)
