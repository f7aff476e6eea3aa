"""Nobody learns by a wrong password whether a login is somebody's: not by what is done, nor by the time it takes.

First what is done, call by call, and what is answered; then times, as distributions (`support.telling_apart`). Each
bound on times is held against something broken as well, so that it is seen to notice.
"""

from __future__ import annotations

import asyncio
import base64
import random
import smtplib
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from sams.core.clock import SystemClock
from sams.identity import replies
from sams.identity.account_sources import Source
from sams.identity.authentication.authenticator import ChainAuthenticator
from sams.identity.authentication.refusals import SignInSettings
from sams.identity.guard.interface import GuardSettings
from sams.identity.guard.memory import GuardMemory
from sams.identity.guard.shared_guard import SharedGuard
from sams.identity.interface import SignInVerdict
from sams.identity.logins import LoginForms
from sams.identity.passwords.hashes import Compared, HashCost, Hashes
from sams.identity.sources.directory_source import DirectorySource, SourceSettings
from sams.identity.sources.interface import Directory, Member
from sams.identity.sources.known import KnownMembers
from sams.identity.sources.ldap.connection import LdapConnection
from sams.identity.sources.serves import Serves
from sams.protocol.sasl import scram
from sams.protocol.sasl.interface import (
    Channel,
    Claim,
    NeedKeys,
    PasswordClaim,
    ProofClaim,
    ScramKey,
    ScramKeys,
    Verify,
)
from sams.protocol.sasl.scram import Scram
from tests.identity.rig import HOME, KEY, PASSWORD, Rig, rig
from tests.identity.sources.ldap.rig import asking, person
from tests.identity.sources.rig import ALICE, FORMS, ToldDirectory
from tests.support.service import Service
from tests.support.slapd_server import MISSING, PROGRAM, Slapd
from tests.support.telling_apart import in_turn, told_apart

REAL = HashCost(scram_iterations=16)
GUESS = "wrong horse 7"
APP_GUESS = "a6kss-2du46-m6z5z-ur4su-kyha7"
STRANGERS = {
    "an unknown login": ("nobody", GUESS),
    "a member": ("alice", GUESS),
    "a suspended member": ("sue", GUESS),
    "an unknown login by an app password that is none": ("nobody", APP_GUESS),
    "a member by an app password that is none": ("alice", APP_GUESS),
}


def housed(one: Rig) -> Rig:
    one.accounts.add("alice", PASSWORD, ["alice@example.org"])
    one.accounts.add("sue", PASSWORD, ["sue@example.org"])
    one.accounts.suspend("sue", "gone")
    return one


@pytest.fixture
def cheap(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path) as one:
        yield housed(one)


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path, cost=REAL) as one:
        yield housed(one)


async def decided(authenticator: ChainAuthenticator, claim: Claim, address: str) -> SignInVerdict:
    verdict = authenticator.verify(claim, address)
    return verdict if isinstance(verdict, SignInVerdict) else await verdict


# --- what is done, and what is answered


@dataclass
class Traced:
    """Passes calls on, and keeps their names."""

    name: str
    of: Any
    calls: list[str]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.of, name)
        if name == "serves" or not callable(
            found
        ):  # it tells of the configuration, in a tenth of a microsecond
            return found
        return noted(f"{self.name}.{name}", found, self.calls)


class Watched:
    """A worker's identity of which each call between its parts is noted."""

    def __init__(self, one: Rig, source: Source) -> None:
        self.rig = one
        self.calls = list[str]()
        one.guard = cast("Any", Traced("guard", one.guard, self.calls))
        one.hashes.compared.clear()
        self.authenticator = one.authenticator([cast("Source", Traced("source", source, self.calls))])

    def seen(self, claim: Claim, address: str = HOME) -> tuple[object, ...]:
        """All that is done for a claim, and all that is answered."""
        self.calls.clear()
        self.rig.hashes.compared.clear()
        verdict = asyncio.run(decided(self.authenticator, claim, address))
        hashed = len(self.rig.hashes.compared)
        return tuple(self.calls), hashed, verdict.identity, str(verdict.reply), verdict.delay


@pytest.mark.parametrize("guess", [GUESS, APP_GUESS, "nul\0 inside"])
def test_the_same_is_done_and_answered_for_whoever_it_is(cheap: Rig, guess: str) -> None:
    watched = Watched(cheap, cheap.source())
    logins = ("nobody", "alice", "sue", "nobody@example.org", "alice@example.org", "a b", "nobody/phone")
    first, *others = [
        watched.seen(PasswordClaim("", login, guess), f"10.{at}.0.1") for at, login in enumerate(logins)
    ]
    assert first == (first[0], 1, None, str(replies.WRONG), pytest.approx(0.25 + 0.05))
    assert "guard.failed" in cast("tuple[str, ...]", first[0])
    assert set(others) == {first}


def test_the_same_is_done_and_answered_again_when_it_was_wrong_lately(cheap: Rig) -> None:
    watched = Watched(cheap, cheap.source())
    claims = [PasswordClaim("", login, GUESS) for login in ("nobody", "alice", "sue")]
    for claim in claims:
        watched.seen(claim)
    first, *others = map(watched.seen, claims)
    assert first[1:4] == (0, None, str(replies.WRONG))
    assert set(others) == {first}


