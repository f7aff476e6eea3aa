"""Certificates: does the key belong, is it for the name, how long does it last, is the chain complete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from sams.cli.doctor.finding import Finding, fail, ok, warn
from sams.cli.render import span
from sams.config.model import Config

_RENEW = "renew it, then reload the service (SIGHUP)"
_DAY = 86_400.0


def check(config: Config, now: float) -> Iterator[Finding]:
    """Every pair of certificate and key. `now`: UNIX seconds."""
    pairs = [(config.server.name, config.tls.certificate, config.tls.private_key)]
    pairs += [(host.name, host.certificate, host.private_key) for host in config.tls.hosts]
    for name, certificates, keys in pairs:
        for certificate, key in zip(certificates, keys, strict=False):
            yield from check_pair(name, certificate, key, config.tls.expiry_warnings, now)


def check_pair(
    name: str, certificate: Path, key: Path, warn_before: Sequence[float], now: float
) -> Iterator[Finding]:
    """One chain and its key, for one server name."""
    subject = f"certificate {certificate.name} for {name}"
    try:
        chain = x509.load_pem_x509_certificates(certificate.read_bytes())
    except (OSError, ValueError) as error:
        yield fail(subject, f"{certificate} cannot be used: {error}", "name a PEM file in [tls] certificate")
        return
    yield check_key(subject, chain[0], key)
    yield check_name(subject, chain[0], name)
    yield check_dates(subject, chain[0], warn_before, now)
    yield check_chain(subject, chain)


def check_key(subject: str, leaf: x509.Certificate, path: Path) -> Finding:
    """Whether the key is the certificate's."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except PermissionError:
        return warn(subject, f"the key {path} may not be read by this user", "run `sams doctor` as root")
    except (OSError, ValueError, TypeError) as error:
        return fail(subject, f"the key {path} cannot be used: {error}", "name a PEM key without a passphrase")
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
        return fail(
            subject, f"the key {path} belongs to another certificate", "name the key that was made with it"
        )
    return ok(subject, "key and certificate belong together")


def check_name(subject: str, leaf: x509.Certificate, name: str) -> Finding:
    """Whether mail programs will accept it for this name (RFC 6125: the subject's common name does not count)."""
    names = _names(leaf)
    if any(_covers(pattern, name) for pattern in names):
        return ok(subject, f"is for {name}")
    shown = ", ".join(names[:5]) or "no name at all"
    return fail(
        subject,
        f"is for {shown}, not for {name}: mail programs will refuse it",
        f"get a certificate with {name} as a subject alternative name, or correct [server] name",
    )


def check_dates(subject: str, leaf: x509.Certificate, warn_before: Sequence[float], now: float) -> Finding:
    """How long it lasts."""
    begins, ends = leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()
    day = datetime.fromtimestamp(ends, UTC).date()
    if now < begins:
        return fail(
            subject, f"is not valid before {leaf.not_valid_before_utc}", "look at this machine's clock first"
        )
    if now >= ends:
        return fail(subject, f"ended on {day}: mail programs refuse it", _RENEW)
    left = ends - now
    if left <= max(warn_before, default=0.0):
        level = fail if left <= _DAY else warn
        return level(subject, f"ends in {span(left)}, on {day}", _RENEW)
    return ok(subject, f"lasts until {day}")


def check_chain(subject: str, chain: Sequence[x509.Certificate]) -> Finding:
    """Whether each certificate is signed by the next; the root itself is not needed."""
    if chain[0].issuer == chain[0].subject:
        what = "signs itself: mail programs warn of it unless each one was told to trust it"
        return warn(subject, what, "get one from an authority that your members' programs know")
    for lower, upper in pairwise(chain):
        try:
            lower.verify_directly_issued_by(upper)
        except (ValueError, TypeError, InvalidSignature):
            what = "the certificates of the chain are in a wrong order, or do not belong together"
            return fail(subject, what, "put the server's certificate first, then each one's issuer")
    if len(chain) == 1:
        what = "the file has no intermediate certificate: many programs will not find the way to the root"
        return warn(subject, what, "use the file with the whole chain (often called fullchain.pem)")
    return ok(subject, f"the chain of {len(chain)} certificates is in order")


def _names(leaf: x509.Certificate) -> list[str]:
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [name.lower() for name in found.get_values_for_type(x509.DNSName)]


def _covers(pattern: str, name: str) -> bool:
    """RFC 6125 section 6.4.3: a `*` stands for one whole label, the first."""
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:] and "." in pattern[2:]
    return pattern == name.lower()
