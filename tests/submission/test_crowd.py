"""Who gives way when a worker is full."""

from __future__ import annotations

from sams.submission.crowd import Crowd


def test_the_oldest_of_the_busiest_network_goes_first() -> None:
    crowd: Crowd[str] = Crowd()
    for name, address in (
        ("member", "198.51.100.7"),
        ("a", "192.0.2.1"),
        ("b", "192.0.2.200"),
        ("c", "2001:db8::1"),
    ):
        crowd.enter(name, address)
    assert crowd.first_to_go() == "a"
    crowd.leave("a", "192.0.2.1")
    crowd.enter("d", "2001:db8:0:7::2")
    assert crowd.first_to_go() == "c"


def test_an_empty_crowd_has_nobody_to_go() -> None:
    crowd: Crowd[str] = Crowd()
    assert crowd.first_to_go() is None
    crowd.enter("a", "192.0.2.1")
    crowd.leave("a", "192.0.2.1")
    crowd.leave("a", "192.0.2.1")
    assert crowd.first_to_go() is None
