from __future__ import annotations

import pytest

from sams.config.offered import MailServer, incoming_servers, outgoing_servers
from tests.config.samples import MINIMAL, loaded

NAME = "smtp-auth.example.ac.uk"


def listeners(*texts: str) -> str:
    return MINIMAL.replace("[[listener]]\nport = 587\n", "".join(f"[[listener]]\n{text}" for text in texts))


@pytest.mark.parametrize(
    ("texts", "ways"),
    [
        (["port = 587\n"], [("starttls", 587)]),
        (["port = 587\n", 'port = 465\nsecurity = "implicit"\n'], [("implicit", 465), ("starttls", 587)]),
        (
            ["port = 2525\n", "port = 587\n", 'port = 4650\nsecurity = "implicit"\n'],
            [("implicit", 4650), ("starttls", 587), ("starttls", 2525)],
        ),
        (["port = 587\n", 'port = 2500\nmembers = "devices"\n'], [("starttls", 587)]),
        (["port = 587\n", 'port = 2500\nmin_tls = "1.0"\n'], [("starttls", 587)]),
        (["port = 587\n", "port = 25\n"], [("starttls", 587)]),
        (["port = 10587\npublic_port = 587\n", "port = 587\n"], [("starttls", 587)]),
    ],
    ids=["one", "the usual two", "unusual ports", "devices", "TLS of old", "port 25", "behind a balancer"],
)
def test_members_are_told_of_the_ways_to_the_service_the_best_first(
    texts: list[str], ways: list[tuple[str, int]]
) -> None:
    found = outgoing_servers(loaded(listeners(*texts)).config)
    assert [(one.security, one.port) for one in found] == ways
    assert {(one.kind, one.host) for one in found} == {("smtp", NAME)}


def test_the_incoming_server_has_the_usual_port_of_its_protocol_and_security() -> None:
    text = ""
    for kind, security, port in (
        ("imap", "implicit", 993),
        ("imap", "starttls", 143),
        ("pop3", "implicit", 995),
        ("pop3", "starttls", 110),
    ):
        text = f'[incoming]\nhost = "in.example.ac.uk"\ntype = "{kind}"\nsecurity = "{security}"\n'
        (found,) = incoming_servers(loaded(MINIMAL + text).config)
        assert (found.kind, found.host, found.port, found.security) == (
            kind,
            "in.example.ac.uk",
            port,
            security,
        )
    (other,) = incoming_servers(loaded(MINIMAL + f"{text}port = 1110\n").config)
    assert other.port == 1110


def test_without_an_incoming_server_none_is_told_of() -> None:
    assert incoming_servers(loaded().config) == ()


def test_the_user_name_is_as_the_pages_say_and_may_be_another_one_where_mail_is_read() -> None:
    text = f'{MINIMAL}[web]\nuser_name = "login"\n[incoming]\nhost = "in.example.ac.uk"\n'
    config = loaded(text).config
    assert outgoing_servers(config) == (MailServer("smtp", NAME, 587, "starttls", "login"),)
    assert incoming_servers(config)[0].user_name == "login"
    assert incoming_servers(loaded(f'{text}user_name = "address"\n').config)[0].user_name == "address"
