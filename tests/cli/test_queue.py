from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sams.cli.failures import Exit
from sams.control.messages import (
    Changed,
    Depth,
    QueueDelete,
    QueueDepth,
    QueueHold,
    QueueList,
    QueuePage,
    QueueSearch,
    QueueShow,
    QueueShown,
    Response,
    RouteDown,
    RouteEntry,
)
from sams.core.address import parse_mailbox
from sams.core.clock import local_time
from tests.cli.desk import Desk
from tests.control.fakes import Answers, entry, listening, supervisor


def _ids(desk: Desk, *filters: str) -> list[str]:
    return [message["id"] for message in desk.json("queue", "list", *filters)["messages"]]


@pytest.fixture
def three(desk: Desk) -> list[str]:
    first = desk.queued(("bob@example.org",), ("eve@example.net", "bob@example.org"))
    return first + desk.queued(("eve@example.net>other",), shard=1, login="zoe", reverse_path=None)


def test_lists_go_over_all_shards_in_the_order_of_ids(desk: Desk, three: list[str]) -> None:
    assert _ids(desk) == sorted(three)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (("--login", "zoe"), [2]),
        (("--login", "ZOE"), [2]),
        (("--sender", "<>"), [2]),
        (("--sender", "ann@example.ac.uk"), [0, 1]),
        (("--recipient", "bob@example.org"), [0, 1]),
        (("--recipient", "*@example.net"), [1, 2]),
        (("--route", "other"), [2]),
        (("--held",), []),
        (("--not-held",), [0, 1, 2]),
        (("--older", "1h"), [0, 1, 2]),
        (("--older", "60000days"), []),
        (("--recipient", "nobody@example.org"), []),
    ],
)
def test_filters_narrow(desk: Desk, three: list[str], filters: tuple[str, ...], found: list[int]) -> None:
    assert _ids(desk, *filters) == sorted(three[number] for number in found)


def test_a_list_stops_at_its_limit_and_says_how_to_go_on(desk: Desk, three: list[str]) -> None:
    ids = sorted(three)
    page = desk.json("queue", "list", "--limit", "2")
    assert [message["id"] for message in page["messages"]] == ids[:2]
    assert page["next"] == ids[1]
    rest = desk.json("queue", "list", "--limit", "2", "--after", page["next"])
    assert [message["id"] for message in rest["messages"]] == ids[2:]
    assert rest["next"] is None
    assert f"--after {ids[1]}" in desk.sams("queue", "list", "--limit", "2").stdout


def test_a_table_for_people_has_a_line_for_each_message(desk: Desk, three: list[str]) -> None:
    lines = desk.sams("queue", "list").stdout.splitlines()
    assert lines[0].split()[:3] == ["id", "age", "size"]
    assert [line.split()[0] for line in lines[1:]] == sorted(three)
    assert "eve@example.net and 1 more" in desk.sams("queue", "list", three[1]).stdout


def test_what_comes_from_mail_cannot_command_the_terminal(desk: Desk) -> None:
    (message,) = desk.queued(("bob@example.org",), login="red\x1b[31m\u202e", envid="a\x07b")
    for arguments in (("list",), ("show", message)):
        output = desk.sams("queue", *arguments).stdout
        assert not set("\x1b\u202e\x07") & set(output)
        assert "red\\x1b[31m" in output


def test_one_message_is_shown_whole(desk: Desk, three: list[str]) -> None:
    shown = desk.json("queue", "show", three[1].lower())
    assert [each["address"] for each in shown["recipients"]] == ["eve@example.net", "bob@example.org"]
    text = desk.sams("queue", "show", three[1]).stdout
    assert "ann@example.ac.uk" in text
    assert "bob@example.org" in text


def test_every_recipient_of_a_large_message_is_shown(desk: Desk) -> None:
    people = tuple(f"r{number}@example.org" for number in range(450))
    (message,) = desk.queued(people)
    assert [each["address"] for each in desk.json("queue", "show", message)["recipients"]] == list(people)
    (listed,) = desk.json("queue", "list")["messages"]
    assert listed["recipient_count"] == 450
    assert len(listed["recipients"]) < 450


def test_a_message_that_is_gone_is_an_error_that_says_where_to_look(desk: Desk) -> None:
    result = desk.sams("queue", "show", "0" * 15, code=Exit.FAILED)
    assert "sams activity show" in result.stderr


def test_hold_and_release_and_retry_change_what_matches(desk: Desk, three: list[str]) -> None:
    assert desk.json("queue", "hold", "--login", "ann") == {"changed": 2}
    assert _ids(desk, "--held") == sorted(three[:2])
    assert "held" in desk.sams("queue", "show", three[0]).stdout
    assert desk.json("queue", "release", three[0]) == {"changed": 1}
    assert _ids(desk, "--held") == [three[1]]
    assert desk.json("queue", "retry", "--all") == {"changed": 3}


def test_one_message_is_deleted_without_a_question(desk: Desk, three: list[str]) -> None:
    assert desk.json("queue", "delete", three[0]) == {"changed": 1}
    assert _ids(desk) == sorted(three[1:])


def test_several_are_deleted_only_when_it_was_said(desk: Desk, three: list[str]) -> None:
    result = desk.sams("queue", "delete", "--all", code=Exit.USAGE)
    assert "3 messages" in result.stderr
    assert "--yes" in result.stderr
    assert len(_ids(desk)) == 3
    assert desk.json("queue", "delete", "--all", "--yes") == {"changed": 3}
    assert _ids(desk) == []


