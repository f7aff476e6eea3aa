"""A real slapd in a folder of its own: its configuration, its database, its sockets. Never the system's.

The tree has three parts: members as on a Unix site, with the password policy overlay; accounts with the attributes of
Active Directory, in a schema of ours that has the matching rules that slapd's own copy of it lacks; and groups. It is
stopped by the pid of what was started, and can be started again on the same ports.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import quote

import trustme

_SYSTEM = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/lib/ldap"
PROGRAM = shutil.which("slapd", path=_SYSTEM)
MISSING = "slapd is missing: apt install slapd, or make system"
SUFFIX = "dc=example,dc=org"
SERVICE = f"cn=sams,{SUFFIX}"
SERVICE_PASSWORD = "service word"

_SCHEMA = """
objectidentifier x 1.3.6.1.4.1.4203.666.11.99
attributetype ( x:1 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( x:2 NAME 'userPrincipalName' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( x:3 NAME 'userAccountControl' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 )
attributetype ( x:4 NAME 'accountExpires' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 )
attributetype ( x:5 NAME 'objectCategory' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( x:6 NAME 'proxyAddresses' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( x:7 NAME 'publicDelegates' EQUALITY distinguishedNameMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.12 )
attributetype ( x:8 NAME 'nsAccountLock' EQUALITY booleanMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.7 )
attributetype ( x:9 NAME 'loginDisabled' EQUALITY booleanMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.7 )
attributetype ( x:10 NAME 'mailAlternateAddress' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( x:11 NAME 'sendAs' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
objectclass ( x:20 NAME 'user' SUP top STRUCTURAL MUST ( cn $ sAMAccountName $ objectCategory )
  MAY ( userPrincipalName $ userAccountControl $ accountExpires $ proxyAddresses $ publicDelegates $ mail
  $ userPassword ) )
objectclass ( x:21 NAME 'extended' SUP top AUXILIARY
  MAY ( nsAccountLock $ loginDisabled $ mailAlternateAddress $ sendAs $ publicDelegates ) )
"""

_CONFIGURATION = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
include {folder}/extra.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload ppolicy
pidfile {folder}/slapd.pid
argsfile {folder}/slapd.args
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
threads 4
database mdb
suffix "{suffix}"
rootdn "cn=root,{suffix}"
rootpw root
directory {folder}/data
maxsize 16777216
dbnosync
overlay ppolicy
ppolicy_default "cn=policy,{suffix}"
overlay memberof
access to dn.subtree="ou=closed,{suffix}" by * auth
access to attrs=userPassword by anonymous auth by * none
access to * by * read
"""

_START = """
dn: {suffix}
objectClass: dcObject
objectClass: organization
dc: example
o: example

dn: cn=policy,{suffix}
objectClass: person
objectClass: pwdPolicy
cn: policy
sn: policy
pwdAttribute: userPassword
pwdMaxAge: 31536000
pwdLockout: TRUE
pwdMaxFailure: 1000
pwdMustChange: TRUE

dn: {service}
objectClass: person
cn: sams
sn: sams
userPassword: {password}

dn: ou=people,{suffix}
objectClass: organizationalUnit
ou: people

dn: ou=ad,{suffix}
objectClass: organizationalUnit
ou: ad

dn: ou=closed,{suffix}
objectClass: organizationalUnit
ou: closed

dn: ou=groups,{suffix}
objectClass: organizationalUnit
ou: groups
"""


@dataclass(frozen=True)
class Slapd:
    """A slapd. entries: LDIF, loaded offline, so that it may set operational attributes.

    names: of the certificate.
    """

    folder: Path
    entries: str = ""
    names: tuple[str, ...] = ("localhost", "127.0.0.1")
    authority: trustme.CA = field(default_factory=trustme.CA)
    _ports: list[int] = field(default_factory=list)
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def clear(self) -> str:
        """The URL without TLS from the start."""
        return f"ldap://127.0.0.1:{self._ports[0]}"

    @property
    def tls(self) -> str:
        """The URL with TLS from the start."""
        return f"ldaps://localhost:{self._ports[1]}"

    @property
    def local(self) -> str:
        """The URL of the socket."""
        return f"ldapi://{self.folder}/s"

    @property
    def ca_file(self) -> Path:
        """The authority of its certificate."""
        return self.folder / "ca.pem"

    @property
    def _program(self) -> str:
        """A copy: where AppArmor has rules for slapd, they are for the system's path, and allow no folder of ours."""
        return str(self.folder / "slapd")

    def __enter__(self) -> Self:
        self._write()
        self._ports.extend(_free_ports())
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        urls = (
            f"{self.clear}/ ldaps://127.0.0.1:{self._ports[1]}/ ldapi://{quote(f'{self.folder}/s', safe='')}/"
        )
        command = [self._program, "-h", urls, "-f", str(self.folder / "slapd.conf"), "-d", "0"]
        with (self.folder / "log").open("ab") as log:
            self._processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        ends = time.monotonic() + 20
        while not self._answers():
            assert self._processes[-1].poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < ends, "slapd does not answer"
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it."""
        while self._processes:
            process = self._processes.pop()
            with suppress(ProcessLookupError):
                process.send_signal(how)
            process.wait(20)

    def pause(self) -> None:
        """It accepts connections and says nothing."""
        self._processes[-1].send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """It works again."""
        self._processes[-1].send_signal(signal.SIGCONT)

    def modify(self, ldif: str, *, as_: str = f"cn=root,{SUFFIX}", password: str = "root") -> None:
        """Change something, as an administrator does."""
        command = ["ldapmodify", "-x", "-H", self.clear, "-D", as_, "-w", password]
        done = subprocess.run(command, input=ldif, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr

    def _write(self) -> None:
        (self.folder / "data").mkdir()
        assert PROGRAM is not None
        shutil.copy(PROGRAM, self._program)
        (self.folder / "extra.schema").write_text(_SCHEMA)
        (self.folder / "slapd.conf").write_text(_CONFIGURATION.format(folder=self.folder, suffix=SUFFIX))
        issued = self.authority.issue_cert(*self.names)
        self.authority.cert_pem.write_to_path(self.ca_file)
        (self.folder / "server.pem").write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(self.folder / "server.key")
        start = _START.format(suffix=SUFFIX, service=SERVICE, password=SERVICE_PASSWORD)
        add = [self._program, "-T", "add", "-q", "-f", str(self.folder / "slapd.conf")]
        done = subprocess.run(add, input=start + self.entries, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._ports[0]), 1).close()
        except OSError:
            return False
        return True


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
