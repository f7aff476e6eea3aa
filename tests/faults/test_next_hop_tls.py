"""A next hop whose TLS or sign-in is amiss: no password in clear or to a stranger, no mail past what was demanded."""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sams.delivery.hop_settings import Security
from sams.protocol.smtp.client_opening import Credentials
from tests.faults.hop_world import HOUR, World
from tests.support.hop_tls import Authority, self_signed
from tests.support.next_hop import EXTENSIONS, Answer, Do, NextHop
from tests.support.wire import WireLoop, on_wires

PASSWORD = "s3cret-of-the-house"
CREDENTIALS = Credentials("relay", PASSWORD)
PLAIN = b64encode(f"\0relay\0{PASSWORD}".encode())
SECRETS = (PASSWORD.encode(), PLAIN, b64encode(PASSWORD.encode()), PLAIN[:-4])
AUTH = (*EXTENSIONS, "AUTH PLAIN LOGIN")
MOST_CONNECTIONS = 40

Making = Callable[[Authority], ssl.SSLContext | None]


def right(authority: Authority) -> ssl.SSLContext:
    return authority.server()


def wrong_name(authority: Authority) -> ssl.SSLContext:
    return authority.server("other.example.net")


def expired(authority: Authority) -> ssl.SSLContext:
    return authority.server(expired=True)


def not_yet(authority: Authority) -> ssl.SSLContext:
    return authority.server(not_yet=True)


def own(_: Authority) -> ssl.SSLContext:
    return self_signed()


def stranger(_: Authority) -> ssl.SSLContext:
    return Authority().server()


def old(authority: Authority) -> ssl.SSLContext:
    return authority.old()


def none(_: Authority) -> None:
    return None


@dataclass(frozen=True)
class Row:
    """What a hop does, and how what the first attempt tells begins.

    is_told: the password, for this is the hop that it is meant for.
    """

    tls: Making
    first: str
    answers: Mapping[str, Answer] = field(default_factory=dict)
    hop: dict[str, Any] = field(default_factory=dict)
    is_told: bool = False


UNTRUSTED = "deferred 451 4.7.5 TLS with the next hop failed: the certificate is not valid for it: "
FAILED = "deferred 451 4.7.5 TLS with the next hop failed"
NO_TLS = "deferred 451 4.7.4 "
BROKE = "deferred 451 4.5.0 The next hop broke the protocol at STARTTLS"
INJECTED = b"220 2.0.0 ready\r\n250 injected\r\n"

WITH_PASSWORD: dict[str, Row] = {
    "has a certificate for another name": Row(wrong_name, UNTRUSTED + "Hostname mismatch"),
    "has a certificate that has expired": Row(expired, UNTRUSTED + "certificate has expired"),
    "has a certificate that is not valid yet": Row(not_yet, UNTRUSTED + "certificate is not yet valid"),
    "has signed its certificate itself": Row(own, UNTRUSTED + "self-signed certificate"),
    "has a certificate of an unknown authority": Row(stranger, UNTRUSTED),
    "speaks old TLS only": Row(old, FAILED),
    "closes in the handshake": Row(right, "deferred 451 4.4.2 ", {"HANDSHAKE": Do.DROP}),
    "resets in the handshake": Row(right, "deferred 451 4.4.2 ", {"HANDSHAKE": Do.RESET}),
    "says nothing in the handshake": Row(right, "deferred 451 4.4.2 ", {"HANDSHAKE": Do.HANG}),
    "offers no STARTTLS": Row(none, NO_TLS),
    "offers AUTH in clear, and no STARTTLS": Row(none, NO_TLS, hop={"extensions": AUTH}),
    "knows HELO only": Row(right, NO_TLS, {"EHLO": "500 what?"}),
    "refuses STARTTLS": Row(right, "deferred 454 4.7.0 not now", {"STARTTLS": "454 4.7.0 not now"}),
    "refuses STARTTLS for good": Row(right, "deferred 502 5.5.1 no", {"STARTTLS": "502 5.5.1 no"}),
    "answers STARTTLS with 250": Row(right, BROKE, {"STARTTLS": "250 2.0.0 fine"}),
    "says nothing to STARTTLS": Row(right, "deferred 451 4.4.2 ", {"STARTTLS": Do.HANG}),
    "injects a reply behind the 220": Row(right, BROKE, {"STARTTLS": INJECTED}),
    "injects half a reply behind the 220": Row(right, BROKE, {"STARTTLS": INJECTED[:-2]}),
    "injects an octet behind the 220": Row(right, BROKE, {"STARTTLS": INJECTED[:18]}),
    "injects an EHLO reply, one octet at a time": Row(
        right, "deferred 451 4.", {"STARTTLS": b"220 ok\r\n250-x\r\n250 AUTH PLAIN\r\n"}, {"dribble": 0.0}
    ),
    "offers AUTH in clear only": Row(
        right, "deferred 451 4.7.4 ", hop={"extensions": AUTH, "tls_extensions": EXTENSIONS}
    ),
    "offers no AUTH": Row(right, "deferred 451 4.7.4 ", hop={"tls_extensions": EXTENSIONS}),
    "offers what we do not speak": Row(
        right, "deferred 451 4.7.4 ", hop={"tls_extensions": ("AUTH CRAM-MD5 GSSAPI",)}
    ),
    "refuses the password": Row(
        right, "deferred 535 5.7.8 wrong", hop={"accounts": {"relay": "x"}}, is_told=True
    ),
    "puts the sign-in off": Row(right, "deferred 454 4.7.0 later", {"AUTH": "454 4.7.0 later"}, is_told=True),
    "repeats the password": Row(
        right,
        "deferred 535 5.7.8 bad: ",
        {"AUTH": b"535 5.7.8 bad: AUTH PLAIN " + PLAIN + b"\r\n"},
        is_told=True,
    ),
    "asks again and again": Row(
        right,
        "deferred 451 4.5.0 The next hop broke the protocol at AUTH",
        {"AUTH": "334 more"},
        is_told=True,
    ),
    "hangs at the sign-in": Row(right, "deferred 451 4.4.2 ", {"AUTH": Do.HANG}, is_told=True),
    "closes at the sign-in": Row(right, "deferred 451 4.4.2 ", {"AUTH": Do.DROP}, is_told=True),
    "welcomes with 250": Row(
        right, "deferred 451 4.5.0 The next hop broke the protocol at AUTH", {"AUTH": "250 hi"}, is_told=True
    ),
    "does as it should": Row(right, "delivered 250 2.0.0 taken", is_told=True),
    "does not know the AUTH that it offers as a parameter": Row(
        right, "delivered 250 2.0.0 taken", {"MAIL": ["555 5.5.4 what?", None]}, is_told=True
    ),
}


