"""OAUTHBEARER (RFC 7628): a token that an issuer gave the mail program, in place of a password.

client-resp = gs2-header %x01 *(key "=" value %x01) %x01
key         = 1*ALPHA          ; auth, and where they are told host and port
value       = *(VCHAR / SP / HTAB / CR / LF)
auth        = "Bearer" 1*SP token

A token that is refused is answered with JSON that tells the program where to get a better one; the program answers
with %x01, and only then hears the refusal.
"""

from __future__ import annotations

import re

from sams.protocol.sasl.gs2 import read_header
from sams.protocol.sasl.interface import Challenge, Channel, Malformed, Step, TokenClaim, Verify

MAX_TOKEN_OCTETS = 8_192
"""Of an access token. With claims and a long signature it has up to 4,000."""
_SEPARATOR = b"\x01"
_PAIR = re.compile(rb"([A-Za-z]+)=([\t\r\n\x20-\x7e]*)")
_BEARER = re.compile(rb"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
"""RFC 6750 section 2.1, RFC 7235 section 2.1."""

_NOT_THIS = Malformed("OAUTHBEARER takes a header, keys with values and a token (RFC 7628 section 3.1)")
_NO_BINDING = Malformed("OAUTHBEARER has no channel binding")
_NO_TOKEN = Malformed("there was no bearer token")


class OAuthBearer:
    """One exchange of OAUTHBEARER."""

    __slots__ = ("_is_refused", "_refusal")

    def __init__(self, channel: Channel) -> None:
        self._refusal = channel.token_refusal
        self._is_refused = False

    def start(self, initial: bytes | None) -> Step:
        """Take the message, or ask for it."""
        return Challenge(b"") if initial is None else self.respond(initial)

    def respond(self, data: bytes) -> Step:
        """Take the message. Who brings no token asks what to bring (section 4.3), and hears it."""
        if self._is_refused:
            return _NO_TOKEN
        found = read_header(data)
        if found is None:
            return _NOT_THIS
        header, rest = found
        return _NO_BINDING if header.binding is not None else self._take(header.authzid, _read_auth(rest))

    def _take(self, authzid: str, auth: bytes | None) -> Step:
        if auth is None:
            return _NOT_THIS
        if not auth:
            self._is_refused = True
            return Challenge(self._refusal)
        token = read_bearer(auth)
        return _NO_TOKEN if token is None else Verify(TokenClaim(authzid, token), on_failure=self._refusal)


def read_bearer(auth: bytes) -> str | None:
    """The token of an Authorization header (RFC 6750 section 2.1); None: it has none, or is too long."""
    found = _BEARER.fullmatch(auth)
    if found is None or len(found[1]) > MAX_TOKEN_OCTETS:
        return None
    return found[1].decode("ascii")


def _read_auth(rest: bytes) -> bytes | None:
    """The value of `auth`, perhaps empty; None: this is no list of keys, or one stands there twice."""
    parts = rest.split(_SEPARATOR)
    if len(parts) < 3 or parts[0] or parts[-1] or parts[-2]:
        return None
    pairs = [_PAIR.fullmatch(one) for one in parts[1:-2]]
    found = {one[1].lower(): one[2] for one in pairs if one is not None}
    return found.get(b"auth", b"") if len(found) == len(pairs) else None
