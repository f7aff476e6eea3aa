"""Mail servers that pass on a machine's own mail, set up as the pages say: each in a folder of its own, as root."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.service import PATIENCE
from tests.support.set_up_pages import Home, Page, Said

UNPACKED = Path("/usr/local/lib/exim4-beside-postfix")
"""Where `make system` unpacks Exim, whose package cannot be installed beside Postfix's."""
EXIM = UNPACKED / "usr" / "sbin" / "exim4"
_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
_POSTFIX = """\
compatibility_level = 3.6
myhostname = server-1.example.org
queue_directory = {folder}/spool
data_directory = {folder}/data
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
alias_maps =
inet_protocols = ipv4
smtp_host_lookup = native
"""
_SERVICES = """\
pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True, slots=True)
class Machine:
    """A folder that users of mail servers can enter, which those of pytest do not allow."""

    folder: Path

    @staticmethod
    def can_be() -> bool:
        """Whether mail servers can be started here."""
        return os.geteuid() == 0

    @classmethod
    @contextmanager
    def made(cls, authorities: str) -> Iterator[Machine]:
        """An empty one, with a copy of the authorities that all can read."""
        folder = Path(tempfile.mkdtemp(prefix="sams-null-client-"))
        try:
            folder.chmod(0o755)
            (folder / "ca.pem").write_bytes(Path(authorities).read_bytes())
            yield cls(folder)
        finally:
            shutil.rmtree(folder)

    @property
    def authorities(self) -> Path:
        """The copy."""
        return self.folder / "ca.pem"

    def write(self, name: str, text: str, mode: int = 0o644) -> Path:
        """A file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def here(self, text: str, **places: str) -> str:
        """The text with places of a whole system replaced by those of this folder."""
        for place, name in places.items():
            text = text.replace(f"/{place.replace('_', '/')}/", f"{self.folder}/{name}/")
        return text


@contextmanager
def postfix(page: Page, folder: Path, password: str, authorities: str) -> Iterator[Callable[[], Said]]:
    """An instance of its own, which runs until the end."""
    del folder
    with Machine.made(authorities) as machine:
        conf = machine.folder / "postfix"
        listing = machine.here(page.listings["/etc/postfix/main.cf"], etc_postfix="postfix")
        trusted = listing.replace(_AUTHORITIES, str(machine.authorities))
        machine.write("postfix/main.cf", f"{trusted}\n{_POSTFIX.format(folder=machine.folder)}")
        machine.write("postfix/master.cf", _SERVICES)
        (machine.folder / "spool").mkdir()
        (machine.folder / "data").mkdir()
        shutil.chown(machine.folder / "data", "postfix")
        home = Home.make(machine.folder / "home", MAIL_CONFIG=str(conf))
        home.do(machine.here(page.listings["Make the file"], etc_postfix="postfix"))
        secret = conf / "sasl_passwd"
        secret.write_text(page.listings["/etc/postfix/sasl_passwd"].replace("YOUR-PASSWORD", password))
        assert secret.stat().st_mode & 0o777 == 0o600
        home.do("postfix start")
        try:
            yield lambda: _with_log(
                home.say(page.listings["Test message"]), machine.folder / "maillog", "status="
            )
        finally:
            home.say("postfix stop")


def _with_log(said: Said, log: Path, mark: str) -> Said:
    """What was said, and what the log says once it has the mark."""
    until = time.monotonic() + PATIENCE
    text = ""
    while mark not in text:
        assert time.monotonic() < until, f"{said}\n{text}"
        time.sleep(0.05)
        text = log.read_text() if log.exists() else ""
    return Said(said.output + text, said.status)


