"""What is shared between messages is the same for all of them, and nothing of one member shows in another's."""

from __future__ import annotations

from typing import Any

import pytest

from sams.config.model import Senders
from sams.config.model import Trace as TraceSettings
from sams.core.address import Mailbox, parse_mailbox
from sams.core.envelope import Body, Recipient
from sams.core.errors import PermanentFailure
from sams.identity.interface import Identity
from sams.message.header import HeaderLimits
from sams.message.mime import MimeLimits
from sams.policy.senders import SenderPolicy
from sams.protocol.smtp.events import Mail, MailParameters
from sams.spool.interface import NewMessage, NewRecipient, StoredBody
from sams.spool.stored_body import MemoryBody
from sams.submission.composition import Arrival, Composer
from sams.submission.transaction import Transaction

TLS = ("TLSv1.3", "TLS_AES_256_GCM_SHA384")
ANN = Identity("ann", ("ann@example.org",), ("boss@example.org",), Mailbox("ann", "example.org"), 1)
FROM = b"From: ann@example.org\r\n"
COMPLETE = b"Date: x\r\nMessage-ID: <y>\r\n"


class Kept:
    """A body writer that keeps the pieces in a list."""

    is_congested = False

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.is_discarded = False

    def write(self, chunk: bytes) -> None:
        self.pieces.append(chunk)

    def finish(self) -> StoredBody:
        return MemoryBody(b"".join(self.pieces))

    def discard(self) -> None:
        self.is_discarded = True


def begun(to: tuple[str, ...] = ("bob@example.net",), **parameters: Any) -> tuple[Transaction, Kept]:
    transaction = Transaction(Mail(ANN.default_address, MailParameters(**parameters)))
    transaction.recipients += [NewRecipient(Recipient(parse_mailbox(one)), "hub") for one in to]
    writer = Kept()
    transaction.begin("ID", writer, HeaderLimits(), MimeLimits())  # type: ignore[arg-type]  # as much as is needed
    return transaction, writer


def composed(
    composer: Composer, content: bytes, arrival: Arrival, identity: Identity = ANN, **parameters: Any
) -> NewMessage:
    transaction, _ = begun(**parameters)
    transaction.feed(content)
    body = transaction.finish()
    assert isinstance(body, MemoryBody)
    return composer.compose(arrival, identity, transaction, body).message


def composer(**settings: bool) -> Composer:
    return Composer("s.example.org", SenderPolicy(Senders()), TraceSettings(**settings))


def arrival(at: float = 0.0, helo: str = "h", tls: tuple[str, str] | None = TLS) -> Arrival:
    return Arrival("S1", helo, "192.0.2.1", extended=True, tls=tls, at=at)


def test_the_message_is_what_came_with_a_received_field_in_front() -> None:
    message = composed(composer(), FROM + COMPLETE + b"\r\nhello\r\n", arrival(at=7.5))
    assert message.head == (
        b"Received: from member.invalid\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)\r\n"
        b"\tby s.example.org with ESMTPSA id ID\r\n\tfor <bob@example.net>;\r\n"
        b"\tThu, 1 Jan 1970 00:00:07 +0000\r\n" + FROM + COMPLETE + b"\r\n"
    )
    assert message.body.in_memory() == b"hello\r\n"
    assert (message.id, message.login, message.session, message.arrived) == ("ID", "ann", "S1", 7.5)
    assert message.facts.has_8bit_body is message.facts.has_8bit_header is message.facts.is_binary is False


def test_each_message_has_the_date_of_its_own_second() -> None:
    worker = composer()
    dates = [
        composed(worker, FROM + b"\r\n", arrival(at)).head.split(b"\r\n")[-4] for at in (5.0, 5.9, 6.0, 5.0)
    ]
    assert [date[-14:-6] for date in dates] == [b"00:00:05", b"00:00:05", b"00:00:06", b"00:00:05"]


def test_each_way_in_is_told_as_it_was() -> None:
    worker = composer()
    for _ in range(2):
        for tls, smtputf8, kind in (
            (TLS, False, b" with ESMTPSA id"),
            (("TLSv1.2", "X"), False, b"using TLSv1.2 with cipher X"),
            (TLS, True, b" with UTF8SMTPSA id"),
            (None, False, b" with ESMTPA id"),
        ):
            assert kind in composed(worker, FROM + b"\r\n", arrival(tls=tls), smtputf8=smtputf8).head


