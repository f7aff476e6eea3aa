"""The forms of crypt(3): `$2b$`, `$5$`, `$6$`, `$y$` by libcrypt, `$1$` and `$apr1$` here."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from hmac import compare_digest

from sams.identity.passwords.foreign.interface import ForeignHash, UnusableHashError, bounded, damaged
from sams.identity.passwords.foreign.libcrypt import MAX_OCTETS, LibCrypt
from sams.identity.passwords.foreign.md5_crypt import md5_crypt

BCRYPT_OCTETS = 72
"""Of a password; bcrypt never looked at what follows."""
MAX_BCRYPT_COST = 14
"""About a second."""
MAX_SHA_ROUNDS = 1_000_000
"""About half a second."""
MAX_YESCRYPT_OCTETS = 256 * 2**20
"""Of memory; about half a second."""

_BCRYPT = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}")
_SHA = re.compile(r"\$([56])\$(?:rounds=([0-9]{1,9})\$)?[^$:\s]{0,16}\$([./0-9A-Za-z]+)")
_YESCRYPT = re.compile(r"\$y\$j([./0-9A-Za-z]{2,6})\$[./0-9A-Za-z]{0,86}\$[./0-9A-Za-z]{43}")
_MD5 = re.compile(r"(\$(?:1|apr1)\$)([^$:\s]{0,8})\$([./0-9A-Za-z]{22})")
_SHA_LENGTHS = {"5": 43, "6": 86}
_DEFAULT_ROUNDS = 5_000
_LETTERS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NO_POWER = 60
"""Of two: more than any memory has."""
_MISSING = (
    "this system's libcrypt does not know {}: install libxcrypt (Debian: libcrypt1), or import elsewhere"
)


def read_bcrypt(text: str, library: LibCrypt) -> ForeignHash:
    """`$2a$`, `$2b$` and `$2y$`."""
    found = _BCRYPT.fullmatch(text)
    if found is None:
        raise damaged("bcrypt")
    bounded("bcrypt", "a cost of", int(found[1]), 4, MAX_BCRYPT_COST)
    return _by_library(library, "2b", "bcrypt", text, BCRYPT_OCTETS)


def read_sha_crypt(text: str, library: LibCrypt) -> ForeignHash:
    """`$5$` (SHA-256) and `$6$` (SHA-512)."""
    found = _SHA.fullmatch(text)
    if found is None or len(found[3]) != _SHA_LENGTHS[found[1]]:
        raise damaged("SHA-crypt")
    bounded("SHA-crypt", "rounds of", int(found[2] or _DEFAULT_ROUNDS), 1_000, MAX_SHA_ROUNDS)
    return _by_library(library, found[1], "SHA-256-crypt" if found[1] == "5" else "SHA-512-crypt", text)


def read_yescrypt(text: str, library: LibCrypt) -> ForeignHash:
    """`$y$` as crypt_gensalt makes it: with a block size and a memory cost, and nothing more."""
    found = _YESCRYPT.fullmatch(text)
    if found is None:
        raise damaged("yescrypt")
    bounded("yescrypt", "octets of memory:", _yescrypt_octets(found[1]), 1, MAX_YESCRYPT_OCTETS)
    return _by_library(library, "y", "yescrypt", text)


def read_md5_crypt(text: str, _library: LibCrypt) -> ForeignHash:
    """`$1$` and `$apr1$`."""
    found = _MD5.fullmatch(text)
    if found is None:
        raise damaged("MD5-crypt")
    magic, salt, hashed = (part.encode() for part in found.groups())

    def matches(password: bytes) -> bool:
        return compare_digest(md5_crypt(password, magic, salt), hashed)

    return ForeignHash("MD5-crypt", text, matches)


CRYPTS: dict[str, Callable[[str, LibCrypt], ForeignHash]] = {
    "$2a$": read_bcrypt,
    "$2b$": read_bcrypt,
    "$2y$": read_bcrypt,
    "$5$": read_sha_crypt,
    "$6$": read_sha_crypt,
    "$y$": read_yescrypt,
    "$1$": read_md5_crypt,
    "$apr1$": read_md5_crypt,
}
"""Who reads a hash that begins so. Raises UnusableHashError where it is none, or asks for too much."""


def _by_library(
    library: LibCrypt, method: str, scheme: str, text: str, looks_at: int | None = None
) -> ForeignHash:
    if not library.knows(method):
        raise UnusableHashError(_MISSING.format(scheme))
    return ForeignHash(scheme, text, partial(_matches, library, text.encode(), looks_at), looks_at)


def _matches(library: LibCrypt, stored: bytes, looks_at: int | None, password: bytes) -> bool:
    """What the library would not take was never hashed by it, and is wrong."""
    begin = password[:looks_at]
    if b"\0" in begin or len(begin) > MAX_OCTETS:
        return False
    made = library.crypt(begin, stored)
    if made is None:
        raise ValueError("libcrypt does not take this hash")
    return compare_digest(made.rpartition(b"$")[2], stored.rpartition(b"$")[2])


def _yescrypt_octets(parameters: str) -> int:
    """128 · N · r of yescrypt's own numbers for the two, one behind the other."""
    power, rest = _yescrypt_number(parameters)
    block, rest = _yescrypt_number(rest)
    if rest:
        raise UnusableHashError(
            "its yescrypt has parameters that crypt_gensalt(3) does not make: give a new password"
        )
    return 128 * block << min(power, _NO_POWER)


def _yescrypt_number(text: str) -> tuple[int, str]:
    """A number from 1 in as many letters as its first one says, and what follows."""
    if not text:
        raise damaged("yescrypt")
    first = _LETTERS.index(text[0])
    start, end, count, found = 0, 47, 1, 1
    while first > end:
        found += (end + 1 - start) << 6 * (count - 1)
        start, end, count = end + 1, end + 1 + (62 - end) // 2, count + 1
    if len(text) < count:
        raise damaged("yescrypt")
    found += (first - start) << 6 * (count - 1)
    for place, letter in enumerate(text[1:count]):
        found += _LETTERS.index(letter) << 6 * (count - 2 - place)
    return found, text[count:]
