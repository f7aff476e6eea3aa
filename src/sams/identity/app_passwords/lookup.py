"""App passwords: one for each device or program of a member, of whatever source, kept here and ended here.

Each carries its full strength in itself (`text`), so what is kept is a keyed BLAKE2b, by which it is found at once,
whoever's it is; and keys for SCRAM. It is read here in each worker, as accounts are (`accounts.watch`); `store`
changes it. Whether the member is still there is for the source to say.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sams.core.clock import Clock
from sams.identity.accounts.schema import Keyring
from sams.identity.accounts.watch import AccountsWatch
from sams.identity.app_passwords.text import canonical
from sams.identity.origin import Network
from sams.identity.passwords.stored_password import read_key, salt_of
from sams.protocol.sasl.interface import ScramKey

_Key = TypeVar("_Key")
_Kept = TypeVar("_Kept")

TAG_OCTETS = 32
COLUMNS = "id, source, login, name, networks, senders, created, expires, generation"
_READ = f"SELECT {COLUMNS}, tag, scram FROM app_passwords"  # noqa: S608 - made of constants
_BY_TAG = f"{_READ} WHERE tag = ?"
_BY_ID = f"{_READ} WHERE id = ?"
_BY_LOGIN = f"{_READ} WHERE source = ? AND login = ? ORDER BY name_key"


@dataclass(frozen=True, slots=True)
class AppPassword:
    """One app password, without its secret.

    id: random; stands in the journal and in `Identity.app_password`.
    source, login: whose it is: `Identity.login` in the source of that name.
    name: of the device, as its owner wrote it.
    networks: from where alone it may be used; empty: from everywhere.
    senders: patterns that narrow the addresses it may send from; empty: it does not.
    created, expires: UNIX seconds; expires None: never.
    generation: of when it was made; no other app password has the same.
    """

    id: str
    source: str
    login: str
    name: str
    networks: tuple[Network, ...]
    senders: tuple[str, ...]
    created: float
    expires: float | None
    generation: int

    def is_expired(self, now: float) -> bool:
        """Whether its time is over. now: UNIX seconds."""
        return self.expires is not None and now >= self.expires


@dataclass(frozen=True, slots=True)
class _Known:
    password: AppPassword
    tag: bytes = field(repr=False)
    scram: bytes = field(repr=False)


class AppPasswords:
    """Finds them. Made in the worker, after the fork; `AccountsFile.prepare` has made the file before.

    max_cached: how many are kept in memory, by each way to find them; what was read first goes first.

    Raises (every method):
        TemporaryFailure: the file cannot be read.
    """

    def __init__(self, path: Path, clock: Clock, max_cached: int = 20_000) -> None:
        self._clock = clock
        self._max_cached = max_cached
        self._by_tag: dict[bytes, _Known] = {}
        self._by_id: dict[str, _Known] = {}
        self._by_login: dict[tuple[str, str], tuple[_Known, ...]] = {}
        self._watch = AccountsWatch(path, self._drop)

    def find(self, password: str) -> AppPassword | None:
        """Which one it is, typed in any way; one whose time is over as well. None: none. Microseconds."""
        characters = canonical(password)
        if characters is None:
            return None
        tag = tag_of(self._watch.keyring, characters)
        known = self._by_tag.get(tag) if self._watch.is_current else None
        known = known or self._read_tag(tag)
        return known.password if known is not None and hmac.compare_digest(known.tag, tag) else None

    def get(self, password_id: str) -> AppPassword | None:
        """The valid one with this id; it never changes but by its end. Microseconds: for each MAIL."""
        known = self._by_id.get(password_id) if self._watch.is_current else None
        known = known or self._read_id(password_id)
        return None if known is None or known.password.is_expired(self._clock.now()) else known.password

    def keys_of(self, source: str, login: str, hash_name: str) -> tuple[ScramKey, ...]:
        """The SCRAM keys of all valid ones of a login. hash_name: `sha256` or `sha1`."""
        now = self._clock.now()
        return tuple(
            read_key(known.scram, hash_name, known.password.id)
            for known in self._of(source, login)
            if not known.password.is_expired(now)
        )

    def salt_of(self, login: str) -> bytes:
        """The salt of all passwords of a mapped login, and the made-up one of nobody's."""
        return salt_of(self._watch.keyring, login)

    @property
    def iterations(self) -> int:
        """Of all SCRAM keys of this service."""
        return self._watch.keyring.iterations

    def changed(self) -> frozenset[str]:
        """Logins, of whatever source, with changes since the last call."""
        return self._watch.changed()

    def close(self) -> None:
        """Close the file."""
        self._watch.close()

    def _read_tag(self, tag: bytes) -> _Known | None:
        self._watch.refresh()
        rows = self._watch.rows(_BY_TAG, (tag,))
        return _keep(self._by_tag, tag, _known(rows[0]), self._max_cached) if rows else None

    def _read_id(self, password_id: str) -> _Known | None:
        self._watch.refresh()
        rows = self._watch.rows(_BY_ID, (password_id,))
        return _keep(self._by_id, password_id, _known(rows[0]), self._max_cached) if rows else None

    def _of(self, source: str, login: str) -> tuple[_Known, ...]:
        """That a login has none is not kept: strangers may name whom they like, and push nobody out of memory."""
        key = source, login
        known = self._by_login.get(key) if self._watch.is_current else None
        if known is not None:
            return known
        self._watch.refresh()
        rows = self._watch.rows(_BY_LOGIN, key)
        return _keep(self._by_login, key, tuple(map(_known, rows)), self._max_cached) if rows else ()

    def _drop(self) -> None:
        self._by_tag.clear()
        self._by_id.clear()
        self._by_login.clear()


def tag_of(keyring: Keyring, characters: str) -> bytes:
    """By which an app password is found. characters: canonical."""
    return hashlib.blake2b(
        characters.encode("ascii"), key=keyring.app_passwords, digest_size=TAG_OCTETS, person=b"sams app pass"
    ).digest()


def app_password_of(row: Any) -> AppPassword:
    """The value of a row that has `COLUMNS`."""
    password_id, source, login, name, networks, senders, created, expires, generation = row
    return AppPassword(
        password_id,
        source,
        login,
        name,
        tuple(map(ipaddress.ip_network, json.loads(networks))),
        tuple(json.loads(senders)),
        created,
        expires,
        generation,
    )


def _known(row: Any) -> _Known:
    *columns, tag, scram = row
    return _Known(app_password_of(columns), tag, scram)


def _keep(cache: dict[_Key, _Kept], key: _Key, kept: _Kept, most: int) -> _Kept:
    cache[key] = kept
    if len(cache) > most:
        del cache[next(iter(cache))]
    return kept
