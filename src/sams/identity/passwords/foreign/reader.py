"""Reads what stands in another system's password file, in whichever form."""

from __future__ import annotations

import re
from collections.abc import Callable

from sams.identity.passwords.foreign.argon2_form import read_argon2
from sams.identity.passwords.foreign.crypts import CRYPTS
from sams.identity.passwords.foreign.digests import DIGESTS, read_digest
from sams.identity.passwords.foreign.interface import ForeignHash, PlainPassword, UnusableHashError
from sams.identity.passwords.foreign.libcrypt import LibCrypt
from sams.identity.passwords.foreign.pbkdf2 import (
    read_django,
    read_dovecot,
    read_ldap,
    read_passlib,
    read_scram,
)

MAX_TEXT = 2_048
"""Characters of a hash, or of a password in clear."""
ARGON2 = "$argon2"

_SCHEME = re.compile(r"\{([A-Za-z0-9-]{1,32})(?:\.(HEX|B64|BASE64))?\}(.*)", re.DOTALL | re.IGNORECASE)
_DES = re.compile(r"[./0-9A-Za-z]{13}|_[./0-9A-Za-z]{19}")
_PLAIN = frozenset({"PLAIN", "CLEARTEXT", "CLEAR"})
_CRYPT_NAMES = frozenset(
    {"CRYPT", "BLF-CRYPT", "SHA256-CRYPT", "SHA512-CRYPT", "MD5-CRYPT", "ARGON2", "ARGON2I", "ARGON2ID"}
)
_OTHERS: dict[str, Callable[[str], ForeignHash]] = {
    "PBKDF2": read_dovecot,
    "PBKDF2-SHA1": lambda value: read_ldap("sha1", value),
    "PBKDF2-SHA256": lambda value: read_ldap("sha256", value),
    "PBKDF2-SHA512": lambda value: read_ldap("sha512", value),
    "SCRAM-SHA-1": lambda value: read_scram("sha1", value),
    "SCRAM-SHA-256": lambda value: read_scram("sha256", value),
}
_REFUSED = frozenset(
    {
        "DES-CRYPT", "CRAM-MD5", "HMAC-MD5", "DIGEST-MD5", "NTLM", "NT", "LANMAN", "LM", "OTP", "SKEY", "RPA",
        "PLAIN-MD4", "PLAIN-TRUNC", "SASL",
    }
)  # fmt: skip
_GIVE_NEW = "give this member a new password with `sams account add`"
_UNKNOWN = (
    "its password has no form that is known here: write {PLAIN} before it if it is the password itself, "
    f"or {_GIVE_NEW}"
)
_WEAK_DES = (
    f"it is a DES hash, which looks at 8 characters of a password and is guessed in hours: {_GIVE_NEW}"
)
_LOCKED = "it is locked or has no password there: leave it out, or " + _GIVE_NEW
_ELSEWHERE = "its password stands in another file: import that one (shadow), as root"


class ForeignHashes:
    """Reads hashes of other systems; what it reads can be verified on this system."""

    def __init__(self, library: LibCrypt | None = None) -> None:
        self._library = library or LibCrypt()

    def read(self, text: str) -> str | ForeignHash | PlainPassword:
        """What a file says of a password. A str is an argon2 hash, as it is stored.

        Raises:
            UnusableHashError: it is no hash, one that is not taken, or one that costs too much.
        """
        if len(text) > MAX_TEXT:
            raise UnusableHashError(f"its password has more than {MAX_TEXT} characters")
        if text.startswith("{"):
            return self._of_scheme(text)
        return self._bare(text)

    def _of_scheme(self, text: str) -> str | ForeignHash | PlainPassword:
        found = _SCHEME.fullmatch(text)
        if found is None:
            raise UnusableHashError(_UNKNOWN)
        scheme, encoding, value = (
            found[1].upper(),
            (found[2] or "").upper().replace("BASE64", "B64"),
            found[3],
        )
        if scheme in _PLAIN:
            return PlainPassword(value)
        if scheme in _CRYPT_NAMES or (scheme == "MD5" and value.startswith("$1$")):
            return self._bare(value)
        if scheme in DIGESTS:
            return read_digest(scheme, encoding, value)
        if scheme in _OTHERS:
            return _OTHERS[scheme](value)
        raise UnusableHashError(f"{{{scheme}}} is not taken: {_GIVE_NEW}" if scheme in _REFUSED else _UNKNOWN)

    def _bare(self, text: str) -> str | ForeignHash:
        """A form of crypt(3) or a relative of it."""
        if text.startswith(ARGON2):
            return read_argon2(text)
        for begin, read in CRYPTS.items():
            if text.startswith(begin):
                return read(text, self._library)
        if text.startswith("$pbkdf2"):
            return read_passlib(text)
        if text.startswith("pbkdf2_"):
            return read_django(text)
        raise UnusableHashError(_why_not(text))


def _why_not(text: str) -> str:
    if text == "x":
        return _ELSEWHERE
    if not text or text[0] in "!*":
        return _LOCKED
    return _WEAK_DES if _DES.fullmatch(text) else _UNKNOWN
