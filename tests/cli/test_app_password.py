from __future__ import annotations

from typing import Any

import pytest

from sams.cli.failures import Exit
from sams.control.messages import (
    AccountChanged,
    AccountTest,
    AccountTested,
    AppPasswordAdd,
    AppPasswordAdded,
    AppPasswordEntry,
    AppPasswordList,
    AppPasswordPage,
    AppPasswordRevoke,
    Changed,
    Response,
    SourceWord,
)
from sams.core.clock import SystemClock
from sams.identity.app_passwords.text import canonical
from sams.identity.app_passwords.uses import FILE, AppPasswordUses
from sams.identity.walk import FOUND, NOT_ASKED, UNTELLING
from tests.cli.desk import Desk
from tests.control.fakes import Answers, listening, supervisor


@pytest.fixture
def alice(desk: Desk) -> Desk:
    desk.add_account("alice", "alice@example.org")
    return desk


def made(desk: Desk, name: str, *options: str) -> Any:
    return desk.json("account", "app-password", "add", "alice", "--name", name, *options)


def test_one_is_made_shown_once_listed_and_revoked(alice: Desk) -> None:
    shown = alice.sams("account", "app-password", "add", "Alice", "--name", "Alice's phone").stdout
    password = next(line.strip() for line in shown.splitlines() if canonical(line.strip()))
    assert "Alice's phone may now sign in as alice" in shown
    assert 'sams account app-password revoke alice "Alice\'s phone"' in shown
    (listed,) = alice.json("account", "app-password", "list", "alice")["app_passwords"]
    assert (listed["login"], listed["name"], listed["source"]) == ("alice", "Alice's phone", "builtin")
    assert (listed["expires"], listed["used_at"]) == (None, None)
    table = alice.sams("account", "app-password", "list").stdout
    assert "Alice's phone" in table
    assert password not in table
    assert alice.json("account", "show", "alice")["app_passwords"] == 1
    revoked = alice.sams("account", "app-password", "revoke", "alice", "alice's PHONE")
    assert revoked.stdout == "1 app password revoked; sessions that used it ended\n"
    assert alice.json("account", "app-password", "list") == {"app_passwords": []}
    assert "There are no such app passwords" in alice.sams("account", "app-password", "list").stdout


