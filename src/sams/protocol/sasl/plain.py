"""PLAIN (RFC 4616).

message = [authzid] UTF8NUL authcid UTF8NUL passwd
authcid = 1*SAFE    passwd = 1*SAFE    authzid = 1*SAFE    ; SAFE: UTF-8 but NUL
"""

from __future__ import annotations

from sams.protocol.sasl.interface import (
    MAX_PASSWORD_OCTETS,
    Challenge,
    Malformed,
    PasswordClaim,
    Step,
    Verify,
    decode_name,
    decode_password,
)

_OTHER_FORM = Malformed("PLAIN takes identity, user name and password with NUL between them")
_BAD_NAME = Malformed("the user name is missing, too long, or not UTF-8")
_BAD_PASSWORD = Malformed(f"the password is missing, longer than {MAX_PASSWORD_OCTETS} octets, or not UTF-8")


class Plain:
    """One exchange of PLAIN: the peer's message comes as initial response or after an empty challenge."""

    __slots__ = ()

    def start(self, initial: bytes | None) -> Step:
        """Take the message, or ask for it."""
        return Challenge(b"") if initial is None else self.respond(initial)

    def respond(self, data: bytes) -> Step:
        """Take the message."""
        parts = data.split(b"\0", 3)
        if len(parts) != 3:
            return _OTHER_FORM
        authzid, authcid, password = decode_name(parts[0]), decode_name(parts[1]), decode_password(parts[2])
        if authzid is None or not authcid:
            return _BAD_NAME
        if password is None:
            return _BAD_PASSWORD
        return Verify(PasswordClaim(authzid, authcid, password))
