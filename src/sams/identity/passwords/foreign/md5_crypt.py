"""MD5-crypt, the hash of FreeBSD's crypt(3) (`$1$`) and of Apache's htpasswd (`$apr1$`), which differ by that word.

Poul-Henning Kamp's algorithm of 1994. Old and cheap to guess: it is verified here to be replaced.
"""

from __future__ import annotations

from hashlib import md5

_ALPHABET = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ORDER = ((0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5))
_ROUNDS = 1_000


def md5_crypt(password: bytes, magic: bytes, salt: bytes) -> bytes:
    """The last part of a hash: 22 characters. magic: `$1$` or `$apr1$`; salt: at most 8 octets."""
    digest = _digest(_begin(password, magic, salt))
    for number in range(_ROUNDS):
        digest = _digest(_round(number, password, salt, digest))
    return _encoded(digest)


def _begin(password: bytes, magic: bytes, salt: bytes) -> bytes:
    length = len(password)
    inner = _digest(password + salt + password)
    text = password + magic + salt + (inner * (length // 16 + 1))[:length]
    while length:
        text += b"\0" if length & 1 else password[:1]
        length >>= 1
    return text


def _round(number: int, password: bytes, salt: bytes, digest: bytes) -> bytes:
    is_odd = number % 2
    return b"".join((
        password if is_odd else digest,
        salt if number % 3 else b"",
        password if number % 7 else b"",
        digest if is_odd else password,
    ))  # fmt: skip


def _encoded(digest: bytes) -> bytes:
    groups = [(digest[a] << 16 | digest[b] << 8 | digest[c], 4) for a, b, c in _ORDER]
    return b"".join(_letters(number, count) for number, count in (*groups, (digest[11], 2)))


def _letters(number: int, count: int) -> bytes:
    return bytes(_ALPHABET[number >> 6 * place & 0x3F] for place in range(count))


def _digest(text: bytes) -> bytes:
    return md5(text, usedforsecurity=False).digest()
