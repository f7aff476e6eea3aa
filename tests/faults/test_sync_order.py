"""R2: each 250 leaves after the sync that covers its message, as the kernel saw it."""

from __future__ import annotations

import re
import shutil
import smtplib
import time
from pathlib import Path

import pytest

from tests.support.service import Service, smarthost
from tests.support.sink import marked, sink

pytestmark = [pytest.mark.real, pytest.mark.faults]
MESSAGES = 5
_STATED = re.compile(r"^\d+\s+(\d+\.\d+) (\w+)\((\d+)(?:</[^>]*?([^/>]*)>)?.*")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is missing: make system")
@pytest.mark.parametrize("size", [1_000, 300_000])
def test_each_acknowledgement_follows_a_sync_of_the_spool(tmp_path: Path, size: int) -> None:
    trace = tmp_path / "trace"
    with sink() as hop:
        service = Service(tmp_path / "service", route=smarthost(hop.port), workers=0)
        service.wrapper = (
            *("strace", "-f", "-ttt", "-y", "-s", "0", "-o", str(trace)),
            *("-e", "trace=fsync,fdatasync,pwrite64,recvfrom,read,sendto,write"),
        )
        service.add_account("alice")
        with service.running(), service.signed_in("alice") as client:
            told = [submit(client, number, size) for number in range(MESSAGES)]
        syncs = spool_syncs(trace.read_text())
    for before, answered in told:
        assert any(before < at < answered for at in syncs), "no sync between the last octet and the 250"


def submit(client: smtplib.SMTP, number: int, size: int) -> tuple[float, float]:
    """When the message's last octet left the client, and when its 250 came."""
    client.mail("alice@example.org")
    client.rcpt("x@example.net")
    client.docmd("DATA")
    client.send(
        marked(str(number), "alice@example.org", b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * (size // 72))
    )
    before = time.time()
    code, _ = client.docmd(".")
    assert code == 250
    return before, time.time()


def spool_syncs(text: str) -> list[float]:
    """When the write-ahead log of a shard was synced."""
    found = []
    for line in text.splitlines():
        stated = _STATED.match(line)
        if stated and stated[2] in {"fsync", "fdatasync"} and stated[4] == "queue.db-wal":
            found.append(float(stated[1]))
    return found
