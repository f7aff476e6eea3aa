"""The real service, and what GNU SASL, msmtp, curl and smtplib make of its mechanisms."""

from __future__ import annotations

import shutil
import smtplib
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.support.service import PASSWORD, Service

pytestmark = pytest.mark.real
LISTENERS = """\
[[listener]]
address = "127.0.0.1"
port = {starttls}
client_ca = "members-ca.pem"

[[listener]]
address = "127.0.0.1"
port = {implicit}
security = "implicit"
client_ca = "other-ca.pem"
mechanisms = ["PLAIN", "LOGIN", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "EXTERNAL"]
"""


REFUSED = (ssl.SSLError, smtplib.SMTPServerDisconnected, ConnectionError)
"""How a client finds out, in TLS 1.3 after its own handshake: by an alert, or by the end."""


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is missing: make system")


@pytest.fixture(scope="module")
def members() -> trustme.CA:
    return trustme.CA(organization_name="members")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, members: trustme.CA) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("a service")
    service = Service(folder, listeners=LISTENERS)
    for name in ("members-ca.pem", "other-ca.pem"):
        (folder / name).write_bytes(members.cert_pem.bytes())
    service.add_account("alice")
    alice = members.issue_cert("alice@example.org")
    (folder / "alice.pem").write_bytes(alice.cert_chain_pems[0].bytes())
    alice.private_key_pem.write_to_path(folder / "alice.key")
    (folder / "alice.key").chmod(0o600)
    with service.running():
        yield service


def offered(service: Service, *, certificate: bool = False) -> list[str]:
    context = service.trust()
    if certificate:
        context.load_cert_chain(service.folder / "alice.pem", service.folder / "alice.key")
    with smtplib.SMTP("127.0.0.1", service.starttls) as client:
        client.starttls(context=context)
        client.ehlo()
        return client.esmtp_features["auth"].split()


def test_what_is_offered_follows_from_the_sources_and_from_the_certificate(service: Service) -> None:
    assert offered(service) == ["PLAIN", "LOGIN", "SCRAM-SHA-256"]
    assert offered(service, certificate=True) == ["PLAIN", "LOGIN", "SCRAM-SHA-256", "EXTERNAL"]


def gnu_sasl(service: Service, mechanism: str, *options: str, password: str = PASSWORD) -> str:
    """What GNU SASL's own client says of a sign-in."""
    done = subprocess.run(
        [
            *("gsasl", "--smtp", "--connect", f"localhost:{service.starttls}", "--no-cb"),
            *("--x509-ca-file", str(service.folder / "ca.pem"), "--mechanism", mechanism),
            *("--authentication-id", "alice", "--password", password, *options),
        ],
        input=b"",
        capture_output=True,
        check=False,
        timeout=30,
    )
    return (done.stdout + done.stderr).decode(errors="replace")


@needs("gsasl")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256"])
@pytest.mark.parametrize("options", [(), ("--no-client-first",)])
def test_gnu_sasl_signs_in(service: Service, mechanism: str, options: tuple[str, ...]) -> None:
    told = gnu_sasl(service, mechanism, *options)
    assert f"AUTH {mechanism}" in told
    assert "235 2.7.0 " in told, told
    assert "server trusted" in told, "by SCRAM the service proves that it knows the password, too"


@needs("gsasl")
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_gnu_sasl_with_a_wrong_password_is_refused(service: Service, mechanism: str) -> None:
    assert "535 5.7.8 " in gnu_sasl(service, mechanism, password="another-secret")


@needs("gsasl")
def test_gnu_sasl_signs_in_by_a_certificate(service: Service) -> None:
    told = gnu_sasl(
        service,
        "EXTERNAL",
        *("--x509-cert-file", str(service.folder / "alice.pem")),
        *("--x509-key-file", str(service.folder / "alice.key")),
    )
    assert "235 2.7.0 " in told, told


