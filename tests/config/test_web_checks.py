from __future__ import annotations

import pytest

from tests.config.samples import MINIMAL, problems, warnings

WEB = '[web]\nuser = "sams-web"\nproxies = ["127.0.0.1"]\n'


def with_web(text: str = "", web: str = WEB) -> str:
    return f"{MINIMAL}{web}{text}"


@pytest.mark.parametrize(
    ("text", "key", "told"),
    [
        (with_web('url = "https://mail.example/help"\n'), "web.url", "without a path"),
        (with_web('url = "https://mail.example/?a=b"\n'), "web.url", "without a path"),
        (with_web(web='[web]\naddress = "192.0.2.1"\n'), "web.security", "plain HTTP is for a proxy"),
        (with_web(web='[web]\naddress = "::"\n'), "web.security", "plain HTTP is for a proxy"),
        (with_web(web='[web]\nproxies = ["0.0.0.0/0"]\n'), "web.proxies", "lets everybody claim any address"),
        (with_web(web='[web]\nproxies = ["10.0.0.1", "::/0"]\n'), "web.proxies", '"::/0" lets everybody'),
        (with_web('languages = ["de", "de"]\n'), "web.languages", "stands here twice"),
        (
            with_web().replace("port = 587\n", 'port = 587\nmembers = "devices"\n'),
            "web",
            "no listener to tell members of",
        ),
        (
            with_web().replace("port = 587\n", "port = 25\n"),
            "web",
            "one on port 25, one of devices and one with old TLS is told to nobody; add one",
        ),
        (with_web('[dns]\nmta_sts = "testing"\n'), "dns.mta_sts", "name them in mx"),
    ],
)
def test_a_mistake_is_named_with_what_to_do(text: str, key: str, told: str) -> None:
    (found,) = problems(text)
    assert f": {key}: " in found
    assert told in found


@pytest.mark.parametrize(
    "text",
    [
        with_web(),
        with_web('url = "https://mail.example/"\n'),
        with_web(web='[web]\naddress = "::"\nport = 443\nsecurity = "tls"\n'),
        with_web(web='[web]\naddress = "192.0.2.1"\nproxies = ["192.0.2.2"]\n'),
        with_web('[dns]\nmx = ["mx1.example.ac.uk"]\nmta_sts = "enforce"\n'),
    ],
)
def test_what_can_be_used_is_not_complained_of(text: str) -> None:
    assert problems(text) == []
    assert warnings(text) == []


def test_pages_without_https_are_warned_of() -> None:
    (found,) = warnings(with_web('url = "http://mail.example"\n'))
    assert "web.url: without https nobody can sign in" in found


def test_plain_http_without_a_named_proxy_is_warned_of() -> None:
    (found,) = warnings(with_web(web="[web]\n"))
    assert "web.proxies: visitors who come by way of a proxy all look like the proxy" in found


@pytest.mark.parametrize(
    ("incoming", "key", "told"),
    [
        ('host = "imap"\n', "incoming.host", "write the whole name"),
        ('host = "192.0.2.1"\n', "incoming.host", "write the whole name"),
        (
            'host = "imap.example"\nport = 993\nsecurity = "starttls"\n',
            "incoming.port",
            'IMAP with security = "implicit"',
        ),
        ('host = "imap.example"\nport = 143\n', "incoming.port", 'IMAP with security = "starttls"'),
        ('host = "imap.example"\nport = 995\n', "incoming.port", 'POP3 with security = "implicit"'),
        (
            'host = "imap.example"\nport = 110\ntype = "pop3"\n',
            "incoming.port",
            'POP3 with security = "starttls"',
        ),
    ],
)
def test_an_incoming_server_that_programs_would_not_reach_is_warned_of(
    incoming: str, key: str, told: str
) -> None:
    (found,) = warnings(with_web(f"[incoming]\n{incoming}"))
    assert f": {key}: " in found
    assert told in found


@pytest.mark.parametrize(
    "incoming",
    [
        "port = 993\n",
        'port = 9930\nsecurity = "starttls"\n',
        'port = 110\ntype = "pop3"\nsecurity = "starttls"\n',
    ],
)
def test_an_incoming_server_at_its_usual_port_or_one_of_its_own_is_not_complained_of(incoming: str) -> None:
    assert warnings(with_web(f'[incoming]\nhost = "imap.example.ac.uk"\n{incoming}')) == []
