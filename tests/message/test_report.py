"""Reports: what they say, what they return, and that nothing from outside gets a line of its own."""

from __future__ import annotations

import email
import email.policy
import quopri
import sys
from collections.abc import Iterable
from dataclasses import replace
from email.message import EmailMessage, Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.core.address import Mailbox
from sams.core.envelope import OriginalRecipient, Recipient, Ret
from sams.core.outcome import Outcome, Result
from sams.core.reply import EnhancedStatus, Reply, reply
from sams.message.advice import advice
from sams.message.report import Report, build_report
from sams.message.report_facts import Reported, ReportFacts, ReportKind, status_of

ANN = Mailbox("ann", "example.org")
BOB = Mailbox("bob", "example.com")
JOERG = Mailbox("jörg", "bücher.example")
UNKNOWN = Outcome(Result.FAILED, reply(550, "5.1.1", "User unknown"), "mx.example.com:25", 86_400.0)
HEAD = b"From: ann@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <1@x>\r\n\r\n"
FACTS = ReportFacts(
    kind=ReportKind.FAILED,
    reporting_mta="smtp.example.org",
    sender=Mailbox("postmaster", "example.org"),
    to=ANN,
    identifier="0ABC",
    at=90_000.0,
    arrived=0.0,
    recipients=(Reported(Recipient(BOB), UNKNOWN),),
    head=HEAD,
    body=[b"hello\r\n"],
)


def parsed(report: Report) -> EmailMessage:
    message = email.message_from_bytes(bytes(report), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def parts(report: Report) -> list[EmailMessage]:
    found = [part for part in parsed(report).iter_parts() if isinstance(part, EmailMessage)]
    assert len(found) == 3
    return found


def words(report: Report) -> str:
    return str(parts(report)[0].get_content())


def raw_parts(report: Report) -> list[tuple[str, bytes]]:
    """The parts as they stand, decoded: the `email` package leaves encoded message/* parts as they are."""
    boundary = email.message_from_bytes(bytes(report)).get_boundary()
    assert boundary is not None
    first, *found, last = (b"\r\n" + report.body).split(b"\r\n--" + boundary.encode())
    assert (first, last) == (b"", b"--\r\n")
    return [decoded_part(part.removeprefix(b"\r\n")) for part in found]


def decoded_part(part: bytes) -> tuple[str, bytes]:
    head, _, body = part.partition(b"\r\n\r\n")
    header = email.message_from_bytes(head)
    if header["Content-Transfer-Encoding"] == "quoted-printable":
        body = quopri.decodestring(body)
    return header.get_content_type(), body


def status(report: Report) -> list[Message]:
    """The groups of fields of the second part."""
    _, text = raw_parts(report)[1]
    return [email.message_from_string(group) for group in text.decode().replace("\r\n", "\n").split("\n\n")]


def plain_status(report: Report) -> str:
    return raw_parts(report)[1][1].decode()


def test_the_header_says_what_it_is_and_belongs_to_the_thread() -> None:
    message = parsed(build_report(FACTS))
    assert message["From"] == "Mail delivery service <postmaster@example.org>"
    assert message["To"] == "ann@example.org"
    assert message["Subject"] == "Your message could not be delivered"
    assert message["Message-ID"] == "<0ABC@smtp.example.org>"
    assert message["In-Reply-To"] == message["References"] == "<1@x>"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["Date"] == "Fri, 02 Jan 1970 01:00:00 +0000"
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert not message.defects


def test_the_member_reads_what_happened_who_said_it_and_what_to_do() -> None:
    text = words(build_report(replace(FACTS, contact="Help: https://help.example.org/mail")))
    assert 'your message "Grüße" of 1 January 1970, 00:00 UTC could not be delivered to:' in " ".join(
        text.split()
    )
    assert "\r\n  bob@example.com\r\n" in text
    assert "There is no mailbox of this name." in text
    assert "The server mx.example.com said: 550 5.1.1 User unknown" in text
    assert "https://help.example.org/mail" in text


def test_programs_read_the_fields_of_rfc_3464() -> None:
    recipient = Recipient(BOB, original=OriginalRecipient("rfc822", "bob@old.example"))
    facts = replace(FACTS, envid="QQ314159", recipients=(Reported(recipient, UNKNOWN),))
    assert plain_status(build_report(facts)) == (
        "Original-Envelope-Id: QQ314159\r\n"
        "Reporting-MTA: dns; smtp.example.org\r\n"
        "Arrival-Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n"
        "\r\n"
        "Original-Recipient: rfc822; bob@old.example\r\n"
        "Final-Recipient: rfc822; bob@example.com\r\n"
        "Action: failed\r\n"
        "Status: 5.1.1\r\n"
        "Remote-MTA: dns; mx.example.com\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 User unknown\r\n"
        "Last-Attempt-Date: Fri, 2 Jan 1970 00:00:00 +0000\r\n"
    )
    assert "(you wrote to bob@old.example)" in words(build_report(facts))


def test_a_delay_says_how_long_it_is_tried() -> None:
    outcome = Outcome(Result.DEFERRED, reply(451, None, "Later"), "mx:25", 0.0)
    facts = replace(
        FACTS, kind=ReportKind.DELAYED, retry_until=432_000.0, recipients=(Reported(Recipient(BOB), outcome),)
    )
    report = build_report(facts)
    assert "Action: delayed\r\nStatus: 4.0.0" in plain_status(report)
    assert plain_status(report).endswith("Will-Retry-Until: Tue, 6 Jan 1970 00:00:00 +0000\r\n")
    assert "we keep trying until 6 January 1970, 00:00 UTC" in " ".join(words(report).split())
    assert parts(report)[2].get_content_type() == "text/rfc822-headers"


@pytest.mark.parametrize("kind", [ReportKind.DELIVERED, ReportKind.RELAYED])
def test_a_success_says_delivered_or_relayed_and_returns_headers_only(kind: ReportKind) -> None:
    outcome = Outcome(Result.DELIVERED, reply(250, "2.1.5", "OK"), "", 0.0)
    facts = replace(FACTS, kind=kind, ret=Ret.FULL, recipients=(Reported(Recipient(BOB), outcome),) * 2)
    report = build_report(facts)
    assert (
        plain_status(report).count(f"Action: {kind.value}\r\nStatus: 2.1.5\r\nDiagnostic-Code: x-sams; 250")
        == 2
    )
    assert "Remote-MTA" not in plain_status(report)
    assert parts(report)[2].get_content_type() == "text/rfc822-headers"
    assert words(report).count("bob@example.com") == 2


def returned(facts: ReportFacts) -> tuple[str, bytes]:
    report = build_report(facts)
    assert bytes(report).isascii()
    kind, octets = raw_parts(report)[2]
    if kind == "message/rfc822":
        payload = email.message_from_bytes(octets).get_payload(decode=True)
        assert isinstance(payload, bytes)
        return kind, payload
    return kind, octets


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({}, "message/rfc822"),
        ({"ret": Ret.FULL}, "message/rfc822"),
        ({"ret": Ret.HEADERS}, "text/rfc822-headers"),
        ({"body": None}, "text/rfc822-headers"),
        ({"full_limit": 7}, "message/rfc822"),
        ({"full_limit": 6}, "text/rfc822-headers"),
        ({"body": ["hé\r\n".encode()]}, "message/rfc822"),
        ({"body": [b"x" * 2_000]}, "message/rfc822"),
        ({"head": b"Content-Type: application/pkcs7-mime\r\n\r\n", "body": [b"\xff"]}, "text/rfc822-headers"),
        ({"head": b"X: " + b"x" * 2_000 + b"\r\n\r\n"}, "text/rfc822-headers"),
        ({"head": "Subject: é\r\n\r\n".encode()}, "message/global-headers"),
        ({"head": b"Subject: \xe9\r\n\r\n"}, "text/rfc822-headers"),
        ({"head": b""}, "message/rfc822"),
    ],
)
def test_as_much_is_returned_as_was_asked_and_can_be(change: dict[str, object], kind: str) -> None:
    facts = replace(FACTS, **change)  # type: ignore[arg-type] # each change names a field with a value of its type
    found, payload = returned(facts)
    assert found == kind
    if kind == "message/rfc822":
        assert payload == b"".join(facts.body or [])
    else:
        assert payload == facts.head.removesuffix(b"\r\n")


