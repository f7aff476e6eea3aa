"""`sams backup`: everything that cannot be made again, copied while the service runs."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from sams.app.parts import accounts_path, open_accounts
from sams.cli import archive
from sams.cli.failures import Failed
from sams.cli.local import LocalQueue
from sams.cli.options import config_option, json_option
from sams.cli.place import Place
from sams.cli.render import count, print_json
from sams.core.clock import SystemClock
from sams.service.privileges import service_user
from sams.spool.layout import discover, make_with_parents, strays

_STAGING = "backup-"
"""How the folders below data_dir begin in which a running service writes its part."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@config_option
@json_option
def backup(*, folder: Path, config_path: Path, as_json: bool) -> None:
    """Write a backup of accounts, queue and configuration into the new or empty folder DIR.

    The service may run meanwhile. Messages that leave the queue after the copy began are in the backup too: after
    a restore they are delivered twice. Certificates and files with secrets are not in it. Where a part of the queue
    cannot be read, the rest is written, and the exit code is 1.
    """
    place = Place(config_path)
    octets = config_path.read_bytes()
    folder = folder.absolute()
    _make(folder)
    if place.is_running:
        _copy_running(place, folder)
    else:
        _copy_stopped(place, folder)
    archive.write_config(folder, octets)
    manifest = archive.seal(folder, time.time())
    lacks = [*archive.lacks(folder, manifest), *_left_out(place.data_dir, manifest)]
    if as_json:
        files = sorted(manifest.files)
        print_json({"folder": str(folder), "made": manifest.made, "files": files, "lacks": lacks})
    else:
        click.echo(
            f"{folder}: {count(len(manifest.files), 'file')} from {count(len(manifest.shards), 'shard')}"
        )
    if lacks:
        raise Failed(f"the backup is written, but it is not whole: {'; '.join(lacks)}. See `sams health`")


def _left_out(data_dir: Path, manifest: archive.Manifest) -> list[str]:
    shards = sorted({*discover(data_dir), *strays(data_dir)})
    missing = [shard for shard in shards if f"{archive.SPOOL}/{shard}" not in manifest.shards]
    return [f"shard {shard} could not be opened" for shard in missing]


def _make(folder: Path) -> None:
    """Nobody else may read it."""
    make_with_parents(folder)
    if any(folder.iterdir()):
        raise Failed(f"{folder} is not empty: name a new folder")
    folder.chmod(0o700)


def _copy_running(place: Place, folder: Path) -> None:
    """By way of the data folder, the one place where a service that is locked in may write."""
    owner = place.data_dir.stat()
    with _alone(place.data_dir):
        for abandoned in place.data_dir.glob(f"{_STAGING}*"):  # of one that was killed
            shutil.rmtree(abandoned, ignore_errors=True)
        staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=place.data_dir))
        try:
            os.chown(staging, owner.st_uid, owner.st_gid, follow_symlinks=False)
            place.service.backup(str(staging))
            shutil.copytree(staging, folder, symlinks=True, dirs_exist_ok=True, copy_function=_copy_file)
        finally:
            shutil.rmtree(staging)


@contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    """One backup at a time, for as long as its process lives."""
    descriptor = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Failed("another backup of this service runs: wait until it has ended") from None


def _copy_file(source: str, target: str) -> None:
    shutil.copyfile(source, target)
    Path(target).chmod(0o600)


def _copy_stopped(place: Place, folder: Path) -> None:
    user = service_user(place.config.server.user)
    if user is not None:
        os.chown(folder, user.uid, user.gid)
    place.become_service()
    with LocalQueue(place.data_dir, SystemClock()) as queue:
        queue.backup(folder)
    if accounts_path(place.config).exists():
        open_accounts(place.config, SystemClock()).backup(folder / archive.ACCOUNTS)
