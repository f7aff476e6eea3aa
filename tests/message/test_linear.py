"""Cost grows with the input and no faster (docs/security.md rule 11)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from sams.core.errors import PermanentFailure
from sams.message.addresses import (
    AddressListError,
    foreign_address_in_display_name,
    parse_address_list,
    plain_address,
)
from sams.message.content_type import parse_content_type
from sams.message.encoding import Carries, Planner
from sams.message.header import HeaderLimits, HeaderReader, read_header
from sams.message.mime import MimeLimits, StructureScanner
from sams.message.scanning import CompositeScanner
from sams.message.transfer import Repaired
from tests.message.costs import LINEAR, cost, growth

HUGE = HeaderLimits(octets=1 << 30, fields=1 << 30, received=1 << 30)


def addresses(value: bytes) -> object:
    with suppress(AddressListError):
        return parse_address_list(value, 1_000_000)
    return None


def header(value: bytes) -> object:
    return read_header(value, HUGE)


def read_header_of_many(value: bytes) -> None:
    with suppress(PermanentFailure):
        read_header(value)


def header_in_small_pieces(value: bytes) -> None:
    reader = HeaderReader(HUGE)
    for at in range(0, len(value), 7):
        if reader.feed(value[at : at + 7]) is not None:
            return


NESTED = b"".join(
    [b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (one, one + 1) for one in range(48)]
)
"""The most that may be open at once but one: each line is compared with the boundaries of all."""


INNER = b"Content-Type: multipart/mixed; boundary=i\r\n\r\n\xe9\r\n--i\r\n\r\n\r\n--i--\r\n--o\r\n"


def scan(value: bytes) -> None:
    scanner = StructureScanner(read_header(b"Content-Type: multipart/mixed; boundary=b\r\n"))
    with suppress(PermanentFailure):
        for at in range(0, len(value), 4096):
            scanner.feed(value[at : at + 4096])
        scanner.finish()


def scan_nested(value: bytes) -> None:
    scanner = StructureScanner(read_header(b"Content-Type: multipart/mixed; boundary=b0\r\n"))
    scanner.feed(NESTED)
    for at in range(0, len(value), 131_072):
        scanner.feed(value[at : at + 131_072])
    scanner.finish()


def scan_small(value: bytes) -> None:
    scanner = CompositeScanner(read_header(b"Content-Type: multipart/mixed; boundary=b\r\n"), MimeLimits())
    with suppress(PermanentFailure):
        for at in range(0, len(value), 16):
            scanner.feed(value[at : at + 16])
        scanner.finish()


def display(value: bytes) -> object:
    return foreign_address_in_display_name(value.decode())


CASES: dict[str, tuple[Callable[[bytes], object], Callable[[int], bytes], int]] = {
    "100,000 fields": (header, lambda n: b"X-A: b\r\n" * n + b"\r\n", 12_500),
    "fields in small pieces": (header_in_small_pieces, lambda n: b"X-A: b\r\n" * n, 4_000),
    "one field of many folds": (header_in_small_pieces, lambda n: b"X: a\r\n" + b" b\r\n" * n, 4_000),
    "text without colon": (header, lambda n: b"x" * n, 50_000),
    "50,000 addresses": (addresses, lambda n: b", ".join([b"a@b.cd"] * n), 6_250),
    "60,000 commas": (addresses, lambda n: b"a@b.cd" + b"," * n, 7_500),
    "words without end": (addresses, lambda n: b"a " * n, 5_000),
    "comments": (addresses, lambda n: b"(" * n + b")" * n + b"a@b.cd", 5_000),
    "open quotes": (addresses, lambda n: b'"' + b'\\"' * n, 10_000),
    "open brackets": (addresses, lambda n: b"[" * n, 10_000),
    "dots": (addresses, lambda n: b"a" + b"." * n, 10_000),
    "groups": (addresses, lambda n: b"a:;," * n, 5_000),
    "a plain name": (plain_address, lambda n: b'"' + b"a " * n, 20_000),
    "plain words": (plain_address, lambda n: b"a. " * n, 20_000),
    "gaps": (plain_address, lambda n: b" \r\n" * n, 20_000),
    "labels": (plain_address, lambda n: b"a@" + b"a-." * n + b"a." * n, 20_000),
    "many labels": (plain_address, lambda n: b"a@" + b"a." * n, 20_000),
    "at signs in a name": (display, lambda n: b"a@b.cd " * n, 5_000),
    "encoded words": (display, lambda n: b"=?utf-8?q?a?= " * n, 2_500),
    "begun encoded words": (display, lambda n: b"=?" * n, 5_000),
    "begun languages": (display, lambda n: b"=?a*" * n, 5_000),
    "20,000 parameters": (parse_content_type, lambda n: b"multipart/mixed" + b"; a=b" * n, 2_500),
    "20,000 boundaries": (parse_content_type, lambda n: b"multipart/mixed" + b"; boundary" * n, 5_000),
    "20,000 sections": (parse_content_type, lambda n: b"multipart/mixed" + b"; boundary*0=a" * n, 5_000),
    "semicolons": (parse_content_type, lambda n: b"multipart/mixed" + b";" * n, 10_000),
    "open quoted parameters": (parse_content_type, lambda n: b"multipart/mixed; a=" + b'\\"' * n, 5_000),
    "hyphens": (scan, lambda n: b"\r\n--" * n, 10_000),
    "boundaries almost met": (scan, lambda n: b"\r\n--bb" * n, 5_000),
    "small pieces that are taken apart late": (scan_small, lambda n: b"\r\n--c" + b" " * n, 30_000),
    "boundaries almost met in 48 parts": (scan_nested, lambda n: b"\r\n--b48x" * n, 20_000),
    "boundaries met among others": (scan, lambda n: (b"\r\n--bb" * 40 + b"\r\n--b\r\n") * n, 100),
    "fields like boundaries": (scan, lambda n: b"--b" + b"\r\n--b: c" * n, 100),
    "boundaries with spaces": (scan, lambda n: b"\r\n--b" + b" " * n, 50_000),
}


@pytest.mark.parametrize("name", CASES)
def test_eight_times_the_input_costs_about_eight_times(name: str) -> None:
    assert growth(*CASES[name]) < LINEAR


def planning(multiparts: int) -> float:
    """CPU seconds to plan a body that was scanned."""
    planner = Planner(
        b"Content-Type: multipart/mixed; boundary=o\r\n", Carries(eight_bit=False, binary=False)
    )
    planner.feed(b"\xe9\r\n--o\r\n" + INNER * multiparts)
    return cost(lambda _: planner.finish(), b"")


def test_each_of_many_multiparts_is_planned_by_looking_at_its_own_parts() -> None:
    assert min(planning(1_600) for _ in range(2)) < LINEAR * min(planning(200) for _ in range(3))


def repair(value: bytes) -> None:
    repaired = Repaired()
    repaired.feed(value)
    repaired.finish()


def test_octets_that_have_to_be_repaired_cost_little_more_than_those_that_are_left() -> None:
    """Sixty-four kilobytes of them took 40 ms from all others."""
    text = b"a" * 60_000 + b"\r\n"
    least = min(cost(repair, text) for _ in range(3))
    assert min(cost(repair, text.replace(b"a", b"\xe9")) for _ in range(3)) < 4 * least


def lines(value: bytes) -> int:
    """What it costs to look at each line once."""
    return len(value.split(b"\r\n"))


@pytest.mark.parametrize(
    ("work", "value", "most"),
    [
        pytest.param(scan_nested, b"\r\n--b48x" * 200_000, 15, id="nearly a boundary"),
        pytest.param(scan_nested, b"\r\n--b48 x" * 200_000, 15, id="a boundary and more"),
        pytest.param(scan_nested, b"\r\n--" * 400_000, 4, id="hyphens"),
        pytest.param(read_header_of_many, b"X-A:\r\n" * 30_000 + b"\r\n", 10, id="fields"),
    ],
)
def test_no_line_costs_many_times_what_it_takes_to_look_at_it(
    work: Callable[[bytes], object], value: bytes, most: int
) -> None:
    """A member's 25 MB of lines that are nearly boundaries took six seconds from all others."""
    assert min(cost(work, value) for _ in range(3)) < most * min(cost(lines, value) for _ in range(3))
