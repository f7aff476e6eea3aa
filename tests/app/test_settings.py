"""The configuration in the terms of the rooms."""

from __future__ import annotations

from pathlib import Path

import pytest

from sams.app import settings
from sams.config.loading import parse
from sams.config.model import Config
from sams.delivery.hop_settings import Security
from sams.protocol.smtp.settings import BareNewlines

BASE = """
[server]
name = "smtp.example.org"
[tls]
certificate = "c.pem"
private_key = "k.pem"
[accounts]
domains = ["example.org", "example.net"]
"""


def config(text: str) -> Config:
    return parse((BASE + text).encode(), Path("/etc/sams/sams.toml")).config


PLAIN = '[[listener]]\nport = 587\n[[route]]\ndomains = ["*"]\nhosts = ["hub.example.org:25"]\n'


def test_a_listener_becomes_what_its_sessions_may_do() -> None:
    made = config(
        '[[listener]]\nport = 465\nsecurity = "implicit"\nbinarymime = true\nauth_equals_line = true\n'
        'bare_newlines = "normalise"\n'
        '[[route]]\ndomains = ["*"]\nhosts = ["hub.example.org:25"]\n'
        '[limits]\nmessage_size = "10 MiB"\nrecipients = 200\nerrors = 5\nfailed_sign_ins = 2\n'
    )
    found = settings.server_settings(made, made.listeners[0], ("PLAIN",))
    assert not found.starttls
    assert found.binarymime
    assert found.auth_equals_line
    assert found.bare_newlines is BareNewlines.NORMALISE
    assert (found.message_size, found.max_recipients, found.errors, found.failed_signins) == (
        10_485_760,
        200,
        5,
        2,
    )
    assert str(found.postmaster) == "postmaster@example.org"


@pytest.mark.parametrize(
    ("workers", "expected"), [("workers = 0", 20), ("workers = 4", 5), ("workers = 64", 1)]
)
def test_workers_share_a_routes_connections(workers: str, expected: int) -> None:
    text = (BASE + PLAIN).replace('name = "smtp.example.org"', f'name = "smtp.example.org"\n{workers}')
    made = parse(text.encode(), Path("/etc/sams/sams.toml")).config
    assert settings.hop_settings(made, made.routes[0], None).connections == expected


def test_a_password_for_a_next_hop_makes_its_name_verified() -> None:
    made = config(
        '[[listener]]\nport = 587\n[[route]]\ndomains = ["*"]\nhosts = ["hub.example.org:25"]\n'
        'username = "relay"\npassword_file = "hub-password"\n'
    )
    found = settings.hop_settings(made, made.routes[0], "secret")
    assert found.security is Security.VERIFIED
    assert found.is_verified
    assert "secret" not in repr(found)


def test_a_dead_hop_is_probed_no_more_seldom_than_a_recipient_is_tried() -> None:
    policy = settings.retry_policy(config(PLAIN + '[retry]\nfirst = "5 s"\nlongest = "20 s"\n'))
    assert (policy.probe_first, policy.probe_longest) == (5.0, 20.0)
    policy = settings.retry_policy(config(PLAIN))
    assert (policy.probe_first, policy.probe_longest) == (10.0, 300.0)


def test_the_first_route_that_names_a_domain_takes_it() -> None:
    table = settings.route_table(
        config(
            '[[listener]]\nport = 587\n[[route]]\nname = "local"\ndomains = ["example.org"]\ntype = "maildir"\n'
            'path = "Maildir"\n[[route]]\nname = "hub"\ndomains = ["*"]\nhosts = ["hub.example.org:25"]\n'
        )
    )
    assert (table.route_of("Example.ORG"), table.route_of("example.com")) == ("local", "hub")


def test_the_load_balancers_of_a_listener_are_those_it_names_and_none_by_default() -> None:
    made = config(
        PLAIN.replace(
            "port = 587\n",
            'port = 587\nproxy_protocol = true\nproxy_from = ["10.0.0.8/31", "2001:db8::/64"]\n'
            "[[listener]]\nport = 2587\n",
        )
        + '[limits]\nproxy_time = "3 s"\n'
    )
    found = settings.proxies(made, made.listeners[0])
    assert found is not None
    assert found.patience == 3.0
    addresses = ("10.0.0.8", "10.0.0.9", "10.0.0.10", "::ffff:10.0.0.9", "2001:db8::7", "2001:db8:0:1::7", "")
    assert [found.named(address) for address in addresses] == [True, True, False, True, True, False, False]
    assert settings.proxies(made, made.listeners[1]) is None
