"""The real service and programs that people really use."""

from __future__ import annotations

import shutil
import smtplib
import subprocess
import time
from collections.abc import Iterator
from email.policy import SMTP
from pathlib import Path

import pytest

from tests.support.service import PASSWORD, Service, message

pytestmark = pytest.mark.real


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is missing: make system")


def told_of(service: Service, reference: str) -> str:
    """What the journal has about a reference: a running session's steps are written within two seconds."""
    story = ""
    for _ in range(20):
        story = service.sams("activity", "show", reference, check=False).stdout
        if story:
            break
        time.sleep(0.2)
    return story


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("a service"))
    service.add_account("alice", "alice@example.org", "*@lab.example.org")
    with service.running():
        yield service


@pytest.fixture
def mailbox(service: Service) -> Service:
    """The service with an empty Maildir."""
    shutil.rmtree(service.folder / "Maildir", ignore_errors=True)
    return service


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_smtplib_submits_and_the_message_is_delivered_whole(mailbox: Service, tls: str) -> None:
    if tls == "starttls":
        client = mailbox.signed_in("alice")
    else:
        client = smtplib.SMTP_SSL("127.0.0.1", mailbox.implicit, context=mailbox.trust())
        client.login("alice@example.org", PASSWORD)
    with client:
        client.send_message(message("alice@example.org", body="..leading dots\n.\nend\n"))
    (text,) = mailbox.delivered(1)
    assert "\n\n..leading dots\n.\nend\n" in text
    assert "with ESMTPSA id" in text
    assert "TLSv1.3" in text
    assert "127.0.0.1" not in text.partition("Subject")[0].replace("127.0.0.1:", "")


@pytest.mark.parametrize("mechanism", ["auth_plain", "auth_login"])
@pytest.mark.parametrize("initial", [True, False])
def test_smtplib_signs_in_with_and_without_an_initial_response(
    mailbox: Service, mechanism: str, initial: bool
) -> None:
    with mailbox.client() as client:
        client.user, client.password = "alice", PASSWORD
        name = mechanism.removeprefix("auth_").upper()
        code, _ = client.auth(name, getattr(client, mechanism), initial_response_ok=initial)
        assert code == 235


def test_a_wrong_password_is_refused_with_a_reference_that_the_journal_knows(mailbox: Service) -> None:
    with mailbox.client() as client, pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        client.login("alice", "not-the-password")
    text = str(refused.value)
    assert refused.value.smtp_code == 535
    assert "5.7.8" in text
    reference = text.rpartition("(ref ")[2][:7]
    story = told_of(mailbox, reference)
    assert "alice" in story
    assert "wrong password" in story


def test_nothing_is_relayed_for_who_has_not_signed_in(mailbox: Service) -> None:
    with mailbox.client() as client:
        assert client.mail("alice@example.org")[0] == 530
        assert client.docmd("RCPT TO:<friend@example.net>")[0] == 530
    with smtplib.SMTP("127.0.0.1", mailbox.starttls) as client:
        client.ehlo()
        assert "auth" not in client.esmtp_features
        assert client.docmd("AUTH PLAIN AGFsaWNlAHNlY3JldA==")[0] == 538
        assert client.mail("alice@example.org")[0] == 530


def test_a_member_sends_as_nobody_else(mailbox: Service) -> None:
    with mailbox.signed_in("alice") as client:
        assert client.mail("bob@example.org")[0] == 553
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail(
                "alice@example.org", ["x@example.net"], message("bob@example.org").as_bytes(policy=SMTP)
            )
        assert refused.value.smtp_code == 550
        assert "alice@example.org" in str(refused.value.smtp_error)
        client.sendmail(
            "any@lab.example.org", ["x@example.net"], message("any@lab.example.org").as_bytes(policy=SMTP)
        )
    assert len(mailbox.delivered(1)) == 1


@needs("curl")
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_curl_submits(mailbox: Service, tmp_path: Path, tls: str) -> None:
    (tmp_path / "message").write_text(
        "From: alice@example.org\r\nTo: x@example.net\r\nSubject: curl\r\n\r\nHello\r\n"
    )
    url = (
        f"smtp://localhost:{mailbox.starttls}"
        if tls == "starttls"
        else f"smtps://localhost:{mailbox.implicit}"
    )
    subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--ssl-reqd", "--cacert", str(mailbox.folder / "ca.pem")),
            *("--user", f"alice:{PASSWORD}", "--mail-from", "alice@example.org"),
            *("--mail-rcpt", "x@example.net", "--upload-file", str(tmp_path / "message"), url),
        ],
        check=True,
        timeout=30,
    )
    assert "Subject: curl\n" in mailbox.delivered(1)[0]


@needs("swaks")
@pytest.mark.parametrize(
    "arguments", [["-tls"], ["-tlsc"], ["-tls", "--pipeline"], ["-tls", "--auth", "LOGIN"]]
)
def test_swaks_submits(mailbox: Service, arguments: list[str]) -> None:
    port = mailbox.implicit if "-tlsc" in arguments else mailbox.starttls
    auth = [] if "--auth" in arguments else ["--auth", "PLAIN"]
    done = subprocess.run(
        [
            *("swaks", "--server", f"127.0.0.1:{port}", *arguments, *auth, "--auth-user", "alice"),
            *("--auth-password", PASSWORD, "--from", "alice@example.org", "--to", "x@example.net"),
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "This is a test mailing" in mailbox.delivered(1)[0]


@needs("msmtp")
@pytest.mark.parametrize("starttls", ["on", "off"])
def test_msmtp_submits(mailbox: Service, tmp_path: Path, starttls: str) -> None:
    port = mailbox.starttls if starttls == "on" else mailbox.implicit
    settings = tmp_path / "msmtprc"
    settings.touch(mode=0o600)
    settings.write_text(
        f"account default\nhost localhost\nport {port}\ntls on\ntls_starttls {starttls}\n"
        f"tls_trust_file {mailbox.folder / 'ca.pem'}\nauth on\nuser alice\npassword {PASSWORD}\n"
        "from alice@example.org\n"
    )
    text = "From: alice@example.org\nTo: x@example.net\nSubject: msmtp\n\nHello\n"
    done = subprocess.run(
        ["msmtp", "-C", str(settings), "x@example.net"],
        input=text,
        text=True,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Subject: msmtp\n" in mailbox.delivered(1)[0]
