from __future__ import annotations

import asyncio
import errno
import os
import re
import stat
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.core.address import Mailbox, parse_mailbox
from sams.core.envelope import Body, Recipient
from sams.core.errors import OperatorError
from sams.core.outcome import Outcome, Result
from sams.delivery import maildir
from sams.delivery.interface import AttemptResult, Hop
from sams.delivery.maildir import Maildir, MaildirTemplate, NoMailbox, store
from sams.spool.failures import StorageFailed
from sams.spool.interface import Content, MessageFacts, QueuedMessage, QueuedRecipient, Work
from tests.delivery.rig import rig

HEAD = b"Subject: x\r\nTo: bob@example.org\r\n\r\n"


class Clock:
    def now(self) -> float:
        return 1_700_000_000.25

    def monotonic(self) -> float:
        return 0.0


@dataclass
class PieceBody:
    """A body that is read in the pieces it was made of."""

    pieces: list[bytes]

    @property
    def size(self) -> int:
        return sum(map(len, self.pieces))

    def in_memory(self) -> bytes | None:
        return self.pieces[0] if len(self.pieces) == 1 else None

    async def chunks(self, size: int = 65_536) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece

    def blocking_chunks(self, size: int = 65_536) -> Iterator[bytes]:
        return iter(self.pieces)


def work_for(*addresses: Mailbox, sender: str | None = "ann@example.org") -> Work:
    path = parse_mailbox(sender) if sender else None
    message = QueuedMessage(
        "id", "ann", "s", path, 0.0, 0, MessageFacts(), Body.SEVEN_BIT, smtputf8=False, ret=None, envid=None
    )
    recipients = tuple(QueuedRecipient(n, Recipient(each), "r", 0.0) for n, each in enumerate(addresses))
    return Work(message, "r", recipients)


def deliver(
    template: str,
    *addresses: Mailbox,
    pieces: list[bytes] | None = None,
    sender: str | None = "ann@example.org",
) -> list[Outcome]:
    content = Content(HEAD, PieceBody([b"Hi\r\n"] if pieces is None else pieces))

    async def main() -> list[Outcome]:
        with ThreadPoolExecutor(1) as executor:
            hop = Maildir(MaildirTemplate(template), executor, Clock(), host="mx/1:a.example.org")
            result = await hop.deliver(work_for(*addresses, sender=sender), content)
            await hop.close()
        assert [number for number, _ in result.outcomes] == list(range(len(addresses)))
        return [outcome for _, outcome in result.outcomes]

    return asyncio.run(main())


def only(folder: Path) -> bytes:
    (file,) = (folder / "new").iterdir()
    return file.read_bytes()


BOB = parse_mailbox("Bob@Example.ORG")


def test_a_message_is_stored_with_what_final_delivery_adds(tmp_path: Path) -> None:
    (outcome,) = deliver(f"{tmp_path}/{{domain}}/{{local}}", BOB)
    assert (outcome.result, outcome.reply.code, outcome.remote) == (Result.DELIVERED, 250, "")
    assert only(tmp_path / "example.org" / "bob") == (
        b"Return-Path: <ann@example.org>\nDelivered-To: Bob@Example.ORG\n"
        b"Subject: x\nTo: bob@example.org\n\nHi\n"
    )


def test_the_null_reverse_path_is_kept(tmp_path: Path) -> None:
    deliver(f"{tmp_path}/all", BOB, sender=None)
    assert only(tmp_path / "all").startswith(b"Return-Path: <>\nDelivered-To:")


def test_folders_and_files_are_for_their_owner_alone_and_names_are_of_the_maildir_kind(
    tmp_path: Path,
) -> None:
    deliver(f"{tmp_path}/{{domain}}/{{local}}", BOB)
    box = tmp_path / "example.org" / "bob"
    for folder in (box.parent, box, *box.iterdir()):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {each.name for each in box.iterdir()} == {"cur", "new", "tmp"}
    (file,) = (box / "new").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert re.fullmatch(r"1700000000\.M250000P\d+Q1R[0-9a-f]{8}\.mx-1-a\.example\.org", file.name)
    assert not list((box / "tmp").iterdir())


def test_each_recipient_has_a_copy_of_its_own(tmp_path: Path) -> None:
    outcomes = deliver(f"{tmp_path}/all", BOB, parse_mailbox("eve@example.org"), BOB)
    assert [each.result for each in outcomes] == [Result.DELIVERED] * 3
    assert len(list((tmp_path / "all" / "new").iterdir())) == 3


@given(
    pieces=st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"", b"\r\r\n", b"text\r\n"]), max_size=12)
)
def test_lines_end_as_on_unix_however_the_body_is_cut(pieces: list[bytes]) -> None:
    content = Content(HEAD, PieceBody([b"", *pieces]))
    expected = (HEAD + b"".join(pieces)).replace(b"\r\n", b"\n")
    assert b"".join(maildir._unix_lines(content)) == expected


