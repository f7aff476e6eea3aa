"""Looks at the certificates now and then, and calls someone before one of them ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cryptography import x509

from sams.core.clock import Clock
from sams.service.tls_contexts import HostCertificates

CHECK_EVERY = 3_600.0
"""Seconds between two looks."""
_DAY = 86_400.0


class CertificateWatch:
    """Raises one alarm for each certificate and each warning time that it comes within.

    warnings: seconds before the end. alarm: takes the text.
    """

    def __init__(self, warnings: Sequence[float], clock: Clock, alarm: Callable[[str], None]) -> None:
        self._warnings = sorted(warnings)
        self._clock = clock
        self._alarm = alarm
        self._next = 0.0
        self._told: set[tuple[str, float, float]] = set()

    def look(self, hosts: Sequence[HostCertificates]) -> None:
        """Look, if it is time to: cheap to call each second."""
        now = self._clock.monotonic()
        if now < self._next:
            return
        self._next = now + CHECK_EVERY
        for host in hosts:
            for pair in host.pairs:
                self._judge(pair.source, end_of(pair.chain))

    def look_anew(self) -> None:
        """New certificates are in use: look at the next call."""
        self._next = 0.0

    def _judge(self, source: str, end: float) -> None:
        left = end - self._clock.now()
        within = next((warning for warning in self._warnings if left <= warning), None)
        if within is None or (source, end, within) in self._told:
            return
        self._told.add((source, end, within))
        when = f"ends in {left / _DAY:.1f} days" if left > 0 else "has ended: mail programs refuse to connect"
        self._alarm(f"the certificate in {source} {when}; put a new one in its place and reload the service")


def end_of(chain: bytes) -> float:
    """When the first certificate of a PEM chain ends, UNIX seconds."""
    return x509.load_pem_x509_certificates(chain)[0].not_valid_after_utc.timestamp()
