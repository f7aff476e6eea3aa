"""How TLS is spoken: as a mail program does, and in the ways that find out why that failed.

All contexts are made at once in the thread that begins: older versions of TLS come with a warning of Python's, and
only there it can be kept from the terminal.
"""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
MODERN = ("TLSv1.2", "TLSv1.3")
_HAS = {
    "TLSv1": ssl.HAS_TLSv1,
    "TLSv1.1": ssl.HAS_TLSv1_1,
    "TLSv1.2": ssl.HAS_TLSv1_2,
    "TLSv1.3": ssl.HAS_TLSv1_3,
}
_HAS_BOUNDS = hasattr(ssl.SSLContext, "minimum_version")  # not with the LibreSSL of macOS' own Python
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, which Python has no name for
_WEAK = ("ALL:@SECLEVEL=0", "ALL")  # LibreSSL knows no levels
_BUNDLES = ("/etc/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")


class Contexts(NamedTuple):
    """All ways.

    strict: as a mail program: TLS 1.2 or later, chain, dates and name. chain: the chain alone, whatever the date and
    the name. loose: whatever is shown is taken; nothing secret goes through it. versions: loose, one version each;
    those that this Python cannot speak are not there. trusts: whether any authorities are known here at all.
    """

    strict: ssl.SSLContext
    chain: ssl.SSLContext
    loose: ssl.SSLContext
    versions: Mapping[str, ssl.SSLContext]
    trusts: bool


def make_contexts(ca_file: str = "") -> Contexts:
    """All of them. ca_file: authorities in place of the system's.

    Raises:
        OSError: the file cannot be read, or holds no certificate (`ssl.SSLError`).
    """
    strict = _verifying(ca_file)
    chain = _verifying(ca_file)
    chain.check_hostname = False
    chain.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    trusts = bool(ca_file) or strict.cert_store_stats()["x509"] > 0 or _has_folder()
    versions = {name: _one_version(name) for name in VERSIONS if _HAS[name]}
    return Contexts(strict, chain, _loose(), versions, trusts)


def _verifying(ca_file: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    limit(context, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.MAXIMUM_SUPPORTED)
    if ca_file:
        context.load_verify_locations(ca_file)
        return context
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if not context.cert_store_stats()["x509"] and not _has_folder():
        for bundle in filter(lambda name: Path(name).is_file(), _BUNDLES):
            context.load_verify_locations(bundle)  # Python from python.org on macOS comes without authorities
            break
    return context


def _has_folder() -> bool:
    """Whether there is a folder of authorities, which the library reads when it needs one."""
    folder: str | None = (
        ssl.get_default_verify_paths().capath
    )  # None where there is none, whatever typeshed says
    return bool(folder) and any(Path(str(folder)).glob("*.0"))


def _loose() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    limit(context, ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.MAXIMUM_SUPPORTED)
    for ciphers in _WEAK:
        try:
            context.set_ciphers(ciphers)
        except ssl.SSLError:
            continue
        break
    return context


def _one_version(name: str) -> ssl.SSLContext:
    context = _loose()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        limit(context, VERSIONS[name], VERSIONS[name])
    return context


def limit(
    context: ssl.SSLContext, lowest: ssl.TLSVersion, highest: ssl.TLSVersion, *, by_bounds: bool = _HAS_BOUNDS
) -> None:
    """Have the context speak these versions alone. by_bounds: False: in the older way, by those that it must not."""
    if by_bounds:
        context.minimum_version = lowest
        context.maximum_version = highest
        return
    for name, version in VERSIONS.items():
        least = lowest is ssl.TLSVersion.MINIMUM_SUPPORTED or version >= lowest
        most = highest is ssl.TLSVersion.MAXIMUM_SUPPORTED or version <= highest
        forbidden = getattr(ssl, "OP_NO_" + name.replace(".", "_"))
        context.options = context.options & ~forbidden if least and most else context.options | forbidden