@pytest.mark.parametrize(
    "arguments",
    [("hold",), ("delete", "--yes"), ("hold", "--all", "--login", "ann"), ("show", "x"), ("list", "1")],
)
def test_wrong_use_changes_nothing(desk: Desk, three: list[str], arguments: tuple[str, ...]) -> None:
    desk.sams("queue", *arguments, code=Exit.USAGE)
    assert _ids(desk, "--not-held") == sorted(three)


def test_ids_that_do_not_wait_are_a_failure(desk: Desk, three: list[str]) -> None:
    result = desk.sams("queue", "hold", "0" * 15, code=Exit.FAILED)
    assert "none of these messages waits" in result.stderr
    assert desk.sams("queue", "hold", "--login", "nobody").stdout == "Nothing matches.\n"


def test_depth_of_an_empty_queue_says_so(desk: Desk) -> None:
    assert desk.sams("queue", "depth").stdout == "Nothing waits.\n"


def test_depth_is_by_route(desk: Desk, three: list[str]) -> None:
    routes = {route["route"]: route["recipients"] for route in desk.json("queue", "depth")["routes"]}
    assert routes == {"hub": 3, "other": 1}
    assert "hub" in desk.sams("queue", "depth").stdout


def test_an_empty_queue_is_told_of(desk: Desk) -> None:
    assert desk.sams("queue", "list").stdout == "Nothing waits.\n"


def test_a_running_service_is_asked_and_the_files_are_left_alone(desk: Desk) -> None:
    asked: list[Any] = []

    def note(request: Any) -> Response:
        asked.append(request)
        return Changed(2)

    desk.data_dir.mkdir(mode=0o700)
    page = QueuePage((entry("0" * 15),), more=False)
    worker: Answers = {QueueList: lambda _: page, QueueHold: note, QueueDelete: note}
    with listening(desk.data_dir, supervisor(1), worker):
        assert _ids(desk) == ["0" * 15]
        assert desk.json("queue", "hold", "--sender", "<>") == {"changed": 2}
        assert desk.json("queue", "delete", "--login", "ann") == {"changed": 2}
    assert asked[0] == QueueHold(QueueSearch(sender="<>"))
    assert sorted(path.name for path in desk.data_dir.iterdir()) == ["control"]


def test_a_shard_in_use_is_not_opened(desk: Desk, three: list[str]) -> None:
    import asyncio  # noqa: PLC0415 - of this test alone

    from tests.spool.rig import sqlite_spool  # noqa: PLC0415 - the same

    async def held() -> str:
        async with sqlite_spool(desk.data_dir):
            return await asyncio.to_thread(lambda: desk.sams("queue", "list", code=Exit.FAILED).stderr)

    assert "in use" in asyncio.run(held())


def test_an_address_with_any_letters_is_shown(desk: Desk) -> None:
    desk.queued(("bob@example.org",), reverse_path=parse_mailbox("jürgen@exämple.org"))
    assert "jürgen@exämple.org" in desk.sams("queue", "list").stdout


DOWN = RouteDown(1_000.0, "451 4.4.1 refused\x1b", 2_000.0)
TOLD = f"down since {local_time(1_000.0)}: 451 4.4.1 refused\\x1b"
AS_JSON = {"since": 1_000.0, "reply": "451 4.4.1 refused\x1b", "at": 2_000.0}


def _down() -> Answers:
    """A worker with a message whose route is down, and one that is held."""
    waits = msgspec.structs.replace(entry("0" * 15), routes_down={"hub": DOWN})
    held = msgspec.structs.replace(entry("1" * 15, held=True), routes_down={"hub": DOWN})
    routes = (RouteEntry("hub", 2, 1, 1_500.0, DOWN), RouteEntry("other", 1, 0, None))
    return {
        QueueList: lambda _: QueuePage((waits, held), more=False),
        QueueShow: lambda _: QueueShown(waits),
        QueueDepth: lambda _: Depth(routes),
    }


def test_a_list_says_whose_route_is_down_and_once_why(desk: Desk) -> None:
    desk.data_dir.mkdir(mode=0o700)
    with listening(desk.data_dir, supervisor(1), _down()):
        lines = desk.sams("queue", "list").stdout.splitlines()
        found = desk.json("queue", "list")["messages"]
    assert "  route down  " in lines[1]
    assert "  held  " in lines[2]
    assert lines[3:] == [f"route hub is {TOLD}"]
    assert [message["routes_down"] for message in found] == [{"hub": AS_JSON}] * 2


def test_a_message_is_shown_with_the_reason_for_which_its_route_is_down(desk: Desk) -> None:
    desk.data_dir.mkdir(mode=0o700)
    with listening(desk.data_dir, supervisor(1), _down()):
        text = desk.sams("queue", "show", "0" * 15).stdout
        found = desk.json("queue", "show", "0" * 15)
    assert f"route hub  {TOLD}\n" in text
    assert text.splitlines()[-1].split()[2:] == ["0", "route", "down", "-"]
    assert found["routes_down"] == {"hub": AS_JSON}


def test_depth_says_which_routes_are_down(desk: Desk) -> None:
    desk.data_dir.mkdir(mode=0o700)
    with listening(desk.data_dir, supervisor(1), _down()):
        lines = desk.sams("queue", "depth").stdout.splitlines()
        found = desk.json("queue", "depth")["routes"]
    assert lines[1].endswith(f"  hub    {TOLD}")
    assert lines[2].endswith("  other")
    assert [route["down"] for route in found] == [AS_JSON, None]


def test_nothing_is_said_of_routes_while_the_service_is_down(desk: Desk, three: list[str]) -> None:
    assert all(message["routes_down"] == {} for message in desk.json("queue", "list")["messages"])
    assert all(route["down"] is None for route in desk.json("queue", "depth")["routes"])
    assert "route down" not in desk.sams("queue", "list").stdout
