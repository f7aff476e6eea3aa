"""What identity is to the rest of the house: who signed in, what the answer is, and until when it holds.

A session asks twice. `Authenticator.verify` when a SASL exchange brought a claim: one call, one verdict,
at once where it can be told from memory and by a future where a hash or a directory is asked. Before that, SCRAM
asks for `scram_keys`. `Authenticator.still_valid` at each MAIL: a change of the account since the sign-in ends the
session.

Behind the authenticator stand sources, in the order of the configuration. `Source` is what all have in common; what
only some can do is asked by the Protocol classes below it.
"""

from __future__ import annotations

import asyncio
import enum
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import msgspec

from sams.core.address import Mailbox
from sams.core.reply import Reply
from sams.identity.logins import Login
from sams.identity.origin import Network
from sams.protocol.sasl.interface import Claim, PrincipalClaim, ScramKeys, SecurityContext, TokenClaim


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
    """Who may sign in at a listener.

    sources: names of the sources whose members; empty: of all.
    devices_only: printers and monitors (`sams device`), and no person.
    """

    sources: frozenset[str] = frozenset()
    devices_only: bool = False


EVERYBODY = Audience()


class SignInVerdict(msgspec.Struct, frozen=True):
    """The answer to one sign-in.

    identity: who it is; None: not signed in.
    reply: what the client is told, without a reference: who writes the journal adds it (`Reply.with_reference`).
        235 2.7.0; 535 5.7.8 wrong name, password or authzid; 535 5.7.13 suspended, only after the right
        password; 454 4.7.0 locked, source down, too many waiting, or a failure of ours.
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


class Finding(enum.Enum):
    """What a source says of a login with a password or another proof.

    REFUSED is of a source that does not tell a wrong password from an unknown login (RADIUS, PAM): the next source
    is asked as well. After WRONG none is: the login is this source's.
    """

    RIGHT = "right"
    WRONG = "wrong password"
    REFUSED = "wrong password or no such login"
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
    """Where accounts come from: the built-in database, a directory, another program's users."""

    @property
    def name(self) -> str:
        """As the configuration and the journal name it."""
        ...

    @property
    def takes_passwords(self) -> bool:
        """Whether its own passwords may be used for submission; else only app passwords (and tokens, tickets)."""
        ...

    @property
    def knows_all(self) -> bool:
        """Whether `look_up` knows every account that there is, as it is now: None from it is an answer."""
        ...

    @property
    def can_find(self) -> bool:
        """Whether it knows members without their password; else `find` takes every login on trust."""
        ...

    @property
    def remember(self) -> float | None:
        """For how many seconds a password that it found right is remembered; None: as the service does."""
        ...

    def serves(self, login: Login) -> bool:
        """Whether the configuration lets it be asked about this login."""
        ...

    def look_up(self, login: Login) -> Account | None:
        """What is known of a login without waiting, up to date; None: nothing.

        A mapped login (`logins.map_login`) may have characters that no login has: then it is unknown.
        A source that has to ask over a network answers from what it keeps of the last `cache` seconds.

        Raises:
            TemporaryFailure: it cannot be told now.
        """
        ...

    async def find(self, login: Login) -> Account | None:
        """The same, by asking where that is needed. For who proved to be this login in another way.

        Raises:
            TemporaryFailure: it cannot be told now.
        """
        ...

    async def verify(self, login: Login, password: str, address: str, *, is_known: bool) -> Checked:
        """Check a password as it was typed. Costs the same for a login that is unknown.

        address: the client's; those who wait for a check take turns by it.
        is_known: this login was right at this address lately; who was comes first.

        Raises:
            TemporaryFailure: too many are waiting for a check; nothing was checked.
        """
        ...

    def changed(self) -> frozenset[str]:
        """Logins (`Identity.login`) changed since the last call, cheaply: asked once a second by each worker."""
        ...


@runtime_checkable
class TokenSource(Protocol):
    """A source that verifies tokens of an issuer (RFC 7628)."""

    async def verify_token(self, claim: TokenClaim, address: str, *, is_known: bool) -> Checked:
        """Check a token. WRONG for one that is not valid, of whoever it is. Else as `Source.verify`."""
        ...

    @property
    def refusal(self) -> bytes:
        """What a client with a refused token is told, as JSON (RFC 7628 section 3.2.2)."""
        ...


@runtime_checkable
class PrincipalSource(Protocol):
    """A source that knows the members of a Kerberos realm, whose tickets GSSAPI has verified."""

    async def find_principal(self, claim: PrincipalClaim) -> Checked:
        """Who the principal is here."""
        ...

    def accept_context(self) -> SecurityContext:
        """The acceptor of one ticket."""
        ...


@runtime_checkable
class ScramSource(Protocol):
    """A source that keeps SCRAM keys of passwords."""

    @property
    def has_all_keys(self) -> bool:
        """Whether every account has keys, so that SCRAM may be offered."""
        ...

    def scram_keys(self, login: Login, hash_name: str) -> ScramKeys | None:
        """The keys of the login's own password; None: it keeps none of this login."""
        ...


@runtime_checkable
class GracefulSource(Protocol):
    """A source that asks somebody else, and may be down: who was right lately still gets in by the same password."""

    @property
    def grace(self) -> float:
        """For how many seconds after it was last found right."""
        ...

    def last_known(self, login: Login) -> Account | None:
        """What was known of the login within `grace`, however old it is."""
        ...

    def still_valid(self, identity: Identity) -> bool:
        """Whether the account is as it was, as far as is known. Microseconds."""
        ...


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
