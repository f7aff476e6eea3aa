"""EXTERNAL (RFC 4422 appendix A): who the peer is was settled outside, here by its TLS client certificate.

message = [authzid]     ; UTF-8 but NUL; empty: whoever the certificate names
"""

from __future__ import annotations

from sams.protocol.sasl.interface import (
    CertificateClaim,
    Challenge,
    Channel,
    Malformed,
    Step,
    Verify,
    decode_name,
)

_NO_CERTIFICATE = Malformed("there was no client certificate that names somebody: choose one in your program")
_BAD_NAME = Malformed("the identity to act as is too long, or not UTF-8")


class External:
    """One exchange of EXTERNAL."""

    __slots__ = ("_names",)

    def __init__(self, channel: Channel) -> None:
        self._names = channel.certificate_names

    def start(self, initial: bytes | None) -> Step:
        """Take the message, or ask for it."""
        return Challenge(b"") if initial is None else self.respond(initial)

    def respond(self, data: bytes) -> Step:
        """Take the message."""
        authzid = decode_name(data)
        if authzid is None:
            return _BAD_NAME
        if not self._names:
            return _NO_CERTIFICATE
        return Verify(CertificateClaim(authzid, self._names))
