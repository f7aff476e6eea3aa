from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from sams.config.dkim_keys import dkim_record
from sams.core.errors import OperatorError

PKCS1, SPKI = serialization.PublicFormat.PKCS1, serialization.PublicFormat.SubjectPublicKeyInfo
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPublicKey:
    return rsa.generate_private_key(65_537, 2_048).public_key()


def record(folder: Path, octets: bytes) -> str:
    (folder / "key").write_bytes(octets)
    return dkim_record(folder / "key")


@pytest.mark.parametrize("form", [PKCS1, SPKI])
def test_an_rsa_key_of_either_form_becomes_a_record(
    tmp_path: Path, rsa_key: rsa.RSAPublicKey, form: serialization.PublicFormat
) -> None:
    text = record(tmp_path, rsa_key.public_bytes(PEM, form))
    begin, _, key = text.partition("; p=")
    assert begin == "v=DKIM1; k=rsa"
    assert base64.b64decode(key, validate=True) == rsa_key.public_bytes(DER, SPKI)


def test_an_ed25519_key_is_its_32_octets(tmp_path: Path) -> None:
    """The example of RFC 8463, appendix A.2."""
    key = base64.b64decode("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
    pem = ed25519.Ed25519PublicKey.from_public_bytes(key).public_bytes(PEM, SPKI)
    text = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    assert record(tmp_path, pem) == text


@pytest.mark.parametrize(
    "text",
    [
        "v=DKIM1; k=rsa; p=QUJD",
        "  v=DKIM1; k=rsa;\n p=QUJD \n",
        'mail._domainkey\tIN\tTXT\t( "v=DKIM1; k=rsa; "\n\t  "p=QU"\n\t"JD" )  ; ----- DKIM key mail\n',
    ],
)
def test_the_record_as_programs_write_it_is_taken_as_it_is(tmp_path: Path, text: str) -> None:
    assert record(tmp_path, text.encode()) == "v=DKIM1; k=rsa; p=QUJD"


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (b"", "neither PEM nor a DKIM record"),
        (b"\xff\xfe", "neither PEM nor the text"),
        (b"v=DKIM1; p=", "holds no key"),
        (b"v=DKIM1; p=a", "holds no key"),
        (b"v=DKIM1; p=QUJD; p=QUJD", "one p="),
        (b"k=rsa; p=QUJD", "begins with v=DKIM1"),
        (b'"v=DKIM1; p=QUJD\x07"', "neither PEM nor a DKIM record"),
        (b"-----BEGIN PUBLIC KEY-----\nQUJD\n-----END PUBLIC KEY-----\n", "PEM that is no public key"),
        (b"-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n", "PEM that is no public key"),
        (b"x" * 20_000, "larger than"),
    ],
)
def test_a_file_without_a_key_is_refused(tmp_path: Path, octets: bytes, told: str) -> None:
    with pytest.raises(OperatorError, match=told) as refusal:
        record(tmp_path, octets)
    assert str(refusal.value).startswith(str(tmp_path / "key"))


def test_keys_that_dkim_does_not_know_or_that_are_short_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="RSA and Ed25519"):
        record(tmp_path, ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(PEM, SPKI))
    numbers = rsa.RSAPublicNumbers(65_537, (1 << 767) + 3)
    with pytest.raises(OperatorError, match="768 bits is too short"):
        record(tmp_path, numbers.public_key().public_bytes(PEM, SPKI))


def test_a_private_key_is_refused_and_not_shown(tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with pytest.raises(OperatorError, match="openssl pkey") as refusal:
        record(tmp_path, pem)
    assert pem.decode().splitlines()[1] not in str(refusal.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="cannot be read: No such file"):
        dkim_record(tmp_path / "none")


@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda tail: b"v=DKIM1; p=QUJD" + tail))
def test_any_octets_are_a_record_or_refused(tmp_path_factory: pytest.TempPathFactory, octets: bytes) -> None:
    try:
        text = record(tmp_path_factory.getbasetemp(), octets)
    except OperatorError:
        return
    assert text.isascii()
    assert text.isprintable()