def test_limits_and_the_last_use_are_listed(alice: Desk) -> None:
    entry = made(
        alice,
        "phone",
        *("--expires", "1year", "--network", "192.0.2.0/24", "--network", "2001:db8::1"),
        *("--sender", "Alice+shop@example.org"),
    )["app_password"]
    assert entry["networks"] == ["192.0.2.0/24", "2001:db8::1/128"]
    assert entry["senders"] == ["alice+shop@example.org"]
    assert 364.5 < (entry["expires"] - entry["created"]) / 86_400 < 366
    uses = AppPasswordUses(alice.data_dir / FILE, SystemClock())
    uses.note(entry["id"], "192.0.2.7", "Pigeon 7.1")
    uses.write(uses.take())
    (listed,) = alice.json("account", "app-password", "list")["app_passwords"]
    assert (listed["used_from"], listed["used_by"]) == ("192.0.2.7", "Pigeon 7.1")
    table = alice.sams("account", "app-password", "list").stdout
    assert "192.0.2.7, Pigeon 7.1" in table
    assert "from 192.0.2.0/24, from 2001:db8::1/128, as alice+shop@example.org" in table


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "bob", "--name", "phone"), "no account bob"),
        (("add", "alice", "--name", ""), "1 to 60"),
        (("add", "alice", "--name", "phone", "--network", "home"), "no network"),
        (
            ("add", "alice", "--name", "phone", "--sender", "bob@example.org"),
            "may send from alice@example.org",
        ),
        (("add", "alice", "--name", "phone", "--sender", "bob"), "neither an address nor"),
        (("add", "alice", "--name", "phone", "--expires", "soon"), "neither a time such as"),
        (("add", "alice", "--name", "phone", "--expires", "2001-01-01"), "in the future"),
        (("add", "alice", "--name", "phone", "--source", "ldap"), "only the running service"),
        (("add", "alice"), "--name"),
        (("revoke", "alice"), "name what ends"),
        (("revoke", "alice", "phone", "--all"), "name what ends"),
        (("revoke", "--all"), "name what ends"),
        (("revoke", "--all", "--source", "builtin"), "--yes"),
        (("revoke", "alice", "phone"), "has no app password 'phone'"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(alice: Desk, arguments: tuple[str, ...], said: str) -> None:
    result = alice.server.sams("account", "app-password", *arguments, check=False)
    assert result.returncode in {Exit.FAILED, Exit.USAGE}
    assert said in result.stderr
    assert alice.json("account", "app-password", "list") == {"app_passwords": []}


def test_all_of_a_login_or_of_a_source_are_revoked(alice: Desk) -> None:
    alice.add_account("bob", "bob@example.org")
    for name in ("phone", "tablet"):
        made(alice, name)
    alice.sams("account", "app-password", "add", "bob", "--name", "phone")
    assert (
        "2 app passwords revoked" in alice.sams("account", "app-password", "revoke", "alice", "--all").stdout
    )
    every = ("account", "app-password", "revoke", "--all", "--source", "builtin", "--yes")
    assert "1 app password revoked" in alice.sams(*every).stdout
    assert alice.json("account", "app-password", "list") == {"app_passwords": []}


def test_a_device_has_none(alice: Desk) -> None:
    alice.sams("device", "add", "printer", "--owner", "alice", "--address", "printer@example.org")
    refused = alice.sams("account", "app-password", "add", "printer", "--name", "x", code=Exit.FAILED)
    assert "sams device passwd printer" in refused.stderr


def test_the_running_service_makes_and_revokes_them_and_every_worker_ends_sessions(desk: Desk) -> None:
    asked: list[Any] = []
    entry = AppPasswordEntry("abc", "staff", "anna", "phone", 1_000.0)

    def answer(request: Any) -> Response:
        asked.append(request)
        if isinstance(request, AppPasswordAdd):
            return AppPasswordAdded(entry, "k7mq2-xw4nr-8hjd3-tbv9c-pyea6")
        if isinstance(request, AppPasswordList):
            return AppPasswordPage((entry,), more=False)
        return Changed(1)

    kinds = (AppPasswordAdd, AppPasswordList, AppPasswordRevoke)
    service: Answers = {**supervisor(2), **dict.fromkeys(kinds, answer)}
    worker: Answers = {AccountChanged: answer}
    desk.data_dir.mkdir(mode=0o700)
    with listening(desk.data_dir, service, worker, worker):
        options = ("--name", "phone", "--source", "staff")
        added = desk.json("account", "app-password", "add", "anna", *options)
        assert added["password"] == "k7mq2-xw4nr-8hjd3-tbv9c-pyea6"
        assert desk.json("account", "app-password", "list", "anna")["app_passwords"][0]["id"] == "abc"
        desk.sams("account", "app-password", "revoke", "anna", "phone", "--source", "staff")
    assert asked == [
        AppPasswordAdd("anna", "phone", "staff"),
        AppPasswordList("anna", ("", ""), 500),
        AppPasswordRevoke("anna", "phone", "staff"),
        AccountChanged("anna"),
        AccountChanged("anna"),
    ]


@pytest.mark.parametrize(
    ("detail", "expires", "warned"),
    [
        (UNTELLING, None, "--expires gives it an end"),
        (UNTELLING, 2e9, "look at the spelling"),
        ("", None, ""),
    ],
)
def test_who_makes_one_for_somebody_whom_no_source_can_vouch_for_is_warned(
    desk: Desk, detail: str, expires: float | None, warned: str
) -> None:
    entry = AppPasswordEntry("abc", "radius", "anna", "phone", 1_000.0, expires)
    added = AppPasswordAdded(entry, "k7mq2-xw4nr-8hjd3-tbv9c-pyea6")
    word = SourceWord("radius", NOT_ASKED if detail else FOUND, detail)
    answers: Answers = {
        **supervisor(1),
        AppPasswordAdd: lambda _: added,
        AccountTest: lambda _: AccountTested("anna", (word,)),
    }
    desk.data_dir.mkdir(mode=0o700)
    with listening(desk.data_dir, answers, answers):
        made = desk.sams("account", "app-password", "add", "anna", "--name", "phone")
    assert warned in made.stderr
    assert bool(made.stderr) == bool(warned)
    assert ("--expires" in made.stderr) == warned.startswith("--expires")


def test_no_password_stands_in_the_text_form_of_an_answer() -> None:
    entry = AppPasswordEntry("abc", "staff", "anna", "phone", 1_000.0)
    assert "k7mq2" not in repr(AppPasswordAdded(entry, "k7mq2-xw4nr-8hjd3-tbv9c-pyea6"))


def test_an_expiry_is_a_time_from_now_or_a_last_day(alice: Desk) -> None:
    day = made(alice, "a", "--expires", "2199-12-31")["app_password"]
    assert day["expires"] == 7_258_118_400.0  # 2200-01-01 in UTC
    for text, days in (("2 years", 730.5), ("6months", 182.6), ("90 days", 90), ("36h", 1.5)):
        entry = made(alice, text, "--expires", text)["app_password"]
        assert (entry["expires"] - entry["created"]) / 86_400 == pytest.approx(days, abs=0.2)
