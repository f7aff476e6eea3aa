"""Members who send all the time, and what they were promised."""

from __future__ import annotations

import random
import smtplib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.service import Service
from tests.support.sink import marked

SENDER = "alice@example.org"


def one_recipient(_: str) -> list[str]:
    """The same for every message."""
    return ["x@example.net"]


@dataclass
class Members:
    """Threads that submit marked messages until they are told to stop.

    recipients_of: of the message with a mark. promised: marks that were answered with 250. refused: replies that were
    none. lost: connections that ended before they were to.
    """

    service: Service
    count: int = 8
    sizes: tuple[int, ...] = (200, 4_000, 200_000)
    recipients_of: Callable[[str], list[str]] = one_recipient
    promised: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        # Daemons: a test that fails before it stops them must not keep the whole run from ending.
        self._threads = [
            threading.Thread(target=self._send_all, args=(n,), daemon=True) for n in range(self.count)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send_all(self, number: int) -> None:
        chance = random.Random(number)
        sent = 0
        while not self._stop.is_set():
            try:
                with self.service.signed_in("alice") as client:
                    for _ in range(chance.randint(1, 5)):
                        sent += 1
                        self._send(client, f"{number}-{sent}", chance.choice(self.sizes))
            except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused) as refusal:
                self.refused.append(repr(refusal))
            except OSError as error:  # a service that is being killed breaks connections: connect again
                self.lost.append(repr(error))
                self._stop.wait(0.01)

    def _send(self, client: smtplib.SMTP, mark: str, size: int) -> None:
        line = b"x" * 70 + b"\r\n"
        body = line * (size // len(line) + 1)
        client.sendmail(SENDER, self.recipients_of(mark), marked(mark, SENDER, body))
        self.promised.add(mark)
