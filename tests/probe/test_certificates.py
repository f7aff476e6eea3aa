"""Certificates as they are read, and by whom they were signed."""

from __future__ import annotations

import datetime as dt
import hashlib
import ssl

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from sams_probe.certificates.der import BadDer, Part, moment, oid, parts
from sams_probe.certificates.products import product_of
from sams_probe.certificates.reading import brief, is_for, read_certificate
from sams_probe.looks.findings import Trust
from sams_probe.looks.port import trust_of
from tests.probe.certificates import HOST, Made, authority, issue

ROOT = authority("Root 1", "Trust & Söhne")
MADE = issue(ROOT, "smtp.example.org", "*.mail.example.org", public=True)


def test_a_certificate_is_read_as_the_library_reads_it() -> None:
    found, theirs = read_certificate(MADE.der), MADE.certificate
    assert found.names == ("smtp.example.org", "*.mail.example.org")
    assert found.subject == (("CN", "smtp.example.org"),)
    assert found.issuer == (("O", "Trust & Söhne"), ("CN", "Root 1"))
    assert found.signer == "Trust & Söhne, Root 1"
    assert found.begins == theirs.not_valid_before_utc.timestamp()
    assert found.ends == theirs.not_valid_after_utc.timestamp()
    assert found.fingerprint == hashlib.sha256(MADE.der).hexdigest()
    assert (found.self_issued, found.public) == (False, True)


def test_addresses_are_names_as_well_and_a_root_names_itself() -> None:
    pem = trustme.CA().issue_cert("192.0.2.1", "2001:db8::1", "localhost").cert_chain_pems[0].bytes()
    names = read_certificate(ssl.PEM_cert_to_DER_cert(pem.decode())).names
    assert set(names) == {"192.0.2.1", "2001:db8::1", "localhost"}
    assert read_certificate(issue(None, "a.example").der).self_issued


def test_a_date_behind_2049_is_read() -> None:
    made = issue(ROOT, "a.example", ends=dt.timedelta(days=365 * 40))
    assert read_certificate(made.der).ends == made.certificate.not_valid_after_utc.timestamp()


@given(st.integers(0, len(MADE.der) - 1), st.integers(0, 255))
def test_a_certificate_with_an_octet_changed_is_read_or_refused(place: int, octet: int) -> None:
    changed = bytearray(MADE.der)
    changed[place] = octet
    try:
        read_certificate(bytes(changed))
    except BadDer:
        return


@given(st.binary(max_size=200))
def test_whatever_comes_is_read_or_refused(octets: bytes) -> None:
    for data in (octets, MADE.der[: len(octets)], MADE.der + octets):
        try:
            read_certificate(data)
            list(parts(octets))
        except BadDer:
            continue


@pytest.mark.parametrize(
    "octets",
    [b"\x30", b"\x30\x05\x01", b"\x30\x80\x00\x00", b"\x30\x85\x00\x00\x00\x00\x00", b"\x1f\x81\x01\x00"],
)
def test_lengths_and_tags_that_der_does_not_have_are_refused(octets: bytes) -> None:
    with pytest.raises(BadDer):
        list(parts(octets))


@pytest.mark.parametrize(
    ("part", "at"),
    [
        (Part(0x17, b"700101000000Z"), 0.0),
        (Part(0x17, b"491231235959Z"), 2_524_607_999.0),
        (Part(0x17, b"500101000000Z"), -631_152_000.0),
        (Part(0x18, b"20500101000000Z"), 2_524_608_000.0),
        (Part(0x17, b"701301000000Z"), None),
        (Part(0x17, b"7001010000Z"), None),
        (Part(0x18, b"20500101000000+0100"), None),
        (Part(0x04, b"700101000000Z"), None),
    ],
)
def test_times_are_those_of_the_standard(part: Part, at: float | None) -> None:
    if at is None:
        with pytest.raises(BadDer):
            moment(part)
    else:
        assert moment(part) == at


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"\x55\x1d\x11", "2.5.29.17"),
        (b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01", "1.2.840.113549.1.9.1"),
        (b"\x55\x04\x03", "2.5.4.3"),
    ],
)
def test_object_identifiers(octets: bytes, text: str) -> None:
    assert oid(octets) == text


@pytest.mark.parametrize(
    ("host", "names", "fits"),
    [
        ("smtp.example.org", ("smtp.example.org",), True),
        ("smtp.example.org", ("*.example.org",), True),
        ("a.smtp.example.org", ("*.example.org",), False),
        ("example.org", ("*.example.org",), False),
        ("example.org", ("*.org",), False),
        ("smtp.example.org", ("s*.example.org", "*"), False),
        ("192.0.2.1", ("192.0.2.1",), True),
        ("192.0.2.1", ("*.0.2.1",), False),
        ("smtp.example.org", (), False),
    ],
)
def test_names_are_compared_as_the_standard_says(host: str, names: tuple[str, ...], fits: bool) -> None:
    assert is_for(host, names) is fits


