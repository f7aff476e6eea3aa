from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.config.kinds import Choice, File, Flag, Kind, Many, Name, Text, Unfit, Whole, found
from sams.config.places import (
    Address,
    Domain,
    DomainPattern,
    HostPort,
    MailAddress,
    Network,
    NextHop,
    Url,
)
from sams.config.quantities import Duration, Size, read_duration, read_size, show_duration, show_size

BASE = Path("/etc/sams")

ACCEPTED: list[tuple[Kind, object, object]] = [
    (Text(), "ein Wört", "ein Wört"),
    (Name(), "hub.example:25", "hub.example:25"),
    (Name(), "@mail-admin", "@mail-admin"),
    (Choice(("a", "b")), "b", "b"),
    (Flag(), False, False),
    (Whole(1, 5), 5, 5),
    (File(), "key.pem", Path("/etc/sams/key.pem")),
    (File(), "/run/key.pem", Path("/run/key.pem")),
    (Many(Whole(1, 5)), [1, 5], (1, 5)),
    (Many(Whole(1, 5), or_one=True), 3, (3,)),
    (Domain(), "Example.AC.UK", "example.ac.uk"),
    (Domain(), "bücher.example", "xn--bcher-kva.example"),
    (DomainPattern(), "*", "*"),
    (DomainPattern(), "*.Example.org", "*.example.org"),
    (Address(), "2001:DB8:0::1", "2001:db8::1"),
    (Network(), "192.0.2.7", "192.0.2.7/32"),
    (Network(), "2001:db8::/32", "2001:db8::/32"),
    (NextHop(), "Hub.example:25", HostPort("hub.example", 25)),
    (NextHop(), "[2001:db8::1]:587", HostPort("2001:db8::1", 587)),
    (NextHop(), "127.0.0.1:2525", HostPort("127.0.0.1", 2525)),
    (MailAddress(), "postmaster@example.org", "postmaster@example.org"),
    (Url(), "https://alerts.example/x?y=1", "https://alerts.example/x?y=1"),
    (Duration(0, 9e9), "250 ms", 0.25),
    (Duration(0, 9e9), "90 s", 90.0),
    (Duration(0, 9e9), "1 h 30 min", 5_400.0),
    (Duration(0, 9e9), "1.5h", 5_400.0),
    (Duration(0, 9e9), "5 days", 432_000.0),
    (Size(0, 2**40), "50 MiB", 50 * 2**20),
    (Size(0, 2**40), "1 kB", 1_000),
    (Size(0, 2**40), 2048, 2048),
]

REFUSED: list[tuple[Kind, object, str]] = [
    (Text(), "", "empty"),
    (Text(), 3, "instead of a text"),
    (Text(), "a\nb", "control"),
    (Text(longest=3), "abcd", "longer than 3 characters"),
    (Name(), "two words", "character"),
    (Choice(("a",)), "c", "none of the words"),
    (Choice(("a",)), ["a"], "none of the words"),
    (Flag(), 1, "instead of true or false"),
    (Whole(1, 5), 0, "out of range"),
    (Whole(1, 5), True, "true or false instead of a whole number"),
    (Whole(1, 5), "3", "a text instead"),
    (Whole(1, 5), 2.0, "a number instead"),
    (Many(Whole(1, 5)), 3, "instead of a list"),
    (Many(Whole(1, 5), least=1), [], "empty"),
    (Many(Whole(1, 5), most=2), [1, 1, 1], "more than 2"),
    (Many(Whole(1, 5)), [1, 9], "number 2 of the list, 9: it is out of range"),
    (Domain(), "exam ple.org", "character"),
    (Domain(), "[192.0.2.1]", "not a domain name"),
    (DomainPattern(), "*example.org", "character"),
    (Address(), "localhost", "no IP address"),
    (Network(), "192.0.2.1/24", 'write "192.0.2.0/24"'),
    (Network(), "::ffff:192.0.2.1", "never ::ffff:"),
    (Network(), "::ffff:192.0.2.0/120", "never ::ffff:"),
    (NextHop(), "hub.example", "port"),
    (NextHop(), "hub.example:0", "port"),
    (NextHop(), "hub.example:65536", "port"),
    (NextHop(), "2001:db8::1:25", "brackets"),
    (MailAddress(), "postmaster", "name@domain"),
    (Url(), "ftp://x.example/", "https://"),
    (Url(), "https://me:secret@x.example/", "no place for a secret"),
    (Url(), "https://[::1/", "no web address"),
    (Duration(0, 10), 5, 'the unit is missing: "5 s"'),
    (Duration(0, 10), "5", "ms, s, min"),
    (Duration(0, 10), "", "ms, s, min"),
    (Duration(0, 10), "5 parsecs", "ms, s, min"),
    (Duration(0, 10), "1 min", "out of range"),
    (Duration(0, 10), True, "true or false instead"),
    (Size(0, 10), "1 KB", "kB"),
    (Size(0, 10), "0.5 B", "whole number of octets"),
    (Size(0, 10), 11, "out of range"),
    (Size(0, 10), -1, "out of range"),
]


@pytest.mark.parametrize(("kind", "written", "meant"), ACCEPTED)
def test_a_fitting_value_is_read(kind: Kind, written: object, meant: object) -> None:
    assert kind.read(written, BASE) == meant


@pytest.mark.parametrize(("kind", "written", "why"), REFUSED)
def test_an_unfit_value_is_refused_with_the_reason(kind: Kind, written: object, why: str) -> None:
    with pytest.raises(Unfit) as refusal:
        kind.read(written, BASE)
    assert why in str(refusal.value)


@given(st.integers(0, 10**9).map(lambda milliseconds: milliseconds / 1000))
def test_a_duration_is_shown_so_that_it_reads_back(seconds: float) -> None:
    assert read_duration(show_duration(seconds)) == seconds


@given(st.integers(0, 2**50))
def test_a_size_is_shown_so_that_it_reads_back(octets: int) -> None:
    assert read_size(show_size(octets)) == octets


@given(st.text(max_size=50))
def test_any_text_is_a_duration_or_is_refused(text: str) -> None:
    with contextlib.suppress(Unfit):
        assert read_duration(text) >= 0


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x" * 100, '"' + "x" * 78 + "…"),
        (True, "true"),
        ({"a": 1}, "a table"),
        ([1, "a"], '[1, "a"]'),
    ],
)
def test_an_error_shows_what_was_found_cut_to_length(value: object, shown: str) -> None:
    assert found(value) == shown