def test_the_body_is_read_no_further_than_the_limit() -> None:
    read = []

    def endless() -> Iterable[bytes]:
        while True:
            read.append(1)
            yield b"x" * 1_000

    build_report(replace(FACTS, body=endless(), full_limit=10_000))
    assert len(read) == 11


def test_a_long_header_is_returned_in_part() -> None:
    head = b"X: " + b"x" * 70 + b"\r\n"
    _, payload = returned(replace(FACTS, head=head * 10_000, body=None))
    assert 60_000 < len(payload) < 66_000


def test_addresses_that_are_not_ascii_use_the_types_of_rfc_6533() -> None:
    recipient = Recipient(JOERG, original=OriginalRecipient("utf-8", "jörg@alt.example"))
    report = build_report(replace(FACTS, recipients=(Reported(recipient, UNKNOWN),)))
    assert bytes(report).isascii()
    assert not report.needs_smtputf8
    part = parts(report)[1]
    assert part.get_content_type() == "message/global-delivery-status"
    (_, group) = status(report)
    assert group["Final-Recipient"] == "utf-8; jörg@bücher.example"
    assert group["Original-Recipient"] == "utf-8; jörg@alt.example"
    assert "jörg@bücher.example" in words(report)


def test_a_reverse_path_that_is_not_ascii_stands_in_to() -> None:
    report = build_report(replace(FACTS, to=JOERG))
    assert report.needs_smtputf8
    assert "To: <jörg@bücher.example>\r\n".encode() in report.head
    assert report.body.isascii()


