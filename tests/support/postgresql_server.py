"""A real PostgreSQL with a cluster of its own, on loopback with TLS and on a socket. Ended by its pid.

It refuses to run as root: then it runs as `nobody`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme

MISSING = "PostgreSQL is missing: apt install postgresql, or make system"
PATIENCE = 60.0

_HBA = """
local all all trust
host all all 127.0.0.1/32 scram-sha-256
"""
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "20",
    "shared_buffers": "1MB",
    "ssl": "on",
}


def programs() -> Path | None:
    """The folder with `initdb` and `postgres`; Debian keeps them off the PATH. None: they are not there."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: float(one.parent.name))
    if found := shutil.which("initdb"):
        folders.append(Path(found).resolve().parent)
    usable = [folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()]
    return usable[-1] if usable else None


@dataclass
class PostgresqlServer:
    """A cluster in a folder, with a certificate for 127.0.0.1."""

    folder: Path
    authority: trustme.CA = field(default_factory=trustme.CA)
    port: int = 0
    _process: subprocess.Popen[bytes] | None = None

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.pem"

    def make(self) -> None:
        """The cluster, with a superuser `admin` who needs no password on the socket."""
        self.port = _free_port()
        _hand_over(self.folder)
        self._run(["initdb", "-D", str(self.data), "-U", "admin", "-A", "trust", "-E", "UTF8", "--no-sync"])
        (self.data / "pg_hba.conf").write_text(_HBA)
        issued = self.authority.issue_cert("127.0.0.1")
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        for name, octets in (("server.crt", chain), ("server.key", issued.private_key_pem.bytes())):
            (self.data / name).write_bytes(octets)
            (self.data / name).chmod(0o600)
            _hand_over(self.data / name)
        self.authority.cert_pem.write_to_path(str(self.ca_file))

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = {**_SETTINGS, "port": str(self.port), "unix_socket_directories": str(self.folder)}
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(_programs() / "postgres"), "-D", str(self.data), *arguments],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **_as_nobody(),
            )
        until = time.monotonic() + PATIENCE
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < until, "PostgreSQL did not start"
            time.sleep(0.05)

    def stop(self) -> None:
        """As a crash would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(PATIENCE)
            self._process = None

    def execute(self, *statements: str, database: str = "postgres") -> list[Any]:
        """As the superuser; the rows of the last one."""
        import psycopg  # noqa: PLC0415 - an extra

        rows: list[Any] = []
        with psycopg.connect(**self._admin(database), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def _admin(self, database: str) -> dict[str, Any]:
        return {"host": str(self.folder), "port": self.port, "user": "admin", "dbname": database}

    def _answers(self) -> bool:
        import psycopg  # noqa: PLC0415 - an extra

        try:
            psycopg.connect(**self._admin("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, command: list[str]) -> None:
        command[0] = str(_programs() / command[0])
        done = subprocess.run(
            command, capture_output=True, check=False, cwd=self.folder, timeout=PATIENCE, **_as_nobody()
        )
        assert done.returncode == 0, done.stderr.decode()


@contextmanager
def postgresql() -> Iterator[PostgresqlServer]:
    """One that runs."""
    folder = Path(
        tempfile.mkdtemp(prefix="sams-pg-")
    )  # of the user it runs as, and a short name for its socket
    server = PostgresqlServer(folder)
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def _programs() -> Path:
    found = programs()
    assert found is not None, MISSING
    return found


def _as_nobody() -> dict[str, Any]:
    if os.getuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _hand_over(path: Path) -> None:
    if os.getuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(path, nobody.pw_uid, nobody.pw_gid)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
