"""A real domain controller of Samba, an Active Directory by another hand, in a folder and a network of its own.

Its ports are fixed, so that it runs in a network namespace and is asked over its socket. That needs root. To make
one takes seconds: for the long suite.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_TOOL, _SERVER = (
    shutil.which("samba-tool"),
    shutil.which("samba", path=f"{os.environ.get('PATH', '')}:/usr/sbin"),
)
MISSING = (
    "a domain controller needs root, and: apt install samba samba-ad-provision (from Debian 13: samba-ad-dc)"
)
REALM = "ad.example.org"
SUFFIX = "DC=ad,DC=example,DC=org"
_SMB = """[global]
server services = ldap
pid directory = {folder}
ncalrpc dir = {folder}/ncalrpc
log file = {folder}/log
ldap server require strong auth = no
"""


def can_run() -> bool:
    """Whether one can be started here."""
    if _TOOL is None or _SERVER is None or os.geteuid() != 0:
        return False
    return subprocess.run(["unshare", "-n", "true"], check=False, capture_output=True).returncode == 0


@dataclass(frozen=True)
class Samba:
    """A domain controller."""

    folder: Path

    @property
    def url(self) -> str:
        """Of its socket."""
        return f"ldapi://{self.folder}/private/ldapi"

    def tool(self, *words: str) -> None:
        """Do as an administrator does, by samba-tool."""
        self._tool(*words, "-s", str(self._settings))

    @contextmanager
    def running(self) -> Iterator[Samba]:
        """Start it, and end it by the process that was started."""
        assert _SERVER is not None
        command = [_SERVER, "-i", "-M", "single", "-s", str(self._settings)]
        script = f"ip link set lo up; exec {' '.join(command)}"
        with (self.folder / "output").open("wb") as log:
            started = subprocess.Popen(
                ["unshare", "-n", "sh", "-c", script], stdout=log, stderr=log, stdin=subprocess.PIPE,
                start_new_session=True,
            )  # fmt: skip
        try:
            self._wait(started)
            yield self
        finally:
            with suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGTERM)
            started.communicate(timeout=20)

    def provision(self) -> None:
        """Make the domain."""
        options = ("interfaces=lo", "bind interfaces only=yes", "vfs objects=xattr_tdb")
        self._tool(
            "domain", "provision", f"--realm={REALM.upper()}", "--domain=EXAMPLE", "--server-role=dc",
            "--dns-backend=NONE", f"--targetdir={self.folder}", "--adminpass=Some.Passw0rd", "--host-name=dc1",
            "--host-ip=127.0.0.1", *(f"--option={option}" for option in options),
        )  # fmt: skip
        written = self._settings.read_text().partition("[homes]")[0].partition("[sysvol]")[0]
        kept = re.sub(r"^\s*(server services|log file) =.*\n|^\[global\]\n", "", written, flags=re.MULTILINE)
        self._settings.write_text(_SMB.format(folder=self.folder) + kept)
        self.tool(
            "domain", "passwordsettings", "set", "--complexity=off", "--min-pwd-length=4", "--min-pwd-age=0",
            "--account-lockout-threshold=3",
        )  # fmt: skip

    @property
    def _settings(self) -> Path:
        return self.folder / "etc" / "smb.conf"

    @staticmethod
    def _tool(*words: str) -> None:
        assert _TOOL is not None
        done = subprocess.run([_TOOL, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def _wait(self, started: subprocess.Popen[bytes]) -> None:
        ends = time.monotonic() + 60
        while not (self.folder / "private" / "ldapi").exists():
            assert started.poll() is None, (self.folder / "output").read_text()
            assert time.monotonic() < ends, "samba does not answer"
            time.sleep(0.1)
