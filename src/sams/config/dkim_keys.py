"""Public keys of DKIM: from a file to the text of the record (RFC 6376 section 3.6.1)."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path

from sams.core.errors import OperatorError

MAX_FILE = 16_384
_QUOTED = re.compile(r'"([^"]*)"')
_LEAST_BITS = 1_024
"""Signatures by shorter RSA keys are not looked at (RFC 8301 section 3.2)."""


def dkim_record(path: Path) -> str:
    """The text of the DNS record for the key in a file.

    The file holds a public key as PEM (RSA, or Ed25519 by RFC 8463), or the record as programs that make keys write
    it: its text, or a line of a zone file with the text in quotes.

    Raises:
        OperatorError: it cannot be read, or holds neither; the message says what to do.
    """
    octets = _read(path)
    if b"PRIVATE KEY" in octets:
        advice = "name the public key alone: openssl pkey -in PRIVATE.pem -pubout"
        raise OperatorError(f"{path}: holds a private key, which has no place here; {advice}")
    if b"-----BEGIN" in octets:
        return _record_of_pem(path, octets)
    return _checked(path, _text(path, octets))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_FILE + 1)
    except OSError as error:
        raise OperatorError(f"{path}: cannot be read: {error.strerror}") from None
    if len(octets) > MAX_FILE:
        raise OperatorError(f"{path}: is larger than {MAX_FILE} octets, and no public key")
    return octets


def _record_of_pem(path: Path, octets: bytes) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - costs 50 ms, where a key is
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - the same
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - the same
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415 - the same

    try:
        key = serialization.load_pem_public_key(octets)
    except (ValueError, UnsupportedAlgorithm):
        raise OperatorError(f"{path}: holds PEM that is no public key") from None
    if isinstance(key, Ed25519PublicKey):
        return f"v=DKIM1; k=ed25519; p={_base64(key.public_bytes_raw())}"
    if not isinstance(key, RSAPublicKey):
        raise OperatorError(f"{path}: DKIM knows keys of RSA and Ed25519, and this is neither")
    if key.key_size < _LEAST_BITS:
        raise OperatorError(
            f"{path}: an RSA key of {key.key_size} bits is too short: make one of 2048 bits or more"
        )
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k=rsa; p={_base64(der)}"


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _text(path: Path, octets: bytes) -> str:
    try:
        text = octets.decode("ascii")
    except UnicodeDecodeError:
        raise OperatorError(f"{path}: is neither PEM nor the text of a DKIM record") from None
    quoted = _QUOTED.findall(text)
    return "".join(quoted) if quoted else " ".join(text.split())


def _checked(path: Path, text: str) -> str:
    tags = [part.strip() for part in text.split(";")]
    keys = [tag.partition("=")[2] for tag in tags if tag.partition("=")[0].strip() == "p"]
    if "".join(tags[0].split()) != "v=DKIM1" or len(keys) != 1 or not text.isprintable():
        raise OperatorError(
            f"{path}: is neither PEM nor a DKIM record, which begins with v=DKIM1 and has one p="
        )
    try:
        key = base64.b64decode("".join(keys[0].split()), validate=True)
    except binascii.Error:
        key = b""
    if not key:
        raise OperatorError(f"{path}: p= holds no key in base64")
    return text.strip()
