from __future__ import annotations

from typing import get_args

import pytest

from sams.config.listeners import ClientIdentity, Mechanism
from sams.identity.certificates import name_reader
from sams.protocol.sasl.registry import all_mechanisms
from tests.config.samples import MINIMAL, problems, warnings

ROUTE = '[[route]]\ndomains = ["*"]\nhosts = ["mailhub.example.ac.uk:25"]\n'
MAILDIR = '[[route]]\ndomains = ["*"]\ntype = "maildir"\npath = "M"\n'


def with_route(text: str) -> str:
    return MINIMAL.replace(ROUTE, text)


def with_listener(text: str) -> str:
    return MINIMAL.replace("port = 587\n", f"port = 587\n{text}")


def with_more(text: str) -> str:
    return MINIMAL + text


@pytest.mark.parametrize(
    ("text", "key", "told"),
    [
        (MINIMAL.replace('"smtp-auth.example.ac.uk"', '"mail"'), "server.name", "no full host name"),
        (MINIMAL.replace('"key.pem"', '["a", "b"]'), "tls.private_key", "1 certificates need as many keys"),
        (
            with_more(
                '[[tls.host]]\nname = "a.example"\ncertificate = "c"\nprivate_key = "k"\n'
                '[[tls.host]]\nname = "A.example"\ncertificate = "c"\nprivate_key = "k"\n'
            ),
            "tls.host[2].name",
            "a second time",
        ),
        (with_more("[[listener]]\nport = 587\n"), "listener[2].port", "taken by listener[1]"),
        (
            with_more('[[listener]]\naddress = "127.0.0.1"\nport = 587\n'),
            "listener[2].port",
            "taken by listener[1]",
        ),
        (with_more("[web]\nport = 587\n"), "web.port", "taken by listener[1]"),
        (with_listener("proxy_protocol = true\n"), "listener[1].proxy_from", "name the load balancers"),
        (
            with_listener('proxy_protocol = true\nproxy_from = ["10.0.0.11", "::/0"]\n'),
            "listener[1].proxy_from",
            "would let everybody say",
        ),
        (
            with_listener('proxy_from = ["10.0.0.11"]\n'),
            "listener[1].proxy_protocol",
            "with proxy_protocol = true only",
        ),
        (with_listener('client_crl = "a.crl"\n'), "listener[1].client_crl", "needs its authority"),
        (
            with_listener('mechanisms = ["PLAIN", "EXTERNAL"]\n'),
            "listener[1].mechanisms",
            "EXTERNAL needs client certificates",
        ),
        (with_listener('mechanisms = ["CRAM-MD5"]\n'), "listener[1].mechanisms", '"SCRAM-SHA-256-PLUS"'),
        (with_listener('client_identity = "dns"\n'), "listener[1].client_identity", '"san-email"'),
        (with_route('[[route]]\ndomains = ["*"]\n'), "route[1].hosts", "needs hosts"),
        (with_route('[[route]]\ndomains = ["*"]\ntype = "maildir"\n'), "route[1].path", "needs the path"),
        (with_route(ROUTE + 'path = "M"\n'), "route[1].path", 'only a route of type "maildir"'),
        (with_route(MAILDIR + 'username = "u"\n'), "route[1].username", 'only a route of type "smarthost"'),
        (with_route(ROUTE + ROUTE), "route[2].name", "route[1] has the name"),
        (with_route(ROUTE + 'username = "u"\n'), "route[1].password_file", "needs a password"),
        (with_route(ROUTE + 'password_file = "p"\n'), "route[1].username", "needs a username"),
        (
            with_route(ROUTE + 'username = "u"\npassword_file = "p"\nsecurity = "none"\n'),
            "route[1].security",
            "a password goes only to a host whose certificate was checked",
        ),
        (
            with_route(ROUTE + 'username = "u"\npassword_file = "p"\nsecurity = "required"\n'),
            "route[1].security",
            'write "verified"',
        ),
        (with_more('[retry]\nfirst = "2 h"\n'), "retry.first", "longer than longest (1 h)"),
        (with_more('[retry]\nlongest = "1 day"\nexpire = "1 h"\n'), "retry.longest", "longer than expire"),
        (with_more('[guard]\nlock_longest = "1 min"\n'), "guard.lock", "longer than lock_longest"),
        (
            with_more('[limits]\nheader_size = "1 MiB"\nmessage_size = "512 KiB"\n'),
            "limits.header_size",
            "cannot be larger",
        ),
        (with_more("[limits]\nauth_line = 1000\n"), "limits.auth_line", "shorter than command_line"),
        (
            with_more('[limits]\npressure_auth_time = "10 min"\n'),
            "limits.pressure_auth_time",
            "pressure has to shorten it",
        ),
        (MINIMAL.replace('mail = "', 'command = ["page"]\nmail = "'), "alarm.command", "no full path"),
    ],
)
def test_what_cannot_work_is_refused(text: str, key: str, told: str) -> None:
    (problem,) = problems(text)
    assert f": {key}: " in problem
    assert told in problem


