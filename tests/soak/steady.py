"""The member whose times are taken: in a process of its own, so that no other client of the soak delays it.

Run as a program: `steady.py PORT CA_FILE SEED`. It writes a line of JSON for each message (`Sent`).
"""

from __future__ import annotations

import contextlib
import random
import smtplib
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import msgspec

from tests.soak.clients import mail_of
from tests.soak.ledger import Ledger
from tests.support.service import PASSWORD, PATIENCE, Service

NAME = "Steady"
LOGIN = "steady"
PAUSE = 0.25
_SOURCE = "127.0.0.40"
"""An address of its own, in another network than the attackers'."""


class Sent(msgspec.Struct, frozen=True):
    """A message. at: when it began, UNIX seconds. whole: connection to QUIT, dot: content to 250; seconds.

    code: of the reply that refused it, 0: the connection broke; 250: it was taken.
    """

    at: float
    mark: str
    whole: float
    dot: float
    code: int
    text: str


def _send(port: int, context: ssl.SSLContext, mark: str, chance: random.Random) -> tuple[float, bytes]:
    sender = f"{LOGIN}@example.org"
    with smtplib.SMTP_SSL(
        "127.0.0.1", port, timeout=PATIENCE, context=context, source_address=(_SOURCE, 0)
    ) as client:
        client.login(LOGIN, PASSWORD)
        for reply in (client.mail(sender), client.rcpt("friend@example.net")):
            if reply[0] != 250:
                raise smtplib.SMTPResponseException(*reply)
        content = mail_of(mark, sender, 4_096, chance)
        began = time.perf_counter()
        code, text = client.data(content)
        took = time.perf_counter() - began
        if code != 250:
            raise smtplib.SMTPResponseException(code, text)
    return took, text


def _tell(port: int, context: ssl.SSLContext, mark: str, chance: random.Random) -> Sent:
    at, began, dot = time.time(), time.perf_counter(), 0.0
    try:
        dot, text = _send(port, context, mark, chance)
        code, words = 250, text.decode(errors="replace")
    except smtplib.SMTPResponseException as refusal:
        code, words = refusal.smtp_code, repr(refusal.smtp_error)
    except (OSError, smtplib.SMTPException) as broken:
        code, words = 0, f"{type(broken).__name__}: {broken}"
    return Sent(at, mark, time.perf_counter() - began, dot, code, words)


def _main(port: int, ca_file: str, seed: str) -> None:
    chance, number = random.Random(seed), 0
    context = ssl.create_default_context(cafile=ca_file)
    context.check_hostname = True
    while True:
        number += 1
        sent = _tell(port, context, f"steady-{number}", chance)
        print(msgspec.json.encode(sent).decode(), flush=True)  # noqa: T201 - the parent reads it
        time.sleep(PAUSE)


class Steady:
    """It, from outside; what it was promised goes into the ledger."""

    def __init__(self, service: Service, ledger: Ledger, seed: int) -> None:
        self._ledger = ledger
        self.sent: list[Sent] = []
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.soak.steady"),
                *(str(service.implicit), str(service.folder / "ca.pem"), str(seed)),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with contextlib.suppress(msgspec.DecodeError):  # the last line, cut by the end
                self._take(msgspec.json.decode(line, type=Sent))

    def _take(self, sent: Sent) -> None:
        self.sent.append(sent)
        if sent.code == 250:
            self._ledger.promise(NAME, sent.mark, ("friend@example.net",), sent.text)
        else:
            self._ledger.refuse(NAME, sent.code, sent.text)

    def stop(self) -> None:
        """What was under way may have been taken: nothing is known of it."""
        self._process.terminate()
        self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)


@contextlib.contextmanager
def steady(service: Service, ledger: Ledger, seed: int) -> Iterator[Steady]:
    """A member who sends all the time."""
    made = Steady(service, ledger, seed)
    try:
        yield made
    finally:
        made.stop()


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
