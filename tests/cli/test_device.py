from __future__ import annotations

from typing import Any

import pytest

from sams.cli.failures import Exit
from sams.control.messages import (
    AccountAdd,
    AccountChanged,
    AccountDevice,
    AccountEntry,
    AccountList,
    AccountPage,
    AccountShow,
    AccountShown,
    Changed,
    DeviceEntry,
    Done,
    Response,
)
from sams.identity.app_passwords.text import canonical
from tests.cli.desk import PASSWORD, Desk
from tests.control.fakes import Answers, listening, supervisor

OWNED = ("--owner", "Alice", "--address", "printer@example.org")


def added(desk: Desk, *options: str, name: str = "printer") -> Any:
    return desk.json("device", "add", name, *OWNED, *options)


def shown(desk: Desk) -> Any:
    return desk.json("device", "show", "printer")


def test_a_device_is_added_with_a_password_that_is_shown_once(desk: Desk) -> None:
    text = desk.sams("device", "add", "Printer", *OWNED, "--network", "192.0.2.0/24").stdout
    passwords = [line.strip() for line in text.splitlines() if canonical(line.strip())]
    assert len(passwords) == 1
    entry = shown(desk)
    assert (entry["login"], entry["addresses"]) == ("printer", ["printer@example.org"])
    assert entry["device"] == {"owner": "alice", "networks": ["192.0.2.0/24"]}
    assert (entry["recipients_per_hour"], entry["recipients_per_day"]) == (50, 200)
    for command in (("device", "list"), ("device", "show", "printer"), ("account", "list")):
        assert passwords[0] not in desk.sams(*command).stdout
        assert "printer" in desk.sams(*command).stdout
    facts = desk.sams("account", "show", "printer").stdout
    assert "device of" in facts
    assert "192.0.2.0/24" in facts


def test_a_password_of_ones_own_is_taken_from_standard_input(desk: Desk) -> None:
    options = (*OWNED, "--password-stdin")
    answer = desk.json("device", "add", "printer", *options, text=f"{PASSWORD}\n")
    assert answer == {"login": "printer", "password": None}
    assert (
        PASSWORD
        not in desk.sams("device", "passwd", "printer", "--password-stdin", text=f"{PASSWORD}2\n").stdout
    )


def test_it_is_said_where_a_stolen_password_could_be_used_from_everywhere(desk: Desk) -> None:
    assert "--network" in desk.sams("device", "add", "printer", *OWNED).stdout


def test_a_new_password_takes_the_place_of_the_old_one(desk: Desk) -> None:
    first = added(desk)["password"]
    second = desk.json("device", "passwd", "printer")["password"]
    assert canonical(first) != canonical(second)


def test_what_is_named_is_changed_and_all_else_stays(desk: Desk) -> None:
    added(desk, "--network", "192.0.2.0/24", "--recipient", "it@example.org", "--expires", "1year")
    before = shown(desk)
    desk.sams("device", "change", "printer", "--owner", "bob", "--per-day", "7")
    after = shown(desk)
    assert after["device"] == before["device"] | {"owner": "bob"}
    assert (after["recipients_per_hour"], after["recipients_per_day"]) == (50, 7)
    options = ("--any-network", "--any-recipient", "--never-expires", "--address", "it@example.org")
    desk.sams("device", "change", "printer", *options)
    assert shown(desk)["device"] == {"owner": "bob"}
    assert shown(desk)["addresses"] == ["it@example.org"]
    desk.sams("device", "change", "printer", code=Exit.USAGE)


def test_a_device_is_suspended_resumed_and_removed(desk: Desk) -> None:
    added(desk)
    desk.sams("device", "suspend", "printer", "--reason", "moved")
    assert shown(desk)["suspended"] == "moved"
    desk.sams("device", "resume", "printer")
    assert shown(desk)["suspended"] is None
    assert "--yes" in desk.sams("device", "remove", "printer", code=Exit.USAGE).stderr
    desk.sams("device", "remove", "printer", "--yes")
    assert "There are no devices" in desk.sams("device", "list").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "alice"),
        ("passwd", "alice"),
        ("change", "alice", "--owner", "bob"),
        ("suspend", "alice"),
        ("resume", "alice"),
        ("remove", "alice", "--yes"),
        ("show", "nobody"),
    ],
)
def test_an_account_of_a_person_is_no_device(desk: Desk, arguments: tuple[str, ...]) -> None:
    desk.add_account("alice", "alice@example.org")
    refused = desk.sams("device", *arguments, code=Exit.FAILED)
    assert "there is no device" in refused.stderr
    assert desk.json("account", "show", "alice")["suspended"] is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--owner", "alice"), "--address"),
        (("--address", "printer@example.org"), "--owner"),
        ((*OWNED[:2], "--address", "printer@elsewhere.example"), "[accounts] domains"),
        ((*OWNED, "--network", "192.0.2.1/24"), "no network"),
        ((*OWNED, "--recipient", "everybody"), "neither an address nor"),
        ((*OWNED, "--expires", "yesterday"), "neither a time such as"),
        ((*OWNED, "--per-hour", "-1"), "per-hour"),
        (("--owner", "a b", "--address", "printer@example.org"), "no login"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(desk: Desk, options: tuple[str, ...], said: str) -> None:
    result = desk.server.sams("device", "add", "printer", *options, check=False)
    assert result.returncode in {Exit.FAILED, Exit.USAGE}
    assert said in result.stderr
    assert desk.json("device", "list") == {"devices": []}


def test_the_running_service_keeps_devices_and_every_worker_ends_sessions(desk: Desk) -> None:
    asked: list[Any] = []
    printer = AccountEntry("printer", ("printer@example.org",), device=DeviceEntry("alice"))

    def answer(request: Any) -> Response:
        asked.append(request)
        if isinstance(request, AccountShow):
            return AccountShown(printer if request.login == "printer" else None)
        if isinstance(request, AccountList):
            return AccountPage((printer,), more=False)
        return Changed(0) if isinstance(request, AccountChanged) else Done()

    kinds = (AccountShow, AccountList, AccountAdd, AccountDevice)
    service: Answers = {**supervisor(1), **dict.fromkeys(kinds, answer)}
    worker: Answers = {AccountChanged: answer}
    desk.data_dir.mkdir(mode=0o700)
    with listening(desk.data_dir, service, worker):
        password = added(desk, "--network", "192.0.2.0/24", name="scanner")["password"]
        assert desk.json("device", "list")["devices"][0]["login"] == "printer"
        desk.sams("device", "change", "printer", "--network", "192.0.2.0/24")
    device = DeviceEntry("alice", ("192.0.2.0/24",))
    assert asked == [
        AccountShow("scanner"),
        AccountAdd("scanner", password, ("printer@example.org",), (), 50, 200, device),
        AccountList(None, 500, devices=True),
        AccountShow("printer"),
        AccountDevice("printer", device),
        AccountChanged("printer"),
    ]
