"""Digests with and without a salt, as LDAP, Dovecot and htpasswd write them: `{SHA}`, `{SSHA512}`, `{PLAIN-MD5}`.

Cheap to guess, the unsalted ones by tables: they are verified here to be replaced.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from functools import partial
from hmac import compare_digest

from sams.identity.passwords.foreign.interface import ForeignHash, damaged

_MAX_SALT = 64
_METHODS = {
    "SHA": "sha1",
    "SHA1": "sha1",
    "SHA256": "sha256",
    "SHA384": "sha384",
    "SHA512": "sha512",
    "SSHA": "sha1",
    "SSHA256": "sha256",
    "SSHA384": "sha384",
    "SSHA512": "sha512",
    "MD5": "md5",
    "PLAIN-MD5": "md5",
    "LDAP-MD5": "md5",
    "SMD5": "md5",
}
_SALTED = frozenset({"SSHA", "SSHA256", "SSHA384", "SSHA512", "SMD5"})
DIGESTS = frozenset(_METHODS)


def read_digest(scheme: str, encoding: str, value: str) -> ForeignHash:
    """scheme: one of `DIGESTS`. encoding: `HEX`, `B64` or empty where the value's own length has to tell."""
    method = _METHODS[scheme]
    length = hashlib.new(method, usedforsecurity=False).digest_size
    octets = _octets(scheme, encoding, value, length)
    digest, salt = octets[:length], octets[length:]
    if len(digest) != length or bool(salt) != (scheme in _SALTED) or len(salt) > _MAX_SALT:
        raise damaged(scheme)
    text = "{" + scheme + "}" + base64.b64encode(octets).decode()
    return ForeignHash(scheme, text, partial(_matches, method, digest, salt))


def _matches(method: str, digest: bytes, salt: bytes, password: bytes) -> bool:
    return compare_digest(hashlib.new(method, password + salt, usedforsecurity=False).digest(), digest)


def _octets(scheme: str, encoding: str, value: str, length: int) -> bytes:
    is_hex = encoding == "HEX" or (not encoding and scheme not in _SALTED and len(value) == 2 * length)
    try:
        if is_hex:
            return binascii.unhexlify(value)
        return base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except ValueError:
        raise damaged(scheme) from None
