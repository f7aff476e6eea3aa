"""Members who send all the time, and what they were promised."""

from __future__ import annotations

import random
import smtplib
import threading
from contextlib import suppress
from dataclasses import dataclass, field

from tests.support.service import Service
from tests.support.sink import marked

SENDER = "alice@example.org"


@dataclass
class Members:
    """Threads that submit marked messages until they are told to stop.

    promised: marks that were answered with 250. refused: replies that were none.
    """

    service: Service
    count: int = 8
    sizes: tuple[int, ...] = (200, 4_000, 200_000)
    promised: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
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
            # A service that is being killed breaks connections at any point: connect again and go on.
            with suppress(OSError, smtplib.SMTPException), self.service.signed_in("alice") as client:
                for _ in range(chance.randint(1, 5)):
                    sent += 1
                    self._send(client, f"{number}-{sent}", chance.choice(self.sizes))
                continue
            self._stop.wait(0.01)

    def _send(self, client: smtplib.SMTP, mark: str, size: int) -> None:
        line = b"x" * 70 + b"\r\n"
        try:
            client.sendmail(SENDER, ["x@example.net"], marked(mark, SENDER, line * (size // len(line) + 1)))
        except smtplib.SMTPResponseException as refusal:
            self.refused.append(f"{refusal.smtp_code} {refusal.smtp_error!r}")
            raise
        self.promised.add(mark)
