"""What a directory is: whoever else keeps an organisation's members, asked over a network or a socket.

A directory answers questions, and knows nothing of caches, outages or sign-ins. `directory_source` makes a source of
accounts of it (`identity.account_sources.Source`), remembers what it said, and goes on for a while without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sams.core.errors import TemporaryFailure
from sams.identity.account_sources import Finding
from sams.identity.logins import Login
from sams.identity.replies import BUSY, UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Member:
    """What a directory knows of somebody.

    login: as the directory writes it; it need not be what was typed.
    addresses, may_send_as: mailboxes or `*@domain`, as the directory writes them; no addresses: by the source's rule.
        What is no address there is left out and told in the journal.
    suspended: None: may sign in; else why not, in words that the member may read; may be empty.
    recipients_per_hour, recipients_per_day: the member's own limits, None: the service's.
    """

    login: str
    addresses: tuple[str, ...] = ()
    may_send_as: tuple[str, ...] = ()
    suspended: str | None = None
    recipients_per_hour: int | None = None
    recipients_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a directory says of a proof.

    finding: RIGHT, WRONG, REFUSED or UNKNOWN. With RIGHT, `member` is set; the member may be suspended.
        UNAVAILABLE where it cannot be told of this login alone (a damaged hash, two entries) and nothing is down.
    detail: for the journal only; never a secret.
    """

    finding: Finding
    member: Member | None = None
    detail: str = ""


class Directory(Protocol):
    """Whoever keeps members. Made in each worker, after the fork. Methods are called on the loop.

    Raises (every question):
        TemporaryFailure: it cannot be told now (`down`). A bug of a library is one, too. Never a WRONG instead: a
            mail program that hears 535 throws the saved password away.
    A question that is cancelled (its time is over, or the client has gone) leaves nothing half done behind.
    """

    @property
    def can_find(self) -> bool:
        """Whether `find` works, so that app passwords end with the member."""
        ...

    async def verify(self, login: Login, password: str, address: str) -> Answer:
        """Check a password, as it was typed; not empty, no NUL, at most 1,024 octets. address: the client's."""
        ...

    async def find(self, login: Login) -> Member | None:
        """Who it is, without a password; None: nobody."""
        ...

    async def close(self) -> None:
        """Let go of connections and threads."""
        ...


def down(detail: str) -> TemporaryFailure:
    """The directory cannot answer. detail: for administrators, with what to look at; never a secret."""
    return TemporaryFailure(UNAVAILABLE, detail)


def unanswerable(detail: str) -> TemporaryFailure:
    """This one question cannot be answered, though the directory is up: two entries for one login, say.

    It is no sign of an outage (`DirectorySource` counts no BUSY as one): whoever knows such a login could otherwise
    keep all others out by asking about it.
    """
    return TemporaryFailure(BUSY, detail)
