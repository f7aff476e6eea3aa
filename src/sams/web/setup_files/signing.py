"""Signing a profile: CMS SignedData with the profile inside (RFC 5652), in DER, as Apple's systems take it."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder

from sams.web.site import Certificate


def signed(octets: bytes, certificates: Sequence[Certificate]) -> bytes:
    """The octets signed by the first certificate that can: an RSA or an EC one. By none: as they are.

    The whole chain goes with it, or a system that knows the root alone could not verify it.
    """
    for certificate in certificates:
        # It is our own and was matched with its certificate; to prove its primes each time would take 200 ms.
        key = load_pem_private_key(certificate.key, None, unsafe_skip_rsa_key_validation=True)
        if isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
            return _signed_by(octets, certificate.chain, key)
    return octets


def _signed_by(octets: bytes, chain: bytes, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    own, *above = x509.load_pem_x509_certificates(chain)
    builder = PKCS7SignatureBuilder().set_data(octets).add_signer(own, key, hashes.SHA256())
    for certificate in above:
        builder = builder.add_certificate(certificate)
    return builder.sign(Encoding.DER, [PKCS7Options.Binary, PKCS7Options.NoCapabilities])
