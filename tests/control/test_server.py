from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest
import uvloop

from sams.control import sockets, wire
from sams.control.client import ControlClient
from sams.control.messages import (
    Changed,
    Done,
    Failure,
    HealthQuery,
    PagesSignOut,
    QueueDelete,
    QueueDepth,
    QueueHold,
    QueueSearch,
    QueueShow,
    Response,
    Role,
    ServiceHealth,
    Trouble,
)
from sams.control.operations import NotPermitted
from sams.control.peers import Peer, Roles, service_roles
from sams.control.server import ControlServer
from sams.core.errors import OperatorError, TemporaryFailure
from sams.core.reply import reply
from tests.control.fakes import LOG, listening, supervisor


def _talk(path: Path, *pieces: bytes) -> bytes:
    with sockets.connect(path, 5) as connection:
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        return connection.makefile("rb").read()


def _bug(request: object) -> Response:
    raise ZeroDivisionError("secret detail")


def _refuse(request: object) -> Response:
    raise OperatorError("no such thing: look again")


def _full(request: object) -> Response:
    raise TemporaryFailure(reply(452, "4.3.1", "Not enough disk space"), "nothing is free")


def test_what_the_service_cannot_do_for_now_is_told_with_its_reason(tmp_path: Path) -> None:
    with listening(tmp_path, {QueueHold: _full}):
        heard = _talk(sockets.service_path(tmp_path), wire.encode(QueueHold(QueueSearch())))
    answer = wire.decode_response(heard.rstrip())
    assert answer == Failure(Trouble.REFUSED, "Not enough disk space (nothing is free)")


def test_several_requests_in_any_pieces_are_answered_in_order(tmp_path: Path) -> None:
    lines = wire.encode(QueueHold(QueueSearch(login="a"))) + wire.encode(HealthQuery())
    answers = {**supervisor(0), QueueHold: lambda request: Changed(len(request.search.login))}
    with listening(tmp_path, answers):
        heard = _talk(sockets.service_path(tmp_path), lines[:10], lines[10:90], lines[90:])
    first, second = (wire.decode_response(line) for line in heard.splitlines())
    assert first == Changed(1)
    assert isinstance(second, ServiceHealth)


def test_a_bug_in_a_handler_is_told_without_its_detail_and_harms_nothing(tmp_path: Path) -> None:
    with (
        listening(tmp_path, {**supervisor(0), QueueDelete: _bug}),
        ControlClient(sockets.service_path(tmp_path)) as client,
    ):
        with pytest.raises(OperatorError, match=r"its log says why \(ref ") as caught:
            client.ask(QueueDelete(QueueSearch()), Changed)
        assert "secret" not in str(caught.value)
        assert client.ask(HealthQuery(), ServiceHealth).ready


def test_what_the_caller_can_put_right_is_told_in_full(tmp_path: Path) -> None:
    with (
        listening(tmp_path, {QueueDelete: _refuse}),
        ControlClient(sockets.service_path(tmp_path)) as client,
        pytest.raises(OperatorError, match="look again"),
    ):
        client.ask(QueueDelete(QueueSearch()), Changed)


def test_a_request_without_a_handler_is_named(tmp_path: Path) -> None:
    with (
        listening(tmp_path, {}),
        ControlClient(sockets.service_path(tmp_path)) as client,
        pytest.raises(OperatorError, match="does not answer QueueDepth"),
    ):
        client.ask(QueueDepth(), Changed)


def test_an_unreadable_line_is_answered_and_the_connection_goes_on(tmp_path: Path) -> None:
    with listening(tmp_path, supervisor(0)):
        heard = _talk(sockets.service_path(tmp_path), b"hello\n", wire.encode(HealthQuery()))
    first, second = (wire.decode_response(line) for line in heard.splitlines())
    assert isinstance(first, Failure)
    assert first.trouble is Trouble.MALFORMED
    assert isinstance(second, ServiceHealth)


def test_a_line_without_end_is_refused_at_the_limit(tmp_path: Path) -> None:
    with (
        listening(tmp_path, supervisor(0)),
        sockets.connect(sockets.service_path(tmp_path), 10) as connection,
    ):
        connection.sendall(b"x" * (wire.MAX_LINE + 2))
        failure = wire.decode_response(connection.makefile("rb").readline())
    assert isinstance(failure, Failure)
    assert "octets" in failure.text


def test_who_has_not_the_role_is_refused_before_the_handler(tmp_path: Path) -> None:
    called: list[object] = []

    def delete(request: object) -> Response:
        called.append(request)
        return Changed(0)

    roles = Roles(frozenset(), {os.getegid(): frozenset({Role.READ})})
    answers = {**supervisor(0), QueueDelete: delete}
    with (
        listening(tmp_path, answers, roles=roles),
        ControlClient(sockets.service_path(tmp_path)) as client,
    ):
        assert client.ask(HealthQuery(), ServiceHealth).ready
        with pytest.raises(NotPermitted, match="role `queue`"):
            client.ask(QueueDelete(QueueSearch()), Changed)
    assert called == []


