from __future__ import annotations

import asyncio
import http.server
import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sams.activity.alarms import (
    MAX_KINDS,
    AlarmFailed,
    Alarms,
    ByCommand,
    ByMail,
    ByWebhook,
    Notice,
    Way,
    ways,
)
from sams.activity.events import Alarmed
from sams.activity.logs import make_logger
from sams.config.model import Alarm
from tests.activity.rig import FakeClock, FakeLines

NOTICE = Notice("smtp.example", "disk", "it is full", "", 1.0, 0)


@dataclass
class FakeWay:
    sent: list[Notice] = field(default_factory=list)
    error: Exception | None = None
    name: str = "fake"

    async def send(self, notice: Notice) -> None:
        if self.error:
            raise self.error
        self.sent.append(notice)


class Desk:
    def __init__(self, *given: Way) -> None:
        self.clock, self.lines, self.way = FakeClock(), FakeLines(), FakeWay()
        self.alarms = Alarms(
            service="smtp.example",
            interval=900.0,
            ways=(*given, self.way),
            clock=self.clock,
            log=make_logger("info", people=False, clock=self.clock, lines=self.lines),
        )

    async def sent(self) -> list[tuple[str, str, int]]:
        if self.alarms._under_way:
            await asyncio.wait(self.alarms._under_way)
        sent, self.way.sent = self.way.sent, []
        return [(notice.alarm, notice.text, notice.repeats) for notice in sent]


def test_one_of_a_kind_goes_out_and_the_rest_follows_as_one_summary() -> None:
    async def story() -> None:
        desk = Desk()
        desk.alarms.alarm(Alarmed("disk", "full"))
        desk.alarms.alarm(Alarmed("route", "down"))
        for number in range(5):
            desk.alarms.alarm(Alarmed("disk", f"full {number}"))
        desk.alarms.tick()
        assert await desk.sent() == [("disk", "full", 0), ("route", "down", 0)]
        desk.clock.advance(900)
        desk.alarms.tick()
        assert await desk.sent() == [("disk", "full 4", 5)]
        desk.alarms.alarm(Alarmed("disk", "still"))
        desk.alarms.alarm(Alarmed("route", "down again"))
        assert await desk.sent() == [("route", "down again", 0)]
        desk.clock.advance(900)
        desk.alarms.tick()
        desk.clock.advance(900)
        desk.alarms.tick()
        desk.alarms.alarm(Alarmed("disk", "new"))
        assert await desk.sent() == [("disk", "still", 1), ("disk", "new", 0)]

    asyncio.run(story())


def test_kinds_without_end_share_one() -> None:
    async def story() -> None:
        desk = Desk()
        for number in range(MAX_KINDS + 50):
            desk.alarms.alarm(Alarmed(f"kind {number}", "x"))
        assert len(await desk.sent()) == MAX_KINDS + 1

    asyncio.run(story())


def test_a_way_that_fails_is_logged_and_the_others_are_told() -> None:
    async def story() -> None:
        desk = Desk(FakeWay(error=AlarmFailed("no answer"), name="broken"))
        desk.alarms.alarm(Alarmed("disk", "full"))
        assert await desk.sent() == [("disk", "full", 0)]
        (line,) = desk.lines.told()
        assert (line["event"], line["way"], line["why"]) == ("alarm not sent", "broken", "no answer")

    asyncio.run(story())


def test_at_the_end_nothing_is_held_back() -> None:
    async def story() -> None:
        desk = Desk()
        desk.alarms.alarm(Alarmed("disk", "full"))
        desk.alarms.alarm(Alarmed("disk", "fuller"))
        await desk.alarms.finish()
        assert await desk.sent() == [("disk", "full", 0), ("disk", "fuller", 1)]

    asyncio.run(story())


