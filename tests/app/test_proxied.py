"""A worker behind a load balancer, or behind one that does not say who connects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from sams.policy.shared_address import SIGN_INS
from sams.protocol.proxy import Endpoint
from tests.app.rig import Rig, worker
from tests.support.next_hop import NextHop
from tests.support.proxy_headers import binary

HEADER = binary(Endpoint("192.0.2.7", 40_000), Endpoint("198.51.100.1", 587))


def play(folder: Path, scene: Callable[[Rig], object]) -> None:
    async def whole() -> None:
        async with NextHop() as hop, worker(folder, hop) as rig:
            await scene(rig)  # type: ignore[misc] # it is a coroutine

    asyncio.run(whole())


async def first_line(rig: Rig, header: bytes = b"") -> bytes:
    """What is said first to who begins so; empty: nothing."""
    reader, writer = await asyncio.open_connection("localhost", rig.port)
    writer.write(header or b"EHLO client.example.com\r\n")
    try:
        return await asyncio.wait_for(reader.readline(), 20)
    except ConnectionResetError:
        return b""
    finally:
        writer.transport.abort()


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - what is looked for sets no event
            await asyncio.sleep(0.02)


def test_a_reload_puts_load_balancers_before_a_listener_and_takes_them_away(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        assert (await first_line(rig)).startswith(b"220 ")
        port = f"port = {rig.port}\n"
        rig.reload((port, f'{port}proxy_protocol = true\nproxy_from = ["127.0.0.1", "::1"]\n'))
        assert await first_line(rig) == b""
        assert (await first_line(rig, HEADER)).startswith(b"220 ")
        rig.reload()
        assert (await first_line(rig)).startswith(b"220 ")
        assert (await first_line(rig, HEADER[:2])).startswith(b"220 ")
        await until(lambda: len([1 for line in rig.log.lines if line["event"] == "session"]) == 5)
        told = [
            (line["client"], line.get("proxy", "")) for line in rig.log.lines if line["event"] == "session"
        ]
        assert ("192.0.2.7", told[2][1]) == told[2]
        assert told[1][1] == "refused: it does not begin with a PROXY header"
        assert {client for client, _ in told} - {"192.0.2.7"} <= {"127.0.0.1", "::1"}

    play(tmp_path, scene)


def test_members_who_all_come_from_one_private_address_are_a_problem_that_is_told(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        admission = rig.worker._reception.house.services.admission
        for number in range(SIGN_INS):
            assert admission.signed_in("10.0.0.11", f"member{number}") is None
        await until(rig.worker._sharing.problems)
        notes = [str(line["note"]) for line in rig.log.lines if line["event"] == "members share an address"]
        assert notes == list(rig.worker._sharing.problems())
        assert "10.0.0.11" in notes[0]

    play(tmp_path, scene)
