"""Which route a domain takes."""

from __future__ import annotations

import pytest

from sams.core.errors import OperatorError
from sams.delivery.routes import Route, RouteTable

TABLE = RouteTable(
    [
        Route("one", ("example.org", "BÜCHER.example")),
        Route("below", ("*.example.org", "*.cs.example.ac.uk")),
        Route("campus", ("*.example.ac.uk", "example.ac.uk")),
        Route("late", ("example.org", "host.example.org")),
        Route("rest", ("*",)),
    ]
)


@pytest.mark.parametrize(
    ("domain", "route"),
    [
        ("example.org", "one"),
        ("EXAMPLE.ORG", "one"),
        ("bücher.example", "one"),
        ("xn--bcher-kva.example", "one"),
        ("host.example.org", "below"),
        ("a.b.example.org", "below"),
        ("notexample.org", "rest"),
        ("x.cs.example.ac.uk", "below"),
        ("cs.example.ac.uk", "campus"),
        ("example.ac.uk", "campus"),
        ("uk", "rest"),
        ("[192.0.2.1]", "rest"),
        ("[IPv6:2001:db8::1]", "rest"),
    ],
)
def test_the_first_route_that_names_a_domain_takes_it(domain: str, route: str) -> None:
    assert TABLE.route_of(domain) == TABLE.route_of(domain) == route


def test_a_route_for_everything_hides_what_stands_behind_it() -> None:
    table = RouteTable([Route("all", ("*",)), Route("one", ("example.org",))])
    assert table.route_of("example.org") == "all"


def test_a_domain_without_a_route_has_none_and_its_mail_stays() -> None:
    table = RouteTable([Route("one", ("example.org",))])
    assert table.route_of("example.net") is None
    assert table.moves([("example.net", "old"), ("example.org", "old"), ("example.org", "one")]) == [
        ("example.org", "one")
    ]


def test_what_waits_for_what_is_no_domain_any_more_stays_and_stops_no_other() -> None:
    table = RouteTable([Route("one", ("*",))])
    assert table.stored_route_of("ex\ufffdmple.net") is None
    assert table.moves([("ex\ufffdmple.net", "old"), ("example.org", "old")]) == [("example.org", "one")]


@pytest.mark.parametrize("pattern", ["", "*.", "*example.org", "a b", "example..org", "*.*.org", "http://x"])
def test_what_is_no_pattern_is_refused_with_the_route_and_the_pattern(pattern: str) -> None:
    with pytest.raises(OperatorError, match="hub") as refused:
        RouteTable([Route("hub", (pattern,))])
    assert repr(pattern) in str(refused.value)


def test_two_routes_of_one_name_and_a_route_without_domains_are_refused() -> None:
    with pytest.raises(OperatorError, match="two routes"):
        RouteTable([Route("hub", ("*",)), Route("hub", ("example.org",))])
    with pytest.raises(OperatorError, match="names no domain"):
        RouteTable([Route("hub", ())])


def test_what_is_remembered_of_choices_is_bounded() -> None:
    for number in range(25_000):
        TABLE.route_of(f"d{number}.example")
    assert len(TABLE._chosen) <= 10_000
