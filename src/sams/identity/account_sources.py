"""What a source of accounts is to the chain and to those who decide sign-ins.

`Source` is what all have in common; what only some can do is asked by the Protocol classes below it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from sams.identity.interface import Account, Identity
from sams.identity.logins import Login
from sams.protocol.sasl.interface import PrincipalClaim, ScramKeys, SecurityContext, TokenClaim


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
