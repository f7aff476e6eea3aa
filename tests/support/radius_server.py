"""A real FreeRADIUS with a configuration of its own in a folder, on a free port of loopback.

Whatever version it is, it is made to sign its answers: old ones (3.2.1 in Debian 12) do so only when they are told
to. It is stopped by the pid of what was started.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from sams.protocol.radius import RadiusError, access_request, read_response

PROGRAM = shutil.which("freeradius", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
MISSING = "FreeRADIUS is missing: apt install freeradius, or make system"
SECRET = "a-shared-secret-of-tests"

USERS = """
alice Cleartext-Password := "correct horse"
  Filter-Id = "mail",
  Class = "staff"

caro Cleartext-Password := "with ümlaut"

long Cleartext-Password := "{long}"

otp Auth-Type := second-factor
  Reply-Message = "Enter a code"

closed Auth-Type := Reject
  Reply-Message = "Your account is\tclosed"

"alice@elsewhere.example" Cleartext-Password := "elsewhere"
"""

_CONFIGURATION = """
prefix = {folder}
logdir = {folder}
run_dir = {folder}
db_dir = {folder}
libdir = /usr/lib/freeradius
pidfile = {folder}/pid
max_request_time = 5
cleanup_delay = 5
hostname_lookups = no
log {{
  destination = files
  file = {folder}/log
  auth = yes
}}
security {{
  max_attributes = 200
  reject_delay = 0
  status_server = yes
  allow_vulnerable_openssl = yes
}}
client tests {{
  ipaddr = 127.0.0.1
  secret = "{secret}"
  require_message_authenticator = yes
}}
thread pool {{
  start_servers = 2
  max_servers = 4
}}
modules {{
  pap {{
  }}
  files {{
    usersfile = {folder}/users
    key = "%{{User-Name}}"
  }}
  always handled {{
    rcode = handled
  }}
}}
server tests {{
  listen {{
    type = auth
    ipaddr = 127.0.0.1
    port = {port}
  }}
  authorize {{
    files
    pap
  }}
  authenticate {{
    Auth-Type PAP {{
      pap
    }}
    Auth-Type second-factor {{
      update control {{
        &Response-Packet-Type := Access-Challenge
      }}
      {sign}
      handled
    }}
  }}
  post-auth {{
    {sign}
    Post-Auth-Type REJECT {{
      {sign}
    }}
  }}
}}
"""
_SIGN = """update reply {
      &Message-Authenticator := 0x00
    }"""


@dataclass
class RadiusServer:
    """One FreeRADIUS. `start` waits until it answers.

    signs: whether it is told to sign its answers. does_sign: whether it does; 3.2.5 and later do in any case.
    """

    signs: bool = True
    secret: str = SECRET
    port: int = 0
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="sams-radius-")))
    process: subprocess.Popen[bytes] | None = None
    does_sign: bool = True

    def __post_init__(self) -> None:
        self.port = self.port or free_port()
        (self.folder / "users").write_text(USERS.format(long="p" * 128).lstrip())
        (self.folder / "dictionary").write_text("$INCLUDE /usr/share/freeradius/dictionary\n")
        text = _CONFIGURATION.format(
            folder=self.folder,
            secret=self.secret,
            port=self.port,
            sign=_SIGN if self.signs else "",
        )
        (self.folder / "radiusd.conf").write_text(text)
        (self.folder / "radiusd.conf").chmod(0o600)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def start(self) -> None:
        assert PROGRAM
        command = [PROGRAM, "-f", "-d", str(self.folder), "-n", "radiusd"]
        with (self.folder / "out").open("wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out)
        end = time.monotonic() + 20
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError((self.folder / "out").read_text() + self.log)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def pause(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def _answers(self) -> bool:
        request = access_request(1, os.urandom(16), b"nobody", b"x", self.secret.encode())
        with socket.socket(type=socket.SOCK_DGRAM) as client:
            client.settimeout(0.05)
            client.connect(("127.0.0.1", self.port))
            try:
                client.send(request.octets)
                read_response(client.recv(4_096), request, self.secret.encode())
            except RadiusError:
                self.does_sign = False
                return not self.signs
            except OSError:
                time.sleep(0.02)
                return False
            return True


def free_port() -> int:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
