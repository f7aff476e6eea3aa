"""A real Dovecot as IMAP server, by TLS, with one user: 2.3 as Debian 12 has it, 2.4 as later ones."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.certificates import Authority
from tests.support.dovecot_server import PROGRAM
from tests.support.processes import children
from tests.support.service import free_ports

MISSING = "Dovecot's IMAP is missing: apt install dovecot-imapd, or make system"
IS_THERE = PROGRAM is not None and Path("/usr/lib/dovecot/imap-login").exists()

_COMMON = """
protocols = imap
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
ssl = required
auth_mechanisms = plain login
first_valid_uid = 1
{own}
service imap-login {{
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    {listen}
    port = {port}
    ssl = yes
  }}
}}
"""
_ROOT = """
service auth {
  user = root
}
"""
_OWN = """
default_internal_user = {user}
default_login_user = {user}
default_internal_group = {group}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
}}
"""
_2_3 = """
ssl_cert = <{folder}/certificate.pem
ssl_key = <{folder}/key.pem
mail_location = maildir:{folder}/mail
passdb {{
  driver = passwd-file
  args = username_format=%u {folder}/passwords
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/home
}}
"""
_2_4 = """
ssl_server_cert_file = {folder}/certificate.pem
ssl_server_key_file = {folder}/key.pem
mail_driver = maildir
mail_path = {folder}/mail
passdb users {{
  driver = passwd-file
  passwd_file_path = {folder}/passwords
  auth_username_format = %{{user}}
}}
userdb all {{
  driver = static
  fields {{
    uid = {uid}
    gid = {gid}
    home = {folder}/home
  }}
}}
"""


@dataclass
class ImapServer:
    """One server. user, password: who may read."""

    authority: Authority
    host: str
    user: str
    password: str
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="sams-imap-")))
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        (self.port,) = free_ports(1)
        self.folder.chmod(
            0o711
        )  # mail is read by another user where the test is root, which Dovecot lets read none
        is_root = os.getuid() == 0
        reader = pwd.getpwnam("nobody") if is_root else pwd.getpwuid(os.getuid())
        pair = self.authority.host(self.host).pairs[0]
        (self.folder / "certificate.pem").write_bytes(pair.chain)
        (self.folder / "key.pem").write_bytes(pair.key)
        (self.folder / "passwords").write_text(f"{self.user}:{{PLAIN}}{self.password}::::::\n")
        for name in ("mail", "home"):
            (self.folder / name).mkdir()
            os.chown(self.folder / name, reader.pw_uid, reader.pw_gid)
        self._configure(reader, is_root=is_root)

    @property
    def sent(self) -> list[Path]:
        """Messages in the folder of sent ones."""
        return [one for part in ("cur", "new") for one in (self.folder / "mail" / ".Sent" / part).glob("*")]

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
        while not (self.folder / "run" / "master.pid").exists():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError((self.folder / "out").read_text() + self.log)
            time.sleep(0.02)

    def stop(self) -> None:
        if self.process is None:
            return
        left = children(self.process.pid)
        self.process.terminate()
        self.process.wait(20)
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def _configure(self, reader: pwd.struct_passwd, *, is_root: bool) -> None:
        assert PROGRAM
        version = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout
        is_2_3 = version.startswith("2.3")
        begin = "" if is_2_3 else "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n"
        own = {"user": reader.pw_name, "group": grp.getgrgid(reader.pw_gid).gr_name}
        values = {
            "folder": self.folder,
            "own": _ROOT if is_root else _OWN.format_map(own),
            "uid": reader.pw_uid,
            "gid": reader.pw_gid,
            "port": self.port,
            "listen": "address = 127.0.0.1" if is_2_3 else "listen = 127.0.0.1",
        }
        text = begin + (_COMMON + (_2_3 if is_2_3 else _2_4)).format_map(values)
        (self.folder / "dovecot.conf").write_text(text)
