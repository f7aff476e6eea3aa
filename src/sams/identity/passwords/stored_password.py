"""What is kept of a password: an argon2 hash, to compare it when it is sent; keys for SCRAM, which never sends it.

SCRAM (RFC 5802) asks for salt and count before anybody proved anything, so they must not tell whether a login is
there. A salt is made of the login's name and a secret of the file, for members and nobody alike, and the count is the
file's. So all passwords of a login, its app passwords with them, have one salt: a proof is tried with the keys of
each. A domain or a device in the login makes no other salt: the same member may be typed with and without.

    keys = stored and server key of SHA-256 (32 + 32 octets) | of SHA-1 (20 + 20 octets)
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Final

from sams.identity.accounts.schema import Keyring
from sams.identity.logins import user_of
from sams.protocol.sasl.interface import ScramKey
from sams.protocol.sasl.scram import make_scram_key

OWN: Final = "password"
"""The id of the keys of an account's own password (`ScramKey.id`)."""
SALT_OCTETS = 16
_PLACES = {"sha256": (0, 32), "sha1": (64, 20)}
"""Where the keys of each hash begin, and how long one is."""


@dataclass(frozen=True, slots=True)
class StoredPassword:
    """The argon2 hash of a password, and its keys for SCRAM; None where the password itself was not there."""

    hashed: str = field(repr=False)
    scram: bytes | None = field(default=None, repr=False)


def salt_of(keyring: Keyring, login: str) -> bytes:
    """The salt of a mapped login, whether there is one or not."""
    return hmac.digest(keyring.salts, user_of(login).encode("utf-8", "surrogatepass"), "sha256")[:SALT_OCTETS]


def make_keys(keyring: Keyring, login: str, password: str) -> bytes:
    """The keys of a prepared password. Blocks for tens of milliseconds, as a stolen copy is to cost."""
    salt = salt_of(keyring, login)
    return b"".join(
        key for name in _PLACES for key in make_scram_key(password, salt, keyring.iterations, name)
    )


def read_key(keys: bytes, hash_name: str, password_id: str) -> ScramKey:
    """One hash's keys out of what `make_keys` made."""
    start, length = _PLACES[hash_name]
    return ScramKey(password_id, keys[start : start + length], keys[start + length : start + 2 * length])