def test_a_boundary_in_the_message_is_not_taken() -> None:
    report = build_report(replace(FACTS, body=[b"--=_report_0ABC_0\r\n--=_report_0ABC_0--\r\n"]))
    assert b'boundary="=_report_0ABC_1"' in report.head
    assert len(parts(report)) == 3


@pytest.mark.parametrize(
    "value", [b"<a@b> <c@d>", b"a@b", b"<a b>", b"<" + b"x" * 300 + b">", b"", b"<a\r\n b>"]
)
def test_a_message_id_that_is_none_is_not_repeated(value: bytes) -> None:
    report = build_report(replace(FACTS, head=b"Message-ID: " + value + b"\r\n\r\n"))
    assert b"In-Reply-To" not in report.head


@pytest.mark.parametrize(
    ("kind", "answer", "expected"),
    [
        (ReportKind.FAILED, reply(550, "5.2.2", "x"), "5.2.2"),
        (ReportKind.FAILED, reply(550, None, "x"), "5.0.0"),
        (ReportKind.FAILED, reply(550, "2.0.0", "x"), "5.0.0"),
        (ReportKind.FAILED, reply(450, "4.4.7", "x"), "4.4.7"),
        (ReportKind.DELAYED, reply(450, "5.0.0", "x"), "4.0.0"),
        (ReportKind.RELAYED, reply(250, None, "x"), "2.0.0"),
    ],
)
def test_the_status_fits_the_news(kind: ReportKind, answer: Reply, expected: str) -> None:
    assert str(status_of(kind, Outcome(Result.FAILED, answer, "", 0.0))) == expected


@pytest.mark.parametrize(
    "code", ["5.1.1", "5.2.2", "5.7.1", "5.7.99", "4.4.7", "5.4.7", "5.3.4", "5.6.7", "5.0.0", "5.99.9"]
)
def test_every_status_has_advice(code: str) -> None:
    words = advice(EnhancedStatus.parse(code))
    assert words.endswith(".")
    assert words.isascii()


HOSTILE = st.text(
    st.one_of(st.sampled_from("\r\n\t\0\x85\u2028\u202e<>:;-=_ ab"), st.characters()), max_size=120
).map(lambda text: text.replace("a", "\r\n.\r\nBcc: x\r\n\r\n--=_report_0ABC_0\r\n"))


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_nothing_from_outside_gets_a_line_of_its_own(
    said: str, host: str, envid: str, kind: str, subject: str
) -> None:
    outcome = Outcome(Result.FAILED, Reply(550, (said, said)), f"{host}:25", 0.0)
    recipient = Recipient(BOB, original=OriginalRecipient(kind, said))
    quiet = "".join(letter for letter in subject if letter not in "\r\n")
    facts = replace(
        FACTS,
        head=f"Subject: {quiet}\r\n\r\n".encode("utf-8", "replace"),
        envid=envid,
        recipients=(Reported(recipient, outcome),) * 2,
        ret=Ret.HEADERS,
    )
    report = build_report(facts)
    whole = bytes(report)
    assert whole.isascii()
    assert whole.count(b"\r\n") == whole.count(b"\n") == whole.count(b"\r")
    assert all(len(line) <= 998 for line in whole.split(b"\r\n"))
    assert len(parts(report)) == 3
    first, *groups = status(report)
    assert set(first.keys()) == {"Original-Envelope-Id", "Reporting-MTA", "Arrival-Date"}
    assert len(groups) == 2
    for group in groups:
        allowed = {
            "Original-Recipient",
            "Final-Recipient",
            "Action",
            "Status",
            "Remote-MTA",
            "Diagnostic-Code",
            "Last-Attempt-Date",
        }
        assert set(group.keys()) <= allowed
        assert group["Action"] == "failed"


def test_recipients_of_whom_the_same_was_said_stand_together() -> None:
    other = Outcome(Result.FAILED, reply(552, "5.2.2", "Mailbox full"), "mx.example.com:25", 86_400.0)
    reported = [Reported(Recipient(Mailbox(name, "example.com")), UNKNOWN) for name in ("ann", "cid")]
    full = Reported(Recipient(BOB), other)
    text = words(build_report(replace(FACTS, recipients=(reported[0], full, reported[1]))))
    assert text.count("User unknown") == text.count("Mailbox full") == 1
    order = ["ann@example.com", "cid@example.com", "User unknown", "bob@example.com", "Mailbox full"]
    assert sorted(order, key=text.index) == order


def steps(recipients: int, said: str) -> int:
    """How many functions a report calls, Python's and C's."""
    outcomes = [
        Outcome(Result.FAILED, Reply(550, (f"{number} {said}",)), "mx.example.com:25", 0.0)
        for number in range(recipients)
    ]
    facts = replace(FACTS, recipients=tuple(Reported(Recipient(BOB), one) for one in outcomes))
    count = 0

    def called(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(called)
    try:
        build_report(facts)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("said", ["no such user", "a " * 499, "\x01" * 998, "\u2060" * 998])
def test_a_recipient_costs_a_report_few_steps_whatever_its_hop_said(said: str) -> None:
    assert (steps(200, said) - steps(100, said)) / 100 < 300
