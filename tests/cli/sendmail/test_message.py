from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.cli.sendmail.arguments import Arguments
from sams.cli.sendmail.failure import SendmailError, SysExit
from sams.cli.sendmail.message import compose, read
from sams.cli.sendmail.settings import Settings

SETTINGS = Settings("cron", Path("pw"), "cron@example.org", "smtp.example.org")


def _compose(raw: bytes, **arguments: object) -> tuple[str | None, list[str], bytes]:
    outgoing = compose(raw, Arguments(**arguments), SETTINGS)  # type: ignore[arg-type]
    sender = None if outgoing.sender is None else str(outgoing.sender)
    return sender, [str(mailbox) for mailbox in outgoing.recipients], outgoing.content


@pytest.mark.parametrize(
    ("given_", "dot_ends", "expected"),
    [
        (b"a\nb\n", True, b"a\r\nb\r\n"),
        (b"a\r\nb", True, b"a\r\nb\r\n"),
        (b"a\rb\n", True, b"a\r\nb\r\n"),
        (b"a\n.\nb\n", True, b"a\r\n"),
        (b"a\n.\nb\n", False, b"a\r\n.\r\nb\r\n"),
        (b"a\n..\n", True, b"a\r\n..\r\n"),
        (b"", True, b""),
    ],
)
def test_lines_end_in_crlf_and_a_dot_ends_where_it_may(
    given_: bytes, dot_ends: bool, expected: bytes
) -> None:
    assert read(io.BytesIO(given_), dot_ends=dot_ends) == expected


@given(st.binary(max_size=200))
def test_no_bare_newline_is_left(octets: bytes) -> None:
    text = read(io.BytesIO(octets), dot_ends=False)
    assert text.count(b"\r\n") == text.count(b"\r") == text.count(b"\n")


def test_what_is_too_large_is_not_read_to_its_end() -> None:
    source = io.BytesIO(b"x" * 1_000)
    with pytest.raises(SendmailError) as caught:
        read(source, dot_ends=True, limit=100)
    assert caught.value.code is SysExit.DATAERR
    assert source.tell() < 200


def test_cron_is_given_an_address_and_a_domain() -> None:
    raw = b"From: root (Cron Daemon)\r\nTo: root\r\nSubject: x\r\n\r\noutput\r\n"
    sender, recipients, content = _compose(raw, recipients=["root"], name="CronDaemon")
    assert (sender, recipients) == ("cron@example.org", ["root@example.org"])
    assert content == b'From: "CronDaemon" <cron@example.org>\r\nTo: root\r\nSubject: x\r\n\r\noutput\r\n'


def test_a_usable_from_is_left_as_it_is() -> None:
    raw = b"Subject: x\r\nFrom: Ann <ann@example.org>\r\n\r\nbody\r\n"
    assert _compose(raw, recipients=["a@example.net"])[2] == raw


@pytest.mark.parametrize(
    ("sender", "expected"),
    [
        (None, "cron@example.org"),
        ("ann", "ann@example.org"),
        ("<>", None),
        ("", None),
        ("<b@example.org>", "b@example.org"),
    ],
)
def test_the_sender_is_the_one_that_was_named(sender: str | None, expected: str | None) -> None:
    assert _compose(b"From: a@example.org\r\n\r\n", recipients=["x@y.example"], sender=sender)[0] == expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"To: a@x.example, B <b@x.example>\r\nCc: c@x.example\r\nBcc: d@x.example\r\n", "abcd"),
        (b"To: team: a@x.example, b@x.example;\r\n", "ab"),
        (b"To: a@x.example,\r\n b@x.example\r\nTo: a@X.example\r\n", "ab"),
        (b"To: a@x.example\r\nResent-To: b@x.example\r\n", "b"),
        (b"Bcc:\r\nTo: undisclosed-recipients:;\r\nCc: c@x.example\r\n", "c"),
    ],
)
def test_recipients_are_taken_from_the_header(head: bytes, expected: str) -> None:
    recipients = _compose(head + b"\r\nbody\r\n", from_header=True)[1]
    assert recipients == [f"{letter}@x.example" for letter in expected]


def test_names_alone_in_the_header_get_the_domain() -> None:
    assert _compose(b"To: root, ann\r\n\r\n", from_header=True)[1] == ["root@example.org", "ann@example.org"]


@pytest.mark.parametrize(
    ("raw", "arguments"),
    [
        (b"Subject: none\r\n\r\n", {"from_header": True}),
        (b"To: a@b@c, d@x.example\r\n\r\n", {"from_header": True}),
        (b"From: a@x.example\r\n\r\n", {"recipients": ["two words"]}),
        (b"From: a@x.example\r\n\r\n", {"recipients": ["a@x.example"], "sender": "no@@address"}),
    ],
)
def test_what_is_no_address_is_refused(raw: bytes, arguments: dict[str, object]) -> None:
    with pytest.raises(SendmailError):
        _compose(raw, **arguments)


def test_a_name_cannot_bring_a_field_of_its_own() -> None:
    content = _compose(b"\r\nbody\r\n", recipients=["a@x.example"], name='evil"\r\nBcc: x@y.example')[2]
    assert b"\r\nBcc" not in content
    assert content.startswith(b"From: ")


def test_text_without_a_header_becomes_a_body() -> None:
    assert (
        _compose(b"just text\r\n", recipients=["a@x.example"])[2]
        == b"From: cron@example.org\r\n\r\njust text\r\n"
    )
