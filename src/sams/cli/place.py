"""Where a command works: on the running service where there is one, else on the files, as the service's user."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Protocol

import click

from sams.cli.render import count
from sams.config.loading import data_dir_beside_mistakes, parse
from sams.config.model import Config
from sams.config.problems import ConfigError, Problem
from sams.control.client import is_running
from sams.control.operations import (
    AccountOperations,
    AppPasswordOperations,
    DamagedOperations,
    GuardOperations,
    NotPermitted,
    QueueOperations,
    SourceOperations,
)
from sams.control.running import (
    RunningAccounts,
    RunningAppPasswords,
    RunningGuard,
    RunningQueue,
    RunningService,
    RunningSources,
)
from sams.core.clock import SystemClock
from sams.core.rights import become
from sams.core.text import visible
from sams.service.privileges import prepare_data_dir, service_user

DATA_DIR_VARIABLE = "SAMS_DATA_DIR"
_STILL_REACHED = (
    "a running service goes on with what it has read; to reach it meanwhile, name its data folder: "
    f"{DATA_DIR_VARIABLE}=/var/lib/sams sams …"
)


class Queue(QueueOperations, DamagedOperations, Protocol):
    """What waits, and what was set aside."""


class Place:
    """One server, by its configuration.

    Only the text of the configuration is checked here: who asks the running service need not read its keys. Nor need
    all of it be right, for the service runs on with what it has read: it is enough to know where it listens.
    """

    def __init__(self, config_path: Path) -> None:
        self.path = config_path

    @cached_property
    def config(self) -> Config:
        """The configuration.

        Raises:
            ConfigError: it is wrong, or cannot be read.
            PermissionError: it may not be read.
        """
        return read_config(self.path)

    @cached_property
    def data_dir(self) -> Path:
        """Where everything is; of a configuration with mistakes, what it says all the same, or SAMS_DATA_DIR.

        Raises:
            ConfigError: it is wrong, and neither of them tells.
            PermissionError: it may not be read.
        """
        try:
            return self.config.server.data_dir
        except ConfigError as error:
            found = self._data_dir_beside_mistakes()
            if found is None:
                raise ConfigError(self.path, [*error.problems, Problem("", _STILL_REACHED)]) from None
            return found

    @cached_property
    def is_running(self) -> bool:
        """Whether the service listens for commands."""
        return is_running(self.data_dir)

    @cached_property
    def service(self) -> RunningService:
        """The running service; its calls raise NotRunning where there is none."""
        service = RunningService(self.data_dir)
        self._warn_of_mistakes()
        return service

    @contextmanager
    def queue(self) -> Iterator[Queue]:
        """The queue, asked of the service or opened here."""
        if self.is_running:
            yield RunningQueue(self.service)
            return
        from sams.cli.local import LocalQueue  # noqa: PLC0415 - most of the service, only without it

        self.become_service()
        with LocalQueue(self.data_dir, SystemClock()) as queue:
            yield queue

    @property
    def accounts(self) -> AccountOperations:
        """The accounts, asked of the service or opened here."""
        if self.is_running:
            return RunningAccounts(self.service)
        from sams.app.parts import open_accounts  # noqa: PLC0415 - most of the service, only without it
        from sams.service.account_view import LocalAccounts  # noqa: PLC0415 - the same

        self.become_service()
        return LocalAccounts(open_accounts(self.config, SystemClock()), self.config.accounts.domains)

    @property
    def app_passwords(self) -> AppPasswordOperations:
        """The app passwords, asked of the service or opened here."""
        if self.is_running:
            return RunningAppPasswords(self.service)
        from sams.app.parts import local_app_passwords, open_accounts  # noqa: PLC0415 - as for the accounts

        self.become_service()
        clock = SystemClock()
        return local_app_passwords(self.config, clock, open_accounts(self.config, clock))

    @property
    def sources(self) -> SourceOperations:
        """The sources of accounts, asked of the service or by this command itself."""
        if self.is_running:
            return RunningSources(self.service)
        from sams.app.local_sources import LocalSources  # noqa: PLC0415 - as for the accounts
        from sams.app.pam import open_pam, start_pam_alone  # noqa: PLC0415 - the same
        from sams.service.material import read_material  # noqa: PLC0415 - the same

        material = read_material(self.path)
        pam = open_pam(material.config)
        start_pam_alone(material.config, pam)
        self.become_service()
        return LocalSources(material, SystemClock(), pam)

    @contextmanager
    def guard(self) -> Iterator[GuardOperations]:
        """The locks against guessing; with the service down, what it has written of them.

        Raises:
            OperatorError: the service is about to start or to stop.
        """
        if self.is_running:
            yield RunningGuard(self.service)
            return
        from sams.app.guard_watch import opened_guard  # noqa: PLC0415 - only without the service
        from sams.service.data_lock import held  # noqa: PLC0415 - the same

        self.become_service()
        with held(self.data_dir), opened_guard(self.config, SystemClock()) as guard:
            yield guard

    def become_service(self) -> None:
        """From here on act as the service's own user, so that no file of its belongs to root.

        Raises:
            OperatorError: the data folder is not the service's, or cannot be made.
        """
        user = service_user(self.config.server.user)
        self._refuse_stranger()
        prepare_data_dir(self.data_dir, user)
        if user is not None:
            become(user)

    def _refuse_stranger(self) -> None:
        try:
            owner = self.data_dir.stat().st_uid
        except OSError:
            return
        if os.geteuid() not in {0, owner}:
            raise NotPermitted(f"{self.data_dir} is not yours: run this as root or as the service's own user")

    def _data_dir_beside_mistakes(self) -> Path | None:
        found = None
        with suppress(ConfigError):  # a file that is not there
            found = data_dir_beside_mistakes(_octets(self.path), self.path)
        named = os.environ.get(DATA_DIR_VARIABLE)
        return found or (Path(named) if named else None)

    def _warn_of_mistakes(self) -> None:
        try:
            _ = self.config
        except ConfigError as error:
            first, *others = error.problems
            more = f" (and {count(len(others), 'more mistake')})" if others else ""
            text = f"warning: {first.show(self.path)}{more}; the service on {self.data_dir} is asked all the same"
            click.echo(f"sams: {visible(text)}", err=True)


def read_config(path: Path) -> Config:
    """The configuration, its text checked, but not the files that it names.

    Raises:
        ConfigError: it is wrong, or cannot be read.
        PermissionError: it may not be read.
    """
    return parse(_octets(path), path).config


def _octets(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except PermissionError:
        raise
    except OSError as error:
        text = f"cannot be read: {error.strerror}; name the configuration with --config or SAMS_CONFIG"
        raise ConfigError(path, [Problem("", text)]) from None