def test_where_clients_are_told_each_message_tells_of_its_own() -> None:
    worker = composer(client_address=True, login=True)
    bob = Identity("bob", ("ann@example.org",), (), ANN.default_address, 1)
    first = composed(worker, FROM + b"\r\n", arrival(helo="one.example")).head
    second = composed(worker, FROM + b"\r\n", arrival(helo="two.example"), bob).head
    assert b"from one.example ([192.0.2.1])\r\n\t(Authenticated sender: ann)" in first
    assert b"from two.example ([192.0.2.1])\r\n\t(Authenticated sender: bob)" in second


def test_of_several_recipients_none_is_told() -> None:
    head = composed(composer(), FROM + b"\r\n", arrival(), to=("a@b.org", "c@d.org")).head
    assert b"for <" not in head


def test_a_foreign_author_is_refused_and_one_whom_the_member_stands_for_gets_a_sender() -> None:
    with pytest.raises(PermanentFailure, match=r"5\.7\.1"):
        composed(composer(), b"From: eve@example.org\r\n\r\n", arrival())
    head = composed(composer(), b"From: boss@example.org\r\n" + COMPLETE + b"\r\n", arrival()).head
    assert head.endswith(b"Sender: ann@example.org\r\n\r\n")


@pytest.mark.parametrize(
    ("content", "has_8bit_header", "has_8bit_body", "longest_line"),
    [
        (FROM + b"\r\n" + b"x" * 998 + b"\r\n", False, False, 0),
        (FROM + b"\r\n" + b"x" * 999, False, False, 999),
        (FROM + b"\r\nh\xc3\xa9", False, True, 0),
        (FROM + b"Subject: h\xc3\xa9\r\n\r\n", True, False, 0),
        (FROM + b"Bcc: h\xc3\xa9 <h@x.example>\r\n\r\n", False, False, 0),
        (
            FROM + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nh\xe9\r\n--b--",
            False,
            True,
            0,
        ),
    ],
)
def test_the_facts_are_those_of_the_content_however_it_is_cut(
    content: bytes, has_8bit_header: bool, has_8bit_body: bool, longest_line: int
) -> None:
    for cut in range(len(content) + 1):
        transaction, _ = begun()
        for piece in (content[:cut], content[cut:]):
            transaction.feed(piece)
        body = transaction.finish()
        assert isinstance(body, MemoryBody)
        message = composer().compose(arrival(), ANN, transaction, body).message
        facts = message.facts
        assert (facts.has_8bit_header, facts.has_8bit_body) == (has_8bit_header, has_8bit_body)
        assert facts.longest_line == longest_line
        assert (message.body.in_memory() or b"") == content.partition(b"\r\n\r\n")[2]


def test_a_header_that_a_sender_beyond_ascii_was_added_to_is_beyond_ascii() -> None:
    jo = Identity("jo", ("jö@example.org",), ("boss@example.org",), Mailbox("jö", "example.org"), 1)
    message = composed(composer(), b"From: boss@example.org\r\n\r\n", arrival(), jo)
    assert "Sender: jö@example.org\r\n".encode() in message.head
    assert message.facts.has_8bit_header


def test_what_comes_as_binary_is_looked_at_for_what_only_binary_may_hold() -> None:
    for octets in (b"a\0b", b"a\nb", b"a\rb"):
        message = composed(composer(), FROM + b"\r\n" + octets, arrival(), body=Body.BINARY_MIME)
        assert message.facts.is_binary


def test_a_header_over_its_limit_is_refused_once_and_its_body_is_dropped() -> None:
    transaction, writer = begun()
    failure = transaction.feed(b"X: " + b"x" * 300_000)
    assert failure is not None
    assert "5.3.4" in str(failure.reply)
    assert writer.is_discarded
    assert transaction.feed(b"more") is None
    with pytest.raises(PermanentFailure):
        transaction.finish()


@pytest.mark.parametrize("pieces", [[], [b""], [b"From"], [FROM[:-2]], [FROM]])
def test_a_message_may_end_within_its_header(pieces: list[bytes]) -> None:
    transaction, writer = begun()
    for piece in pieces:
        assert transaction.feed(piece) is None
    transaction.finish()
    assert transaction.header is not None
    assert b"".join(pieces).rstrip() == transaction.header.raw.rstrip() + b"".join(writer.pieces)
