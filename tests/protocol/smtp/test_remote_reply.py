from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.core.reply import EnhancedStatus, Reply
from sams.protocol.smtp.remote_reply import ReplyError, ReplyLimits, ReplyReader

MANY = 1_000


def read(data: bytes, *, cuts: list[int] | None = None, wanted: int = MANY) -> tuple[list[Reply], bool]:
    """All replies in `data`, cut where `cuts` says, and whether a fault follows them."""
    reader = ReplyReader()
    edges = [0, *sorted({min(cut, len(data)) for cut in cuts or []}), len(data)]
    for start, end in itertools.pairwise(edges):
        reader.feed(data[start:end], wanted)
    replies: list[Reply] = []
    try:
        while (answer := reader.take()) is not None:
            replies.append(answer)
    except ReplyError:
        return replies, True
    return replies, False


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"250 ok\r\n", Reply(250, ("ok",))),
        (b"250\r\n", Reply(250, ("",))),
        (b"250 \r\n", Reply(250, ("",))),
        (b"250-one\r\n250-two\r\n250 three\r\n", Reply(250, ("one", "two", "three"))),
        (b"250-one\r\n250\r\n", Reply(250, ("one", ""))),
        (b"250 2.1.5 yes\r\n", Reply(250, ("yes",), EnhancedStatus(2, 1, 5))),
        (b"550 5.1.1\r\n", Reply(550, ("",), EnhancedStatus(5, 1, 1))),
        (
            b"550-5.7.1 go\r\n550-away\r\n550 5.7.1 now\r\n",
            Reply(550, ("go", "away", "now"), EnhancedStatus(5, 7, 1)),
        ),
        (b"550 4.7.1 the class is not the code's\r\n", Reply(550, ("4.7.1 the class is not the code's",))),
        (b"250 2.0 beta\r\n", Reply(250, ("2.0 beta",))),
        (b"250 2.1.5x\r\n", Reply(250, ("2.1.5x",))),
        (b"354 5.6.7 go\r\n", Reply(354, ("5.6.7 go",))),
        (b"554 gr\xc3\xbc\xc3\x9fe \xff\r\n", Reply(554, ("grüße \\xff",))),
    ],
)
def test_a_reply_is_read_as_it_is_meant(data: bytes, expected: Reply) -> None:
    assert read(data) == ([expected], False)


@pytest.mark.parametrize(
    "data",
    [
        b"250 bare line feed\n",
        b"\r\n",
        b"25 short\r\n",
        b"2500 long\r\n",
        b"150 no code of SMTP\r\n",
        b"650 neither\r\n",
        b"250ok\r\n",
        b"250_ok\r\n",
        b"hello\r\n",
        b"\x16\x03\x01\x02\x00 tls\r\n",
        b"250-one\r\n251 other code\r\n",
        b"250 " + b"x" * 4_096 + b"\r\n",
        b"x" * 5_000,
        b"250-a\r\n" * 200,
        (b"250-" + b"y" * 4_000 + b"\r\n") * 9,
    ],
)
def test_what_is_no_reply_is_a_fault(data: bytes) -> None:
    assert read(data) == ([], True)


def test_replies_before_a_fault_are_still_heard() -> None:
    replies, fault = read(b"250 one\r\n250 two\r\nrubbish\r\n250 three\r\n")
    assert [answer.lines for answer in replies] == [("one",), ("two",)]
    assert fault


def test_after_a_fault_nothing_is_taken_any_more() -> None:
    reader = ReplyReader()
    reader.feed(b"rubbish\r\n", 1)
    for _ in range(1_000):
        reader.feed(b"250 ok\r\n" * 1_000, MANY)
    assert reader.ready == 0
    with pytest.raises(ReplyError):
        reader.take()
    with pytest.raises(ReplyError):
        reader.take()


@pytest.mark.parametrize(("wanted", "heard"), [(0, 0), (1, 1), (2, 2)])
def test_a_reply_that_nobody_asked_for_is_a_fault(wanted: int, heard: int) -> None:
    replies, fault = read(b"250 ok\r\n" * 3, wanted=wanted)
    assert len(replies) == heard
    assert fault


def test_even_the_first_line_of_an_unasked_reply_is_a_fault() -> None:
    assert read(b"250-more will\r\n", wanted=0) == ([], True)


def test_long_text_is_cut_and_long_replies_keep_little() -> None:
    replies, _ = read(b"250 " + b"x" * 4_000 + b"\r\n")
    assert replies[0].lines == ("x" * 1_024,)
    replies, _ = read((b"250-" + b"y" * 1_000 + b"\r\n") * 30 + b"250 end\r\n")
    assert len(replies[0].lines) == 31
    assert sum(map(len, replies[0].lines)) == ReplyLimits().total_kept


def test_remembered_lines_are_bounded_and_change_nothing() -> None:
    lines = [b"250 2.0.0 queued as %d\r\n" % number for number in range(100)]
    replies, fault = read(b"".join(lines + lines))
    assert [answer.lines[0] for answer in replies] == [f"queued as {number}" for number in range(100)] * 2
    assert not fault


def test_a_remembered_line_ends_a_longer_reply_like_any_other() -> None:
    replies, _ = read(b"250 ok\r\n250-first\r\n250 ok\r\n")
    assert [answer.lines for answer in replies] == [("ok",), ("first", "ok")]


def test_a_reader_is_empty_only_when_nothing_of_the_peer_is_left() -> None:
    reader = ReplyReader()
    assert reader.is_empty
    for part in (b"2", b"50-a\r\n", b"250 b\r\n"):
        reader.feed(part, 1)
        assert not reader.is_empty
    reader.take()
    assert reader.is_empty


LINES = st.lists(
    st.sampled_from(
        [
            b"250 ok\r\n",
            b"250 2.1.0 ok\r\n",
            b"250-a\r\n",
            b"250 z\r\n",
            b"550 5.1.1 no\r\n",
            b"421\r\n",
            b"354 go\r\n",
            b"250 no end\n",
            b"rubbish",
            b"\r",
            b"\r\n",
            b"250-" + b"x" * 1_500 + b"\r\n",
            b"y" * 2_500,
        ]
    ),
    max_size=12,
)


@given(lines=LINES, cuts=st.lists(st.integers(0, 12_000), max_size=20), wanted=st.integers(0, 6))
def test_any_cut_of_the_same_octets_gives_the_same_replies(
    lines: list[bytes], cuts: list[int], wanted: int
) -> None:
    data = b"".join(lines)
    assert read(data, cuts=cuts, wanted=wanted) == read(data, wanted=wanted)


@given(st.binary(max_size=300))
def test_no_octets_whatever_raise_anything_but_a_fault(data: bytes) -> None:
    whole = read(data)
    assert read(data, cuts=list(range(len(data)))) == whole


@pytest.mark.long
def test_the_work_grows_with_the_octets_and_no_faster() -> None:
    def seconds(count: int) -> float:
        reader = ReplyReader(ReplyLimits(line=10**9, total=10**9))
        begin = time.perf_counter()
        for _ in range(count):
            reader.feed(b"2", 1)
        return time.perf_counter() - begin

    small = min(seconds(20_000) for _ in range(3))
    large = min(seconds(80_000) for _ in range(3))
    assert large < 12 * small
