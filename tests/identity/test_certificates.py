"""Whom a client certificate names, by each rule."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID, ObjectIdentifier
from hypothesis import given
from hypothesis import strategies as st

from sams.identity.certificates import MOST_NAMES, name_reader

KEY = ec.generate_private_key(ec.SECP256R1())
NOW = 1_800_000_000.0
UPN, MAILBOX = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), ObjectIdentifier("1.3.6.1.5.5.7.8.9")
RULES = ["san-email", "san-upn", "subject-cn", "subject-email", "subject-uid"]


def utf8_string(text: str) -> bytes:
    octets = text.encode()
    length = bytes([len(octets)]) if len(octets) < 128 else b"\x82" + len(octets).to_bytes(2)
    return b"\x0c" + length + octets


def certificate(
    subject: Sequence[tuple[ObjectIdentifier, str]] = (),
    names: Sequence[x509.GeneralName] = (),
    *,
    days: tuple[int, int] = (-1, 1),
) -> bytes:
    at = dt.datetime.fromtimestamp(NOW, dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(*one) for one in subject]))
        .issuer_name(x509.Name([]))
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(at + dt.timedelta(days=days[0]))
        .not_valid_after(at + dt.timedelta(days=days[1]))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


FULL = certificate(
    [
        (NameOID.COMMON_NAME, "Alice Example"),
        (NameOID.EMAIL_ADDRESS, "alice@subject.example.org"),
        (NameOID.USER_ID, "alice7"),
    ],
    [
        x509.RFC822Name("alice@example.org"),
        x509.DNSName("alice.example.org"),
        x509.RFC822Name("alice@example.com"),
        x509.RFC822Name("alice@example.org"),
        x509.OtherName(MAILBOX, utf8_string("jürgen@example.org")),
        x509.OtherName(UPN, utf8_string("alice@AD.EXAMPLE.ORG")),
    ],
)


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        ("san-email", ("alice@example.org", "alice@example.com", "jürgen@example.org")),
        ("san-upn", ("alice@AD.EXAMPLE.ORG",)),
        ("subject-cn", ("Alice Example",)),
        ("subject-email", ("alice@subject.example.org",)),
        ("subject-uid", ("alice7",)),
    ],
)
def test_each_rule_reads_its_place_and_no_other(rule: str, names: tuple[str, ...]) -> None:
    assert name_reader(rule)(FULL, NOW) == names


@pytest.mark.parametrize("rule", RULES)
def test_a_certificate_that_has_nothing_there_names_nobody(rule: str) -> None:
    assert name_reader(rule)(certificate(), NOW) == ()


@pytest.mark.parametrize("days", [(-3, -1), (1, 3)])
def test_out_of_its_time_it_names_nobody(days: tuple[int, int]) -> None:
    """One that comes with a ticket was verified when the ticket was made."""
    old = certificate(names=[x509.RFC822Name("alice@example.org")], days=days)
    assert name_reader("san-email")(old, NOW) == ()


@pytest.mark.parametrize("name", ["a\0b", "a\nb", "a\u202eb", 1_025 * "a"])
def test_a_name_that_nobody_could_have_typed_is_passed_over(name: str) -> None:
    odd = certificate(names=[x509.OtherName(UPN, utf8_string(name)), x509.OtherName(UPN, utf8_string("a"))])
    assert name_reader("san-upn")(odd, NOW) == ("a",)


def test_a_long_name_is_read() -> None:
    long = certificate(names=[x509.OtherName(UPN, utf8_string(1_000 * "a"))])
    assert name_reader("san-upn")(long, NOW) == (1_000 * "a",)


def test_of_many_names_the_first_count() -> None:
    many = certificate(names=[x509.RFC822Name(f"a{at}@example.org") for at in range(MOST_NAMES + 5)])
    assert len(name_reader("san-email")(many, NOW)) == MOST_NAMES


@pytest.mark.parametrize(
    "value", [b"\x02\x01\x05", b"\x16\x01a", b"\x0c\x00", b"\x0c\x01\xff", b"\x30\x03\x0c\x01a"]
)
def test_what_is_no_text_names_nobody(value: bytes) -> None:
    assert name_reader("san-upn")(certificate(names=[x509.OtherName(UPN, value)]), NOW) == ()


@given(st.binary(max_size=60))
def test_what_is_no_certificate_names_nobody(octets: bytes) -> None:
    assert name_reader("san-email")(octets, NOW) == ()


def test_there_is_no_other_rule() -> None:
    with pytest.raises(KeyError):
        name_reader("subject-o")
