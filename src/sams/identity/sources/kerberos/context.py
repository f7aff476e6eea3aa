"""The acceptor of one Kerberos ticket (`protocol.sasl.interface.SecurityContext`).

It runs on the loop: a ticket is opened by our own key, nobody is asked. With the library's replay cache, a file of
the machine, that takes 0.05 ms.
"""

from __future__ import annotations

from typing import Any

from gssapi import raw
from gssapi.raw import GSSError
from gssapi.raw.named_tuples import AcceptSecContextResult

from sams.core.errors import PeerFault, TemporaryFailure
from sams.core.reply import Reply, reply
from sams.identity.sources.interface import down
from sams.identity.sources.kerberos.codes import Code, code_of, words_of
from sams.identity.sources.kerberos.realm import KERBEROS, Keys, shown_name

_REFUSED = reply(535, "5.7.8", "This Kerberos ticket is not accepted here")
_EXPIRED = reply(535, "5.7.8", "The Kerberos ticket has expired, get a new one")
_SKEWED = reply(
    535, "5.7.8", "Your computer's clock and ours differ: set yours, and get a new Kerberos ticket"
)
_REPLIES = {Code.TICKET_EXPIRED: _EXPIRED, Code.CLOCKS_DIFFER: _SKEWED}
_OUR_OWN = frozenset((*range(159, 173), *range(179, 185), 211, 215, 229, 230, 235))
"""Codes of what is ours: the replay cache, the keytab."""


class KerberosContext:
    """One exchange of tokens, after which the peer is known."""

    __slots__ = ("_context", "_is_complete", "_keys", "_principal")

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._context: raw.SecurityContext | None = None
        self._is_complete = False
        self._principal = ""

    @property
    def is_complete(self) -> bool:
        """Whether the context stands."""
        return self._is_complete

    @property
    def principal(self) -> str:
        """Who the peer is, once the context stands: `name@REALM`."""
        return self._principal

    def step(self, token: bytes) -> bytes | None:
        """Take the peer's token; what to answer.

        Raises:
            PeerFault: the ticket or the token is not right.
            TemporaryFailure: our keytab or the replay cache cannot be used.
        """
        try:
            keys = self._keys.accepting()
        except GSSError as error:
            raise self._unusable(error) from None
        try:
            taken = raw.accept_sec_context(token, acceptor_creds=keys, context=self._context)
        except GSSError as error:
            raise self._refused(error) from None
        self._context = taken.context
        if not taken.more_steps:
            self._stand(taken)
        return taken.token or None

    def wrap(self, data: bytes) -> bytes:
        """Protect without encrypting."""
        assert self._context is not None, "only a context that stands wraps"
        context: Any = self._context  # the stubs name the class of the layer above
        return bytes(raw.wrap(context, data, confidential=False).message)

    def unwrap(self, data: bytes) -> bytes:
        """Check and take out.

        Raises:
            PeerFault: it was changed on the way.
        """
        assert self._context is not None, "only a context that stands unwraps"
        context: Any = self._context  # the same
        try:
            return bytes(raw.unwrap(context, data).message)
        except GSSError as error:
            raise PeerFault(_REFUSED, words_of(error)) from None

    def _stand(self, taken: AcceptSecContextResult) -> None:
        name = shown_name(taken.initiator_name)
        if taken.mech != KERBEROS or not name:
            raise PeerFault(_REFUSED, "the peer has no name in Kerberos")
        self._principal = name
        self._is_complete = True

    def _refused(self, error: GSSError) -> PeerFault | TemporaryFailure:
        code = code_of(error)
        if code in _OUR_OWN:
            return self._unusable(error)
        return PeerFault(_reply(code), words_of(error))

    def _unusable(self, error: GSSError) -> TemporaryFailure:
        return down(f"Kerberos tickets cannot be accepted: keytab {self._keys.file}: {words_of(error)}")


def _reply(code: int | None) -> Reply:
    return _REPLIES[Code(code)] if code in _REPLIES else _REFUSED
