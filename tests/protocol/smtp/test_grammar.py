from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.core.errors import PeerFault
from sams.protocol.smtp.grammar import (
    MAIL_PATH,
    PLAIN_COMMAND,
    RCPT_PATH,
    decode_base64,
    decode_initial,
    parse_auth,
    parse_bdat,
    split_command,
    split_path,
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"NOOP", (b"NOOP", b"")),
        (b"noop  ", (b"NOOP", b"")),
        (b"Mail FROM:<a@b> SIZE=1 \t", (b"MAIL", b"FROM:<a@b> SIZE=1")),
        (b"", (b"", b"")),
        (b" NOOP", (b"", b"NOOP")),
        (b"NOOP\tx", (b"NOOP\tX", b"")),
    ],
)
def test_a_line_is_a_word_and_the_rest_without_the_space_at_its_end(
    line: bytes, expected: tuple[bytes, bytes]
) -> None:
    assert split_command(line) == expected


@given(st.lists(st.sampled_from([b"MAIL", b"noop", b"X", b" ", b"\t", b":", b"1", b"\xff"]), max_size=6))
def test_what_is_a_plain_command_is_split_as_any_other(words: list[bytes]) -> None:
    line = b"".join(words)
    plain = PLAIN_COMMAND.fullmatch(line + b"\r\n")
    if plain is not None:
        assert (plain[1], (plain[2] or b"").strip(b" \t")) == split_command(line)


@pytest.mark.parametrize(
    "line", [b"", b"NOOP", b"NOOP\r", b"NOOP\n", b"MAIL a\rb\r\n", b"MAIL a\nb\r\n", b"A \0\r\n"]
)
def test_no_line_with_a_flaw_is_a_plain_command(line: bytes) -> None:
    assert PLAIN_COMMAND.match(line) is None


@pytest.mark.parametrize(
    ("argument", "path", "rest"),
    [
        (b"FROM:<>", "", b""),
        (b"from:<a@b>", "a@b", b""),
        (b"FROM: <a@b>", "a@b", b""),
        (b"FROM:<a@b> \xff", "a@b", b"\xff"),
        (b"FROM:<a@b> SIZE=1  BODY=7BIT", "a@b", b"SIZE=1  BODY=7BIT"),
        (b'FROM:<"a>b"@c>', '"a>b"@c', b""),
        (rb'FROM:<"a\">b"@c> RET=FULL', r'"a\">b"@c', b"RET=FULL"),
        (b"FROM:<@x.example:a@b>", "a@b", b""),
        (b"FROM:<@x.example,@[192.0.2.1],@[IPv6:2001:db8::1]:a@b>", "a@b", b""),
        (b"FROM:<@xn--bcher-kva.example:a@b>", "a@b", b""),
        (b"FROM:<" + b"@x," * 83 + b"@abcde:a@b>", "a@b", b""),
        ("FROM:<jürgen@bücher.example>".encode(), "jürgen@bücher.example", b""),
    ],
)
def test_a_path_stands_between_brackets(argument: bytes, path: str, rest: bytes) -> None:
    assert split_path(argument, MAIL_PATH) == (path, rest)


@pytest.mark.parametrize(
    ("argument", "status"),
    [
        (b"", "5.5.4"),
        (b"<a@b>", "5.5.4"),
        (b"FROM:", "5.5.4"),
        (b"FROM:a@b", "5.5.4"),
        (b"FROM:<a@b", "5.5.4"),
        (b"FROM:<a@b>x", "5.5.4"),
        (b"FROM:<<a@b>>", "5.5.4"),
        (b'FROM:<"a@b>', "5.5.4"),
        (b"FROM :<a@b>", "5.5.4"),
        (b"FROM:<\xffa@b>", "5.1.7"),
        (b"FROM:<@x.example>", "5.1.7"),
        (b"FROM:<@x..example:a@b>", "5.1.7"),
        (b"FROM:<@x.example,y.example:a@b>", "5.1.7"),
        (b"FROM:<@x.example,:a@b>", "5.1.7"),
        (b"FROM:<@-x.example:a@b>", "5.1.7"),
        (b"FROM:<@x-.example:a@b>", "5.1.7"),
        (b"FROM:<@[]:a@b>", "5.1.7"),
        (b"FROM:<@x.example a@b>", "5.1.7"),
        ("FROM:<@bücher.example:a@b>".encode(), "5.1.7"),
        (b"FROM:<" + b"@x," * 83 + b"@abcdef:a@b>", "5.1.7"),
    ],
)
def test_what_is_no_path_is_refused_with_what_is_allowed(argument: bytes, status: str) -> None:
    with pytest.raises(PeerFault) as refused:
        split_path(argument, MAIL_PATH)
    assert refused.value.reply.code == 501
    assert str(refused.value.reply.status) == status