ANY = (Security.NONE, Security.OPPORTUNISTIC, Security.VERIFIED)
PASSWORD_CASES = [
    pytest.param(row, security, id=f"{name.replace(' ', '-')}-{security.value}")
    for name, row in WITH_PASSWORD.items()
    for security in (ANY[1:2] if row.is_told else ANY)  # behind the handshake it makes no difference
]


def play(row: Row, folder: Path, **route: Any) -> tuple[World, NextHop]:
    """An hour and a half with such a hop."""
    authority = Authority()
    settings: dict[str, Any] = {"accounts": {"relay": PASSWORD}, "tls_extensions": AUTH, **row.hop}
    hop = NextHop(row.answers, tls=row.tls(authority), **settings)
    played: list[World] = []

    async def main(loop: WireLoop) -> None:
        world = World(loop, hop, ca_file=authority.ca_file(folder), **route)
        played.append(world)
        await world.send("a@x.example")
        await world.pass_time(1.5 * HOUR)
        await world.close()

    on_wires(main)
    return played[0], hop


@pytest.mark.parametrize(("row", "security"), PASSWORD_CASES)
def test_a_password_goes_to_the_hop_that_it_is_for_and_in_tls_or_nowhere(
    row: Row, security: Security, tmp_path: Path
) -> None:
    world, hop = play(row, tmp_path, credentials=CREDENTIALS, security=security)
    assert world.first()["a"].startswith(row.first)
    is_delivered = row.first.startswith("delivered")
    assert [status for _, _, status in world.reported()] == ([] if is_delivered else ["5.4.7"])
    assert [mail.in_tls for mail in hop.mails] == [True] * is_delivered
    assert [mail.login for mail in hop.mails] == ["relay"] * is_delivered
    heard = b"\n".join([*hop.segments, *hop.commands])
    assert (PLAIN in heard) == row.is_told
    assert row.is_told or not any(secret in heard for secret in SECRETS)
    assert not any(secret.decode() in world.written() for secret in SECRETS)
    assert hop.faults == []
    assert len(world.dialled()) <= MOST_CONNECTIONS
    assert not world.faults


WITHOUT: dict[str, Row] = {
    name: row
    for name, row in WITH_PASSWORD.items()
    if not row.is_told and not name.startswith(("offers AUTH in clear only", "offers no AUTH", "offers what"))
}
"""Whatever can go wrong before the sign-in."""
UNVERIFIED = {"another name", "has expired", "not valid yet", "itself", "unknown authority"}


@pytest.mark.parametrize("name", WITHOUT)
def test_what_is_demanded_without_a_password_is_not_done_without_either(name: str, tmp_path: Path) -> None:
    row = WITHOUT[name]
    world, hop = play(row, tmp_path, security=Security.VERIFIED)
    assert world.first()["a"].startswith(row.first)
    assert hop.mails == []
    assert len(world.dialled()) <= MOST_CONNECTIONS


@pytest.mark.parametrize("name", WITHOUT)
def test_tls_that_nobody_has_to_prove_a_name_in_is_tls_all_the_same(name: str, tmp_path: Path) -> None:
    row = WITHOUT[name]
    world, hop = play(row, tmp_path, security=Security.REQUIRED)
    if any(name.endswith(end) for end in UNVERIFIED):
        assert [mail.in_tls for mail in hop.mails] == [True]
    else:
        assert hop.mails == []
        assert world.first()["a"].startswith(row.first)


CLEAR = {
    "injects an EHLO reply, one octet at a time",
    "speaks old TLS only",
    "closes in the handshake",
    "resets in the handshake",
    "says nothing in the handshake",
    "offers no STARTTLS",
    "offers AUTH in clear, and no STARTTLS",
    "knows HELO only",
    "refuses STARTTLS",
    "refuses STARTTLS for good",
}


@pytest.mark.parametrize("name", WITHOUT)
def test_where_tls_is_only_hoped_for_mail_goes_as_well_as_it_can_and_what_was_injected_is_not_heard(
    name: str, tmp_path: Path
) -> None:
    world, hop = play(WITHOUT[name], tmp_path, security=Security.OPPORTUNISTIC)
    if any(name.endswith(end) for end in UNVERIFIED):
        assert [mail.in_tls for mail in hop.mails] == [True]
    elif name in CLEAR:
        assert [mail.in_tls for mail in hop.mails] == [False]
    else:
        assert hop.mails == []
        assert world.first()["a"].startswith("deferred 451 4.")
    assert b"a@x.example" not in b"".join(hop.segments) or hop.mails
    assert len(world.dialled()) <= MOST_CONNECTIONS
