from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.core.reply import EnhancedStatus, Reply, reply
from sams.protocol.smtp.reply_lines import encode


@pytest.mark.parametrize(
    ("given_reply", "expected"),
    [
        (reply(250, "2.0.0", "Ok"), b"250 2.0.0 Ok\r\n"),
        (reply(354, None, "Go"), b"354 Go\r\n"),
        (reply(250, None, "a", "b", "c"), b"250-a\r\n250-b\r\n250 c\r\n"),
        (reply(550, "5.7.1", "a", "b"), b"550-5.7.1 a\r\n550 5.7.1 b\r\n"),
        (reply(550, "5.7.1", "a").with_reference("K7Q2-4F"), b"550 5.7.1 a (ref K7Q2-4F)\r\n"),
        (reply(550, "5.7.1", "a", "b").with_reference("R"), b"550-5.7.1 a\r\n550 5.7.1 b (ref R)\r\n"),
        (reply(550, "5.7.1", "a\r\n250 ok\0ü"), b"550 5.7.1 a\\x0d\\x0a250 ok\\x00\\xfc\r\n"),
        (reply(250, "2.0.0", ""), b"250 2.0.0 \r\n"),
    ],
)
def test_a_reply_goes_out_line_by_line_with_its_status_on_each(given_reply: Reply, expected: bytes) -> None:
    assert encode(given_reply) == expected


@given(
    st.integers(200, 599),
    st.lists(st.text(max_size=2_000), min_size=1, max_size=4),
    st.none()
    | st.builds(EnhancedStatus, st.sampled_from([2, 4, 5]), st.integers(0, 999), st.integers(0, 999)),
    st.none() | st.just("K7Q2-4F"),
)
def test_whatever_the_text_each_line_is_short_printable_and_of_one_reply(
    code: int, lines: list[str], status: EnhancedStatus | None, reference: str | None
) -> None:
    octets = encode(Reply(code, tuple(lines), status, reference))
    *told, rest = octets.split(b"\r\n")
    assert rest == b""
    assert all(len(line) <= 510 for line in told)
    assert all(line.isascii() and line.decode().isprintable() for line in told)
    assert [line[:4] for line in told] == [b"%d-" % code] * (len(told) - 1) + [b"%d " % code]
    assert told[-1].endswith(b" (ref K7Q2-4F)") or reference is None
