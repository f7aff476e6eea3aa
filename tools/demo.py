"""A running service with one account, and one real message through it.

python tools/demo.py            serve until Ctrl-C
python tools/demo.py --once     end after the message was seen
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import ipaddress
import json
import re
import secrets
import shlex
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOGIN = "demo"
ADDRESS = "demo@example.org"
PATIENCE = 30.0
CONFIGURATION = """\
# The demonstration's configuration. Every key: docs/reference/configuration.md

[server]
name = "localhost.localdomain"
data_dir = "data"
workers = 1

[tls]
certificate = "certificate.pem"
private_key = "key.pem"

{listeners}
[accounts]
domains = ["example.org"]

[[route]]
domains = ["*"]
type = "maildir"
path = "Maildir"

[limits]
min_free = "16 MiB"

[web]
port = {pages}
url = "http://localhost:{pages}"

[organisation]
name = "Demonstration"
"""
LISTENER = """\
[[listener]]
address = "127.0.0.1"
port = {port}
security = "{security}"

"""


@dataclass(frozen=True)
class Ports:
    """Where the demonstration listens: two with STARTTLS, one with TLS from the start, one for the pages."""

    starttls: tuple[int, int] = (2525, 2587)
    implicit: int = 2465
    pages: int = 8025

    def check_free(self) -> None:
        """End with advice where another program listens, before anything of it is touched."""
        for port in (*self.starttls, self.implicit, self.pages):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError as error:
                    raise SystemExit(
                        f"demo: port {port}: {error.strerror}. Is another demonstration running? Stop it (find it: "
                        f"ss -ltnp 'sport = :{port}'), or take other ports and another folder:\n"
                        ".venv/bin/python tools/demo.py --ports 3525 3587 3465 9025 --folder .demo2"
                    ) from None


@dataclass(frozen=True)
class Demo:
    """The folder, the ports and the password of one demonstration."""

    folder: Path
    ports: Ports
    password: str

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "sams.toml"

    def prepare(self) -> None:
        """Make the folder anew, with a certificate and a configuration."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o700, parents=True)
        make_certificate(self.folder)
        listeners = [LISTENER.format(port=port, security="starttls") for port in self.ports.starttls]
        listeners.append(LISTENER.format(port=self.ports.implicit, security="implicit"))
        text = CONFIGURATION.format(listeners="".join(listeners), pages=self.ports.pages)
        self.config.write_text(text, encoding="utf-8")
        secret = self.folder / "password"
        secret.touch(mode=0o600)
        secret.write_text(self.password + "\n", encoding="utf-8")

    def add_account(self) -> None:
        """Make the member's account, as an administrator would."""
        command = [
            "account",
            "add",
            LOGIN,
            "--address",
            ADDRESS,
            "--password-stdin",
            "--config",
            str(self.config),
        ]
        done = subprocess.run(  # noqa: S603 - our own command
            [*sams(), *command], input=self.password + "\n", text=True, check=False
        )
        if done.returncode:
            raise SystemExit("demo: the account could not be made; the line above says why")

    @contextlib.contextmanager
    def serving(self) -> Iterator[subprocess.Popen[bytes]]:
        """The running service, ended when left."""
        log = (self.folder / "log").open("wb")
        with (
            log,
            subprocess.Popen(  # noqa: S603 - our own command
                [*sams(), "serve", "--config", str(self.config)],
                stderr=log,
                stdout=log,
                start_new_session=True,
            ) as service,
        ):
            try:
                self._wait_until_ready(service)
                yield service
            finally:
                service.send_signal(signal.SIGTERM)
                service.wait(PATIENCE)

    def submit(self) -> None:
        """Send one message as a mail program does: STARTTLS with a checked certificate, password, message."""
        trust = ssl.create_default_context(cafile=self.folder / "certificate.pem")
        with smtplib.SMTP("localhost", self.ports.starttls[1], timeout=PATIENCE) as client:
            client.starttls(context=trust)
            client.login(LOGIN, self.password)
            client.send_message(demo_message())

    def look_at_pages(self) -> str:
        """The title of the front page, waited for: their process starts beside the service."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                with urllib.request.urlopen(
                    f"http://127.0.0.1:{self.ports.pages}/", timeout=PATIENCE
                ) as page:
                    return str(re.findall("<h1>(.*?)</h1>", page.read().decode(), re.DOTALL)[0])
            except OSError as error:
                if time.monotonic() > until:
                    raise SystemExit(f"demo: no pages: {error}; see {self.folder / 'log'}") from None
                time.sleep(0.1)

    def delivered(self) -> str:
        """The message as it lies in the Maildir, waited for."""
        box = self.folder / "Maildir" / "new"
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            found = sorted(box.glob("*")) if box.is_dir() else []
            if found:
                return found[0].read_text(encoding="utf-8")
            time.sleep(0.02)
        raise SystemExit(f"demo: no message arrived in {box}; see {self.folder / 'log'}")

    def _wait_until_ready(self, service: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and service.poll() is None:
            if self._says_ready():
                return
            time.sleep(0.02)
        raise SystemExit(
            "demo: the service did not start. It says:\n" + (self.folder / "log").read_text(errors="replace")
        )

    def _says_ready(self) -> bool:
        lines = (self.folder / "log").read_text(encoding="utf-8", errors="replace").splitlines()
        return any(json.loads(line)["event"] == "ready" for line in lines if line.endswith("}"))


def sams() -> list[str]:
    """The command of this environment."""
    return [sys.executable, "-m", "sams"]


def demo_message() -> EmailMessage:
    """The message that is sent."""
    message = EmailMessage()
    message["From"] = f"A Member <{ADDRESS}>"
    message["To"] = "friend@example.net"
    message["Bcc"] = "nobody-sees-this@example.net"
    message["Subject"] = "Sent through SAMS"
    message.set_content("Signed in over TLS, stored on disk, delivered.\n")
    return message


def make_certificate(folder: Path) -> None:
    """A certificate for this machine alone, good for 30 days."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [
        x509.DNSName("localhost"),
        x509.DNSName("localhost.localdomain"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret = folder / "key.pem"
    secret.touch(mode=0o600)
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def say(text: str) -> None:
    """Tell the person at the terminal."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def show(demo: Demo) -> None:
    """The message as it was delivered."""
    say(f"\nThe message as it was delivered into {demo.folder / 'Maildir'}:\n")
    say("\n".join("    " + line for line in demo.delivered().splitlines()))


def explain(demo: Demo) -> None:
    """How to point a mail program at it; the commands may be copied, whatever the folder is called."""
    ports = demo.ports
    certificate = demo.folder / "certificate.pem"
    story = ["env", f"SAMS_CONFIG={demo.config}", *sams(), "activity", "show"]
    say(f"""
The pages for members: setting up each program, and the doctor that watches a program fail:

    http://localhost:{ports.pages}/ ("{demo.look_at_pages()}")

Point a mail program at it:

    server          localhost
    port            {ports.starttls[1]} or {ports.starttls[0]} with STARTTLS, {ports.implicit} with SSL/TLS
    user name       {LOGIN}
    password        {demo.password}
    sender          {ADDRESS}
    certificate     {certificate} (made for this demonstration: a program will ask)

Or from a shell, with curl:

    printf 'From: {ADDRESS}\\r\\nTo: a@example.net\\r\\nSubject: hello\\r\\n\\r\\nHello\\r\\n' |
      curl --ssl-reqd --cacert {shlex.quote(str(certificate))} \\
           --user {shlex.quote(f"{LOGIN}:{demo.password}")} --mail-from {ADDRESS} --mail-rcpt a@example.net \\
           --upload-file - smtp://localhost:{ports.starttls[1]}

What happened so far, each step:

    {shlex.join(story)}

The log:

    {demo.folder / "log"}
""")


def end_by_signals() -> None:
    """Ctrl-C, a closed terminal and SIGTERM all end the demonstration, and the service with it."""

    def end(number: int, frame: object) -> None:
        del number, frame
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)


def main() -> int:
    """Run the demonstration; 0 when the message was seen, or when it was ended by Ctrl-C."""
    end_by_signals()
    try:
        run()
    except KeyboardInterrupt:
        say("\nEnded before the message was seen.")
        return 130
    return 0


def run() -> None:
    """Make everything, serve, submit and show."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--once", action="store_true", help="end after the message was seen")
    parser.add_argument("--folder", type=Path, default=Path(".demo"), help="where to keep everything")
    parser.add_argument(
        "--ports", type=int, nargs=4, default=(2525, 2587, 2465, 8025), help="STARTTLS, STARTTLS, TLS, pages"
    )
    asked = parser.parse_args()
    first, second, implicit, pages = asked.ports
    demo = Demo(asked.folder.absolute(), Ports((first, second), implicit, pages), secrets.token_urlsafe(12))
    demo.ports.check_free()
    say("Making a certificate, an account and a configuration …")
    demo.prepare()
    demo.add_account()
    say(f"Starting the service on ports {first}, {second} (STARTTLS) and {implicit} (TLS from the start) …")
    with demo.serving() as service:
        demo.submit()
        show(demo)
        explain(demo)
        if not asked.once:
            say("Serving until Ctrl-C.")
            with contextlib.suppress(KeyboardInterrupt):
                service.wait()
    say("Stopped.")


if __name__ == "__main__":
    sys.exit(main())
