"""Mail that the service itself writes: notices to members, alarms to the administrator.

The alarm about a disk that fails is written in the moment in which that disk takes no mail. So what the spool does
not take is offered again for some minutes; by then there is another shard, or room.
"""

from __future__ import annotations

import asyncio
import email.generator  # noqa: F401 - as_bytes loads it, which fails for a user that may not read the library
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from functools import partial

from sams.core.address import Mailbox
from sams.core.clock import Clock
from sams.core.envelope import Notify, Recipient
from sams.core.text import visible
from sams.message.trace import date_time
from sams.spool.interface import NewMessage, NewRecipient, Spool, Work
from sams.spool.stored_body import MemoryBody

_LINE = 200
PAUSES = (1.0, 5.0, 15.0, 60.0, 300.0)
"""Seconds until what could not be stored is offered again, each once."""
MOST_WAITING = 20
"""Messages that wait for that; more are lost, for the log has said it already."""


@dataclass(frozen=True, slots=True)
class _Letter:
    """What is to be sent, and by which route."""

    to: Mailbox
    route: str
    subject: str
    text: str


class ServiceMail:
    """Puts messages of the service into the spool, from the null sender: nobody is told that one was lost.

    name: the service's host name. author: in From.
    """

    def __init__(
        self,
        *,
        name: str,
        author: Mailbox,
        clock: Clock,
        spool: Spool,
        route_of: Callable[[str], str | None],
        submit: Callable[[tuple[Work, ...]], None],
    ) -> None:
        self._name = name
        self._author = author
        self._clock = clock
        self._spool = spool
        self._route_of = route_of
        self._submit = submit
        self._waiting = 0

    def send(self, to: Mailbox, subject: str, text: str) -> bool:
        """Write one message; False where no route takes it."""
        route = self._route_of(to.domain)
        if route is None:
            return False
        self._offer(_Letter(to, route, subject, text), 0)
        return True

    def _offer(self, letter: _Letter, tries: int) -> None:
        """Each time under an id of the shard that takes mail now."""
        to, route, subject, text = letter.to, letter.route, letter.subject, letter.text
        message_id = self._spool.next_id()
        head, body = self._written(message_id, to, subject, text)
        future = self._spool.accept(
            NewMessage(
                id=message_id,
                login="",
                session="",
                reverse_path=None,
                recipients=(NewRecipient(Recipient(to, Notify.NEVER), route),),
                head=head,
                body=MemoryBody(body),
                arrived=self._clock.now(),
                charge=False,
            )
        )
        future.add_done_callback(partial(self._stored, letter, tries))

    def _written(self, message_id: str, to: Mailbox, subject: str, text: str) -> tuple[bytes, bytes]:
        message = EmailMessage(policy=SMTP)
        message["From"] = f"Mail submission service <{self._author}>"
        message["To"] = str(to)
        message["Date"] = date_time(self._clock.now())
        message["Message-ID"] = f"<{message_id}@{self._name}>"
        message["Auto-Submitted"] = "auto-generated"
        message["Subject"] = visible(subject, _LINE)
        message.set_content(text, cte="quoted-printable")
        head, _, body = message.as_bytes().partition(b"\r\n\r\n")
        return head + b"\r\n\r\n", body

    def _stored(self, letter: _Letter, tries: int, future: asyncio.Future[tuple[Work, ...]]) -> None:
        if future.cancelled():
            return
        if future.exception() is None:
            self._submit(future.result())
        elif tries < len(PAUSES) and self._waiting < MOST_WAITING:
            self._waiting += 1
            asyncio.get_running_loop().call_later(PAUSES[tries], self._offer_again, letter, tries + 1)

    def _offer_again(self, letter: _Letter, tries: int) -> None:
        self._waiting -= 1
        self._offer(letter, tries)
