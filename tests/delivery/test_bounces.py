"""Reports as they are accepted, written by the real builder and read back by the standard library."""

from __future__ import annotations

import asyncio
import email
import email.policy
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
from msgspec.structs import replace

from sams.core.address import Mailbox, parse_mailbox
from sams.core.envelope import Body, Notify, Recipient, Ret
from sams.core.errors import TemporaryFailure
from sams.core.outcome import Outcome
from sams.core.reply import reply
from sams.delivery import bounces
from sams.delivery.backoff import RetryPolicy
from sams.delivery.bounces import Bounces, Report, ReportSettings
from sams.delivery.judge import Judge, Judgement
from sams.delivery.routes import Route, RouteTable
from sams.message.report import Report as Built
from sams.message.report import build_report
from sams.message.report_facts import ReportFacts
from sams.spool.failures import StorageFailed
from sams.spool.interface import Content, DamagedEntry, MessageFacts, QueuedMessage, QueuedRecipient
from sams.spool.memory import MemorySpool
from tests.delivery.fake_spool import MemoryBody
from tests.delivery.rig import DEFERRED, DELIVERED, FAILED, SENDER, START, LoopClock, virtual

HEAD = b"From: ann@example.ac.uk\r\nSubject: hello\r\nMessage-ID: <1@x>\r\n\r\n"
SETTINGS = ReportSettings("mail.example.ac.uk", parse_mailbox("postmaster@example.ac.uk"), 5 * 86_400.0)
TABLE = RouteTable([Route("local", ("example.ac.uk",))])
MESSAGE = QueuedMessage(
    "M", "ann", "S", SENDER, START, 99, MessageFacts(), Body.SEVEN_BIT, smtputf8=False, ret=None, envid="E1"
)


def judged(*outcomes: Outcome, notify: Notify | None = None, age: float = 0.0) -> Judgement:
    tried = [
        (
            QueuedRecipient(number, Recipient(parse_mailbox(f"r{number}@far.example"), notify), "hub", START),
            outcome,
        )
        for number, outcome in enumerate(outcomes)
    ]
    return Judge(RetryPolicy(), lambda: 0.5).judge(MESSAGE, tried, START + age)


async def write(
    judgement: Judgement,
    *,
    message: QueuedMessage = MESSAGE,
    body: bytes = b"text of the message\r\n",
    is_final: bool = False,
    spool: MemorySpool | None = None,
) -> tuple[Report, ...]:
    clock = LoopClock()
    writer = Bounces(SETTINGS, clock, TABLE.stored_route_of)
    content = Content(HEAD, MemoryBody(body))
    return await writer.write(spool or MemorySpool(clock), message, content, judgement, is_final=is_final)


async def text(report: Report) -> str:
    body = report.message.body.in_memory()
    assert body is not None
    return (report.message.head + body).decode()


@virtual
async def test_one_report_tells_of_all_failed_recipients_and_only_of_those() -> None:
    (report,) = await write(judged(FAILED, DELIVERED, FAILED, DEFERRED))
    parsed = email.message_from_string(await text(report), policy=email.policy.SMTP)
    assert parsed.get_content_type() == "multipart/report"
    status = parsed.get_payload(1)
    told = [str(block["Final-Recipient"]) for block in status.get_payload()[1:]]  # type: ignore[union-attr,index]
    assert told == ["rfc822; r0@far.example", "rfc822; r2@far.example"]
    assert report.what == "failed"
    assert "550 5.1.1 no such user" in await text(report)


@virtual
async def test_a_report_has_the_null_reverse_path_no_owner_and_no_charge() -> None:
    (report,) = await write(judged(FAILED))
    new = report.message
    assert (new.reverse_path, new.login, new.charge) == (None, "", False)
    assert [(str(one.recipient.mailbox), one.route) for one in new.recipients] == [(str(SENDER), "local")]


