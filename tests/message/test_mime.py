"""The structure of a message is found while it streams past, the same for every cut."""

from __future__ import annotations

import email
from email.message import Message
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.core.errors import PermanentFailure
from sams.message import mime
from sams.message.content_type import ContentType
from sams.message.header import HeaderReader, read_header
from sams.message.mime import MimeLimits, Part, Structure, StructureScanner

MIXED = read_header(b"Content-Type: multipart/mixed; boundary=o\r\n")
TEXT = read_header(b"Subject: x\r\n")


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def scan(message: bytes, cuts: list[int] | None = None, limits: MimeLimits | None = None) -> Structure:
    reader = HeaderReader()
    body = reader.feed(message)
    assert body is not None
    scanner = StructureScanner(reader.header, limits or MimeLimits(), look_for_bare_newlines=True)
    for start, end in pairwise([0, *sorted(cuts or []), len(body)]):
        scanner.feed(body[start:end])
    return scanner.finish()


def outline(structure: Structure) -> list[tuple[int, str]]:
    return [(part.depth, part.content_type.name) for part in structure.parts]


NESTED = crlf("""Content-Type: multipart/mixed; boundary="o"

préamble
--o
Content-Type: multipart/alternative; boundary=i

--i
Content-Type: text/plain

hello
--ix
--i \t
Content-Transfer-Encoding: base64

aGVsbG8=
--i--
--i
epilogue
--o
Content-Type: message/rfc822

Subject: x
Content-Type: multipart/signed; boundary=i

--i
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

hé
--i--
--o
--o
no header
--o
Subject: no body
--o--
--o
tail
""")


def contents(message: bytes) -> list[bytes]:
    body = message.partition(b"\r\n\r\n")[2]
    return [body[part.body_start : part.body_end] for part in scan(message).parts if not part.is_container]


def test_nested_multiparts_and_messages_are_found() -> None:
    structure = scan(NESTED)
    assert outline(structure) == [
        (0, "multipart/mixed"),
        (1, "multipart/alternative"),
        (2, "text/plain"),
        (2, "text/plain"),
        (1, "message/rfc822"),
        (2, "multipart/signed"),
        (3, "text/plain"),
        (1, "text/plain"),
        (1, "text/plain"),
        (1, "text/plain"),
    ]
    assert contents(NESTED) == [b"hello\r\n--ix", b"aGVsbG8=", "hé".encode(), b"", b"no header", b""]
    assert [part.encoding for part in structure.parts][3] == "base64"
    assert [part.is_sealed for part in structure.parts] == [False] * 5 + [True, True] + [False] * 3
    assert [part.has_8bit for part in structure.parts] == [True] + [False] * 5 + [True] + [False] * 3
    assert [part.has_empty_line for part in structure.parts][-3:] == [False, False, False]
    assert structure.is_sealed
    assert structure.has_8bit_body
    assert not structure.has_8bit_part_header


def test_any_single_cut_and_single_octets_give_the_same() -> None:
    whole = scan(NESTED)
    size = len(NESTED.partition(b"\r\n\r\n")[2])
    assert all(scan(NESTED, [cut]) == whole for cut in range(size))
    assert scan(NESTED, list(range(size))) == whole


BITS = st.sampled_from(
    [
        b"\r\n",
        b"\r",
        b"\n",
        b"--",
        b"-",
        b"o",
        b"--o",
        b"\r\n--o\r\n",
        b"\r\n--o--",
        b"\r\n--i",
        b"\r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=i\r\n\r\n",
        b"Content-Type: message/rfc822\r\n\r\n",
        b"Content-Type: multipart/digest; boundary=i\r\n",
        b"From x\r\n",
        b"A: b\r\n",
        b"\0",
        b"\xe9",
        b" ",
        b"x" * 700,
        b" " * 1001,
    ]
)


@given(st.lists(BITS, max_size=40).map(b"".join), st.data())
def test_any_cuts_of_any_octets_give_the_same(body: bytes, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=8))
    head = b"Content-Type: multipart/mixed; boundary=o\r\n\r\n"
    assert scan(head + body, cuts) == scan(head + body)


@given(st.lists(BITS, max_size=40).map(b"".join))
def test_parts_lie_within_their_containers_and_in_order(body: bytes) -> None:
    parts = scan(b"Content-Type: multipart/mixed; boundary=o\r\n\r\n" + body).parts
    for part in parts:
        assert part.header_start <= part.header_end <= part.body_start <= part.body_end <= len(body)
        if part.parent is not None:
            container = parts[part.parent]
            assert container.body_start <= part.header_start
            assert part.body_end <= container.body_end
    assert [part.header_start for part in parts] == sorted(part.header_start for part in parts)


LEAVES = st.sampled_from(["text/plain", "text/html", "image/png"]).map(lambda kind: ("leaf", kind))
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map(lambda parts: ("multi", parts)),
        inner.map(lambda part: ("message", part)),
    ),
    max_leaves=12,
)