def test_a_stranger_may_ask_nothing(tmp_path: Path) -> None:
    with (
        listening(tmp_path, supervisor(0), roles=Roles(frozenset())),
        ControlClient(sockets.service_path(tmp_path)) as client,
        pytest.raises(NotPermitted),
    ):
        client.ask(HealthQuery(), ServiceHealth)


def test_connections_are_bounded_and_free_again_when_one_ends(tmp_path: Path) -> None:
    path = sockets.service_path(tmp_path)
    with listening(tmp_path, supervisor(0), max_connections=2):
        with ControlClient(path) as first, ControlClient(path) as second:
            first.ask(HealthQuery(), ServiceHealth)
            second.ask(HealthQuery(), ServiceHealth)
            with ControlClient(path) as third, pytest.raises(OperatorError, match="too many commands"):
                third.ask(HealthQuery(), ServiceHealth)
        assert _eventually_answers(path)


def test_who_may_ask_nothing_cannot_take_all_connections(tmp_path: Path) -> None:
    path = sockets.service_path(tmp_path)
    with (
        listening(tmp_path, supervisor(0), roles=Roles(frozenset()), max_connections=8),
        ControlClient(path) as first,
        ControlClient(path) as second,
    ):
        for one in (first, second):
            with pytest.raises(NotPermitted):
                one.ask(HealthQuery(), ServiceHealth)
        with ControlClient(path) as third, pytest.raises(OperatorError, match="too many commands"):
            third.ask(HealthQuery(), ServiceHealth)


def test_the_pages_cannot_take_all_connections(tmp_path: Path) -> None:
    path = sockets.service_path(tmp_path)
    pages = Roles(frozenset(), users={os.geteuid(): frozenset({Role.PAGES})})
    answers = {**supervisor(0), PagesSignOut: lambda _: Done()}
    with (
        listening(tmp_path, answers, roles=pages, max_connections=4),
        ControlClient(path) as first,
        ControlClient(path) as second,
        ControlClient(path) as third,
    ):
        for one in (first, second, third):
            assert one.ask(PagesSignOut("x"), Done) == Done()
            with pytest.raises(NotPermitted, match="role `read`"):
                one.ask(HealthQuery(), ServiceHealth)
        with ControlClient(path) as fourth, pytest.raises(OperatorError, match="too many commands"):
            fourth.ask(PagesSignOut("x"), Done)


def _eventually_answers(path: Path) -> bool:
    for _ in range(200):
        with ControlClient(path) as client:
            try:
                return client.ask(HealthQuery(), ServiceHealth).ready
            except OperatorError:
                continue
    return False


def test_a_silent_connection_is_ended(tmp_path: Path) -> None:
    with (
        listening(tmp_path, supervisor(0), idle_seconds=0.05),
        sockets.connect(sockets.service_path(tmp_path), 10) as connection,
    ):
        assert connection.recv(1) == b""


async def _answer(request: QueueShow, peer: Peer) -> Response:
    return Changed(int(request.id))


async def _one_exchange(path: Path) -> Response:
    server = ControlServer(path, {QueueShow: _answer}, service_roles(os.geteuid()), log=LOG)
    await server.start()
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(wire.encode(QueueShow("42")))
    response = wire.decode_response(await reader.readline())
    await server.close()
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    return response


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
def test_it_works_on_both_loops_and_takes_its_socket_away(runner: object, tmp_path: Path) -> None:
    path = sockets.service_path(tmp_path)
    assert runner(_one_exchange(path)) == Changed(42)  # type: ignore[operator]
    assert not path.exists()


async def _replaced(path: Path) -> Response:
    roles = service_roles(os.geteuid())
    server = ControlServer(path, {}, roles, log=LOG)
    await server.start()
    server.replace({QueueShow: _answer}, roles)
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(wire.encode(QueueShow("7")))
    response = wire.decode_response(await reader.readline())
    writer.close()
    await server.close()
    return response


def test_a_reload_replaces_the_table(tmp_path: Path) -> None:
    assert asyncio.run(_replaced(sockets.service_path(tmp_path))) == Changed(7)


async def _closed_late(path: Path) -> None:
    roles = service_roles(os.geteuid())
    old = ControlServer(path, {}, roles, log=LOG)
    await old.start()
    path.unlink()  # noqa: ASYNC240 - one name of a test's own
    new = ControlServer(path, {}, roles, log=LOG)
    await new.start()
    await old.close()
    assert path.exists()  # noqa: ASYNC240 - one name of a test's own
    await new.close()


def test_the_socket_of_a_successor_is_left_alone(tmp_path: Path) -> None:
    asyncio.run(_closed_late(sockets.service_path(tmp_path)))
