"""Shared mailboxes: several logins send as one address, by maps of the organisation's own, in the real service."""

from __future__ import annotations

import smtplib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from tests.support.service import MAILDIR, PATIENCE, Service, message

pytestmark = pytest.mark.real

MAPS = """
[[senders.map]]
path = "senders"

[[senders.map]]
name = "on-behalf"
path = "assistants"
as = "on-behalf"

[[senders.map]]
type = "sql"
database = "sqlite://{folder}/mail.db"
query = "SELECT address FROM shared WHERE login = %(login)s"
cache = "0 s"
grace = "0 s"
"""
SENDERS = """\
# as in /etc/postfix/senders
office@example.org   alice,
                     bob@example.org
@lab.example.org     bob
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("shared") / "service"
    made = Service(folder, route=MAILDIR + MAPS.format(folder=folder), workers=2)
    (folder / "senders").write_text(SENDERS)
    (folder / "assistants").write_text("dean@example.org alice\n")
    database = apsw.Connection(str(folder / "mail.db"))
    database.execute("CREATE TABLE shared (login TEXT, address TEXT)")
    database.execute(
        "INSERT INTO shared VALUES ('carol', 'events@example.org'), ('bob', 'events@example.org')"
    )
    database.close()
    for login in ("alice", "bob", "carol"):
        made.add_account(login)
    with made.running():
        yield made


def send(service: Service, login: str, sender: str) -> str:
    """What arrives of a message from this sender."""
    before = len(list(service.maildir.glob("*"))) if service.maildir.is_dir() else 0
    with service.signed_in(login) as client:
        client.send_message(message(sender))
    service.delivered(before + 1)
    newest = max(service.maildir.glob("*"), key=lambda path: path.stat().st_mtime_ns)
    return newest.read_text()


def refusal(service: Service, login: str, sender: str) -> tuple[int, str]:
    with service.signed_in(login) as client, pytest.raises(smtplib.SMTPSenderRefused) as refused:
        client.send_message(message(sender))
    return refused.value.smtp_code, str(refused.value.smtp_error)


def may_send(service: Service, login: str, sender: str) -> bool:
    with service.signed_in(login) as client:
        return client.mail(sender)[0] == 250


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("login", "sender"),
    [
        ("alice", "office@example.org"),
        ("bob", "Office@Example.ORG"),
        ("bob@example.org", "office+tickets@example.org"),
        ("EXAMPLE\\bob", "whoever@lab.example.org"),
        ("carol", "events@example.org"),
        ("bob", "events@example.org"),
        ("alice", "alice+news@example.org"),
    ],
)
def test_each_login_of_a_shared_mailbox_sends_as_it(service: Service, login: str, sender: str) -> None:
    text = send(service, login, sender)
    assert f"From: {sender}\n" in text
    assert "\nSender:" not in text


def test_who_sends_on_behalf_of_somebody_is_named_in_sender(service: Service) -> None:
    assert "\nSender: alice@example.org\n" in send(service, "alice", "dean@example.org")


@pytest.mark.parametrize(
    ("login", "sender"),
    [
        ("carol", "office@example.org"),
        ("alice", "whoever@lab.example.org"),
        ("alice", "events@example.org"),
        ("bob", "dean@example.org"),
    ],
)
def test_all_others_are_refused(service: Service, login: str, sender: str) -> None:
    code, text = refusal(service, login, sender)
    assert code == 553
    assert f"You may not send as {sender}; you may use {login}@example.org" in text


def test_while_the_database_is_away_members_send_as_themselves_and_try_again_with_the_rest(
    service: Service,
) -> None:
    database = service.folder / "mail.db"
    away = database.rename(service.folder / "away.db")
    try:
        assert "From: carol@example.org\n" in send(service, "carol", "carol@example.org")
        code, text = refusal(service, "carol", "events@example.org")
        assert (code, "4.4.3" in text) == (451, True)
        assert "the map" not in text
    finally:
        away.rename(database)
    until(lambda: "mail.db: cannot be read" in service.sams("activity", "show", "carol", "--json").stdout)
    until(lambda: may_send(service, "carol", "events@example.org"))


def test_a_reload_brings_another_file_into_force_also_for_sessions_that_run(service: Service) -> None:
    running = {login: service.signed_in(login) for login in ("alice", "bob")}
    (service.folder / "senders").write_text("office@example.org alice, carol\noffice@@ bob\n")
    refused = service.sams("reload", check=False)
    assert refused.returncode != 0
    assert f"{service.folder}/senders:2: office@@ is no address" in refused.stdout + refused.stderr
    (service.folder / "senders").write_text("office@example.org alice, carol\n")
    service.sams("reload")
    with running["alice"] as alice:
        assert alice.mail("office@example.org")[0] == 250
    with running["bob"] as bob:
        assert bob.mail("bob@example.org")[0] == 421
    until(
        lambda: refusal(service, "bob", "office@example.org")[0] == 553
    )  # once each worker has its database again
    assert "From: office@example.org\n" in send(service, "carol", "office@example.org")


def test_what_postfix_would_not_do_is_told_by_config_check(service: Service, tmp_path: Path) -> None:
    (service.folder / "senders").write_text("@lab.example.org bob\nx@lab.example.org alice\n")
    told = service.sams("config", "check").stdout
    assert f"warning: {service.config}" in told
    assert f"{service.folder}/senders:1: who stands here may also send as the 1 addresses" in told