@pytest.mark.parametrize(
    ("judgement", "is_final", "what"),
    [
        (judged(FAILED), False, "failed"),
        (judged(DEFERRED, age=4 * 3_600.0), False, "delayed"),
        (judged(DELIVERED, notify=Notify.SUCCESS), False, "relayed"),
        (judged(DELIVERED, notify=Notify.SUCCESS), True, "delivered"),
    ],
)
@virtual
async def test_the_action_tells_what_happened(judgement: Judgement, is_final: bool, what: str) -> None:
    (report,) = await write(judgement, is_final=is_final)
    assert report.what == what
    assert f"Action: {what}\r\n" in await text(report)
    assert "Original-Envelope-Id: E1\r\n" in await text(report)


@virtual
async def test_different_news_of_one_attempt_are_different_reports() -> None:
    written = await write(judged(FAILED, DEFERRED, age=4 * 3_600.0))
    assert [one.what for one in written] == ["failed", "delayed"]
    assert len({one.message.id for one in written}) == 2


@pytest.mark.parametrize(
    ("ret", "body", "is_returned"),
    [
        (None, b"SECRET\r\n", True),
        (Ret.FULL, b"SECRET\r\n", True),
        (Ret.HEADERS, b"SECRET\r\n", False),
        (Ret.FULL, b"SECRET\r\n" * 20_000, False),
    ],
)
@virtual
async def test_the_message_is_returned_as_asked_unless_it_is_large(
    ret: Ret | None,
    body: bytes,
    is_returned: bool,
) -> None:
    (report,) = await write(judged(FAILED), message=replace(MESSAGE, ret=ret), body=body)
    assert ("SECRET" in await text(report)) == is_returned
    assert "Subject: hello" in await text(report)


@virtual
async def test_without_a_reverse_path_or_a_route_for_it_none_is_written() -> None:
    assert await write(judged(FAILED), message=replace(MESSAGE, reverse_path=None)) == ()
    away = replace(MESSAGE, reverse_path=parse_mailbox("ann@elsewhere.example"))
    assert await write(judged(FAILED), message=away) == ()
    damaged = replace(MESSAGE, reverse_path=Mailbox("ann", "example.ac\ufffduk"))
    assert await write(judged(FAILED), message=damaged) == ()


@virtual
async def test_a_spool_without_room_is_told_to_the_caller() -> None:
    spool = MemorySpool(LoopClock())
    spool.failure = TemporaryFailure(reply(452, "4.3.1", "no room"))
    with pytest.raises(TemporaryFailure):
        await write(judged(FAILED), spool=spool)


@virtual
async def test_a_report_can_be_written_when_the_message_cannot_be_read_any_more() -> None:
    writer = Bounces(SETTINGS, LoopClock(), TABLE.route_of)
    (report,) = await writer.write(MemorySpool(LoopClock()), MESSAGE, None, judged(FAILED), is_final=False)
    assert "Action: failed\r\n" in await text(report)


class SickBody:
    """A body in a file that the disk does not give."""

    size = 20

    def __init__(self, error: Exception) -> None:
        self.error = error

    def in_memory(self) -> bytes | None:
        return None

    async def chunks(self, size: int = 65_536) -> AsyncIterator[bytes]:
        yield b"half of"
        raise self.error

    def blocking_chunks(self, size: int = 65_536) -> Iterator[bytes]:
        raise self.error


@pytest.mark.parametrize("error", [StorageFailed("Input/output error"), DamagedEntry("it is cut")])
@virtual
async def test_a_report_does_without_a_body_that_cannot_be_read(error: Exception) -> None:
    writer, content = Bounces(SETTINGS, LoopClock(), TABLE.route_of), Content(HEAD, SickBody(error))
    (report,) = await writer.write(MemorySpool(LoopClock()), MESSAGE, content, judged(FAILED), is_final=False)
    assert "Subject: hello" in await text(report)
    assert "half of" not in await text(report)


@pytest.mark.parametrize(("count", "is_on_the_loop"), [(50, True), (51, False)])
def test_a_report_about_many_recipients_is_written_beside_the_loop(
    count: int, is_on_the_loop: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set[int]()

    def build(facts: ReportFacts) -> Built:
        threads.add(threading.get_ident())
        return build_report(facts)

    monkeypatch.setattr(bounces, "build_report", build)
    (report,) = asyncio.run(write(judged(*[FAILED] * count)))
    assert report.what == "failed"
    assert (threads == {threading.get_ident()}) == is_on_the_loop
