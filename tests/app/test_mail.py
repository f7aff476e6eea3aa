"""Mail of the service's own."""

from __future__ import annotations

import asyncio
import email
from email import policy

import pytest

from sams.app.mail import ServiceMail
from sams.core.address import Mailbox
from sams.core.clock import SystemClock
from sams.spool.failures import StorageFailed
from sams.spool.interface import NewMessage, Search, Work
from sams.spool.memory import MemorySpool

MEMBER = Mailbox("alice", "example.org")


async def sent(subject: str, text: str) -> tuple[bytes, MemorySpool, list[Work]]:
    spool, submitted = MemorySpool(SystemClock()), list[Work]()
    mail = ServiceMail(
        name="smtp.example.org",
        author=Mailbox("postmaster", "example.org"),
        clock=SystemClock(),
        spool=spool,
        route_of=lambda domain: "hub" if domain == "example.org" else None,
        submit=submitted.extend,
    )
    assert mail.send(MEMBER, subject, text)
    assert not mail.send(Mailbox("x", "nowhere.example"), subject, text)
    await asyncio.sleep(0.01)
    (entry,) = await spool.search(Search(), None, 10)
    content = spool.load(entry.message.id)
    return content.head + (content.body.in_memory() or b""), spool, submitted


def test_it_is_a_message_from_the_null_sender_that_says_it_was_made_by_a_program() -> None:
    octets, _, submitted = asyncio.run(
        sent("Your limits", "You have sent to 800 of 1,000 recipients, nearly all.\n")
    )
    message = email.message_from_bytes(octets, policy=policy.default)
    assert message["To"] == "alice@example.org"
    assert message["Auto-Submitted"] == "auto-generated"
    assert "800 of 1,000 recipients, nearly all." in message.get_content()
    assert octets.isascii()
    assert [work.message.reverse_path for work in submitted] == [None]
    assert submitted[0].message.login == ""


def test_nothing_in_a_subject_becomes_a_header() -> None:
    octets, _, _ = asyncio.run(sent("hello\r\nBcc: everyone@example.org", "x\n"))
    message = email.message_from_bytes(octets, policy=policy.default)
    assert message["Bcc"] is None


def test_what_the_spool_does_not_take_is_offered_again_and_given_up_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The alarm about a disk that fails is written when that disk takes no mail."""
    monkeypatch.setattr("sams.app.mail.PAUSES", (0.0, 0.0, 0.0))
    for failures, arrives in ((3, 1), (4, 0)):
        assert asyncio.run(_offered(failures)) == (min(failures, 3) + 1, arrives)


async def _offered(failures: int) -> tuple[int, int]:
    """How often it was offered, and how many messages came of it."""
    spool, submitted, ids = MemorySpool(SystemClock()), list[Work](), list[str]()
    real = spool.accept

    def accept(message: NewMessage) -> asyncio.Future[tuple[Work, ...]]:
        ids.append(message.id)
        if len(ids) > failures:
            return real(message)
        future: asyncio.Future[tuple[Work, ...]] = asyncio.get_running_loop().create_future()
        future.set_exception(StorageFailed("the disk is sick"))
        return future

    spool.accept = accept  # type: ignore[method-assign]
    mail = ServiceMail(
        name="smtp.example.org",
        author=Mailbox("postmaster", "example.org"),
        clock=SystemClock(),
        spool=spool,
        route_of=lambda _: "hub",
        submit=submitted.extend,
    )
    assert mail.send(MEMBER, "disk", "It fails.\n")
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(set(ids)) == len(ids)
    return len(ids), len(submitted)