@pytest.mark.parametrize("octets", [b"", b"\x55\x84", b"\x80" * 64 + b"\x01"])
def test_an_object_identifier_without_end_is_refused(octets: bytes) -> None:
    with pytest.raises(BadDer):
        oid(octets)


PRODUCTS = [
    ("Avast", "avast! Web/Mail Shield Root", "avast! Antivirus"),
    ("AVG", "AVG Web/Mail Shield Root", ""),
    ("Kaspersky", "Kaspersky Anti-Virus Personal Root Certificate", "AO Kaspersky Lab"),
    ("ESET", "ESET SSL Filter CA", "ESET, spol. s r. o."),
    ("Bitdefender", "Bitdefender Personal CA.Net-Defender", "Bitdefender"),
    ("Norton", "Norton Web/Mail Shield Root", "Norton LifeLock"),
    ("Zscaler", "Zscaler Intermediate Root CA (zscaler.net)", "Zscaler Inc."),
    ("Fortinet", "FGT60F0000000000", "Fortinet"),
    ("Sophos", "Sophos SSL CA_C0100", "Sophos"),
    ("Netskope", "ca.example.goskope.com", "Example Ltd"),
    ("Palo Alto Networks", "paloalto-decrypt", ""),
    ("Check Point", "fw Check Point HTTPS inspection", ""),
    ("Cisco", "Cisco Umbrella Secondary SubCA", "Cisco"),
    ("Dr.Web", "Dr.Web for Windows", "Doctor Web"),
    ("G DATA", "G DATA Mail", "G DATA CyberDefense AG"),
    ("mitmproxy", "mitmproxy", "mitmproxy"),
    ("AdGuard", "Adguard Personal CA", "Adguard"),
]


@pytest.mark.parametrize(("product", "common", "organisation"), PRODUCTS, ids=[one[0] for one in PRODUCTS])
def test_products_are_known_by_their_authorities(product: str, common: str, organisation: str) -> None:
    found = product_of((("O", organisation), ("CN", common)))
    assert found is not None
    assert found.name == product


@pytest.mark.parametrize(
    "issuer",
    [
        (("O", "Let's Encrypt"), ("CN", "R11")),
        (("O", "DigiCert Inc"), ("CN", "DigiCert Global G2 TLS RSA SHA256 2020 CA1")),
        (("O", "Sectigo Limited"), ("CN", "Sectigo Public Server Authentication CA DV R36")),
        (("O", "GEANT Vereniging"), ("CN", "GEANT TLS RSA 1")),
        (("O", "Google Trust Services"), ("CN", "WR2")),
        (("O", "Hellenic Academic and Research Institutions CA"), ("CN", "GEANT TLS ECC 1")),
        (("O", "Amazon"), ("CN", "Amazon RSA 2048 M02")),
        (("O", "SwissSign AG"), ("CN", "SwissSign RSA TLS DV ICA 2022 - 1")),
        (("O", "GlobalSign nv-sa"), ("CN", "GlobalSign GCC R3 DV TLS CA 2020")),
        (("CN", "Reset Preset Average Campanology"),),
        (),
    ],
)
def test_authorities_of_servers_are_no_products(issuer: tuple[tuple[str, str], ...]) -> None:
    assert product_of(issuer) is None


def test_a_name_without_parts_has_words() -> None:
    assert brief(()) == "somebody without a name"
    assert brief((("OU", "Unit"),)) == "Unit"


@pytest.mark.parametrize(
    ("code", "made", "length", "trust"),
    [
        (18, issue(None, "a.example"), 1, Trust.SELF_SIGNED),
        (20, issue(None, "a.example"), 1, Trust.SELF_SIGNED),
        (19, MADE, 2, Trust.UNKNOWN_AUTHORITY),
        (20, MADE, 1, Trust.INCOMPLETE),
        (21, MADE, 0, Trust.INCOMPLETE),
        (20, MADE, 2, Trust.UNKNOWN_AUTHORITY),
        (20, issue(ROOT, "a.example"), 1, Trust.UNKNOWN_AUTHORITY),
        (10, MADE, 1, Trust.NOT_JUDGED),
        (0, MADE, 1, Trust.NOT_JUDGED),
        (23, MADE, 1, Trust.OTHER),
    ],
)
def test_what_the_library_says_of_a_chain(code: int, made: Made, length: int, trust: Trust) -> None:
    assert trust_of(code, read_certificate(made.der), length) is trust


def test_the_last_of_many_names_counts_as_the_first_does() -> None:
    names = [f"host{number}.example.net" for number in range(600)]
    certificate = read_certificate(issue(authority(), *names, HOST).der)
    assert is_for(HOST, certificate.names)
