"""What a configuration names outside itself: files, folders and users that must be there."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from sams.config.definition import settings
from sams.config.findings import Findings
from sams.config.key import Section
from sams.config.kinds import SecretFile
from sams.config.model import Config
from sams.config.positions import KeyPath
from sams.config.secret_files import read_secret, refuse_if_shared
from sams.config.sender_checks import check_map_file
from sams.config.sender_maps import SenderFile
from sams.config.source_addresses import sqlite_path
from sams.config.sources import AccountSource, DovecotSource, SqlSource
from sams.config.web_system_checks import check_logo, check_web_system
from sams.core import hash_list
from sams.core.errors import OperatorError
from sams.core.rights import making_user
from sams.protocol.radius import MIN_SECRET_OCTETS

_LOOKED_AT = 65_536
"""Octets of a file."""
_KEYTAB = b"\x05"
"""How keytabs begin, of both versions."""


def check_system(config: Config, findings: Findings) -> None:
    """All checks of this file. Reads little of each file, changes nothing."""
    _check_user(config, findings)
    for path, file, is_secret in files(config):
        _check_file(file, path, findings, is_secret=is_secret)
    for at, source in enumerate(config.accounts.sources):
        _check_reachable(source, ("accounts", "source", at), findings)
    check_web_system(config, findings)
    if config.server.data_dir.exists() and not config.server.data_dir.is_dir():
        findings.problem(("server", "data_dir"), f"{config.server.data_dir} is no folder")
    if config.alarm.command and not os.access(config.alarm.command[0], os.X_OK):
        findings.problem(("alarm", "command"), f"{config.alarm.command[0]} is no program that can be started")


def _check_file(file: Path, path: KeyPath, findings: Findings, *, is_secret: bool) -> None:
    if path[-1] == "private_key":
        _check_key(file, path, findings)
    elif path[-1] == "keytab":
        _check_keytab(file, path, findings)
    elif path[-1] == "breached_passwords":
        _check_hash_list(file, path, findings)
    elif path[-1] == "logo":
        check_logo(file, path, findings)
    elif is_secret:
        _check_secret(file, path, findings)
    elif _check_readable(file, path, findings) is not None and path[:2] == ("senders", "map"):
        check_map_file(file, path, findings)


def files(config: Config) -> Iterator[tuple[KeyPath, Path, bool]]:
    """Every file that the service reads, with the key that names it, and whether it holds a secret."""
    for path, certificates, keys in _pairs(config):
        yield from (((*path, "certificate"), file, False) for file in certificates)
        yield from (((*path, "private_key"), file, False) for file in keys)
    for at, listener in enumerate(config.listeners):
        yield from named_files(listener, ("listener", at))
    for at, route in enumerate(config.routes):
        yield from named_files(route, ("route", at))
    if config.accounts.breached_passwords:
        yield ("accounts", "breached_passwords"), config.accounts.breached_passwords, False
    for at, source in enumerate(config.accounts.sources):
        yield from named_files(source, ("accounts", "source", at))
    if config.organisation.logo is not None:
        yield ("organisation", "logo"), config.organisation.logo, False
    for at, one in enumerate(config.senders.maps):
        if isinstance(one, SenderFile):
            yield ("senders", "map", at, "path"), one.path, False
        yield from named_files(one, ("senders", "map", at))


def named_files(section: Section, path: KeyPath) -> Iterator[tuple[KeyPath, Path, bool]]:
    """The files that the keys of a section name; those that a route only writes to are none."""
    for setting in settings(type(section)):
        file = getattr(section, setting.attribute)
        if isinstance(file, Path) and setting.name != "path":
            yield (*path, setting.name), file, isinstance(setting.key.kind, SecretFile)


def _pairs(config: Config) -> Iterator[tuple[KeyPath, tuple[Path, ...], tuple[Path, ...]]]:
    yield ("tls",), config.tls.certificate, config.tls.private_key
    for at, host in enumerate(config.tls.hosts):
        yield ("tls", "host", at), host.certificate, host.private_key


def _check_user(config: Config, findings: Findings) -> None:
    if config.server.user:
        try:
            pwd.getpwnam(config.server.user)
        except KeyError:
            make = making_user(config.server.user)
            text = f'there is no system user "{config.server.user}"; make it with: {make}'
            findings.problem(("server", "user"), text)


def _check_readable(file: Path, path: KeyPath, findings: Findings) -> tuple[int, bytes] | None:
    """The file's mode and its begin; None when it cannot be read."""
    try:
        with file.open("rb") as opened:
            return os.fstat(opened.fileno()).st_mode, opened.read(_LOOKED_AT)
    except PermissionError:
        findings.problem(
            path, f"{file} may not be read by this user; check as root, or as the service's user"
        )
    except OSError as error:
        findings.problem(path, f"{file} cannot be read: {error.strerror}")
    return None


def _check_reachable(source: AccountSource, path: KeyPath, findings: Findings) -> None:
    """What a source talks to on this machine; who makes it may not run yet."""
    if isinstance(source, DovecotSource):
        for name, socket in (("socket", source.socket), ("user_socket", source.user_socket)):
            if socket.startswith("/") and not _may_be(stat.S_ISSOCK, Path(socket)):
                text = f"{socket} is no socket now: does Dovecot run, with a unix_listener of this name?"
                findings.warning((*path, name), text)
    if isinstance(source, SqlSource) and source.database.startswith("sqlite:///"):
        file = Path(sqlite_path(source.database))
        if not _may_be(stat.S_ISREG, file):
            findings.warning((*path, "database"), f"there is no file {file} now")


def _may_be(is_kind: Callable[[int], bool], path: Path) -> bool:
    """Whether there is something of this kind, or this user may not look."""
    try:
        return is_kind(path.stat().st_mode)
    except PermissionError:
        return True
    except OSError:
        return False


def _check_key(file: Path, path: KeyPath, findings: Findings) -> None:
    """A private key may be read by a group (such as Debian's ssl-cert), never by everyone."""
    found = _check_readable(file, path, findings)
    if found is None:
        return
    mode, begin = found
    if b"BEGIN CERTIFICATE" in begin and b"PRIVATE KEY" not in begin:
        findings.problem(path, f"{file} holds a certificate and no key: are the two swapped?")
        return
    try:
        refuse_if_shared(file, mode, stat.S_IRWXO | stat.S_IWGRP)
    except OperatorError as error:
        findings.problem(path, str(error))


def _check_keytab(file: Path, path: KeyPath, findings: Findings) -> None:
    found = _check_readable(file, path, findings)
    if found is None:
        return
    mode, begin = found
    if not begin.startswith(_KEYTAB):
        findings.problem(path, f"{file} is no keytab; `ktadd -k` in kadmin makes one")
        return
    try:
        refuse_if_shared(file, mode, stat.S_IRWXO | stat.S_IWGRP)
    except OperatorError as error:
        findings.problem(path, str(error))


def _check_hash_list(file: Path, path: KeyPath, findings: Findings) -> None:
    try:
        hash_list.check(file)
    except hash_list.HashListError as error:
        findings.problem(path, str(error))


def _check_secret(file: Path, path: KeyPath, findings: Findings) -> None:
    try:
        secret = read_secret(file)
    except OperatorError as error:
        findings.problem(path, str(error))
        return
    if path[-1] == "secret_file" and len(secret.encode()) < MIN_SECRET_OCTETS:  # of RADIUS
        text = f"a RADIUS secret has {MIN_SECRET_OCTETS} characters or more: openssl rand -hex 16"
        findings.problem(path, f"{file} holds one that can be guessed from a packet; {text}")