@pytest.mark.parametrize(
    "mailbox",
    [
        Mailbox("..", "example.org"),
        Mailbox(".", "example.org"),
        Mailbox(".hidden", "example.org"),
        Mailbox("", "example.org"),
        Mailbox("a/b", "example.org"),
        Mailbox("../../etc/passwd", "example.org"),
        Mailbox("a\0b", "example.org"),
        Mailbox("a\nb", "example.org"),
        Mailbox("a\\b", "example.org"),
        Mailbox("a\u202eb", "example.org"),
        Mailbox("a\ud800b", "example.org"),
        Mailbox("x" * 256, "example.org"),
        Mailbox("bob", ".."),
        Mailbox("bob", "../x"),
        Mailbox("bob", "\u2024\u2024"),
    ],
)
def test_an_address_that_is_no_name_has_no_mailbox(mailbox: Mailbox, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (outcome,) = deliver(f"{root}/{{domain}}/{{local}}", mailbox)
    assert (outcome.result, str(outcome.reply.status)) == (Result.FAILED, "5.1.3")
    assert not root.exists()


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_address_whatever_leaves_the_root(local: str, domain: str) -> None:
    template = MaildirTemplate("/var/mail/{domain}/{local}/Maildir")
    try:
        path = template.path(Mailbox(local, domain))
    except NoMailbox:
        return
    assert len(path.parts) == 6
    assert Path(os.path.normpath(path)) == path
    assert path.is_relative_to("/var/mail")


def test_spellings_of_one_address_share_a_maildir() -> None:
    template = MaildirTemplate("/var/mail/{local}@{domain}")
    spellings = [
        Mailbox("JÜRGEN", "Bücher.example"),
        Mailbox("ju\u0308rgen", "xn--bcher-kva.EXAMPLE"),
        Mailbox("jürgen", "BÜCHER.example"),
    ]
    assert len({template.path(each) for each in spellings}) == 1


@pytest.mark.parametrize(
    "text",
    [
        "mail",
        "",
        "/",
        "/{local}",
        "/{domain}/x",
        "/var/{user}",
        "/var/{0}",
        "/var/{",
        "/var/../{local}",
        "/var/{}",
    ],
)
def test_a_template_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(OperatorError, match="Maildir path"):
        MaildirTemplate(text)


@pytest.mark.parametrize(
    ("number", "code", "status"),
    [
        (errno.ENOSPC, 452, "4.3.1"),
        (errno.EDQUOT, 452, "4.2.2"),
        (errno.EIO, 451, "4.3.0"),
        (errno.EACCES, 451, "4.3.0"),
    ],
)
@pytest.mark.parametrize("call", ["fsync", "write"])
def test_what_the_disk_refuses_is_tried_later_and_leaves_nothing(
    *, number: int, code: int, status: str, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, "no")

    deliver(f"{tmp_path}/all", BOB)
    monkeypatch.setattr(os, call, fail)
    (outcome,) = deliver(f"{tmp_path}/all", BOB)
    monkeypatch.undo()
    assert (outcome.result, outcome.reply.code, str(outcome.reply.status)) == (Result.DEFERRED, code, status)
    assert len(list((tmp_path / "all" / "new").iterdir())) == 1
    assert not list((tmp_path / "all" / "tmp").iterdir())


def test_where_the_sync_of_new_fails_no_copy_stays_for_each_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def fail(target: int) -> None:
        if Path(f"/proc/self/fd/{target}").readlink().name == "new":
            raise OSError(errno.EIO, "no")
        sync(target)

    deliver(f"{tmp_path}/all", BOB)
    monkeypatch.setattr(os, "fsync", fail)
    outcomes = [deliver(f"{tmp_path}/all", BOB)[0] for _ in range(3)]
    assert [each.result for each in outcomes] == [Result.DEFERRED] * 3
    assert len(list((tmp_path / "all" / "new").iterdir())) == 1
    assert not list((tmp_path / "all" / "tmp").iterdir())


def test_a_message_is_synced_before_it_is_shown_and_shown_before_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(f"{tmp_path}/all", BOB)
    calls: list[str] = []
    sync, rename = os.fsync, os.rename

    def traced_sync(target: int) -> None:
        calls.append("fsync " + Path(f"/proc/self/fd/{target}").readlink().parent.name)
        sync(target)

    def traced_rename(source: str | Path, target: str | Path) -> None:
        calls.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", traced_sync)
    monkeypatch.setattr(os, "rename", traced_rename)
    deliver(f"{tmp_path}/all", BOB)
    assert calls == ["fsync tmp", "rename", "fsync all"]


def test_a_short_write_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda target, data: write(target, bytes(data)[:3]))
    deliver(f"{tmp_path}/all", BOB, pieces=[b"0123456789\r\n"])
    monkeypatch.undo()
    assert only(tmp_path / "all").endswith(b"\n\n0123456789\n")


