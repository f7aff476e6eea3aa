from __future__ import annotations

import typing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.control import wire
from sams.control.messages import (
    ROLE_FOR,
    AccountAdd,
    AccountImport,
    AccountPassword,
    AccountTransfer,
    Failure,
    PagesSignedIn,
    PagesSignOut,
    QueueDelete,
    QueueEntry,
    QueueList,
    QueuePage,
    QueueSearch,
    RecipientEntry,
    Request,
    Response,
    StoriesOfMember,
    Trouble,
)

_TEXT = st.text(max_size=30)
_SEARCHES = st.builds(
    QueueSearch,
    ids=st.none() | st.lists(_TEXT, max_size=3).map(tuple),
    login=st.none() | _TEXT,
    sender=st.none() | _TEXT,
    held=st.none() | st.booleans(),
    arrived_before=st.none() | st.floats(allow_nan=False, allow_infinity=False),
)


@given(_SEARCHES)
def test_a_request_comes_back_as_it_was_written(search: QueueSearch) -> None:
    request = QueueList(search, "0", 7)
    assert wire.decode_request(wire.encode(request)) == request


def test_a_response_comes_back_as_it_was_written() -> None:
    recipient = RecipientEntry(0, "a@example.net", "hub", 1.5, 0, delay_told=False)
    entry = QueueEntry("0A", "ann", "0B", "", 1.25, 10, False, True, None, 1, (recipient,))
    page = QueuePage((entry,), more=True)
    assert wire.decode_response(wire.encode(page)) == page


@pytest.mark.parametrize("answer", typing.get_args(Response), ids=lambda answer: answer.__name__)
def test_a_field_that_a_next_version_adds_to_an_answer_is_passed_over(answer: type[msgspec.Struct]) -> None:
    assert not answer.__struct_config__.forbid_unknown_fields


def test_an_answer_with_a_field_more_is_read() -> None:
    line = wire.encode(Failure(Trouble.BUG, "why")).replace(b'"text"', b'"more":[1],"text"')
    assert b"more" in line
    assert wire.decode_response(line) == Failure(Trouble.BUG, "why")


def test_a_line_is_one_line_whatever_the_text_holds() -> None:
    line = wire.encode(Failure(Trouble.BUG, "two\nlines\r\u2028"))
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")


def test_every_request_needs_a_role() -> None:
    assert set(ROLE_FOR) == set(typing.get_args(Request))


@pytest.mark.parametrize(
    ("line", "trouble"),
    [
        (b"", Trouble.MALFORMED),
        (b"\xff\xfe", Trouble.MALFORMED),
        (b"[1]", Trouble.MALFORMED),
        (b'{"version":1}', Trouble.MALFORMED),
        (b"[" * 100_000, Trouble.MALFORMED),
        (b'{"version":1,"message":{}}', Trouble.MALFORMED),
        (b'{"version":1,"message":{"type":"queue.show"}}', Trouble.MALFORMED),
        (b'{"version":1,"message":{"type":"queue.show","id":7}}', Trouble.MALFORMED),
        (b'{"version":1,"message":{"type":"queue.delete","search":{"sendre":"x"}}}', Trouble.MALFORMED),
        (b'{"version":1,"message":{"type":"\xff"}}', Trouble.MALFORMED),
        (b'{"version":1,"message":{"type":"queue.show","id":"\xff"}}', Trouble.MALFORMED),
        (b'{"version":1,"message":{"type":"queue.burn"}}', Trouble.UNKNOWN),
        (b'{"version":2,"message":{"type":"queue.burn","new":1}}', Trouble.VERSION),
    ],
)
def test_what_cannot_be_read_is_named(line: bytes, trouble: Trouble) -> None:
    with pytest.raises(wire.WireError) as caught:
        wire.decode_request(line)
    assert caught.value.trouble is trouble


def test_an_answer_that_is_no_text_is_told_as_one_that_cannot_be_read() -> None:
    with pytest.raises(wire.WireError, match="cannot be read"):
        wire.decode_response(b'{"version":1,"message":{"type":"\xff"}}')


def test_another_version_names_both() -> None:
    with pytest.raises(wire.WireError, match="version 9, this one 1"):
        wire.decode_response(b'{"version":9,"message":{}}')


def test_a_message_that_is_too_long_is_not_written() -> None:
    with pytest.raises(wire.WireError, match="octets"):
        wire.encode(QueueDelete(QueueSearch(ids=("x" * wire.MAX_LINE,))))


def test_a_secret_that_is_imported_is_not_in_the_text_of_its_request() -> None:
    request = AccountImport((AccountTransfer("ann", "{PLAIN}geheim", ("ann@example.org",)),))
    one = request.accounts[0]
    assert "geheim" not in f"{request} {request!r} {one} {one.__rich_repr__()}"
    assert wire.decode_request(wire.encode(request)) == request


@pytest.mark.parametrize("request_", [AccountAdd("ann", "geheim"), AccountPassword("ann", "geheim")])
def test_a_password_is_not_in_the_text_of_its_request(request_: AccountAdd | AccountPassword) -> None:
    assert "geheim" not in f"{request_} {request_!r} {request_.__rich_repr__()}"
    assert msgspec.json.decode(wire.encode(request_))["message"]["password"] == "geheim"


@pytest.mark.parametrize("request_", [PagesSignOut("geheim"), StoriesOfMember("geheim", 1.0)])
def test_a_ticket_is_not_in_the_text_of_its_request(request_: PagesSignOut | StoriesOfMember) -> None:
    assert "geheim" not in f"{request_} {request_!r} {request_.__rich_repr__()}"
    assert wire.decode_request(wire.encode(request_)) == request_


def test_a_ticket_is_not_in_the_text_of_the_answer_that_brings_it() -> None:
    answer = PagesSignedIn("geheim", "alice")
    assert "geheim" not in f"{answer} {answer!r} {answer.__rich_repr__()}"
    assert wire.decode_response(wire.encode(answer)) == answer
