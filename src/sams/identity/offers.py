"""Which mechanisms a listener offers: what follows from its sources, the same list each time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sams.core.errors import TemporaryFailure
from sams.identity.account_sources import PrincipalSource, ScramSource, Source, TokenSource

PASSWORD_MECHANISMS = frozenset({"PLAIN", "LOGIN"})
SCRAM_MECHANISMS = frozenset({"SCRAM-SHA-256", "SCRAM-SHA-1"})
BINDING_MECHANISMS = frozenset(f"{name}-PLUS" for name in SCRAM_MECHANISMS)
TOKEN_MECHANISMS = frozenset({"OAUTHBEARER", "XOAUTH2"})
CERTIFICATE_MECHANISMS = frozenset({"EXTERNAL"})
PRINCIPAL_MECHANISMS = frozenset({"GSSAPI"})
BY_NAME_ONLY = frozenset({"SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"})
"""Not offered but where a listener names them: for programs that know no better."""
UNEXPORTED = BY_NAME_ONLY | BINDING_MECHANISMS
"""The same where the TLS library does not tell `tls-exporter`. Programs with GNU SASL bind to that alone, and pick
-PLUS by themselves wherever it is offered: they could not sign in."""


def verifiable(sources: Sequence[Source], *, certificates: bool, binds: bool) -> frozenset[str]:
    """The mechanisms that somebody could sign in by.

    sources: those of the listener.
    certificates: whether it verifies client certificates.
    binds: whether `tls-server-end-point` is known of all its certificates, or `tls-exporter` of its connections.

    PLAIN and LOGIN always: every source's members have app passwords. SCRAM only where every password that PLAIN
    takes has keys: or a member of another source whose program picks SCRAM were told that the password is wrong.
    """
    found = set(PASSWORD_MECHANISMS)
    if all(has_keys(source) for source in sources if source.takes_passwords):
        found |= SCRAM_MECHANISMS | BINDING_MECHANISMS if binds else SCRAM_MECHANISMS
    if any(isinstance(source, TokenSource) for source in sources):
        found |= TOKEN_MECHANISMS
    if any(isinstance(source, PrincipalSource) for source in sources):
        found |= PRINCIPAL_MECHANISMS
    if certificates:
        found |= CERTIFICATE_MECHANISMS
    return frozenset(found)


def offered(
    possible: Collection[str], cut: Collection[str], order: Iterable[str], *, exports: bool
) -> tuple[str, ...]:
    """What a listener offers.

    possible: what `verifiable` says. cut: the mechanisms that the listener names, empty: it names none.
    order: all names in the order in which they are offered (`protocol.sasl.registry`).
    exports: whether the TLS library tells `tls-exporter`.
    """
    if cut:
        return tuple(name for name in order if name in possible and name in cut)
    left_out = BY_NAME_ONLY if exports else UNEXPORTED
    return tuple(name for name in order if name in possible and name not in left_out)


def never_offered(possible: Collection[str], cut: Iterable[str]) -> tuple[str, ...]:
    """What the listener names, and nobody could sign in by: to be told at start."""
    return tuple(name for name in cut if name not in possible)


def has_keys(source: Source) -> bool:
    """Whether every member of it can sign in by SCRAM; never raises."""
    try:
        return isinstance(source, ScramSource) and source.has_all_keys
    except TemporaryFailure:  # it cannot be told now; PLAIN and LOGIN go on being offered
        return False
