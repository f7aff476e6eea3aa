"""What the pages ask, over a real control socket, and what becomes of it when the service is not well."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sams.activity.explaining.stages import Stage, Story
from sams.control import sockets, wire
from sams.control.messages import (
    Done,
    Failure,
    PagesSignedIn,
    PagesSignIn,
    PagesSignOut,
    Response,
    Role,
    Stories,
    StoriesOfAddress,
    StoriesOfMember,
    Trouble,
)
from sams.control.peers import Roles
from sams.web.link import MAX_SIGN_INS, ControlLink, ServiceUnreachable
from tests.control.fakes import Answers, listening
from tests.spool.rig import on_loop

PAGES = Roles(frozenset(), users={os.geteuid(): frozenset({Role.PAGES})})
STORIES = Stories((Story("", "192.0.2.7", 1.5, False, "", (Stage(1.5, "connected-tls", {"port": 465}),)),))


@contextmanager
def saying(folder: Path, *lines: bytes, hold: bool = False) -> Iterator[None]:
    """A service that says these lines, one to each connection, whatever it is asked."""
    listener = sockets.listen(sockets.service_path(folder), 8)
    listener.setblocking(True)
    held = list[socket.socket]()

    def serve() -> None:
        for line in lines:
            connection, _ = listener.accept()
            connection.recv(65_536)
            connection.sendall(line)
            held.append(connection)
            if not hold:
                connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        thread.join(20)
        listener.close()
        for one in held:
            one.close()


@on_loop
async def test_each_question_has_its_answer(tmp_path: Path) -> None:
    signed_in = PagesSignedIn("ticket", "alice", until=99.0)
    asked = list[object]()

    def noting(answer: Response) -> Callable[[object], Response]:
        def note(request: object) -> Response:
            asked.append(request)
            return answer

        return note

    answers: Answers = {
        PagesSignIn: noting(signed_in),
        PagesSignOut: noting(Done()),
        StoriesOfAddress: noting(STORIES),
        StoriesOfMember: noting(Stories(known=False)),
    }
    with listening(tmp_path, answers, roles=PAGES):
        link = ControlLink(tmp_path)
        assert await link.sign_in("alice", "secret", "192.0.2.7") == signed_in
        assert await link.stories_of_address("192.0.2.7", 1.0) == STORIES
        assert await link.stories_of_member("ticket", 2.0) == Stories(known=False)
        await link.sign_out("ticket")
    assert asked == [
        PagesSignIn("alice", "secret", address="192.0.2.7"),
        StoriesOfAddress("192.0.2.7", 1.0),
        StoriesOfMember("ticket", 2.0),
        PagesSignOut("ticket"),
    ]


@on_loop
async def test_a_service_that_is_down_is_unreachable_and_comes_back_by_itself(tmp_path: Path) -> None:
    link = ControlLink(tmp_path)
    with pytest.raises(ServiceUnreachable) as caught:
        await link.stories_of_address("192.0.2.7", 1.0)
    assert "does not answer" in caught.value.text
    assert str(tmp_path) not in caught.value.text, "a visitor learns no paths"
    with listening(tmp_path, {StoriesOfAddress: lambda _: STORIES}, roles=PAGES):
        assert await link.stories_of_address("192.0.2.7", 1.0) == STORIES


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", "ended before"),
        (wire.encode(Done())[:-1], "ended before"),
        (b"220 smtp.example.org ESMTP\n", "not a control message"),
        (b'{"version":99,"message":{"type":"done"}}\n', "version 99"),
        (wire.encode(Done()), "another question"),
        (wire.encode(Failure(Trouble.FORBIDDEN, "your user may not do this")), "forbidden"),
        (b"x" * (wire.MAX_LINE + 2) + b"\n", "limit"),
    ],
    ids=[
        "hangs up",
        "half a line",
        "no message",
        "another version",
        "another answer",
        "forbidden",
        "too long",
    ],
)
@on_loop
async def test_what_is_no_answer_is_a_service_that_does_not_answer(
    line: bytes, words: str, tmp_path: Path
) -> None:
    with saying(tmp_path, line):
        link = ControlLink(tmp_path)
        with pytest.raises(ServiceUnreachable) as caught:
            await link.stories_of_address("192.0.2.7", 1.0)
    assert words in caught.value.detail
    assert "does not answer" in caught.value.text


@on_loop
async def test_a_busy_service_is_told_from_one_that_is_down(tmp_path: Path) -> None:
    with saying(tmp_path, wire.encode(Failure(Trouble.BUSY, "too many commands at once"))):
        link = ControlLink(tmp_path)
        with pytest.raises(ServiceUnreachable) as caught:
            await link.sign_out("ticket")
    assert "too much to do" in caught.value.text


@on_loop
async def test_no_answer_is_waited_for_without_end(tmp_path: Path) -> None:
    with saying(tmp_path, b"", b'{"version":1', hold=True):
        link = ControlLink(tmp_path, answer_seconds=0.1, sign_in_seconds=0.1)
        for ask in (link.sign_in("alice", "secret", "192.0.2.7"), link.sign_out("ticket")):
            with pytest.raises(ServiceUnreachable, match="no answer within"):
                await ask


@on_loop
async def test_questions_wait_in_a_bounded_line_and_sign_ins_do_not_stand_before_the_others(
    tmp_path: Path,
) -> None:
    listener = sockets.listen(sockets.service_path(tmp_path), 64)  # it takes connections, and nobody answers
    taken = list[socket.socket]()

    def connections() -> int:
        """How many have come by now."""
        with suppress(BlockingIOError):
            while True:
                taken.append(listener.accept()[0])
        return len(taken)

    link = ControlLink(tmp_path, answer_seconds=20, sign_in_seconds=20, at_once=2, waiting=3)
    try:
        sign_ins = [
            asyncio.ensure_future(link.sign_in("alice", "secret", "192.0.2.7"))
            for _ in range(MAX_SIGN_INS + 1)
        ]
        await until(lambda: connections() == MAX_SIGN_INS)
        questions = [asyncio.ensure_future(link.sign_out("x")) for _ in range(4)]
        await until(lambda: connections() == MAX_SIGN_INS + 2)
        with pytest.raises(ServiceUnreachable, match="questions wait"):
            await link.sign_out("x")
        for asking in (*sign_ins, *questions):
            asking.cancel()
        await asyncio.gather(*sign_ins, *questions, return_exceptions=True)
        refused = asyncio.ensure_future(link.sign_out("x"))
        await until(lambda: connections() == MAX_SIGN_INS + 3)
        refused.cancel()
    finally:
        for one in (listener, *taken):
            one.close()


async def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - what a kernel holds tells of no event
            await asyncio.sleep(0.01)
