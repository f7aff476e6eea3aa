"""The real service with members in a Kerberos realm: curl and msmtp with tickets, others with passwords."""

from __future__ import annotations

import json
import shutil
import smtplib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kerberos_server import IS_THERE, MISSING, PASSWORD, REALM, SERVICE, KerberosServer
from tests.support.service import MAILDIR, Service

pytest.importorskip(
    "gssapi", reason="gssapi is missing: apt install libkrb5-dev, or make system, then make env"
)
pytestmark = [pytest.mark.real, pytest.mark.skipif(not IS_THERE, reason=MISSING)]

SOURCE = """\
[[accounts.source]]
type = "kerberos"
realm = "{realm}"
keytab = "{keytab}"
cache = "0 s"
"""
MAIL = "From: alice@example.org\r\nTo: bob@example.org\r\nSubject: by ticket\r\n\r\nHello\r\n"
HOST = "smtp.example.org"
WRAPPERS = sorted(Path("/usr/lib").glob("*/libnss_wrapper.so"))


@pytest.fixture(scope="module")
def realm() -> Iterator[KerberosServer]:
    server = KerberosServer()
    try:
        server.add("alice", "+requires_preauth")
        server.add("bob")
        server.add("alice/admin")
        server.keytab(SERVICE)
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, realm: KerberosServer) -> Iterator[Service]:
    source = SOURCE.format(realm=REALM, keytab=realm.folder / "keytab")
    environment = {"KRB5_CONFIG": realm.config, "KRB5RCACHENAME": f"file2:{realm.folder}/replays"}
    made = Service(
        tmp_path_factory.mktemp("sams"), route=f"{source}\n{MAILDIR}", environment=environment, workers=2
    )
    with made.running():
        yield made


def by_curl(service: Service, realm: KerberosServer, authzid: str = "") -> subprocess.CompletedProcess[str]:
    command = [
        "curl",
        "--silent",
        "--show-error",
        "--verbose",
        *("--cacert", str(service.folder / "ca.pem"), "--ssl-reqd"),
        *("--resolve", f"{HOST}:{service.starttls}:127.0.0.1"),
        *("--user", "alice@example.org:", "--login-options", "AUTH=GSSAPI"),
        *(("--sasl-authzid", authzid) if authzid else ()),
        *("--mail-from", "alice@example.org", "--mail-rcpt", "bob@example.org", "--upload-file", "-"),
        f"smtp://{HOST}:{service.starttls}",
    ]
    return subprocess.run(
        command,
        env=realm.environment,
        input=MAIL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_curl_sends_with_a_ticket(service: Service, realm: KerberosServer) -> None:
    realm.sign_in("alice")
    done = by_curl(service, realm)
    assert done.returncode == 0, done.stderr
    assert "AUTH GSSAPI" in done.stderr
    assert PASSWORD not in done.stderr


@pytest.mark.skipif(
    not (WRAPPERS and shutil.which("msmtp")), reason="msmtp or nss_wrapper is missing: make system"
)
def test_msmtp_sends_with_a_ticket(service: Service, realm: KerberosServer) -> None:
    realm.sign_in("alice")
    hosts = realm.folder / "hosts"
    hosts.write_text(f"127.0.0.1 {HOST}\n")
    options = {
        "host": HOST,
        "port": str(service.starttls),
        "tls": "on",
        "tls-trust-file": str(service.folder / "ca.pem"),
        "auth": "gssapi",
        "user": "alice",
        "from": "alice@example.org",
    }
    command = [
        "msmtp",
        "--debug",
        *(f"--{name}={value}" for name, value in options.items()),
        "bob@example.org",
    ]
    wrapped = {"LD_PRELOAD": str(WRAPPERS[0]), "NSS_WRAPPER_HOSTS": str(hosts)}
    done = subprocess.run(
        command,
        env={**realm.environment, **wrapped},
        input=MAIL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "AUTH GSSAPI" in done.stdout + done.stderr


def test_a_ticket_is_for_its_own_principal_alone(service: Service, realm: KerberosServer) -> None:
    realm.sign_in("alice")
    assert by_curl(service, realm, "alice").returncode == 0
    done = by_curl(service, realm, "bob")
    assert done.returncode != 0
    assert "535" in done.stderr


def test_a_ticket_of_an_instance_is_nobodys(service: Service, realm: KerberosServer) -> None:
    realm.sign_in("alice/admin")
    done = by_curl(service, realm)
    assert done.returncode != 0
    assert "535" in done.stderr


def test_passwords_of_the_realm_are_taken_as_well(service: Service) -> None:
    with service.client() as client:
        assert "GSSAPI" in client.esmtp_features["auth"].split()
        assert client.login("alice", PASSWORD)[0] == 235
    with service.client() as client, pytest.raises(smtplib.SMTPAuthenticationError) as caught:
        client.login("alice", "wrong")
    assert caught.value.smtp_code == 535


def test_a_member_who_leaves_the_realm_is_found_to_be_gone(service: Service, realm: KerberosServer) -> None:
    assert json.loads(service.sams("account", "test", "bob", "--json").stdout)["works"]
    realm.admin("modprinc -allow_tix bob")
    try:
        done = service.sams("account", "test", "bob", "--json", check=False)
        assert not json.loads(done.stdout)["works"]
        assert "disabled" in done.stdout
    finally:
        realm.admin("modprinc +allow_tix bob")


def test_a_ticket_outlives_the_realm_and_not_the_member(service: Service, realm: KerberosServer) -> None:
    realm.sign_in("alice")
    assert by_curl(service, realm).returncode == 0
    realm.stop()
    try:
        assert by_curl(service, realm).returncode == 0
    finally:
        realm.start()
    realm.admin("modprinc -allow_tix alice")
    try:
        done = by_curl(service, realm)
        assert "535 5.7.13 This account may not send mail" in done.stderr
    finally:
        realm.admin("modprinc +allow_tix alice")


def test_a_realm_that_is_down_is_told_to_be_down(service: Service, realm: KerberosServer) -> None:
    realm.stop()
    try:
        with service.client() as client, pytest.raises(smtplib.SMTPAuthenticationError) as caught:
            client.login("bob", PASSWORD)
        assert caught.value.smtp_code == 454
        assert "port 88" in service.sams("account", "test", "bob", "--json", check=False).stdout
    finally:
        realm.start()
