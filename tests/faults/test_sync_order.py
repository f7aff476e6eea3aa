"""R2: each 250 leaves after the sync that covers its message, as the kernel saw it."""

from __future__ import annotations

import re
import shutil
import smtplib
import socket
import time
from pathlib import Path

import pytest

from sams.core.ids import ID_LENGTH
from sams.spool.settings import Settings
from tests.support.service import Service, smarthost
from tests.support.sink import marked

pytestmark = [pytest.mark.real, pytest.mark.faults]
MESSAGES = 5
_MESSAGE_ID = re.compile(rf"[0-9A-Z]{{{ID_LENGTH}}}")
_BEGUN = re.compile(r"(\d+)\s+(\d+\.\d+) (?:fsync|fdatasync)\(\d+<(?:[^>]*/)?([^/>]*)>(.*)")
_RESUMED = re.compile(r"(\d+)\s+(\d+\.\d+) <\.\.\. (?:fsync|fdatasync) resumed>\)\s+= 0")
_TOOK = re.compile(r"\)\s+= 0 <(\d+\.\d+)>")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is missing: make system")
@pytest.mark.parametrize("size", [1_000, 300_000])
def test_each_acknowledgement_follows_a_sync_of_the_spool(tmp_path: Path, size: int) -> None:
    trace = tmp_path / "trace"
    with socket.create_server(("127.0.0.1", 0)) as hop:  # says nothing: only what is accepted is written
        service = Service(tmp_path / "service", route=smarthost(hop.getsockname()[1]), workers=0)
        service.wrapper = (
            *("strace", "-f", "-ttt", "-T", "-y", "-s", "0", "-o", str(trace)),
            *("-e", "trace=fsync,fdatasync"),
        )
        service.add_account("alice")
        with service.running(), service.signed_in("alice") as client:
            told = [submit(client, number, size) for number in range(MESSAGES)]
        syncs = spool_syncs(trace.read_text())
    for before, answered in told:
        between = [what for at, what in syncs if before < at < answered]
        of_body = ["body", "folder"] if size > Settings().body_in_memory else []
        assert between[: len(of_body)] == of_body
        assert set(between[len(of_body) :]) == {"log"}  # the first message of an hour may have two


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


def spool_syncs(text: str) -> list[tuple[float, str]]:
    """When the sync of a shard's write-ahead log, a body's file, or the folder of these was done."""
    found: list[tuple[float, str]] = []
    under_way: dict[str, str] = {}
    for line in text.splitlines():
        if begun := _BEGUN.match(line):
            what = _kind(begun[3])
            if took := _TOOK.match(begun[4]):
                found.append((float(begun[2]) + float(took[1]), what))
            else:
                under_way[begun[1]] = what
        elif resumed := _RESUMED.match(line):
            found.append((float(resumed[2]), under_way.pop(resumed[1])))
    return sorted(each for each in found if each[1])


def _kind(name: str) -> str:
    if _MESSAGE_ID.fullmatch(name):
        return "body"
    return {"queue.db-wal": "log", "bodies": "folder"}.get(name, "")