def test_the_same_is_asked_of_a_directory_whoever_it_is(cheap: Rig) -> None:
    directory = ToldDirectory(
        {"alice": (PASSWORD, ALICE), "sue": (PASSWORD, Member("sue", suspended="gone"))}
    )
    watched = Watched(cheap, directory_source(cheap, directory))
    first, *others = [
        watched.seen(PasswordClaim("", login, GUESS))
        for login in ("nobody", "alice", "sue", "no.one@example.org")
    ]
    assert first[1:4] == (0, None, str(replies.WRONG))
    assert set(others) == {first}
    assert [asked.partition(" ")[0] for asked in directory.asked] == ["verify"] * 4


def test_the_same_is_done_and_answered_for_a_wrong_proof(cheap: Rig) -> None:
    watched = Watched(cheap, cheap.source())
    first, *others = [
        watched.seen(ProofClaim("", login, None)) for login in ("nobody", "alice", "sue", "a b")
    ]
    assert first[1:4] == (0, None, str(replies.WRONG))
    assert set(others) == {first}


def directory_source(one: Rig, directory: Directory) -> DirectorySource:
    return DirectorySource(
        directory,
        SourceSettings("staff"),
        serves=Serves(),
        forms=FORMS,
        known=KnownMembers(one.folder / "members.db"),
        clock=one.clock,
        tell=lambda _: None,
        report=one.reported.append,
    )


# --- how long it takes

WIDE = GuardSettings(address_failures=10**6, network_failures=10**6, login_failures=10**6)
"""Nothing is slowed down or locked, however often a test asks."""
Kind = Callable[[int], Awaitable[float]]


def timed(one: Rig, source: Source) -> ChainAuthenticator:
    """As in a service, with a clock that goes."""
    guard = SharedGuard(GuardMemory(KEY, slots=1024), one.clock, WIDE)
    return ChainAuthenticator(
        (source,),
        one.remembered,
        guard,
        app_passwords=one.app_passwords(),
        graced=one.graced,
        forms=LoginForms(("example.org",)),
        clock=SystemClock(),
        chance=random.Random(11).random,
        report=one.reported.append,
    )


def kinds(
    authenticator: ChainAuthenticator, claims: Mapping[str, Claim], *, answered: bool
) -> dict[str, Kind]:
    """Seconds until the verdict; answered: until its reply goes out."""

    def kind(claim: Claim) -> Kind:
        async def seconds(number: int) -> float:
            began = time.perf_counter()
            verdict = await decided(authenticator, claim, f"10.{number // 256}.{number % 256}.1")
            assert str(verdict.reply) == str(replies.WRONG)
            return time.perf_counter() - began + (verdict.delay if answered else 0.0)

        return seconds

    return {name: kind(claim) for name, claim in claims.items()}


def passwords(*names: str) -> dict[str, Claim]:
    return {name: PasswordClaim("", *STRANGERS[name]) for name in names or STRANGERS}


def test_a_password_is_checked_as_long_for_whoever_it_is(real: Rig) -> None:
    claims = passwords("an unknown login", "a member", "a suspended member")
    measured = asyncio.run(in_turn(kinds(timed(real, real.source()), claims, answered=False), 30))
    assert not told_apart(measured, bound=1.1)


