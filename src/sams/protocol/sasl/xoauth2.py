"""XOAUTH2, which Google and Microsoft had before there was RFC 7628.

message = "user=" name %x01 "auth=Bearer " token %x01 %x01

A token that is refused is answered with JSON, to which the program answers with nothing, before it hears the refusal.
"""

from __future__ import annotations

from sams.protocol.sasl.interface import (
    Challenge,
    Channel,
    Malformed,
    Step,
    TokenClaim,
    Verify,
    decode_name,
)
from sams.protocol.sasl.oauthbearer import read_bearer

_SEPARATOR = b"\x01"
_NOT_THIS = Malformed("XOAUTH2 takes user=, auth=Bearer with a token, and three times the octet 1")
_BAD_NAME = Malformed("the user name is missing, too long, or not UTF-8")


class XOAuth2:
    """One exchange of XOAUTH2."""

    __slots__ = ("_refusal",)

    def __init__(self, channel: Channel) -> None:
        self._refusal = channel.token_refusal

    def start(self, initial: bytes | None) -> Step:
        """Take the message, or ask for it."""
        return Challenge(b"") if initial is None else self.respond(initial)

    def respond(self, data: bytes) -> Step:
        """Take the message."""
        parts = data.split(_SEPARATOR, 4)
        if len(parts) != 4 or parts[2] or parts[3]:
            return _NOT_THIS
        user, auth = parts[0], parts[1]
        if not user.startswith(b"user=") or not auth.startswith(b"auth="):
            return _NOT_THIS
        name, token = decode_name(user.removeprefix(b"user=")), read_bearer(auth.removeprefix(b"auth="))
        if token is None:
            return _NOT_THIS
        if not name:
            return _BAD_NAME
        return Verify(TokenClaim(name, token), on_failure=self._refusal)
