"""PBKDF2 (RFC 8018) as Dovecot, OpenLDAP, passlib and Django write it, and SCRAM's keys, which are made of it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from functools import partial

from sams.identity.passwords.foreign.interface import ForeignHash, bounded, damaged

MAX_ROUNDS = 1_500_000
"""About half a second."""
_MAX_VALUE = 512
_METHODS = frozenset({"sha1", "sha256", "sha512"})
_DOVECOT = re.compile(r"\$1\$([^$\s]{1,128})\$([0-9]{1,9})\$([0-9a-fA-F]{40})")
_LDAP = re.compile(r"([0-9]{1,9})\$([./+A-Za-z0-9=]{1,128})\$([./+A-Za-z0-9=]{1,128})")
_PASSLIB = re.compile(r"\$pbkdf2(?:-(sha256|sha512))?\$(.*)", re.DOTALL)
_DJANGO = re.compile(r"pbkdf2_(sha1|sha256|sha512)\$([0-9]{1,9})\$([^$\s]{1,128})\$([+/A-Za-z0-9=]{1,128})")
_SCRAM = re.compile(r"([0-9]{1,9}),([+/A-Za-z0-9=]{1,128}),([+/A-Za-z0-9=]{1,128}),[+/A-Za-z0-9=]{1,128}")


def read_dovecot(value: str) -> ForeignHash:
    """`{PBKDF2}$1$SALT$ROUNDS$HEX`, where the salt is text; or OpenLDAP's form under the same name."""
    if not value.startswith("$1$"):
        return read_ldap("sha1", value)
    found = _DOVECOT.fullmatch(value)
    if found is None:
        raise damaged("PBKDF2")
    salt, rounds, digest = found.groups()
    return _pbkdf2("{PBKDF2}" + value, "sha1", int(rounds), salt.encode(), bytes.fromhex(digest))


def read_ldap(method: str, value: str) -> ForeignHash:
    """`{PBKDF2-SHA256}ROUNDS$SALT$HASH` of OpenLDAP, in passlib's base64."""
    found = _LDAP.fullmatch(value)
    if found is None or method not in _METHODS:
        raise damaged("PBKDF2")
    rounds, salt, digest = found.groups()
    text = "{PBKDF2-" + method.upper() + "}" + value
    return _pbkdf2(text, method, int(rounds), _adapted(salt), _adapted(digest))


def read_passlib(text: str) -> ForeignHash:
    """`$pbkdf2-sha256$ROUNDS$SALT$HASH`, the same under another head."""
    found = _PASSLIB.fullmatch(text)
    if found is None:
        raise damaged("PBKDF2")
    return read_ldap(found[1] or "sha1", found[2])


def read_django(text: str) -> ForeignHash:
    """`pbkdf2_sha256$ROUNDS$SALT$HASH`, where the salt is text."""
    found = _DJANGO.fullmatch(text)
    if found is None:
        raise damaged("PBKDF2")
    method, rounds, salt, digest = found.groups()
    return _pbkdf2(text, method, int(rounds), salt.encode(), _octets(digest))


def read_scram(method: str, value: str) -> ForeignHash:
    """`{SCRAM-SHA-256}ROUNDS,SALT,STOREDKEY,SERVERKEY` of Dovecot (RFC 5802 section 3)."""
    found = _SCRAM.fullmatch(value)
    if found is None:
        raise damaged("SCRAM")
    rounds = bounded("SCRAM", "rounds of", int(found[1]), 1, MAX_ROUNDS)
    salt, stored = _octets(found[2]), _octets(found[3])
    if len(stored) != hashlib.new(method, usedforsecurity=False).digest_size:
        raise damaged("SCRAM")
    text = "{SCRAM-SHA-" + method.removeprefix("sha") + "}" + value
    return ForeignHash("SCRAM", text, partial(_matches_scram, method, rounds, salt, stored))


def _pbkdf2(text: str, method: str, rounds: int, salt: bytes, digest: bytes) -> ForeignHash:
    bounded("PBKDF2", "rounds of", rounds, 1, MAX_ROUNDS)
    if (
        not 16 <= len(digest) <= hashlib.new(method, usedforsecurity=False).digest_size
        or len(text) > _MAX_VALUE
    ):
        raise damaged("PBKDF2")
    return ForeignHash("PBKDF2", text, partial(_matches, method, rounds, salt, digest))


def _matches(method: str, rounds: int, salt: bytes, digest: bytes, password: bytes) -> bool:
    return hmac.compare_digest(hashlib.pbkdf2_hmac(method, password, salt, rounds, len(digest)), digest)


def _matches_scram(method: str, rounds: int, salt: bytes, stored: bytes, password: bytes) -> bool:
    salted = hashlib.pbkdf2_hmac(method, password, salt, rounds)
    client_key = hmac.digest(salted, b"Client Key", method)
    return hmac.compare_digest(hashlib.new(method, client_key, usedforsecurity=False).digest(), stored)


def _adapted(value: str) -> bytes:
    """Passlib's base64 has dots for plus signs and no padding."""
    return _octets(value.replace(".", "+"))


def _octets(value: str) -> bytes:
    try:
        return base64.b64decode(value.rstrip("=") + "=" * (-len(value.rstrip("=")) % 4), validate=True)
    except binascii.Error:
        raise damaged("PBKDF2") from None
