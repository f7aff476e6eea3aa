"""The real service with members in a real directory beside its own: a day in the life of an organisation."""

from __future__ import annotations

import json
import smtplib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.identity.sources.ldap.rig import PEOPLE, WORD, person
from tests.support.service import MAILDIR, PASSWORD, Service, message
from tests.support.slapd_server import MISSING, PROGRAM, SERVICE, SERVICE_PASSWORD, Slapd

pytestmark = [pytest.mark.real, pytest.mark.skipif(PROGRAM is None, reason=MISSING)]

SOURCES = f"""\
[[accounts.source]]
type = "builtin"

[[accounts.source]]
type = "ldap"
name = "staff"
servers = ["{{server}}"]
ca_file = "{{ca_file}}"
base = "{PEOPLE}"
bind_dn = "{SERVICE}"
bind_password_file = "ldap-password"
cache = "1 s"
timeout = "2 s"
"""
MEMBERS = person("carol", "mail: carol@example.org", "mail: c@example.org") + person(
    "dave", "mail: dave@example.org"
)


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with Slapd(tmp_path_factory.mktemp("slapd"), MEMBERS) as server:
        yield server


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, slapd: Slapd) -> Iterator[Service]:
    sources = SOURCES.format(server=slapd.tls, ca_file=slapd.ca_file)
    made = Service(tmp_path_factory.mktemp("sams"), route=f"{sources}\n{MAILDIR}", workers=2)
    secret = made.folder / "ldap-password"
    secret.touch(mode=0o600)
    secret.write_text(f"{SERVICE_PASSWORD}\n")
    made.add_account("alice", "alice@example.org")
    with made.running():
        yield made


def answer(service: Service, login: str, password: str) -> int:
    """The reply's code to a sign-in."""
    client = service.client()
    try:
        return client.login(login, password)[0]
    except smtplib.SMTPAuthenticationError as refused:
        return refused.smtp_code
    finally:
        client.close()


def until(what: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def health(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(service.sams("health", "--json", check=False).stdout)
    return found


def test_members_of_both_send_as_themselves_and_as_nobody_else(service: Service) -> None:
    before = len(list(service.maildir.glob("*"))) if service.maildir.is_dir() else 0
    for login, password, sender in (
        ("alice", PASSWORD, "alice@example.org"),
        ("carol", WORD, "carol@example.org"),
        ("carol@example.org", WORD, "c@example.org"),
    ):
        with service.signed_in(login, password) as client:
            client.send_message(message(sender))
            with pytest.raises(smtplib.SMTPSenderRefused):
                client.send_message(message("dave@example.org"))
    assert len(service.delivered(before + 3)) == before + 3
    assert answer(service, "carol", "guess") == 535
    assert answer(service, "nobody", "guess") == 535


def test_an_app_password_for_a_member_of_the_directory(service: Service) -> None:
    made = json.loads(
        service.sams("account", "app-password", "add", "carol", "--name", "phone", "--json").stdout
    )
    password = made["password"]
    for login in ("carol", "carol@example.org", "carol/phone"):
        assert answer(service, login, password) == 235
    assert answer(service, "dave", password) == 535
    assert answer(service, "alice", password) == 535
    listed = json.loads(service.sams("account", "app-password", "list", "carol", "--json").stdout)
    assert [one["name"] for one in listed["app_passwords"]] == ["phone"]
    service.sams("account", "app-password", "revoke", "carol", "phone")
    assert answer(service, "carol", password) == 535


def test_the_walk_along_the_sources_is_told(service: Service) -> None:
    told = json.loads(
        service.sams(
            "account", "test", "carol@example.org", "--password-stdin", "--json", text=f"{WORD}\n"
        ).stdout
    )
    assert [(word["source"], word["finding"]) for word in told["words"]] == [
        ("builtin", "no such login"),
        ("staff", "right"),
    ]
    assert told["words"][1]["addresses"] == ["carol@example.org", "c@example.org"]


def test_an_outage_of_the_directory_is_454_and_told_and_who_was_there_lately_still_gets_in(
    service: Service, slapd: Slapd
) -> None:
    for _ in range(4):  # at whichever worker
        assert answer(service, "carol", WORD) == 235
    time.sleep(1.2)  # what was verified is kept, once a second
    slapd.stop()
    try:
        for _ in range(6):
            assert answer(service, "carol", WORD) == 235, "remembered for an hour"
        assert answer(service, "dave", WORD) == 454
        assert answer(service, "carol", "guess") == 454
        assert answer(service, "alice", PASSWORD) == 235
        assert answer(service, "alice", "guess") == 535
        for _ in range(6):
            answer(service, "dave", WORD)
        until(lambda: "staff" in health(service)["sources_down"])
        assert 'sams_source_up{source="staff"} 0' in service.sams("metrics").stdout
        told = service.sams("health", check=False).stdout
        assert "the source of accounts staff is down" in told
    finally:
        slapd.start()
    until(lambda: answer(service, "dave", WORD) == 235, 60.0)
    until(lambda: health(service)["sources_down"] == {}, 60.0)


def test_a_member_who_leaves_the_directory_is_out_with_the_session(
    service: Service, slapd: Slapd, tmp_path: Path
) -> None:
    slapd.modify(
        f"dn: uid=erin,{PEOPLE}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: erin\ncn: erin\nsn: erin\n"
        f"mail: erin@example.org\nuserPassword: {WORD}\n"
    )
    with service.signed_in("erin", WORD) as client:
        client.send_message(message("erin@example.org"))
        slapd.modify(f"dn: uid=erin,{PEOPLE}\nchangetype: delete\n")
        time.sleep(1.1)

        def is_out() -> bool:
            try:
                client.send_message(message("erin@example.org"))
            except (smtplib.SMTPException, OSError):
                return True
            return False

        until(is_out)
    assert answer(service, "erin", WORD) == 535


def test_scram_is_not_offered_where_the_directory_cannot_verify_it(service: Service) -> None:
    client = service.client()
    offered = client.esmtp_features["auth"].split()
    client.close()
    assert offered == ["PLAIN", "LOGIN"]
