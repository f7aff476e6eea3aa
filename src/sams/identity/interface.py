"""What identity is to the rest of the house: who signed in, what the answer is, and until when it holds.

A session asks twice. `Authenticator.verify` when a SASL exchange brought a claim: one call, one verdict,
at once where it can be told from memory and by a future where a hash or a directory is asked. Before that, SCRAM
asks for `scram_keys`. `Authenticator.still_valid` at each MAIL: a change of the account since the sign-in ends the
session.

Behind the authenticator stand sources, in the order of the configuration: see `account_sources.py`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal, Protocol

import msgspec

from sams.core.address import Mailbox
from sams.core.reply import Reply
from sams.identity.logins import Login
from sams.identity.origin import Network
from sams.protocol.sasl.interface import Claim, ScramKeys


@dataclass(frozen=True, slots=True)
class Grant:
    """What maps of senders add to a member's addresses (`grants.Grants`).

    own, others: patterns from files. told: what databases said, in identities of their own.
    asked: as whom they were asked. missing: what could not be told, and why, for the journal; empty: all could.
    """

    own: tuple[str, ...]
    others: tuple[str, ...]
    asked: Login
    told: tuple[Identity, ...] = ()
    missing: str = ""


BUILTIN = "builtin"
"""The name of the built-in accounts as a source, where they have no other."""
Why = Literal["", "password", "unknown", "suspended", "locked", "unavailable"]
"""Under which word a refused sign-in is counted (`activity.metrics.SIGN_IN_REFUSALS`); empty: it was not refused.

`password` is any proof that was not taken, `unknown` a login that nobody has.
"""


@dataclass(frozen=True, slots=True)
class Identity:
    """A member who signed in, as the account was then.

    login: the account's login, prepared (RFC 8265); the same for every spelling that the member may type.
    addresses: patterns that are the member's own: keys of mailboxes (`Mailbox.key`) and `*@domain`.
    may_send_as: patterns of others for whom the member may send; a Sender field is added.
    default_address: for a Sender field and for texts; always one of the member's own.
    generation: rises with every change of the account, or is of its content; another one means: sign in again.
    recipients_per_hour: the account's own limit, None: the service's.
    recipients_per_day: the same for a day.
    source: the name of the source that knows the account.
    app_password: the id of the app password that was used; empty: none was.
    recipients: patterns of whom the member may write to; empty: everybody.
    grant: what of the addresses comes from maps of senders; None: nothing.
    """

    login: str
    addresses: tuple[str, ...]
    may_send_as: tuple[str, ...]
    default_address: Mailbox
    generation: int
    recipients_per_hour: int | None = None
    recipients_per_day: int | None = None
    source: str = BUILTIN
    app_password: str = ""
    recipients: tuple[str, ...] = ()
    grant: Grant | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """What a source knows of a login.

    suspended: None for an active account, else the reason in the administrator's words; may be empty.
    networks: from where alone it may be used; empty: from everywhere.
    is_device: a printer or a monitor, no person.
    """

    identity: Identity
    suspended: str | None = None
    networks: tuple[Network, ...] = ()
    is_device: bool = False


def is_unchanged(account: Account | None, identity: Identity) -> bool:
    """Whether an account is as it was when somebody signed in, and may still be used. account: as it is known now."""
    return (
        account is not None
        and account.suspended is None
        and account.identity.generation == identity.generation
    )


@dataclass(frozen=True, slots=True)
class Audience:
    """Who may sign in at a listener, or at the pages.

    sources: names of the sources whose members; empty: of all.
    devices_only: printers and monitors (`sams device`), and no person. people_only: the other way round.
    """

    sources: frozenset[str] = frozenset()
    devices_only: bool = False
    people_only: bool = False


EVERYBODY = Audience()


class SignInVerdict(msgspec.Struct, frozen=True):
    """The answer to one sign-in.

    identity: who it is; None: not signed in.
    reply: what the client is told, without a reference: who writes the journal adds it (`Reply.with_reference`).
        Of who is signed in always `replies.ACCEPTED`; 535 5.7.8 wrong name, password or authzid; 535 5.7.13
        suspended, only after the right password; 454 4.7.0 locked, source down, too many waiting, or a failure of
        ours.
    explanation: for the journal only; says what the reply must not; never a secret.
    delay: seconds to wait before the reply is sent.
    why: as what a refusal is counted.
    is_ordinary: the explanation of a sign-in says nothing that the mechanism does not.
    """

    identity: Identity | None
    reply: Reply
    explanation: str
    delay: float = 0.0
    why: Why = ""
    is_ordinary: bool = False


Decision = SignInVerdict | asyncio.Future[SignInVerdict]
"""A verdict, at once or later."""


class Authenticator(Protocol):
    """Decides sign-ins. Methods are called on the loop."""

    def scram_keys(self, login: str, hash_name: str, audience: Audience = EVERYBODY) -> ScramKeys:
        """What a SCRAM exchange needs of a login as it was sent; made up, and the same each time, for nobody's.

        Microseconds, whatever was sent. Never raises.
        """
        ...

    def verify(self, claim: Claim, address: str, audience: Audience = EVERYBODY) -> Decision:
        """Decide a sign-in from `address` (the client's, as text). At once where it can be told from memory.

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