def test_a_body_that_the_spool_cannot_read_now_is_tried_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sick(*_: object) -> Iterator[bytes]:
        raise StorageFailed("Input/output error")

    monkeypatch.setattr(PieceBody, "blocking_chunks", sick)
    (outcome,) = deliver(f"{tmp_path}/{{local}}", BOB, pieces=[b"a", b"b"])
    assert (outcome.result, outcome.reply.code) == (Result.DEFERRED, 451)
    assert not list(tmp_path.rglob("tmp/*"))


@dataclass
class SlowDisk:
    """Stores after `go`; `begun` is set as each store begins."""

    begun: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)

    def store(self, folder: Path, name: str, pieces: Iterable[bytes]) -> None:
        self.begun.set()
        assert self.go.wait(10)
        store(folder, name, pieces)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> SlowDisk:
    slow = SlowDisk()
    monkeypatch.setattr(maildir, "store", slow.store)
    return slow


def cut(tmp_path: Path, disk: SlowDisk, *addresses: Mailbox, goes_on: bool) -> AttemptResult | None:
    """An attempt that is cut while it stores for the first; None: nothing is known of it."""

    async def main() -> AttemptResult | None:
        hop = Maildir(MaildirTemplate(f"{tmp_path}/{{local}}"), executor, Clock(), host="mx")
        attempt = asyncio.ensure_future(hop.deliver(work_for(*addresses), Content(HEAD, PieceBody([b""]))))
        await asyncio.to_thread(disk.begun.wait, 10)
        attempt.cancel()
        asyncio.get_running_loop().call_later(0.05, disk.go.set if goes_on else bool)
        await asyncio.wait([attempt])
        return None if attempt.cancelled() else attempt.result()

    with ThreadPoolExecutor(1) as executor:
        try:
            return asyncio.run(main())
        finally:
            disk.go.set()


def test_an_attempt_that_is_cut_brings_what_its_thread_has_stored(tmp_path: Path, disk: SlowDisk) -> None:
    result = cut(tmp_path, disk, BOB, goes_on=True)
    assert result is not None
    assert [outcome.result for _, outcome in result.outcomes] == [Result.DELIVERED]
    assert result.hop is Hop.WORKS


def test_after_a_cut_nobody_else_is_stored_for_and_these_wait_as_they_were(
    tmp_path: Path, disk: SlowDisk
) -> None:
    result = cut(tmp_path, disk, BOB, parse_mailbox("eve@example.org"), goes_on=True)
    assert result is not None
    assert [number for number, _ in result.outcomes] == [0]
    assert result.hop is Hop.DOWN
    assert [each.name for each in tmp_path.iterdir()] == ["bob"]


def test_a_thread_that_hangs_is_waited_for_some_seconds(
    tmp_path: Path, disk: SlowDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maildir, "LAST_WAIT", 0.05)
    assert cut(tmp_path, disk, BOB, parse_mailbox("eve@example.org"), goes_on=False) is None
    assert [each.name for each in tmp_path.iterdir()] == ["bob"]  # when the disk woke up


def test_what_is_cut_before_it_has_a_thread_is_not_stored(tmp_path: Path, disk: SlowDisk) -> None:
    async def main() -> list[asyncio.Task[AttemptResult]]:
        hop = Maildir(MaildirTemplate(f"{tmp_path}/{{local}}"), executor, Clock(), host="mx")
        content = Content(HEAD, PieceBody([b""]))
        works = [work_for(BOB), work_for(parse_mailbox("eve@example.org"))]
        attempts = [asyncio.ensure_future(hop.deliver(work, content)) for work in works]
        await asyncio.to_thread(disk.begun.wait, 10)
        attempts[1].cancel()
        await asyncio.wait([attempts[1]])
        disk.go.set()
        await asyncio.wait(attempts)
        return attempts

    with ThreadPoolExecutor(1) as executor:
        attempts = asyncio.run(main())
    assert [each.cancelled() for each in attempts] == [False, True]
    assert [each.name for each in tmp_path.iterdir()] == ["bob"]


def test_a_stop_that_cuts_a_slow_sync_leaves_nothing_in_the_queue_that_was_stored(
    tmp_path: Path, disk: SlowDisk
) -> None:
    async def main() -> None:
        made = rig(started=False)
        template = MaildirTemplate(f"{tmp_path}/{{local}}")
        made.hops["hub"] = Maildir(template, executor, Clock(), host="mx")  # type: ignore[assignment]
        made.begin()
        await made.accept()
        await asyncio.to_thread(disk.begun.wait, 10)
        made.scheduler.hurry()
        asyncio.get_running_loop().call_later(0.05, disk.go.set)
        await made.scheduler.drain(0)
        assert not made.spool.messages

    with ThreadPoolExecutor(1) as executor:
        asyncio.run(main())
    assert len(list(tmp_path.glob("bob/new/*"))) == 1
