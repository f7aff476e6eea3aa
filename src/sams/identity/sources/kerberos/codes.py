"""What the error codes of a Kerberos library mean (RFC 4120 section 7.5.9; above 127 the library's own)."""

from __future__ import annotations

import enum

from gssapi.raw import GSSError

from sams.core.text import visible

_BASE = -1765328384
"""What MIT's library adds to each code."""
_RANGE = range(1, 256)
_LONGEST = 200


class Code(enum.IntEnum):
    """Those codes from which something follows."""

    CLIENT_EXPIRED = 1
    CLIENT_UNKNOWN = 6
    SERVICE_UNKNOWN = 7
    NO_KEY = 9
    POLICY = 12
    NO_COMMON_CIPHER = 14
    NO_COMMON_PREAUTHENTICATION = 16
    CLIENT_REVOKED = 18
    CLIENT_NOT_YET = 21
    PASSWORD_EXPIRED = 23
    PREAUTHENTICATION_FAILED = 24
    BAD_INTEGRITY = 31
    TICKET_EXPIRED = 32
    REPLAY = 34
    CLOCKS_DIFFER = 37
    UNREACHABLE = 156
    PREAUTHENTICATION_OF_NO_TYPE = 208
    PREAUTHENTICATION_WITHOUT_KEY = 209
    PREAUTHENTICATION_IMPOSSIBLE = 210


WRONG = frozenset({Code.PREAUTHENTICATION_FAILED, Code.BAD_INTEGRITY})
"""Of a request for a first ticket: the password is wrong."""
SHUT = {
    Code.CLIENT_EXPIRED: "the account has expired",
    Code.CLIENT_REVOKED: "the account is disabled, or locked after wrong passwords",
    Code.CLIENT_NOT_YET: "the account is not valid yet",
    Code.POLICY: "the realm's policy forbids it",
}
"""The principal gets no tickets, whatever the password."""
NOT_BY_PASSWORD = {
    Code.NO_KEY: "the principal has no key",
    Code.NO_COMMON_CIPHER: "the realm has no key of the principal in an encryption type that this machine takes",
    Code.NO_COMMON_PREAUTHENTICATION: "the realm wants another proof than a password of this principal",
    Code.PREAUTHENTICATION_OF_NO_TYPE: "the realm wants another proof than a password of this principal",
    Code.PREAUTHENTICATION_WITHOUT_KEY: "the realm wants another proof than a password of this principal",
    Code.PREAUTHENTICATION_IMPOSSIBLE: "the realm wants another proof than a password of this principal",
}
"""It cannot be told by a password, of this principal alone."""


def code_of(error: GSSError) -> int | None:
    """The code; None: it is none of Kerberos."""
    signed = error.min_code - 2**32 if error.min_code >= 2**31 else error.min_code
    return signed - _BASE if signed - _BASE in _RANGE else None


def words_of(error: GSSError) -> str:
    """What the library says of it, for the journal."""
    is_major = error.min_code == 0
    code = error.maj_code if is_major else error.min_code
    return visible("; ".join(error.get_all_statuses(code, is_major)), _LONGEST)
