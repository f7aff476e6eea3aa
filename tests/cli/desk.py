"""A configured server whose service is stopped, or played by handlers of the test, and its commands."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from sams.cli.main import main
from tests.spool.rig import SENDER, accepted, sqlite_spool
from tests.support.service import Service

PASSWORD = "a-long-enough-secret"


@dataclass
class Desk:
    """One server's folder, and its `sams` command in this process."""

    server: Service

    @classmethod
    def at(cls, folder: Path) -> Desk:
        return cls(Service(folder))

    @property
    def data_dir(self) -> Path:
        return self.server.folder / "data"

    def sams(self, *arguments: str, text: str = "", code: int = 0) -> Result:
        environment = {"SAMS_CONFIG": str(self.server.config)}
        result = CliRunner(env=environment).invoke(main, arguments, input=text)
        assert result.exit_code == code, (result.output, result.exception)
        return result

    def json(self, *arguments: str, text: str = "", code: int = 0) -> Any:
        return json.loads(self.sams(*arguments, "--json", text=text, code=code).stdout)

    def add_account(self, login: str, *addresses: str) -> None:
        options = [part for address in addresses for part in ("--address", address)]
        self.sams("account", "add", login, *options, "--password-stdin", text=f"{PASSWORD}\n")

    def queued(self, *messages: tuple[str, ...], shard: int = 0, **other: Any) -> list[str]:
        """The ids of messages to these recipients each, accepted into a shard that is then closed."""
        self.data_dir.mkdir(mode=0o700, exist_ok=True)

        async def accept() -> list[str]:
            async with sqlite_spool(self.data_dir, shard=shard) as spool:
                values = {"reverse_path": SENDER} | other
                return [await accepted(spool, *recipients, **values) for recipients in messages]

        return asyncio.run(accept())