def built(tree: object, number: list[int]) -> str:
    match tree:
        case ("leaf", kind):
            return f"Content-Type: {kind}\n\n--{kind}--\n- text\n"
        case ("message", part):
            return f"Content-Type: message/rfc822\n\nSubject: x\n{built(part, number)}"
        case ("multi", list(parts)):
            number[0] += 1
            boundary = f"b{number[0]}"
            inner = "".join(f"\n--{boundary}\n{built(part, number)}" for part in parts)
            return (
                f'Content-Type: multipart/mixed; boundary="{boundary}"\n\npreamble\n{inner}\n--{boundary}--\n'
            )
    raise AssertionError(tree)


def as_email_sees(message: Message, depth: int = 0) -> list[tuple[int, str]]:
    found = [(depth, message.get_content_type())]
    if message.is_multipart():
        for part in message.get_payload():
            assert isinstance(part, Message)
            found += as_email_sees(part, depth + 1)
    return found


@given(TREES)
def test_the_outline_is_the_one_that_the_email_package_sees(tree: object) -> None:
    message = crlf(built(tree, [0]))
    assert outline(scan(message)) == as_email_sees(email.message_from_bytes(message))


@pytest.mark.parametrize(
    ("lines", "longest"),
    [
        ([998], 0),
        ([999], 999),
        ([10, 998, 10], 0),
        ([10, 1500, 10, 1200], 1500),
        ([1, 5000, 6000, 998], 6000),
        ([998] * 5, 0),
    ],
)
def test_lines_above_the_limit_are_measured_at_any_cut(lines: list[int], longest: int) -> None:
    body = b"".join(b"x" * length + b"\r\n" for length in lines)
    for message in (b"S: x\r\n\r\n" + body, b"Content-Type: multipart/x; boundary=o\r\n\r\n" + body):
        for cut in (0, 1, 500, 998, 999, 1000, 1001, 1002, len(body) - 1):
            assert scan(message, [min(cut, len(body))]).longest_line == longest
        assert scan(message, list(range(len(body)))).longest_line == longest


@pytest.mark.parametrize(
    ("body", "is_binary"),
    [
        (b"a\r\nb\r\n", False),
        (b"a\nb", True),
        (b"a\rb", True),
        (b"a\r", True),
        (b"\n", True),
        (b"a\0b", True),
        (b"\r\r\n", True),
        (b"\r\n\n", True),
    ],
)
def test_what_only_binarymime_carries_is_told_at_any_cut(body: bytes, is_binary: bool) -> None:
    for cut in range(len(body) + 1):
        assert scan(b"S: x\r\n\r\n" + body, [cut]).is_binary is is_binary


@pytest.mark.parametrize(
    ("header", "is_binary"),
    [
        (b"X: a\r\n\r\n", False),
        (b"X: a\rb\r\n\r\n", True),
        (b"X: a\r.\rMAIL FROM:<>\r\n\r\n", True),
        (b"X: a\nY: b\r\n\r\n", True),
        (b"X: a\0b\r\n\r\n", True),
        (b"From me@x \rb\r\nX: a\r\n\r\n", True),
        (b"X: a\r", True),
    ],
)
def test_what_only_binarymime_carries_is_told_of_the_header_of_a_part_too(
    header: bytes, is_binary: bool
) -> None:
    message = b"Content-Type: message/rfc822\r\n\r\n" + header
    for cut in range(len(header) + 1):
        assert scan(message, [cut]).is_binary is is_binary
        assert scan(message, [cut]).has_binary_part_header is is_binary


ENCODED_BOUNDARY = b"multipart/mixed; boundary*=utf-8''x%0A.%0AMAIL%20FROM:<>"


def test_no_boundary_hides_from_the_measures_what_only_binarymime_carries() -> None:
    """Boundary lines are passed on as they are: an encoded boundary brought bare LFs to a hop without BINARYMIME."""
    body = b"--x\n.\nMAIL FROM:<>\r\n\r\nhello\r\n"
    for cut in range(len(body) + 1):
        assert scan(b"Content-Type: " + ENCODED_BOUNDARY + b"\r\n\r\n" + body, [cut]).is_binary


@pytest.mark.parametrize(
    ("boundary", "fact"),
    [
        (b"a\nb", "has_bare_newline"),
        (b"a\rb", "has_bare_newline"),
        (b"a\0b", "has_nul"),
        (b"\xe9", "has_8bit"),
    ],
)
def test_boundary_lines_are_measured_whatever_may_be_a_boundary(
    boundary: bytes, fact: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = ContentType("multipart", "mixed", boundary)
    monkeypatch.setattr(mime, "parse_content_type", lambda value, default: kind if value else default)
    body = b"--" + boundary + b"\r\n\r\ntext\r\n"
    for cut in range(len(body) + 1):
        whole, part = scan(b"Content-Type: x\r\n\r\n" + body, [cut]).parts
        assert getattr(whole, fact)
        assert not getattr(part, fact)


@pytest.mark.parametrize(("spaces", "longest"), [(995, 0), (996, 999), (997, 1_000)])
def test_a_boundary_line_may_be_too_long(spaces: int, longest: int) -> None:
    body = b"--o" + b" " * spaces + b"\r\n\r\ntext\r\n--o--\r\n"
    found = scan(b"Content-Type: multipart/mixed; boundary=o\r\n\r\n" + body)
    assert (len(found.parts), found.longest_line) == (2, longest)


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5])
def test_where_the_last_header_ends_nothing_is_held_back_for_ever(step: int) -> None:
    body = b"no field\r\n\r\n-\r\n"
    structure = scan(b"Content-Type: message/rfc822\r\n\r\n" + body, list(range(0, len(body), step)))
    assert [part.body_end for part in structure.parts] == [len(body)] * 2


