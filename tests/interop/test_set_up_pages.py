"""What the set-up pages say, copied out of them and done with the real programs: it sends a message.

The pages are rendered for a service that runs, so that its host and ports stand in them. What a test adds is the
authority of its certificate, and where on this machine a file lies that the pages place below `/etc`.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.null_clients import EXIM, Machine, exim_by_debian, exim_by_one_file, postfix
from tests.support.on_terminal import converse
from tests.support.service import PASSWORD, Service
from tests.support.set_up_pages import EXAMPLE, Home, Page, Said, page_of

pytestmark = pytest.mark.real
STRANGERS = "/etc/ssl/certs/ca-certificates.crt"
"""Authorities that have not signed the service's certificate."""
Run = Callable[[], Said]
SetUp = Callable[[Page, Path, str, str], AbstractContextManager[Run]]
"""A program, set up: of its page, an empty folder, the password and the file with authorities. Gives how to send."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("a service"))
    service.add_account("alice", EXAMPLE)
    device = ("device", "add", "server-1", "--owner", "alice", "--address", "server-1@example.org")
    with service.running():
        service.sams(*device, "--password-stdin", text=PASSWORD + "\n")
        yield service


@pytest.fixture
def service(running: Service) -> Service:
    """The service with an empty Maildir."""
    shutil.rmtree(running.folder / "Maildir", ignore_errors=True)
    return running


@contextmanager
def msmtp(page: Page, folder: Path, password: str, authorities: str) -> Iterator[Run]:
    """The keyring, the file, its rights."""
    home = Home.make(folder)
    home.do(page.listings["Store the password"], password)
    home.write("~/.msmtprc", f"{page.listings['~/.msmtprc']}tls_trust_file {authorities}\n")
    home.do(page.listings["Protect the file"])
    yield lambda: home.say(page.listings["Test message"])


def mutt_as(program: str) -> SetUp:
    """The keyring and the file; NeoMutt reads the same one."""

    @contextmanager
    def set_up(page: Page, folder: Path, password: str, authorities: str) -> Iterator[Run]:
        home = Home.make(folder)
        home.do(page.listings["Store the password"], password)
        home.write(
            "~/.muttrc", f"{page.listings['~/.muttrc']}set ssl_ca_certificates_file = '{authorities}'\n"
        )
        command = page.listings["Test message"].replace("| mutt ", f"| {program} ")
        yield lambda: home.say(command)

    return set_up


@contextmanager
def git(page: Page, folder: Path, password: str, authorities: str) -> Iterator[Run]:
    """Settings, the keeper of passwords in memory, a repository with a commit."""
    home = Home.make(folder, SSL_CERT_FILE=authorities)
    home.do(page.listings["Settings"])
    home.do(page.listings["In memory, for 15 minutes"])
    port = home.do("git config sendemail.smtpServerPort").strip()
    known = f"protocol=smtp\nhost=localhost:{port}\nusername={EXAMPLE}\npassword={password}\n"
    home.do("git credential approve", known)
    home.do(f"git config --global user.name Alice && git config --global user.email {EXAMPLE}")
    home.do("git init -q && echo x > x && git add x && git commit -q -m 'It works.'")
    try:
        yield lambda: home.say(page.listings["Test message"], "y\n")
    finally:
        home.say("git credential-cache exit")


@contextmanager
def curl(page: Page, folder: Path, password: str, authorities: str) -> Iterator[Run]:
    """The file with the password, the message."""
    home = Home.make(folder, CURL_CA_BUNDLE=authorities)
    home.do(page.listings["Make the file"])
    home.write("~/.netrc", page.listings["~/.netrc"].replace("YOUR-PASSWORD", password))
    home.write("message.txt", page.listings["message.txt"])
    yield lambda: home.say(page.listings["Send"])


@contextmanager
def python(page: Page, folder: Path, password: str, authorities: str) -> Iterator[Run]:
    """The file with the password, the script."""
    home = Home.make(folder, SSL_CERT_FILE=authorities)
    home.do(page.listings["Make the file"])
    home.write("~/.netrc", page.listings["~/.netrc"].replace("YOUR-PASSWORD", password))
    home.write("send.py", page.listings["send.py"])
    yield lambda: home.say(f"'{sys.executable}' send.py")


@dataclass(frozen=True, slots=True)
class Case:
    """A program with its page. needs: what must be installed."""

    slug: str
    needs: str
    set_up: SetUp


PROGRAMS = {
    "msmtp": Case("msmtp", "msmtp", msmtp),
    "mutt": Case("mutt", "mutt", mutt_as("mutt")),
    "neomutt": Case("mutt", "neomutt", mutt_as("neomutt")),
    "git send-email": Case("git-send-email", "/usr/lib/git-core/git-send-email", git),
    "curl": Case("curl", "curl", curl),
    "python": Case("python", "python3", python),
}
SERVERS = {
    "postfix": Case("postfix", "postfix", postfix),
    "exim of Debian": Case("exim", str(EXIM), exim_by_debian),
    "exim": Case("exim", str(EXIM), exim_by_one_file),
}


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = {**PROGRAMS, **SERVERS}[request.param]
    if shutil.which(found.needs) is None:
        pytest.skip(f"{found.needs} is missing: make system")
    if request.param in SERVERS and not Machine.can_be():
        pytest.skip("a mail server is started by root only")
    return found


both = pytest.mark.parametrize("tls", ["implicit", "starttls"])


@both
@pytest.mark.parametrize("case", PROGRAMS, indirect=True)
def test_what_the_page_says_sends_a_message(service: Service, case: Case, tls: str, tmp_path: Path) -> None:
    page = page_of(service, case.slug, tls)
    with case.set_up(page, tmp_path / "home", PASSWORD, str(service.folder / "ca.pem")) as send:
        said = send()
    assert said.status == 0, said.output
    assert PASSWORD not in said.output
    (text,) = service.delivered(1)
    assert f"Return-Path: <{EXAMPLE}>" in text or f"From: {EXAMPLE}" in text
    assert "It works." in text


@both
@pytest.mark.parametrize("case", SERVERS, indirect=True)
def test_what_the_page_says_makes_a_server_pass_on_its_own_mail(
    service: Service, case: Case, tls: str, tmp_path: Path
) -> None:
    page = page_of(service, case.slug, tls)
    with case.set_up(page, tmp_path, PASSWORD, str(service.folder / "ca.pem")) as send:
        said = send()
        assert said.status == 0, said.output
        (text,) = service.delivered(1)
    head, _, body = text.partition("\n\n")
    assert "server-1@example.org" in next(line for line in head.splitlines() if line.startswith("From:"))
    assert body.strip() == "It works."


@pytest.mark.parametrize("case", ["postfix"], indirect=True)
def test_cyrus_sasl_signs_in_by_scram_with_the_count_that_we_ask_for(
    service: Service, case: Case, tmp_path: Path
) -> None:
    page = page_of(service, case.slug, "starttls")
    with case.set_up(page, tmp_path, PASSWORD, str(service.folder / "ca.pem")) as send:
        assert send().status == 0
        service.delivered(1)
    assert "SCRAM-SHA-256" in service.sams("activity", "show", "server-1").stdout


@pytest.mark.parametrize("case", [*PROGRAMS, *SERVERS], indirect=True)
def test_a_wrong_password_is_told_in_words_that_the_page_explains(
    service: Service, case: Case, tmp_path: Path
) -> None:
    page = page_of(service, case.slug, "implicit")
    with case.set_up(page, tmp_path / "home", "not-the-password", str(service.folder / "ca.pem")) as send:
        said = send()
    assert page.tells_of("password", said.output), said.output
    assert not list(service.maildir.glob("*"))


@pytest.mark.parametrize("case", [*PROGRAMS, *SERVERS], indirect=True)
def test_a_certificate_of_a_stranger_is_refused_in_words_that_the_page_explains(
    service: Service, case: Case, tmp_path: Path
) -> None:
    page = page_of(service, case.slug, "starttls")
    with case.set_up(page, tmp_path / "home", PASSWORD, STRANGERS) as send:
        said = send()
    if case.needs == "neomutt":  # without a terminal it ends and says nothing
        assert said.status != 0
    else:
        assert page.tells_of("certificate", said.output), said.output
    assert not list(service.maildir.glob("*"))


@both
@pytest.mark.parametrize(("password", "kind"), [(PASSWORD, ""), ("not-the-password", "password")])
def test_alpine_sends_with_the_lines_of_its_page(
    service: Service, tls: str, password: str, kind: str, tmp_path: Path
) -> None:
    page, home = (
        page_of(service, "alpine", tls),
        _with_alpine(tmp_path / "home", str(service.folder / "ca.pem")),
    )
    home.write("~/.pinerc", page.listings["~/.pinerc"])
    answers = {**_SENDING, "ENTER PASSWORD": f"{password}\r", "Retrying": "\x03"}
    shown = _alpine(home, page, answers, "Message sent", "Alpine finished", "Error sending")
    if kind:
        assert page.tells_of(kind, shown), shown
        assert not list(service.maildir.glob("*"))
    else:
        (text,) = service.delivered(1)
        assert f"From: Alice <{EXAMPLE}>" in text


def test_alpine_shows_a_certificate_of_a_stranger_in_words_that_its_page_explains(
    service: Service, tmp_path: Path
) -> None:
    page, home = page_of(service, "alpine", "implicit"), _with_alpine(tmp_path / "home", STRANGERS)
    home.write("~/.pinerc", page.listings["~/.pinerc"])
    shown = _alpine(home, page, _SENDING, "Answer")
    assert page.tells_of("certificate", shown)
    assert not list(service.maildir.glob("*"))


_SENDING = {"COMPOSE": "\x18", "Send message?": "y", "Create?": "y", "Preserve password": "n"}


def _with_alpine(folder: Path, authorities: str) -> Home:
    if shutil.which("alpine") is None:
        pytest.skip("alpine is missing: make system")
    return Home.make(folder, SSL_CERT_FILE=authorities)


def _alpine(home: Home, page: Page, answers: dict[str, str], *ends: str) -> str:
    command = shlex.split(page.listings["Test message"])
    return converse(command, home.folder, home.environment, answers, *ends)


def test_a_device_that_was_added_as_its_page_says_sends_as_itself_to_the_house_alone(
    service: Service,
) -> None:
    words = shlex.split(page_of(service, "devices", "starttls").listings["Add a device"])
    assert words.pop(0) == "sams"
    here = ["127.0.0.0/8" if word == "192.0.2.0/24" else word for word in words]
    found = re.search(r"\b(?:[a-z0-9]{5}-){4}[a-z0-9]{5}\b", service.sams(*here).stdout)
    assert found is not None
    try:
        with service.signed_in("printer-2", found[0]) as client:
            client.sendmail(
                "printer-2@example.org", [EXAMPLE], b"From: printer-2@example.org\r\n\r\nscan\r\n"
            )
            assert client.mail(EXAMPLE)[0] == 553
            client.rset()
            client.mail("printer-2@example.org")
            assert client.rcpt("friend@example.net")[0] == 550
        (text,) = service.delivered(1)
        assert "\n\nscan" in text
    finally:
        service.sams("device", "remove", "printer-2", "--yes", check=False)


def test_the_listener_for_old_devices_is_a_right_configuration(service: Service, tmp_path: Path) -> None:
    listing = page_of(service, "devices", "starttls").listings["sams.toml"]
    for name in ("certificate.pem", "key.pem"):
        shutil.copy2(service.folder / name, tmp_path / name)
    (tmp_path / "sams.toml").write_text(f"{service.config.read_text()}\n{listing}")
    done = service.sams("config", "check", "--config", str(tmp_path / "sams.toml"))
    assert "old devices" in done.stdout
    assert "can be used" in done.stdout