ROUTES = st.lists(st.sampled_from(["@", "a", "1", "-", ".", ",", ":", "[", "]", "@x", ",@"]), max_size=14)


def is_at_domain(text: str) -> bool:
    """Read label by label."""
    if text.startswith("["):
        return text.endswith("]") and len(text) > 2 and re.fullmatch("[a-z0-9.:]+", text[1:-1]) is not None
    labels = text.split(".")
    return all(re.fullmatch("[a-z0-9-]+", label) and "-" not in (label[0], label[-1]) for label in labels)


@given(ROUTES.map("".join))
def test_a_source_route_is_what_its_grammar_says(route: str) -> None:
    ends = [place for place, mark in enumerate(route) if mark == ":"]
    sound = [end for end in ends if all(is_at_domain(hop) for hop in route[:end].split(",@"))]
    try:
        path: str | None = split_path(f"FROM:<@{route}>".encode(), MAIL_PATH)[0]
    except PeerFault:
        path = None
    assert path == (route[sound[0] + 1 :] if sound else None)


def test_each_command_has_the_word_of_its_own() -> None:
    with pytest.raises(PeerFault, match="RCPT TO:"):
        split_path(b"FROM:<a@b>", RCPT_PATH)


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        (b"0", (0, False)),
        (b"10", (10, False)),
        (b"10 LAST", (10, True)),
        (b"10  last", (10, True)),
        (b"99999999999999999999 Last", (99999999999999999999, True)),
    ],
)
def test_a_chunk_has_a_size_and_may_be_the_last(argument: bytes, expected: tuple[int, bool]) -> None:
    assert parse_bdat(argument) == expected


@pytest.mark.parametrize(
    "argument",
    [b"", b"LAST", b"-1", b"+1", b"1 LASTLY", b"1LAST", b"0x10", b"1.0", b"1 LAST 2", 21 * b"1", b"\xb2"],
)
def test_a_chunk_without_a_readable_size_is_refused(argument: bytes) -> None:
    with pytest.raises(PeerFault):
        parse_bdat(argument)


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        (b"PLAIN", ("PLAIN", None)),
        (b"plain dGVzdA==", ("PLAIN", b"dGVzdA==")),
        (b"SCRAM-SHA-256-PLUS =", ("SCRAM-SHA-256-PLUS", b"=")),
    ],
)
def test_auth_names_a_mechanism_and_may_bring_a_response(
    argument: bytes, expected: tuple[str, bytes | None]
) -> None:
    assert parse_auth(argument) == expected


@pytest.mark.parametrize("argument", [b"", b"PLAIN a b", b"PL/AIN", 21 * b"A", b"\xc3\xa4"])
def test_auth_of_another_form_is_refused(argument: bytes) -> None:
    with pytest.raises(PeerFault):
        parse_auth(argument)


def test_an_initial_response_may_be_absent_empty_or_base64() -> None:
    assert decode_initial(None) is None
    assert decode_initial(b"=") == b""
    assert decode_initial(b"dGVzdA==") == b"test"


@pytest.mark.parametrize(
    "data",
    [b"=", b"a", b"ab", b"abc", b"ab=c", b"abcd=", b"abcd====", b"ab c", b"ab\xffd", b"ab-_", b"YQ==YQ=="],
)
def test_base64_is_read_strictly(data: bytes) -> None:
    with pytest.raises(PeerFault) as refused:
        decode_base64(data)
    assert str(refused.value.reply) == "501 5.5.2 The response is not base64"


@pytest.mark.long
@pytest.mark.parametrize("unit", [b"<", b'"', b'"\\', b"a", b"@a,", b'""', b"\\", b" "])
def test_long_nonsense_is_refused_in_linear_time(unit: bytes) -> None:
    def seconds(count: int) -> float:
        start = time.process_time()
        with pytest.raises(PeerFault):
            split_path(b"FROM:<@" + count * unit, MAIL_PATH)
        return time.process_time() - start

    seconds(100)
    assert min(seconds(20_000) for _ in range(3)) < 100 * (min(seconds(2_000) for _ in range(3)) + 0.001)
