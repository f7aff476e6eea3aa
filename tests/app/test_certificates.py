"""Someone is called before a certificate ends."""

from __future__ import annotations

import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sams.app.certificates import CHECK_EVERY, CertificateWatch
from sams.service.tls_contexts import HostCertificates, KeyPair

DAY = 86_400.0
NOW = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)


class TurnedClock:
    def __init__(self) -> None:
        self.turned = 0.0

    def now(self) -> float:
        return NOW.timestamp() + self.turned

    def monotonic(self) -> float:
        return 1_000_000.0 + self.turned


def host(days: float) -> HostCertificates:
    """A certificate that ends so many days after NOW."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "smtp.example.org")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(days=300))
        .not_valid_after(NOW + dt.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    chain = certificate.public_bytes(serialization.Encoding.PEM)
    return HostCertificates("", (KeyPair(chain, b"", "fullchain.pem"),))


def test_each_warning_time_is_told_once_and_the_end_too() -> None:
    clock, told = TurnedClock(), list[str]()
    watch = CertificateWatch([21 * DAY, 7 * DAY, DAY], clock, told.append)
    hosts = [host(30)]
    days_told = []
    for hour in range(32 * 24):
        clock.turned = hour * CHECK_EVERY
        before = len(told)
        watch.look(hosts)
        if len(told) > before:
            days_told.append(hour // 24)
    assert days_told == [9, 23, 29]
    assert "ends in 21.0 days" in told[0]
    assert all("fullchain.pem" in text for text in told)


def test_a_certificate_that_has_ended_is_told_of_at_start() -> None:
    told: list[str] = []
    CertificateWatch([DAY], TurnedClock(), told.append).look([host(-1)])
    assert "has ended" in told[0]


def test_between_two_looks_nothing_is_read() -> None:
    clock, told = TurnedClock(), list[str]()
    watch = CertificateWatch([DAY], clock, told.append)
    watch.look([])
    clock.turned = CHECK_EVERY / 2
    watch.look([host(-1)])
    assert told == []
    watch.look_anew()
    watch.look([host(-1)])
    assert len(told) == 1
