"""A real Dovecot's authentication service, in a folder of its own: 2.3 as Debian 12 has it, 2.4 as later ones.

Users are in a passwd-file for passwords and in another for user data. It is stopped by the pid of what was started.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.processes import children

PROGRAM = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
MISSING = "Dovecot is missing: apt install dovecot-core, or make system"

USERS = """
alice:{PLAIN}correct horse::::::email=alice@example.org aliases=a.liddell@example.org,al@example.org
caro@example.org:{PLAIN}with ümlaut::::::
norm:{PLAIN}right::::::user=normalised
closed:{PLAIN}right::::::nologin reason=ask-the-desk
moved:{PLAIN}right::::::proxy host=127.0.0.9
referred:{PLAIN}right::::::nologin host=127.0.0.9
orphan:{PLAIN}right::::::
strip@elsewhere.example:{PLAIN}right::::::user=alice
guest@elsewhere.example:{PLAIN}right::::::
odd$(x):{PLAIN}right::::::
"""
DATA = """
alice::1000:1000::/home/alice::userdb_email=alice@example.org userdb_aliases=a.liddell@example.org,al@example.org
caro@example.org::1000:1000::/home/caro::
normalised::1000:1000::/home/n::userdb_email=norm@example.org
closed::1000:1000::/home/closed::
guest@elsewhere.example::1000:1000::/home/guest::
banned::1000:1000::/home/banned::
"""

_COMMON = """
protocols =
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
ssl = no
auth_mechanisms = {mechanisms}
auth_username_chars =
auth_failure_delay = 0 secs
auth_debug = yes
{users}
service auth {{
  {auth_user}
  unix_listener auth-sams {{
    mode = 0600
  }}
  unix_listener auth-sams-userdb {{
    mode = 0600
  }}
  inet_listener sams {{
    {listen}
    port = {port}
  }}
}}
service anvil {{
  chroot =
}}
"""
_OWN_USER = "default_internal_user = {0}\ndefault_login_user = {0}"
_DATABASES_2_3 = """
auth_master_user_separator = *
passdb {{
  driver = passwd-file
  args = {folder}/masters
  master = yes
}}
passdb {{
  driver = passwd-file
  args = {folder}/banned
  deny = yes
}}
passdb {{
  driver = passwd-file
  args = username_format=%u {folder}/passwords/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {folder}/data
}}
"""
_DATABASES_2_4 = """
auth_master_user_separator = *
auth_allow_cleartext = yes
passdb masters {{
  driver = passwd-file
  passwd_file_path = {folder}/masters
  master = yes
}}
passdb banned {{
  driver = passwd-file
  passwd_file_path = {folder}/banned
  deny = yes
}}
passdb users {{
  driver = passwd-file
  passwd_file_path = {folder}/passwords/users
  auth_username_format = %{{user}}
}}
userdb data {{
  driver = passwd-file
  passwd_file_path = {folder}/data
  auth_username_format = %{{user}}
}}
"""


@dataclass
class DovecotServer:
    """One Dovecot. `start` waits until its sockets answer."""

    mechanisms: str = "plain"
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="sams-dovecot-")))
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.port = _free_port()
        (self.folder / "passwords").mkdir()
        for name, text in (("passwords/users", USERS), ("data", DATA), ("banned", "banned:\n")):
            (self.folder / name).write_text(text.lstrip())
        (self.folder / "masters").write_text("root:{PLAIN}master::::::\n")
        self._configure()

    @property
    def socket(self) -> str:
        return str(self.folder / "run" / "auth-sams")

    @property
    def user_socket(self) -> str:
        return str(self.folder / "run" / "auth-sams-userdb")

    @property
    def log(self) -> str:
        file = self.folder / "log"
        return file.read_text(errors="replace") if file.exists() else ""

    def start(self) -> None:
        assert PROGRAM
        with (self.folder / "out").open("wb") as out:
            command = [PROGRAM, "-F", "-c", str(self.folder / "dovecot.conf")]
            self.process = subprocess.Popen(command, stdout=out, stderr=out)
        end = time.monotonic() + 20
        while not _answers(self.socket):
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError((self.folder / "out").read_text() + self.log)
            time.sleep(0.02)

    def stop(self) -> None:
        """Its processes end with it, as they do when a machine goes down: they would serve whoever is connected."""
        if self.process is None:
            return
        left = children(self.process.pid)
        self.process.terminate()
        self.process.wait(20)
        self.process = None
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def pause(self) -> None:
        """What is connected hangs; the processes below it are stopped as well."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        for pid in (self.process.pid, *children(self.process.pid)):
            os.kill(pid, number)

    def _configure(self) -> None:
        assert PROGRAM
        version = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout
        is_2_3 = version.startswith("2.3")
        begin = "" if is_2_3 else "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n"
        is_root = os.getuid() == 0
        own = "" if is_root else _OWN_USER.format(getpass.getuser())
        text = _COMMON.format(
            folder=self.folder,
            mechanisms=self.mechanisms,
            users=own,
            auth_user="user = root" if is_root else "",
            listen="address = 127.0.0.1" if is_2_3 else "listen = 127.0.0.1",
            port=self.port,
        )
        databases = (_DATABASES_2_3 if is_2_3 else _DATABASES_2_4).format(folder=self.folder)
        (self.folder / "dovecot.conf").write_text(begin + text + databases)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
        except OSError:
            return False
        return True
