"""TLS of the pages, with the certificates of the service, as strict as for submission."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

from sams.core.ciphers import CIPHERS
from sams.core.memory_files import as_path
from sams.web.site import Certificate, Site


def tls_context(site: Site) -> ssl.SSLContext | None:
    """The context for new connections, which presents what the asked name has; None: the site does no TLS.

    Raises:
        ssl.SSLError, OSError: a pair cannot be used.
    """
    if not site.does_tls:
        return None
    default = _context(site.certificates)
    named = {host.name: _context(host.certificates) for host in site.hosts}

    def choose(connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        """An exact name, else the default; an unknown name is no error (RFC 6066 allows going on)."""
        found = named.get((name or "").lower())
        if found is not None:
            connection.context = found

    default.sni_callback = choose
    return default


def _context(certificates: Sequence[Certificate]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    context.num_tickets = 1
    for one in certificates:
        with as_path(one.chain) as chain, as_path(one.key) as key:
            context.load_cert_chain(chain, key, password=_no_passphrase)
    return context


def _no_passphrase() -> str:
    raise ValueError("the private key is encrypted")
