"""Where commands ask a worker: at its own control socket, and at the first worker's for the service as a whole."""

from __future__ import annotations

from pathlib import Path

from sams.app.control import Asked, pages_view, service_handlers, worker_handlers
from sams.app.inherited import Inherited
from sams.app.members import find_member
from sams.app.sources import login_forms
from sams.config.model import Config
from sams.control import sockets
from sams.control.peers import Roles, pages_user_of, service_roles
from sams.control.server import ControlServer, Handlers
from sams.identity.logins import LoginForms
from sams.service.app_password_view import FoundMember
from sams.service.source_view import source_handlers
from sams.spool.layout import Layout


class Commands:
    """The control sockets of one worker. number: the worker's."""

    def __init__(self, inherited: Inherited, number: int, asked: Asked) -> None:
        self._inherited = inherited
        self._number = number
        self._asked = asked
        self._pages = pages_view(inherited, asked) if number == 0 else None
        self._servers: list[ControlServer] = []

    async def open(self) -> None:
        """Answer from now on."""
        roles = self.roles(self._inherited.material.config)
        for path, handlers in self._answers():
            self._servers.append(ControlServer(path, handlers, roles, log=self._inherited.log))
        for server in self._servers:
            await server.start()

    def roles(self, config: Config) -> Roles:
        """Who may ask what.

        Raises:
            OperatorError: `[control]` or `[web]` names a user or a group that this machine does not have.
        """
        folder = Layout(config.server.data_dir, self._asked.storage.primary.shard).folder
        return service_roles(folder.stat().st_uid, config.control, pages_user_of(config))

    def replace(self, roles: Roles) -> None:
        """Answer by the configuration of now from the next request on."""
        for server, (_, handlers) in zip(self._servers, self._answers(), strict=True):
            server.replace(handlers, roles)

    async def close(self) -> None:
        """Answer no more."""
        for server in self._servers:
            await server.close()
        if self._pages is not None:
            await self._pages.close()

    def _answers(self) -> list[tuple[Path, Handlers]]:
        data_dir = self._inherited.material.config.server.data_dir
        found = [(sockets.worker_path(data_dir, self._number), self._of_worker())]
        if self._number == 0:
            found.append((sockets.service_path(data_dir), self._of_service()))
        return found

    def _of_worker(self) -> Handlers:
        return worker_handlers(self._number, self._inherited, self._asked)

    def _of_service(self) -> Handlers:
        asked, sign_ins = self._asked, self._asked.sign_ins
        whole = service_handlers(
            self._inherited, sign_ins.accounts, asked.activity.tell, asked.reload, self._find_member
        )
        of_sources = source_handlers(
            lambda: sign_ins.authenticator.chain, self._forms, sign_ins.grants, asked.activity.tell
        )
        of_pages = self._pages.handlers() if self._pages is not None else {}
        return {**whole, **of_sources, **of_pages}

    def _forms(self) -> LoginForms:
        return login_forms(self._inherited.material.config)

    async def _find_member(self, login: str, source: str) -> FoundMember:
        sign_ins = self._asked.sign_ins
        return await find_member(sign_ins.sources, self._forms(), sign_ins.grants, login, source)
