"""`sams restore`: a backup, brought back into an empty data folder."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import click

from sams.app.parts import accounts_path
from sams.cli import archive
from sams.cli.failures import Failed
from sams.cli.options import config_option, json_option
from sams.cli.place import Place
from sams.cli.render import count, print_json, when
from sams.service import data_lock
from sams.service.privileges import service_user
from sams.spool.backups import restore as restore_shard
from sams.spool.layout import make_with_parents, sync_folder

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
    with _as_owner(place), data_lock.held(place.data_dir):
        _refuse_full(place.data_dir)
        for shard in manifest.shards:
            restore_shard(folder / shard, place.data_dir)
        if archive.ACCOUNTS in manifest.files:
            _restore_accounts(folder / archive.ACCOUNTS, accounts_path(place.config))
    if as_json:
        print_json({"data_dir": str(place.data_dir), "made": manifest.made, "shards": len(manifest.shards)})
    else:
        shards = count(len(manifest.shards), "shard")
        click.echo(f"{place.data_dir}: restored {shards} and the accounts as of {when(manifest.made)}")
        click.echo("Now start the service: what waited is delivered again.")


def _refuse_full(data_dir: Path) -> None:
    try:
        there = {path.name for path in data_dir.iterdir()} - _MAY_BE_THERE
    except FileNotFoundError:
        return
    if there:
        raise Failed(f"{data_dir} is not empty ({', '.join(sorted(there)[:5])}): move it away first")


@contextlib.contextmanager
def _as_owner(place: Place) -> Iterator[None]:
    """Root restores as root, for the backup may be root's own, and then gives all of it to the service's user."""
    user = service_user(place.config.server.user)
    if user is None:
        place.become_service()
        yield
        return
    make_with_parents(place.data_dir)
    os.chown(place.data_dir, 0, 0)
    try:
        yield
    finally:
        for path in (place.data_dir, *place.data_dir.rglob("*")):
            os.chown(path, user.uid, user.gid, follow_symlinks=False)


def _restore_accounts(source: Path, target: Path) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with source.open("rb") as reading, os.fdopen(descriptor, "wb") as writing:
        shutil.copyfileobj(reading, writing)
        writing.flush()
        os.fsync(writing.fileno())
    sync_folder(target.parent)
