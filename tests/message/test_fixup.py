"""A submission server adds and removes what it must; all else goes on octet by octet."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sams.core.address import Mailbox
from sams.message.fixup import Additions, fix_up
from sams.message.header import read_header

RECEIVED = b"Received: from member.invalid by s;\r\n\tThu, 1 Jan 1970 00:00:00 +0000\r\n"
DATE = "Thu, 1 Jan 1970 00:00:00 +0000"
FACTS = Additions(RECEIVED, DATE, "0ABC@s.example")
COMPLETE = b"Date: x\r\nMessage-ID: <y>\r\n"


def fixed(header: bytes, facts: Additions = FACTS) -> bytes:
    return fix_up(read_header(header), facts)


def test_a_complete_header_gets_received_in_front_and_nothing_else() -> None:
    assert fixed(COMPLETE + b"Subject: x\r\n") == RECEIVED + COMPLETE + b"Subject: x\r\n\r\n"


def test_date_and_message_id_are_added_behind_the_last_field() -> None:
    assert fixed(b"Subject: x\r\n") == (
        RECEIVED
        + b"Subject: x\r\nDate: Thu, 1 Jan 1970 00:00:00 +0000\r\nMessage-ID: <0ABC@s.example>\r\n\r\n"
    )


def test_fields_that_give_recipients_away_are_removed_with_their_folds() -> None:
    header = COMPLETE + b"Bcc: a@x,\r\n b@x\r\nTo: c@x\r\nRESENT-BCC : d@x\r\nReturn-Path: <e@x>\r\nBcc:\r\n"
    assert fixed(header) == RECEIVED + COMPLETE + b"To: c@x\r\n\r\n"


def test_sender_is_replaced_where_asked_and_left_alone_where_not() -> None:
    facts = Additions(RECEIVED, DATE, "i", Mailbox("ann", "x.org"))
    assert fixed(b"Sender: b\r\n" + COMPLETE, facts) == RECEIVED + COMPLETE + b"Sender: ann@x.org\r\n\r\n"
    assert fixed(COMPLETE, facts) == RECEIVED + COMPLETE + b"Sender: ann@x.org\r\n\r\n"
    assert fixed(b"Sender: b\r\n" + COMPLETE) == RECEIVED + b"Sender: b\r\n" + COMPLETE + b"\r\n"


def test_an_empty_header_becomes_one_with_an_empty_line() -> None:
    lines = fixed(b"").split(b"\r\n")
    assert lines[-2:] == [b"", b""]
    assert lines[2].startswith(b"Date: ")


NAMES = st.sampled_from(
    [b"From", b"To", b"bcc", b"Resent-Bcc", b"Return-Path", b"Date", b"Message-Id", b"sender", b"X"]
)
VALUES = st.sampled_from([b": a", b" : b", b":", b": a\r\n folded", b": \xff"])
HEADERS = st.lists(
    st.tuples(NAMES, VALUES).map(lambda field: field[0] + field[1] + b"\r\n"), max_size=20
).map(b"".join)
REMOVED = {b"bcc", b"resent-bcc", b"return-path"}


@given(HEADERS, st.booleans())
def test_kept_fields_are_the_same_octets_in_the_same_order(header: bytes, sets_sender: bool) -> None:
    facts = Additions(RECEIVED, DATE, "i@s", Mailbox("a", "x.org") if sets_sender else None)
    removed = REMOVED | ({b"sender"} if sets_sender else set())
    before = read_header(header)
    kept = [whole for name, whole in zip(before.names, before.wholes, strict=True) if name not in removed]
    result = fix_up(before, facts)
    assert result.startswith(RECEIVED + b"".join(kept))
    assert read_header(result).names.count(b"date") >= 1
    assert fix_up(read_header(result[len(RECEIVED) :]), facts) == result