def test_that_would_notice_a_check_that_is_left_out(real: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def compare(self: Hashes, stored: str | None, typed: str) -> Compared:
        return Compared(is_right=False) if stored is None else checked(self, stored, typed)

    checked = Hashes.compare
    monkeypatch.setattr(Hashes, "compare", compare)
    claims = passwords("an unknown login", "a member")
    measured = asyncio.run(in_turn(kinds(timed(real, real.source()), claims, answered=False), 30))
    assert told_apart(measured, bound=1.1)


def test_a_refusal_goes_out_when_it_would_for_anybody(cheap: Rig) -> None:
    claims = passwords() | {
        "a wrong proof": ProofClaim("", "alice", None),
        "of nobody": ProofClaim("", "nobody", None),
    }
    measured = asyncio.run(in_turn(kinds(timed(cheap, cheap.source()), claims, answered=True), 200))
    assert not told_apart(measured, bound=1.1)
    assert min(map(min, measured.values())) >= SignInSettings().failure_delay


def test_a_refusal_goes_out_when_it_would_for_anybody_of_a_directory(cheap: Rig) -> None:
    directory = ToldDirectory(
        {"alice": (PASSWORD, ALICE), "sue": (PASSWORD, Member("sue", suspended="gone"))}
    )
    claims = passwords("an unknown login", "a member", "a suspended member")
    authenticator = timed(cheap, directory_source(cheap, directory))
    measured = asyncio.run(in_turn(kinds(authenticator, claims, answered=True), 200))
    assert not told_apart(measured, bound=1.1)


@pytest.mark.real
@pytest.mark.skipif(PROGRAM is None, reason=MISSING)
def test_an_ldap_server_is_asked_the_same_and_a_refusal_goes_out_when_it_would_for_anybody(
    cheap: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = list[str]()
    monkeypatch.setattr(LdapConnection, "search", noted("search", LdapConnection.search, calls))
    monkeypatch.setattr(LdapConnection, "bind", noted("bind", LdapConnection.bind, calls))
    claims = passwords("an unknown login", "a member")

    async def measured(server: Slapd) -> dict[str, list[float]]:
        async with asking(server) as directory:
            source = directory_source(cheap, directory)
            ways = kinds(timed(cheap, source), claims, answered=True)
            for way in ways.values():  # connections are there afterwards
                await way(250)
            calls.clear()
            for way in ways.values():
                await way(251)
            return await in_turn(ways, 100)

    (tmp_path / "slapd").mkdir()
    with Slapd(tmp_path / "slapd", person("alice", "mail: alice@example.org")) as server:
        assert not told_apart(asyncio.run(measured(server)), bound=1.1)
    assert calls[:4] == ["search", "bind", "search", "bind"]
    assert calls.count("search") == calls.count("bind") == 2 * 101


def noted(name: str, call: Callable[..., Any], calls: list[str]) -> Callable[..., Any]:
    def noting(*arguments: Any, **named: Any) -> Any:
        calls.append(name)
        return call(*arguments, **named)

    return noting


# --- a proof


def proving(count: int) -> Kind:
    """How long a wrong proof takes, where a login has so many passwords."""
    keys = tuple(ScramKey(str(at), bytes([at]) * 32, b"") for at in range(count))
    final = b",p=" + base64.b64encode(bytes(32))

    async def seconds(number: int) -> float:
        mechanism = Scram("SCRAM-SHA-256", Channel(), lambda: "ours")
        assert isinstance(mechanism.start(b"n,,n=alice,r=theirs"), NeedKeys)
        mechanism.resume(ScramKeys(b"salt", 4_096, keys))
        began = time.perf_counter()
        done = mechanism.respond(b"c=biws,r=theirsours" + final)
        taken = time.perf_counter() - began
        assert isinstance(done, Verify)
        return taken

    return seconds


def test_a_wrong_proof_takes_as_long_for_nobody_as_for_a_member_with_app_passwords() -> None:
    logins = {"nobody": proving(0), "a member": proving(1), "one with app passwords": proving(8)}
    assert not told_apart(asyncio.run(in_turn(logins, 300)), bound=1.1)


def test_that_would_notice_a_key_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scram, "_ROUND", 1)
    logins = {"nobody": proving(0), "one with app passwords": proving(8)}
    assert told_apart(asyncio.run(in_turn(logins, 300)), bound=1.1)


# --- over the wire


@dataclass
class Wire:
    """The way to the service, for clients from any address of loopback."""

    service: Service
    trust: ssl.SSLContext

    def asked(self, command: str, address: str) -> tuple[float, str]:
        """Seconds until the answer, and the answer, on a connection of its own."""
        with closing(self._connected(address)) as client:
            client.starttls(context=self.trust)
            client.ehlo()
            began = time.perf_counter()
            code, text = client.docmd(command)
            return time.perf_counter() - began, f"{code} {text.decode()}"

    def _connected(self, address: str) -> smtplib.SMTP:
        client = smtplib.SMTP("127.0.0.1", self.service.starttls, "client", 30, (address, 0))
        assert client.sock is not None
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """With a guard that counts, and lets each new address have its wrong passwords."""
    one = Service(tmp_path_factory.mktemp("timing"), allow="[]\nnetwork_failures = 10000")
    one.add_account("alice")
    one.add_account("sue")
    one.sams("account", "suspend", "sue", "--reason", "gone")
    with one.running():
        yield Wire(one, one.trust())


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_a_client_hears_the_same_after_the_same_time(wire: Wire) -> None:
    commands = {login: "AUTH PLAIN " + encoded(f"\0{login}\0{GUESS}") for login in ("nobody", "alice", "sue")}
    chance, jobs = random.Random(3), [(login, number) for number in range(20) for login in commands]
    chance.shuffle(jobs)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda job: wire.asked(commands[job[0]], f"127.1.{job[1]}.1"), jobs))
    measured: dict[str, list[float]] = {login: [] for login in commands}
    for (login, _), (seconds, text) in zip(jobs, found, strict=True):
        assert text.startswith(str(replies.WRONG)[:-1]), text
        measured[login].append(seconds)
    assert not told_apart(measured, bound=1.1)
    # The service's loop counts by whole milliseconds, from the beginning of the round in which a timer is set.
    assert min(map(min, measured.values())) >= SignInSettings().failure_delay - 0.002


def test_a_client_hears_of_a_salt_after_the_same_time(wire: Wire) -> None:
    def kind(login: str) -> Kind:
        async def seconds(number: int) -> float:
            command = "AUTH SCRAM-SHA-256 " + encoded(f"n,,n={login},r=theirs")
            taken, text = wire.asked(command, f"127.2.{number}.1")
            assert text.startswith("334 ")
            return taken

        return seconds

    logins = {login: kind(login) for login in ("nobody", "alice", "sue")}
    assert not told_apart(asyncio.run(in_turn(logins, 30)), bound=1.1)