@pytest.mark.parametrize(
    ("text", "key", "told"),
    [
        (MINIMAL.replace('"smtp-auth.example.ac.uk"', '"localhost"'), "server.name", "cannot reach"),
        (MINIMAL.replace("port = 587", 'port = 587\nsecurity = "implicit"'), "security", 'expect "starttls"'),
        (MINIMAL.replace("port = 587", "port = 465"), "listener[1].security", 'expect "implicit"'),
        (
            with_listener('client_ca = "ca.pem"\nmechanisms = ["PLAIN"]\n'),
            "listener[1].client_ca",
            "leaves EXTERNAL out",
        ),
        (MINIMAL.replace("port = 587", "port = 25"), "listener[1].port", "between servers"),
        (MINIMAL.replace("port = 587", 'port = 587\nmin_tls = "1.0"'), "min_tls", "old devices"),
        (with_route(ROUTE.replace("*", "example.org")), "route[1].domains", 'no route has the domain "*"'),
        (with_route(ROUTE + MAILDIR), "route[2].domains", "never used"),
        (with_route(ROUTE + 'ca_file = "ca.pem"\n'), "route[1].ca_file", "no certificate is checked"),
        (with_route(ROUTE.replace(":25", ":465")), "route[1].security", 'write "implicit"'),
        (with_route(ROUTE + 'security = "implicit"\n'), "route[1].security", 'write "verified"'),
        (
            with_more("[limits]\nrecipients_per_day = 1000\nrecipients_per_hour = 2000\n"),
            "per_hour",
            "always",
        ),
        (with_more("[limits]\nrecipients = 2000\n"), "limits.recipients", "from the start"),
        (with_more("[limits]\nconnections = 10\n"), "connections_per_address", "one address may take all"),
        (with_more('[guard]\nallow = ["::/0"]\n'), "guard.allow", "every address"),
        (with_more('[retry]\ndelay_notice = "6 days"\n'), "retry.delay_notice", "failure only"),
        (MINIMAL.replace("mail =", "# mail ="), "alarm", "nobody is told"),
    ],
)
def test_what_may_not_be_meant_is_a_warning(text: str, key: str, told: str) -> None:
    (warning,) = warnings(text)
    assert key in warning
    assert told in warning


@pytest.mark.parametrize(
    "more",
    [
        '[[listener]]\naddress = "::1"\nport = 465\nsecurity = "implicit"\n',
        "[[listener]]\nport = 2525\n",
        '[web]\naddress = "127.0.0.1"\n',
    ],
)
def test_ports_that_do_not_meet_are_fine(more: str) -> None:
    assert problems(with_more(more)) == []
    assert not any("taken" in warning for warning in warnings(with_more(more)))


def test_one_port_may_be_used_at_two_addresses_of_one_family() -> None:
    text = MINIMAL.replace("port = 587", 'port = 587\naddress = "127.0.0.1"')
    assert problems(text + '[[listener]]\nport = 587\naddress = "::1"\n') == []
    assert problems(text + '[[listener]]\nport = 587\naddress = "127.0.0.2"\n') == []
    assert problems(text + '[[listener]]\nport = 587\naddress = "0.0.0.0"\n') != []


def test_the_mechanisms_that_may_be_named_are_those_that_there_are() -> None:
    assert get_args(Mechanism) == all_mechanisms().names


def test_the_rules_for_a_certificates_login_are_those_that_there_are() -> None:
    for rule in get_args(ClientIdentity):
        name_reader(rule)
