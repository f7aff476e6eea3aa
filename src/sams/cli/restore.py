"""`sams restore`: a backup, brought back into an empty data folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import BinaryIO

import click

from sams.app.parts import accounts_path
from sams.cli import archive
from sams.cli.failures import Failed
from sams.cli.options import config_option, json_option
from sams.cli.place import Place
from sams.cli.render import count, print_json, when
from sams.core.rights import ServiceUser, become
from sams.core.syncing import sync_folder
from sams.service import data_lock
from sams.service.privileges import acting_as, prepare_data_dir, service_user
from sams.spool.backups import restore as restore_shard

Acting = Callable[[], AbstractContextManager[None]]

_STAGING = "restore-"
_PIECE = 1024 * 1024
_MAY_BE_THERE = frozenset({"control", "lost+found", data_lock.NAME})


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DIR")
@config_option
@json_option
def restore(*, folder: Path, config_path: Path, as_json: bool) -> None:
    """Bring the backup in DIR back into the data folder of the configuration, which must be empty.

    The service must be stopped. Everything is checked before anything is written. The configuration in DIR is not
    put in place: compare it with yours.
    """
    place = Place(config_path)
    if place.is_running:
        raise Failed("the service runs: stop it before its data is restored")
    _refuse_full(place.data_dir)
    manifest = archive.check(folder)
    lacks = archive.lacks(folder, manifest)
    user = _prepare(place)
    with data_lock.held(place.data_dir):
        _refuse_full(place.data_dir)
        _restore(place, folder, manifest, user)
    if as_json:
        print_json({"data_dir": str(place.data_dir), "made": manifest.made, "shards": len(manifest.shards)})
    else:
        shards = count(len(manifest.shards), "shard")
        click.echo(f"{place.data_dir}: restored {shards} and the accounts as of {when(manifest.made)}")
        click.echo("Now start the service: what waited is delivered again.")
    for line in lacks:
        click.echo(f"sams: when the backup was made, {line}", err=True)


def _refuse_full(data_dir: Path) -> None:
    try:
        there = {path.name for path in data_dir.iterdir()} - _MAY_BE_THERE
    except FileNotFoundError:
        return
    if there:
        raise Failed(f"{data_dir} is not empty ({', '.join(sorted(there)[:5])}): move it away first")


def _prepare(place: Place) -> ServiceUser | None:
    """The data folder, as the service makes it. Who is to write, where it is not who we are."""
    user = service_user(place.config.server.user)
    if user is None:
        place.become_service()
    else:
        prepare_data_dir(place.data_dir, user)
    return user


def _restore(place: Place, folder: Path, manifest: archive.Manifest, user: ServiceUser | None) -> None:
    """By way of a copy in the data folder: of the backup, only root may be able to read it.

    Nothing is written there but with the rights of the service's user, and no file changes its owner: whatever that
    user has prepared in the folder, it wins nothing by it. What reads the databases is no more root.
    """
    acting = nullcontext if user is None else partial(acting_as, user)
    with acting():
        staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=place.data_dir))
    try:
        try:
            _copy(folder, staging, manifest.files.keys() - {archive.CONFIG}, acting)
        finally:
            if user is not None:
                become(user)
        _put_in_place(staging, place, manifest)
    finally:
        shutil.rmtree(staging)


def _copy(folder: Path, staging: Path, names: AbstractSet[str], acting: Acting) -> None:
    """Read as who we are, without following links; written by the other."""
    for path, _, files, descriptor in os.fwalk(folder):
        place = Path(path).relative_to(folder)
        with acting():
            (staging / place).mkdir(mode=0o700, exist_ok=True)
        for name in (each for each in files if str(place / each) in names):
            source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
            with os.fdopen(source, "rb") as reading:
                _write(reading, staging / place / name, acting)


def _write(reading: BinaryIO, path: Path, acting: Acting) -> None:
    with acting():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as writing:
        shutil.copyfileobj(reading, writing, _PIECE)


def _put_in_place(staging: Path, place: Place, manifest: archive.Manifest) -> None:
    """What is copied here becomes the data."""
    for shard in manifest.shards:
        restore_shard(staging / shard, place.data_dir)
    if archive.ACCOUNTS in manifest.files:
        _restore_accounts(staging / archive.ACCOUNTS, accounts_path(place.config))


def _restore_accounts(source: Path, target: Path) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with source.open("rb") as reading, os.fdopen(descriptor, "wb") as writing:
        shutil.copyfileobj(reading, writing)
        writing.flush()
        os.fsync(writing.fileno())
    sync_folder(target.parent)