def test_a_mail_says_what_it_is_about_without_anything_raw() -> None:
    mails: list[tuple[str, str, str]] = []

    def deliver(address: str, subject: str, text: str) -> bool:
        mails.append((address, subject, text))
        return True

    notice = Notice("smtp.example", "disk", "bad\r\nBcc: x\x1b", "alice", 1.0, 3)
    asyncio.run(ByMail("postmaster@example.org", deliver).send(notice))
    ((address, subject, text),) = mails
    assert address == "postmaster@example.org"
    assert subject == "smtp.example: alarm: disk (3 times)"
    assert text.splitlines()[:2] == ["bad\\x0d\\x0aBcc: x\\x1b", "Login: alice"]


def test_mail_that_no_queue_takes_is_a_failure() -> None:
    with pytest.raises(AlarmFailed):
        asyncio.run(ByMail("a@b.example", lambda *_: False).send(NOTICE))


def test_a_command_gets_the_facts_on_its_input_and_no_shell_reads_its_arguments(tmp_path: Path) -> None:
    target = tmp_path / "out"
    program = (
        "import os, pathlib, sys; "
        "facts = [sys.argv[2], str('HOME' in os.environ), sys.stdin.read()]; "
        "pathlib.Path(sys.argv[1]).write_text(chr(10).join(facts))"
    )
    asyncio.run(ByCommand((sys.executable, "-c", program, str(target), "$(id); x")).send(NOTICE))
    argument, home, facts = target.read_text().splitlines()
    assert (argument, home) == ("$(id); x", "False")
    assert json.loads(facts)["text"] == "it is full"


@pytest.mark.parametrize("command", [("/bin/false",), ("/no/such/program",)])
def test_a_command_that_fails_is_a_failure(command: tuple[str, ...]) -> None:
    with pytest.raises((AlarmFailed, OSError)):
        asyncio.run(ByCommand(command).send(NOTICE))


def test_a_command_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    async def story() -> int:
        target = tmp_path / "pid"
        tell = f"pathlib.Path({str(target)!r}).write_text(str(os.getpid()))"
        program = f"import os, time, pathlib; {tell}; time.sleep(600)"
        task = asyncio.ensure_future(ByCommand((sys.executable, "-c", program)).send(NOTICE))
        while not target.exists() or not target.read_text():  # noqa: ASYNC110 - a file tells of another process
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        return int(target.read_text())

    pid = asyncio.run(story())
    assert not Path(f"/proc/{pid}").exists()


class Hook(http.server.BaseHTTPRequestHandler):
    status = 200
    got: list[Any]

    def do_POST(self) -> None:
        self.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Not on the terminal of the tests."""


@pytest.fixture
def hook() -> Iterator[tuple[str, type[Hook]]]:
    handler = type("TestHook", (Hook,), {"got": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", handler
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_webhook_gets_the_facts(hook: tuple[str, type[Hook]]) -> None:
    url, handler = hook
    asyncio.run(ByWebhook(url).send(NOTICE))
    assert handler.got == [
        {
            "service": "smtp.example",
            "alarm": "disk",
            "text": "it is full",
            "login": "",
            "at": 1.0,
            "repeats": 0,
        }
    ]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_any_other_answer_is_a_failure_that_does_not_tell_the_address(
    hook: tuple[str, type[Hook]], status: int
) -> None:
    url, handler = hook
    handler.status = status
    with pytest.raises(AlarmFailed) as failure:
        asyncio.run(ByWebhook(url).send(NOTICE))
    assert str(status) in str(failure.value)
    assert url not in str(failure.value)
    assert len(handler.got) == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "file:///etc/passwd"])
def test_a_webhook_that_nobody_answers_is_a_failure(url: str) -> None:
    with pytest.raises(AlarmFailed):
        asyncio.run(ByWebhook(url).send(NOTICE))


def test_the_ways_are_those_of_the_configuration() -> None:
    settings = Alarm(mail="a@b.example", command=("/bin/true",), webhook="https://a.example/")
    assert [way.name for way in ways(settings, lambda *_: True)] == ["mail", "command", "webhook"]
    assert ways(Alarm(), lambda *_: True) == ()
