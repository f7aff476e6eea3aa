"""Buckets of tokens: what a network may take, and when again."""

from __future__ import annotations

import pytest

from sams.web.limits import Buckets
from sams.web.visitor import System, Visitor, system_of


class Now:
    """A clock that stands."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def test_a_full_bucket_is_there_at_once_and_then_comes_back_by_the_second() -> None:
    now = Now()
    buckets = Buckets(3, 0.5, now)
    assert [buckets.take("one") for _ in range(4)] == [0, 0, 0, 2.0]
    now.at = 2.0
    assert buckets.take("one") == 0
    assert buckets.take("one") == 2.0


def test_networks_do_not_take_from_each_other() -> None:
    buckets = Buckets(1, 1, Now())
    assert buckets.take("one") == 0
    assert buckets.take("other") == 0
    assert buckets.take("one") > 0


def test_what_is_refused_takes_nothing() -> None:
    now = Now()
    buckets = Buckets(5, 1, now)
    buckets.take("one", 4)
    assert buckets.take("one", 5) == 4.0
    assert buckets.take("one", 1) == 0


def test_the_networks_seen_longest_ago_are_forgotten() -> None:
    buckets = Buckets(1, 0.001, Now())
    buckets.take("first")
    for number in range(20_000):
        buckets.take(str(number))
    assert buckets.take("first") == 0
    assert len(buckets._buckets) <= 20_000


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("", ""),
        ("no address", "no address"),
    ],
)
def test_an_ipv6_network_counts_as_one(address: str, network: str) -> None:
    assert Visitor(address, System.UNKNOWN, "en").network == network


@pytest.mark.parametrize(
    ("agent", "system"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130 Safari/537.36", "windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Safari/605.1.15", "macos"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15", "ios"),
        ("Mozilla/5.0 (iPad; CPU OS 17_0 like Mac OS X)", "ios"),
        ("Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36", "android"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", "linux"),
        ("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0)", "linux"),
        ("curl/8.0", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_system_is_guessed_by_what_browsers_say(agent: str, system: str) -> None:
    assert system_of(agent).value == system
