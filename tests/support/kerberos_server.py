"""A real Kerberos realm (MIT's krb5kdc) in a folder of its own, on a port of loopback.

Whoever asks it has `KRB5_CONFIG` set to `config`. It is stopped by the pid of what was started.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
_PROGRAMS = [shutil.which(name, path=_PATH) for name in ("krb5kdc", "kadmin.local", "kdb5_util", "kinit")]
IS_THERE = all(_PROGRAMS)
MISSING = "MIT Kerberos is missing: apt install krb5-kdc krb5-admin-server krb5-user, or make system"

REALM = "EXAMPLE.ORG"
SERVICE = f"smtp/smtp.example.org@{REALM}"
PASSWORD = "correct horse"
_CLIENT = """
[libdefaults]
 default_realm = {realm}
 dns_lookup_kdc = false
 dns_lookup_realm = false
 dns_canonicalize_hostname = false
 rdns = false
 udp_preference_limit = 1
[realms]
 {realm} = {{
  kdc = 127.0.0.1:{port}
 }}
[domain_realm]
 smtp.example.org = {realm}
"""
_KDC = """
[kdcdefaults]
 kdc_listen = 127.0.0.1:{port}
 kdc_tcp_listen = 127.0.0.1:{port}
[realms]
 {realm} = {{
  database_name = {folder}/principals
  key_stash_file = {folder}/stash
  acl_file = {folder}/acl
 }}
[logging]
 kdc = FILE:{folder}/kdc.log
"""


@dataclass
class KerberosServer:
    """One realm. `start` waits until its KDC answers."""

    realm: str = REALM
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="sams-kerberos-")))
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.point_at(self.port)
        kdc = _KDC.format(folder=self.folder, port=self.port, realm=self.realm)
        (self.folder / "kdc.conf").write_text(kdc)
        self._run("kdb5_util", "create", "-s", "-P", "master", "-r", self.realm)

    @property
    def config(self) -> str:
        return str(self.folder / "krb5.conf")

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": _PATH,
            "KRB5_CONFIG": self.config,
            "KRB5_KDC_PROFILE": str(self.folder / "kdc.conf"),
            "KRB5CCNAME": f"FILE:{self.folder}/ccache",
        }

    def point_at(self, port: int) -> None:
        """Clients look for the KDC there from now on."""
        (self.folder / "krb5.conf").write_text(_CLIENT.format(port=port, realm=self.realm))

    def add(self, principal: str, *options: str, password: str = PASSWORD) -> None:
        self.admin(f'addprinc {" ".join(options)} -pw "{password}" {principal}')

    def keytab(self, *principals: str, name: str = "keytab") -> Path:
        """A new keytab with new keys of new principals."""
        file = self.folder / name
        for principal in principals:
            self.admin(f"addprinc -randkey {principal}", f"ktadd -k {file} {principal}")
        return file

    def admin(self, *commands: str) -> None:
        for command in commands:
            done = self._run("kadmin.local", "-r", self.realm, "-q", command)
            assert "while" not in done.stderr, done.stderr

    def sign_in(self, principal: str, password: str = PASSWORD) -> None:
        """A ticket for a client, in the credentials cache of `environment`."""
        self._run("kinit", principal, text=f"{password}\n")

    def start(self) -> None:
        with (self.folder / "out").open("wb") as out:
            command = ["krb5kdc", "-n", "-r", self.realm, "-P", str(self.folder / "pid")]
            self.process = subprocess.Popen(command, env=self.environment, stdout=out, stderr=out)
        end = time.monotonic() + 20
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError((self.folder / "out").read_text())
            time.sleep(0.02)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def _run(self, *command: str, text: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command, env=self.environment, input=text, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done

    def _answers(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0