def test_text_without_parts_is_measured_as_a_whole() -> None:
    structure = scan("S: x\r\n\r\nhé\r\n--o\r\n".encode())
    assert structure.parts == (Part(None, 0, 0, body_end=10, has_8bit=True),)


def test_a_multipart_without_boundary_has_no_parts() -> None:
    assert outline(scan(b"Content-Type: multipart/mixed\r\n\r\n--\r\n")) == [(0, "multipart/mixed")]


def test_parts_of_a_digest_are_messages_by_default() -> None:
    message = crlf("Content-Type: multipart/digest; boundary=o\n\n--o\n\nSubject: x\n\ntext\n--o--\n")
    assert outline(scan(message)) == [(0, "multipart/digest"), (1, "message/rfc822"), (2, "text/plain")]


def test_an_encoded_embedded_message_is_not_looked_into() -> None:
    head = "Content-Type: message/global\nContent-Transfer-Encoding: base64\n\n"
    assert outline(scan(crlf(head + "U3ViamVjdDogeAoKeA==\n"))) == [(0, "message/global")]


def test_the_line_of_a_mailbox_file_in_an_embedded_message_moves_its_header() -> None:
    message = crlf("Content-Type: message/rfc822\n\nFrom me Mon\nContent-Transfer-Encoding: 8bit\n\nx")
    inner = scan(message).parts[1]
    body = message.partition(b"\r\n\r\n")[2]
    assert inner.encoding_field is not None
    start, end = inner.encoding_field
    assert body[start:end] == b"Content-Transfer-Encoding: 8bit\r\n"


def nested(depth: int) -> bytes:
    return b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level)
        for level in range(depth)
    )


def test_fifty_levels_are_taken_and_one_more_is_refused() -> None:
    assert len(scan(nested(50)).parts) == 51
    with pytest.raises(PermanentFailure, match=r"554 5\.6\.0 MIME parts are nested more than 50 deep"):
        scan(nested(51))


def test_parts_behind_a_boundary_of_rfc_2231_count_too() -> None:
    head = b'Content-Type: multipart/mixed; boundary*0="a"; boundary*1*=%62\r\n\r\n'
    assert len(scan(head + b"--ab\r\n\r\nx\r\n" * 3 + b"--ab--\r\n").parts) == 4
    with pytest.raises(PermanentFailure, match="1000 MIME parts"):
        scan(head + b"--ab\r\n\r\n\r\n" * 1_001)


def test_a_boundary_among_many_lines_that_are_none_is_found_wherever_it_stands() -> None:
    for before in range(0, 400, 7):
        body = b"--o\r\n\r\n" + b"--ox\r\n" * before + b"--o \r\nX: y\r\n" + b"--a: b\r\n" * before
        found = scan(b"Content-Type: multipart/mixed; boundary=o\r\n\r\n" + body + b"--o--\r\n--o\r\n")
        assert [part.depth for part in found.parts] == [0, 1, 1]
        assert found.parts[1].body_end - found.parts[1].body_start == max(0, 6 * before - 2)


def test_a_thousand_parts_are_taken_and_one_more_is_refused() -> None:
    head = b"Content-Type: multipart/mixed; boundary=o\r\n\r\n"
    assert len(scan(head + b"--o\r\n" * 1000).parts) == 1001
    with pytest.raises(PermanentFailure, match=r"554 5\.6\.0 more than 1000 MIME parts"):
        scan(head + b"--o\r\n" * 1001)


def test_an_endless_header_of_a_part_is_refused() -> None:
    scanner = StructureScanner(MIXED)
    scanner.feed(b"--o\r\n")
    field = b"X: " + b"x" * 1019 + b"\r\n"
    for _ in range(256):
        scanner.feed(field)
    with pytest.raises(PermanentFailure, match=r"552 5\.3\.4"):
        scanner.feed(field * 2)


def test_what_is_held_back_stays_small() -> None:
    scanner = StructureScanner(MIXED)
    for _ in range(100):
        scanner.feed(b"\r\n--" + b"o" * 5_000)
        assert len(scanner._held) < 1_010
    plain = StructureScanner(TEXT)
    plain.feed(b"\r\n--o")
    assert plain.finish().parts[0].body_end == 5
