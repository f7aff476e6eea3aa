"""What a SASL mechanism is to a server (RFC 4422): octets in, steps out. It knows no accounts, never waits.

A mechanism object serves one exchange. `start` takes the initial response, `respond` each further one; both
return a step:

- `Challenge`: send it, and hand the peer's answer to `respond`;
- `Verify`: the exchange is over, and the claim is for `identity` to decide; its verdict is the outcome;
- `Malformed`: the exchange is over, because the peer did not keep to the mechanism.

Mechanisms that prove knowledge of a password without sending it fit in by two more steps, and no change to
those above. SCRAM-SHA-256 would be told by its first message who signs in, and return `Lookup(authcid)`; the
session fetches the stored keys and calls `resume(keys)`, which returns the Challenge with salt and iteration
count; the peer's proof then gives `Success(authzid, authcid, data)`, where data is the server's signature,
which goes out as a last challenge (235 has no room for it, RFC 4954 section 4). OAUTHBEARER is a `Verify` with
a claim of its own kind, a token in place of the password. EXTERNAL needs what TLS found out: its factory is a
closure over that. GSSAPI is challenges, then `Success`.
"""

from __future__ import annotations

from typing import Protocol

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


class Challenge(msgspec.Struct, frozen=True, gc=False):
    """Octets for the peer, to which it owes a response."""

    data: bytes

    def __repr__(self) -> str:
        return "Challenge()"


class Verify(msgspec.Struct, frozen=True, gc=False):
    """The mechanism is done: whether the claim is true is for others to say."""

    claim: PasswordClaim


class Malformed(msgspec.Struct, frozen=True, gc=False):
    """The peer did not keep to the mechanism. text: what the peer may be told; has nothing of its data."""

    text: str


Step = Challenge | Verify | Malformed


class ServerMechanism(Protocol):
    """One exchange of one mechanism. After Verify or Malformed nothing may be called."""

    def start(self, initial: bytes | None) -> Step:
        """Begin. initial: the initial response; None when there was none, `b""` when it was empty."""
        ...

    def respond(self, data: bytes) -> Step:
        """Take the response to the last Challenge."""
        ...


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
