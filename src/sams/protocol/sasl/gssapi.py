"""GSSAPI (RFC 4752): a Kerberos ticket in place of a password.

First tokens of the security context go to and fro until it stands on both sides. Then we say what security layers
there are, and the peer which it takes and as whom it wants to act; both are protected by the context:

    offer  = layers size           ; an octet of bits, then three octets: the most that we take in one piece
    choice = layer  size authzid   ; size: what the peer takes, which is nothing to who sends it no layer

No layer is offered but none: TLS protects what follows.
"""

from __future__ import annotations

from sams.protocol.sasl.interface import (
    Challenge,
    Channel,
    Malformed,
    PrincipalClaim,
    SecurityContext,
    Step,
    Verify,
    decode_name,
)

MAX_ROUNDS = 8
"""Tokens of one peer. Kerberos needs one or two."""
_NO_LAYER = 1
_OFFER = bytes((_NO_LAYER, 0, 0, 0))
_HEAD = 4

_NO_REALM = Malformed("there is no Kerberos realm here")
_ENDLESS = Malformed("the security context does not come to stand")
_NOT_EMPTY = Malformed("an empty response was due")
_NOT_A_CHOICE = Malformed("a choice of no security layer was due (RFC 4752 section 3.1)")
_BAD_NAME = Malformed("the identity to act as is too long, or not UTF-8")


class GssApi:
    """One exchange of GSSAPI. What the context raises goes through."""

    __slots__ = ("_context", "_has_offered", "_rounds")

    def __init__(self, channel: Channel) -> None:
        self._context: SecurityContext | None = channel.accept_context() if channel.accept_context else None
        self._rounds = 0
        self._has_offered = False

    def start(self, initial: bytes | None) -> Step:
        """Take the first token, or ask for it."""
        return Challenge(b"") if initial is None else self.respond(initial)

    def respond(self, data: bytes) -> Step:
        """Take a token; or, when the context stands, first the empty response to our last token, then the choice."""
        context = self._context
        if context is None:
            return _NO_REALM
        if not context.is_complete:
            return self._negotiate(context, data)
        if self._has_offered:
            return _choose(context, context.unwrap(data))
        return _NOT_EMPTY if data else self._offer(context)

    def _negotiate(self, context: SecurityContext, token: bytes) -> Step:
        self._rounds += 1
        answer = context.step(token)
        if answer:
            return Challenge(answer) if self._rounds < MAX_ROUNDS else _ENDLESS
        return self._offer(context) if context.is_complete else _ENDLESS

    def _offer(self, context: SecurityContext) -> Step:
        self._has_offered = True
        return Challenge(context.wrap(_OFFER))


def _choose(context: SecurityContext, choice: bytes) -> Step:
    if len(choice) < _HEAD or choice[0] != _NO_LAYER:
        return _NOT_A_CHOICE
    authzid = decode_name(choice[_HEAD:])
    if authzid is None:
        return _BAD_NAME
    return Verify(PrincipalClaim(authzid, context.principal))
