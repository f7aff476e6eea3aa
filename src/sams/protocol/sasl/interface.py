"""What a SASL mechanism is to a server (RFC 4422): octets in, steps out. It knows no accounts, never waits.

A mechanism object serves one exchange. `start` takes the initial response, `respond` each further one; both
return a step:

- `Challenge`: send it, and hand the peer's answer to `respond`;
- `NeedKeys`: it must know what is kept of this login's password (SCRAM); `resume` takes it and gives the next step;
- `Verify`: the exchange is over but for its outcome, and the claim is for `identity` to decide. Some mechanisms
  have a last word before the reply (RFC 4954 section 4: 235 and 535 have no room for it): `on_success` goes out
  as a challenge, which the peer answers with nothing, before 235; `on_failure` before 535, whatever the peer answers;
- `Malformed`: the exchange is over, because the peer did not keep to the mechanism.

What a `SecurityContext` raises goes through: a SamsError, with the reply that ends the exchange.

What TLS knows of the peer and of us is in `Channel`, which a mechanism's factory is given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import msgspec


class PasswordClaim(msgspec.Struct, frozen=True, gc=False):
    """Someone says who they are, and proves it by a password.

    authzid: the identity to act as, as it was sent; empty when it is the authcid's own.
    authcid: the login that the password belongs to; never empty; not yet prepared by RFC 8265.
    password: never empty, at most `MAX_PASSWORD_OCTETS` as UTF-8; not yet prepared; not shown by repr.
    """

    authzid: str
    authcid: str
    password: str

    def __repr__(self) -> str:
        return f"PasswordClaim(authzid={self.authzid!r}, authcid={self.authcid!r})"


class TokenClaim(msgspec.Struct, frozen=True, gc=False):
    """Someone brings a token that an issuer gave them (RFC 7628, XOAUTH2).

    authzid: who they say they are, as it was sent; empty where the token alone tells.
    token: the bearer token; never empty, of the characters that RFC 6750 section 2.1 gives it; not shown by repr.
    """

    authzid: str
    token: str

    def __repr__(self) -> str:
        return f"TokenClaim(authzid={self.authzid!r})"


class ProofClaim(msgspec.Struct, frozen=True, gc=False):
    """Someone proved to know a password without sending it, or failed to (SCRAM).

    authzid, authcid: as they were sent; authcid is never empty.
    password_id: of which of the keys that `NeedKeys` brought the proof is right (`ScramKey.id`); None: of none.
    """

    authzid: str
    authcid: str
    password_id: str | None


class CertificateClaim(msgspec.Struct, frozen=True, gc=False):
    """Someone's client certificate was verified in the handshake (EXTERNAL, RFC 4422 appendix A).

    authzid: who they want to be, as it was sent; empty: whom the certificate names.
    names: logins that the certificate may stand for, by the listener's rule; never empty.
    """

    authzid: str
    names: tuple[str, ...]


class PrincipalClaim(msgspec.Struct, frozen=True, gc=False):
    """Someone showed a ticket of a Kerberos realm (GSSAPI, RFC 4752).

    authzid: who they want to be, as it was sent; may be empty. principal: `name@REALM`.
    """

    authzid: str
    principal: str


Claim = PasswordClaim | TokenClaim | ProofClaim | CertificateClaim | PrincipalClaim


class Challenge(msgspec.Struct, frozen=True, gc=False):
    """Octets for the peer, to which it owes a response."""

    data: bytes

    def __repr__(self) -> str:
        return "Challenge()"


class NeedKeys(msgspec.Struct, frozen=True, gc=False):
    """What is kept of a login's password is needed to go on.

    authcid: whose, as it was sent. hash_name: `sha256` or `sha1`.
    """

    authcid: str
    hash_name: str


class ScramKey(msgspec.Struct, frozen=True, gc=False):
    """What is kept of one password (RFC 5802 section 3). id: says which; neither key is shown by repr."""

    id: str
    stored_key: bytes
    server_key: bytes

    def __repr__(self) -> str:
        return f"ScramKey(id={self.id!r})"


class ScramKeys(msgspec.Struct, frozen=True, gc=False):
    """What is kept of a login's passwords: all of them have one salt and one count.

    keys: may be empty; then no proof is right, and nothing else tells.
    """

    salt: bytes
    iterations: int
    keys: tuple[ScramKey, ...]


class Verify(msgspec.Struct, frozen=True, gc=False):
    """The mechanism is done: whether the claim is true is for others to say.

    on_success: what the peer is told before 235, None: nothing. on_failure: the same before a refusal.
    """

    claim: Claim
    on_success: bytes | None = None
    on_failure: bytes | None = None

    def __repr__(self) -> str:
        return f"Verify({self.claim!r})"


class Malformed(msgspec.Struct, frozen=True, gc=False):
    """The peer did not keep to the mechanism. text: what the peer may be told; has nothing of its data."""

    text: str


Step = Challenge | NeedKeys | Verify | Malformed


class ServerMechanism(Protocol):
    """One exchange of one mechanism. After Verify or Malformed nothing may be called."""

    def start(self, initial: bytes | None) -> Step:
        """Begin. initial: the initial response; None when there was none, `b""` when it was empty."""
        ...

    def respond(self, data: bytes) -> Step:
        """Take the response to the last Challenge."""
        ...


@runtime_checkable
class KeyedMechanism(ServerMechanism, Protocol):
    """A mechanism that may ask for keys."""

    def resume(self, keys: ScramKeys) -> Step:
        """Go on after `NeedKeys`."""
        ...


class SecurityContext(Protocol):
    """The acceptor's side of a GSS-API context (RFC 2743), which `identity` makes of a keytab."""

    def step(self, token: bytes) -> bytes | None:
        """Take the peer's token; what to answer, None: nothing.

        Raises:
            PeerFault: the token is not right; reply (535) and detail say why.
            TemporaryFailure: it cannot be told now (454).
        """
        ...

    @property
    def is_complete(self) -> bool:
        """Whether the context stands."""
        ...

    @property
    def principal(self) -> str:
        """Who the peer is, once the context stands."""
        ...

    def wrap(self, data: bytes) -> bytes:
        """Protect without encrypting."""
        ...

    def unwrap(self, data: bytes) -> bytes:
        """Check and take out.

        Raises:
            PeerFault: it was changed on the way.
        """
        ...