@needs("msmtp")
@pytest.mark.parametrize("method", ["on", "scram-sha-256", "scram-sha-1", "plain", "login", "external"])
def test_msmtp_signs_in_and_sends(service: Service, tmp_path: Path, method: str) -> None:
    shutil.rmtree(service.folder / "Maildir", ignore_errors=True)
    folder, settings = service.folder, tmp_path / "msmtprc"
    certificate = f"tls_cert_file {folder}/alice.pem\ntls_key_file {folder}/alice.key\n"
    settings.write_text(
        f"account default\nhost localhost\nport {service.implicit}\ntls on\ntls_starttls off\n"
        f"tls_trust_file {folder}/ca.pem\nauth {method}\nuser alice\npassword {PASSWORD}\n"
        f"from alice@example.org\n{certificate if method == 'external' else ''}"
    )
    settings.chmod(0o600)
    letter = "From: alice@example.org\nTo: x@example.net\nSubject: msmtp\n\nHello\n"
    subprocess.run(
        ["msmtp", "--file", str(settings), "x@example.net"], input=letter, text=True, check=True, timeout=30
    )
    assert "Subject: msmtp" in service.delivered(1)[0]


@needs("curl")
@pytest.mark.parametrize("method", ["PLAIN", "LOGIN", "EXTERNAL"])
def test_curl_signs_in_and_sends(service: Service, tmp_path: Path, method: str) -> None:
    shutil.rmtree(service.folder / "Maildir", ignore_errors=True)
    (tmp_path / "letter").write_text(
        "From: alice@example.org\r\nTo: x@example.net\r\nSubject: curl\r\n\r\nHi\r\n"
    )
    folder = service.folder
    certificate = ("--cert", str(folder / "alice.pem"), "--key", str(folder / "alice.key"))
    subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--ssl-reqd", "--cacert", str(folder / "ca.pem")),
            *("--user", "alice:" if method == "EXTERNAL" else f"alice:{PASSWORD}"),
            *("--login-options", f"AUTH={method}", *(certificate if method == "EXTERNAL" else ())),
            *("--mail-from", "alice@example.org", "--mail-rcpt", "x@example.net"),
            *("--upload-file", str(tmp_path / "letter"), f"smtp://localhost:{service.starttls}"),
        ],
        check=True,
        timeout=30,
    )
    assert "Subject: curl" in service.delivered(1)[0]


def sign_in_by_certificate(service: Service, authority: trustme.CA) -> int:
    """The reply's code at the listener that begins with TLS."""
    context = service.trust()
    authority.issue_cert("alice@example.org").configure_cert(context)
    with smtplib.SMTP_SSL("127.0.0.1", service.implicit, context=context) as client:
        client.ehlo()
        return client.docmd("AUTH EXTERNAL =")[0]


def test_a_reload_puts_another_authority_into_force(service: Service, members: trustme.CA) -> None:
    other = trustme.CA(organization_name="others")
    assert sign_in_by_certificate(service, members) == 235
    with pytest.raises(REFUSED):
        sign_in_by_certificate(service, other)
    (service.folder / "other-ca.pem").write_bytes(other.cert_pem.bytes())
    service.sams("reload")
    assert sign_in_by_certificate(service, other) == 235
    with pytest.raises(REFUSED):
        sign_in_by_certificate(service, members)
    (service.folder / "other-ca.pem").write_bytes(members.cert_pem.bytes())
    service.sams("reload")
    assert sign_in_by_certificate(service, members) == 235


def test_a_broken_authority_is_refused_by_a_reload_and_the_old_one_stays(
    service: Service, members: trustme.CA
) -> None:
    (service.folder / "other-ca.pem").write_text("nonsense")
    refused = service.sams("reload", check=False)
    assert refused.returncode != 0
    assert "other-ca.pem: this cannot be used to check client certificates" in refused.stdout + refused.stderr
    assert sign_in_by_certificate(service, members) == 235
    (service.folder / "other-ca.pem").write_bytes(members.cert_pem.bytes())


def test_the_journal_says_why_a_certificate_was_not_accepted(service: Service) -> None:
    with pytest.raises(REFUSED):
        sign_in_by_certificate(service, trustme.CA())
    assert "the client certificate was not accepted: unable to get local issuer certificate" in service.log
