from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sams.cli.failures import Exit
from sams.control.messages import (
    AccountAdd,
    AccountChanged,
    AccountShow,
    AccountShown,
    AccountSuspend,
    Changed,
    Done,
    QueueHold,
    QueueSearch,
    Response,
)
from tests.cli.desk import PASSWORD, Desk
from tests.control.fakes import Answers, listening, supervisor


def test_an_account_is_added_listed_and_shown(desk: Desk) -> None:
    desk.add_account("Alice", "alice@example.org", "*@lab.example.org")
    (listed,) = desk.json("account", "list")["accounts"]
    assert listed["login"] == "alice"
    assert listed["addresses"] == ["alice@example.org", "*@lab.example.org"]
    assert listed["suspended"] is None
    assert desk.json("account", "show", "ALICE") == listed
    assert "alice@example.org" in desk.sams("account", "list").stdout
    assert "the service's limit" in desk.sams("account", "show", "alice").stdout


def test_a_password_is_never_told_and_never_taken_as_an_argument(desk: Desk) -> None:
    desk.add_account("alice", "alice@example.org")
    for arguments in (("list",), ("show", "alice"), ("list", "--json"), ("show", "alice", "--json")):
        assert PASSWORD not in desk.sams("account", *arguments).output
    desk.sams("account", "passwd", "alice", PASSWORD, code=Exit.USAGE)
    desk.sams("account", "passwd", "alice", "--password", PASSWORD, code=Exit.USAGE)


def test_without_a_terminal_the_password_comes_from_standard_input_only(desk: Desk) -> None:
    result = desk.sams("account", "add", "bob", "--address", "bob@example.org", text="x", code=Exit.USAGE)
    assert "--password-stdin" in result.stderr
    assert desk.json("account", "list") == {"accounts": []}


@pytest.mark.parametrize(
    ("arguments", "text", "said"),
    [
        (("bob",), "long-enough-secret\n", "--address"),
        (("bob", "--address", "bob@elsewhere.example"), "long-enough-secret\n", "[accounts] domains"),
        (("bob", "--address", "bob"), "long-enough-secret\n", "domain"),
        (("bob", "--address", "bob@example.org"), "short\n", "password"),
        (("bob\u202e", "--address", "bob@example.org"), "long-enough-secret\n", "no login"),
        (("bob", "--address", "bob@example.org", "--per-hour", "-1"), "long-enough-secret\n", "per-hour"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(
    desk: Desk, arguments: tuple[str, ...], text: str, said: str
) -> None:
    result = desk.server.sams("account", "add", *arguments, "--password-stdin", text=text, check=False)
    assert result.returncode in {Exit.FAILED, Exit.USAGE}
    assert said.lower() in result.stderr.lower()
    assert desk.json("account", "list") == {"accounts": []}


def test_a_login_is_looked_at_before_its_password_is_asked_for(desk: Desk) -> None:
    desk.add_account("ann", "ann@example.org")
    again = ("account", "add", "Ann", "--address", "ann@example.org", "--password-stdin")
    assert "there is an account ann already" in desk.sams(*again, code=Exit.FAILED).stderr
    unknown = desk.sams("account", "passwd", "bob", "--password-stdin", code=Exit.FAILED)
    assert "there is no account bob" in unknown.stderr


@pytest.mark.parametrize(
    ("password", "said"), [("", "is empty: it has to stand in the first line"), ("a\tb\n", "has a control")]
)
def test_a_password_is_refused_for_what_it_is(desk: Desk, password: str, said: str) -> None:
    command = ("account", "add", "ann", "--address", "ann@example.org", "--password-stdin")
    assert f"the password {said}" in desk.sams(*command, text=password, code=Exit.FAILED).stderr


def test_an_account_is_suspended_with_its_queue_and_resumed(desk: Desk) -> None:
    desk.add_account("ann", "ann@example.org")
    mine, other = desk.queued(("x@example.net",)) + desk.queued(("x@example.net",), login="zoe")
    output = desk.sams("account", "suspend", "Ann", "--reason", "stolen", "--hold-queue").stdout
    assert "1 message held" in output
    assert desk.json("account", "show", "ann")["suspended"] == "stolen"
    held = desk.json("queue", "list", "--held")["messages"]
    assert [message["id"] for message in held] == [mine]
    assert [account["login"] for account in desk.json("account", "list", "--suspended")["accounts"]] == [
        "ann"
    ]
    desk.sams("account", "resume", "ann")
    assert desk.json("account", "show", "ann")["suspended"] is None
    assert other


def test_a_change_replaces_what_is_named_and_leaves_the_rest(desk: Desk) -> None:
    desk.add_account("ann", "ann@example.org")
    desk.sams("account", "change", "ann", "--may-send-as", "office@example.org", "--per-day", "7")
    shown = desk.json("account", "show", "ann")
    assert shown["addresses"] == ["ann@example.org"]
    assert shown["may_send_as"] == ["office@example.org"]
    assert (shown["recipients_per_hour"], shown["recipients_per_day"]) == (None, 7)
    desk.sams("account", "change", "ann", "--address", "a@example.org", "--default-limits")
    shown = desk.json("account", "show", "ann")
    assert (shown["addresses"], shown["recipients_per_day"]) == (["a@example.org"], None)
    desk.sams("account", "change", "ann", code=Exit.USAGE)


def test_an_account_is_removed(desk: Desk) -> None:
    desk.add_account("ann", "ann@example.org")
    desk.sams("account", "remove", "ann", "--yes")
    assert desk.json("account", "list") == {"accounts": []}


def test_without_a_terminal_nothing_is_removed_unless_it_is_said_twice(desk: Desk) -> None:
    desk.add_account("ann", "ann@example.org")
    assert "--yes" in desk.sams("account", "remove", "ann", code=Exit.USAGE).stderr
    assert len(desk.json("account", "list")["accounts"]) == 1


@pytest.mark.parametrize("command", [["show"], ["resume"], ["remove", "--yes"], ["suspend"]])
def test_an_account_that_is_not_there_is_a_failure(desk: Desk, command: list[str]) -> None:
    told = desk.sams("account", *command, "nobody", code=Exit.FAILED).stderr
    assert "no account nobody: see `sams account list`" in told


def test_a_running_service_is_told_the_prepared_login(desk: Desk) -> None:
    asked: list[Any] = []

    def note(answer: Response) -> Callable[[Any], Response]:
        def answered(request: Any) -> Response:
            asked.append(request)
            return answer

        return answered

    service: Answers = {
        **supervisor(1),
        AccountShow: note(AccountShown(None)),
        AccountAdd: note(Done()),
        AccountSuspend: note(Done()),
    }
    worker: Answers = {AccountChanged: note(Changed(1)), QueueHold: note(Changed(4))}
    desk.data_dir.mkdir(mode=0o700)
    with listening(desk.data_dir, service, worker):
        desk.add_account("ANN", "ann@example.org")
        assert "4 messages held" in desk.sams("account", "suspend", "Ann", "--hold-queue").stdout
    assert asked == [
        AccountShow("ann"),
        AccountAdd("ann", PASSWORD, ("ann@example.org",)),
        AccountSuspend("ann", ""),
        AccountChanged("ann"),
        QueueHold(QueueSearch(login="ann")),
    ]