@contextmanager
def exim_by_debian(page: Page, folder: Path, password: str, authorities: str) -> Iterator[Callable[[], Said]]:
    """Debian's way: three files, of which its script makes the configuration."""
    del folder
    with Machine.made(authorities) as machine:
        shutil.copytree(UNPACKED / "etc" / "exim4", machine.folder / "exim4")
        template = machine.folder / "exim4" / "exim4.conf.template"
        template.write_text(_of_this(machine, template.read_text()))
        script = _of_this(machine, (UNPACKED / "usr" / "sbin" / "update-exim4.conf").read_text())
        machine.write("bin/update-exim4.conf", script, 0o755)
        machine.write("mailname", "server-1.example.org\n")
        machine.write("aliases", page.listings["/etc/aliases"])
        machine.write("email-addresses", "")
        (machine.folder / "lib").mkdir()
        for name in ("update-exim4.conf.conf", "exim4.conf.localmacros"):
            machine.write(f"exim4/{name}", page.listings[f"/etc/exim4/{name}"])
        with (machine.folder / "exim4" / "exim4.conf.localmacros").open("a") as macros:
            macros.write(f"REMOTE_SMTP_SMARTHOST_TLS_VERIFY_CERTIFICATES = {machine.authorities}\n")
        home = _exim_home(machine, machine.folder / "lib" / "config.autogenerated")
        home.do(machine.here(page.listings["Make the file"], etc_exim4="exim4"))
        secret = machine.folder / "exim4" / "passwd.client"
        secret.write_text(page.listings["/etc/exim4/passwd.client"].replace("YOUR-PASSWORD", password))
        home.do("update-exim4.conf")
        _add_places(machine, machine.folder / "lib" / "config.autogenerated")
        yield lambda: _exim_says(machine, home, page)


@contextmanager
def exim_by_one_file(
    page: Page, folder: Path, password: str, authorities: str
) -> Iterator[Callable[[], Said]]:
    """The whole configuration in one file."""
    del folder
    with Machine.made(authorities) as machine:
        text = machine.here(page.listings["/etc/exim/exim.conf"], etc_exim="exim")
        trusted = f"driver = smtp\n  tls_verify_certificates = {machine.authorities}"
        conf = machine.write("exim/exim.conf", text.replace("driver = smtp", trusted))
        secret = machine.write("exim/password", password, 0o640)
        shutil.chown(secret, "root", "Debian-exim")
        _add_places(machine, conf)
        home = _exim_home(machine, conf)
        yield lambda: _exim_says(machine, home, page)


def _of_this(machine: Machine, text: str) -> str:
    """A text of Debian's package with the places of this machine."""
    for place, name in (("/etc/exim4", "exim4"), ("/var/lib/exim4", "lib"), ("/etc/mailname", "mailname")):
        text = text.replace(place, f"{machine.folder}/{name}")
    for name in ("aliases", "email-addresses"):
        text = text.replace(f"/etc/{name}", f"{machine.folder}/{name}")
    return text.replace("/usr/sbin/exim4", str(EXIM))


def _add_places(machine: Machine, conf: Path) -> None:
    """Where Exim keeps what it has to keep, and that it asks no DNS for its own name."""
    for name in ("spool", "log"):
        made = machine.folder / name
        made.mkdir()
        shutil.chown(made, "Debian-exim", "Debian-exim")
    own = {
        "exim_path": EXIM,
        "spool_directory": machine.folder / "spool",
        "log_file_path": machine.folder / "log" / "%slog",
        "primary_hostname": "server-1.example.org",
    }
    lines = [line for line in conf.read_text().splitlines() if line.partition(" =")[0] not in own]
    text = "\n".join([*(f"{name} = {value}" for name, value in own.items()), *lines, ""])
    here = "driver = manualroute\n  self = send"  # for the service is on this machine
    conf.write_text(text.replace("driver = manualroute", here))


def _exim_home(machine: Machine, conf: Path) -> Home:
    """Where `sendmail` and `exim4` are Exim with this configuration. It sends at once: no daemon runs."""
    home = Home.make(machine.folder / "home")
    for name, option in (("sendmail", "-odf "), ("exim4", "")):
        tool = home.folder / "bin" / name
        tool.write_text(f'#!/bin/sh\nexec {EXIM} -C {conf} {option}"$@"\n')
        tool.chmod(0o755)
    paths = f"{machine.folder}/bin:{home.environment['PATH']}"
    return Home(home.folder, {**home.environment, "PATH": paths})


def _exim_says(machine: Machine, home: Home, page: Page) -> Said:
    """The page's commands but the first, which asks systemd to reload a daemon."""
    _, _, commands = page.listings["Test message"].partition("\n")
    said = home.say(commands)
    return Said(said.output + (machine.folder / "log" / "mainlog").read_text(), said.status)