class Channel(msgspec.Struct, frozen=True):
    """What TLS and the listener know, for mechanisms that lean on it.

    offered: names of the mechanisms that this connection is offered.
    end_points: `tls-server-end-point` of each certificate that the peer may have been shown (RFC 5929 section 4).
        Whichever was shown, its key is ours alone, as the other keys are: who binds to one of them speaks with us.
    exporter: `tls-exporter` of this connection (RFC 9266), None: the TLS library cannot tell.
    certificate_names: logins that the peer's verified certificate may stand for; empty: it showed none.
    accept_context: makes the acceptor of a Kerberos ticket; None: there is no realm.
    token_refusal: what is told of a token that was refused, as JSON (RFC 7628 section 3.2.2).
    """

    offered: tuple[str, ...] = ()
    end_points: frozenset[bytes] = frozenset()
    exporter: bytes | None = None
    certificate_names: tuple[str, ...] = ()
    accept_context: Callable[[], SecurityContext] | None = None
    token_refusal: bytes = b'{"status":"invalid_token"}'


_NUL = 0
MAX_NAME_OCTETS = 1_024
"""Of authzid and authcid each. RFC 4616 speaks of 255; long distinguished names are longer."""
MAX_PASSWORD_OCTETS = 1_024
"""docs/security.md rule 7: a longer password is refused before it is hashed."""


def decode_name(data: bytes) -> str | None:
    """An authzid or authcid as text; None when it is too long, has a NUL or is not UTF-8."""
    return _decode(data, MAX_NAME_OCTETS)


def decode_password(data: bytes) -> str | None:
    """A password as text; None when it is empty, too long, has a NUL or is not UTF-8."""
    return _decode(data, MAX_PASSWORD_OCTETS) or None


def _decode(data: bytes, limit: int) -> str | None:
    if len(data) > limit or _NUL in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
