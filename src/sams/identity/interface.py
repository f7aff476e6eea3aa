"""What identity is to the rest of the house: who signed in, what the answer is, and until when it holds.

A session asks twice. `Authenticator.verify` when a SASL exchange brought a password: one call, one verdict,
at once where the password is remembered and by a future where it is hashed. `Authenticator.still_valid` at
each MAIL: a change of the account since the sign-in ends the session.
"""

from __future__ import annotations

import asyncio
import enum
from dataclasses import dataclass
from typing import Protocol

import msgspec

from sams.core.address import Mailbox
from sams.core.reply import Reply
from sams.protocol.sasl.interface import PasswordClaim


@dataclass(frozen=True, slots=True)
class Identity:
    """A member who signed in, as the account was then.

    login: the account's login, prepared (RFC 8265); the same for every spelling that the member may type.
    addresses: patterns that are the member's own: keys of mailboxes (`Mailbox.key`) and `*@domain`.
    may_send_as: patterns of others for whom the member may send; a Sender field is added.
    default_address: for a Sender field and for texts; always one of the member's own.
    generation: rises with every change of the account; another generation means: sign in again.
    recipients_per_hour: the account's own limit, None: the service's.
    recipients_per_day: the same for a day.
    """

    login: str
    addresses: tuple[str, ...]
    may_send_as: tuple[str, ...]
    default_address: Mailbox
    generation: int
    recipients_per_hour: int | None = None
    recipients_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """What a source knows of a login.

    suspended: None for an active account, else the reason in the administrator's words.
    """

    identity: Identity
    suspended: str | None = None


class SignInVerdict(msgspec.Struct, frozen=True):
    """The answer to one sign-in.

    identity: who it is; None: not signed in.
    reply: what the client is told, without a reference: who writes the journal adds it (`Reply.with_reference`).
        235 2.7.0; 535 5.7.8 wrong name, password or authzid; 535 5.7.13 suspended, only after the right
        password; 454 4.7.0 locked, source down, too many waiting, or a failure of ours.
    explanation: for the journal only; says what the reply must not; never a secret.
    delay: seconds to wait before the reply is sent.
    """

    identity: Identity | None
    reply: Reply
    explanation: str
    delay: float = 0.0


class Finding(enum.Enum):
    """What a source says of a login with a password."""

    RIGHT = "right"
    WRONG = "wrong password"
    UNKNOWN = "no such login"
    UNAVAILABLE = "source unavailable"


@dataclass(frozen=True, slots=True)
class Checked:
    """A source's answer.

    account: with RIGHT, as it was when the password was checked; else None.
    detail: for the journal only, besides the finding; never a secret.
    """

    finding: Finding
    account: Account | None = None
    detail: str = ""


class Source(Protocol):
    """Where accounts come from: the built-in database, later directories and others."""

    @property
    def name(self) -> str:
        """As the configuration and the journal name it."""
        ...

    def look_up(self, login: str) -> Account | None:
        """What is known of a mapped login without waiting, up to date; None: nothing.

        A mapped login (`logins.map_login`) may have characters that no login has: then it is unknown.
        A source that has to ask over a network answers from what it keeps of earlier sign-ins.

        Raises:
            TemporaryFailure: it cannot be told now.
        """
        ...

    async def verify(self, login: str, password: str, address: str, *, is_known: bool) -> Checked:
        """Check a password as it was typed, for a mapped login. Costs the same for one that is unknown.

        address: the client's; those who wait for a check take turns by it.
        is_known: this login was right at this address lately; who was comes first.

        Raises:
            TemporaryFailure: too many are waiting for a check; nothing was checked.
        """
        ...

    def changed(self) -> frozenset[str]:
        """Logins changed since the last call, cheaply: asked once a second by each worker."""
        ...


class Authenticator(Protocol):
    """Decides sign-ins. Methods are called on the loop."""

    def verify(self, claim: PasswordClaim, address: str) -> SignInVerdict | asyncio.Future[SignInVerdict]:
        """Decide a sign-in from `address` (the client's, as text). At once where the password is remembered.

        Never raises, and neither does the future, but for cancellation: a failure of ours is a verdict with
        454 4.7.0, because a mail program that hears 535 throws the saved password away. A future that is
        cancelled (the client has gone) stops waiting; a hash under way still runs to its end.
        """
        ...

    def still_valid(self, identity: Identity) -> bool:
        """Whether the account is still as it was at the sign-in. Microseconds: for each MAIL."""
        ...

    def changed_logins(self) -> frozenset[str]:
        """Logins changed since the last call: end their sessions for which `still_valid` says no.

        For each worker once a second; costs one pragma where nothing changed. It asks the database even where the
        mark in memory (`still_valid`) stands still, so that a change by another program is seen as well.
        """
        ...
