"""Sign-ins, from the claim to the verdict, and what MAIL asks: CPU of this process with its threads.

SCRAM begins with the client's first message, and the client's own sums are not counted. A directory's CPU is another
process's; how long its answer takes is a part of its own. Where slapd is missing, the parts that ask it are left out.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from sams.config.sources import OauthSource
from sams.identity.app_passwords.store import AppPasswordStore
from sams.identity.authentication.authenticator import ChainAuthenticator
from sams.identity.interface import Identity, SignInVerdict
from sams.identity.logins import LoginForms
from sams.identity.passwords.hashes import HashCost
from sams.identity.passwords.remembered import Remembered
from sams.identity.sources.directory_source import DirectorySource, SourceSettings
from sams.identity.sources.known import KnownMembers
from sams.identity.sources.ldap.directory import LdapDirectory
from sams.identity.sources.oauth.directory import OauthDirectory
from sams.identity.sources.proofs import TokenDirectorySource
from sams.identity.sources.serves import Serves
from sams.protocol.sasl.interface import (
    Challenge,
    Channel,
    Claim,
    NeedKeys,
    PasswordClaim,
    ScramKeys,
    TokenClaim,
    Verify,
)
from sams.protocol.sasl.scram import Scram
from tests.identity.rig import HOME, KEY, PASSWORD, Rig, rig
from tests.identity.sources.ldap.rig import WORD, person, section
from tests.support.certificates import Authority
from tests.support.issuer import issuing
from tests.support.slapd_server import PROGRAM, SERVICE_PASSWORD, Slapd

_DOMAINS = ("example.org",)
_FIRST = b"n,,n=alice,r=fyko+d2lbbFgONRv9qkxdawL"
Clock = Callable[[], float]
Job = Callable[["_House", Clock, int], Coroutine[Any, Any, float]]


class _House:
    """A worker's identity with one member, alice, and as many directories as a part asks for."""

    def __init__(self, made: Rig) -> None:
        self.rig = made
        self.known = KnownMembers(made.folder / "members.db")
        self.store = AppPasswordStore(made.accounts.file, made.clock)
        made.accounts.add("alice", PASSWORD, ["alice@example.org"])

    def source(self, kind: type[DirectorySource], directory: Any, cache: float = 300.0) -> DirectorySource:
        """A directory as a source."""
        told: dict[str, Any] = {"tell": print, "report": self.rig.reported.append}
        return kind(
            directory,
            SourceSettings("directory", cache=cache, addresses=("{user}@{domain}",)),
            serves=Serves(),
            forms=LoginForms(_DOMAINS),
            known=self.known,
            clock=self.rig.clock,
            **told,
        )


@contextmanager
def _house(scratch: str | None) -> Iterator[_House]:
    with tempfile.TemporaryDirectory(dir=scratch) as folder, rig(Path(folder), cost=HashCost()) as one:
        made = _House(one)
        yield made
        made.known.close()


async def _signed_in(authenticator: ChainAuthenticator, claim: Claim) -> Identity:
    verdict = authenticator.verify(claim, HOME)
    verdict = verdict if isinstance(verdict, SignInVerdict) else await verdict
    assert verdict.identity is not None, verdict.explanation
    return verdict.identity


async def _repeated(authenticator: ChainAuthenticator, claim: Claim, loops: int, clock: Clock) -> float:
    """The first one is not counted."""
    await _signed_in(authenticator, claim)
    began = clock()
    for _ in range(loops):
        await _signed_in(authenticator, claim)
    return clock() - began


# --- from memory


async def _remembered(house: _House, clock: Clock, loops: int) -> float:
    return await _repeated(house.rig.authenticator(), PasswordClaim("", "alice", PASSWORD), loops, clock)


async def _at_mail(house: _House, clock: Clock, loops: int) -> float:
    authenticator = house.rig.authenticator()
    identity = await _signed_in(authenticator, PasswordClaim("", "alice", PASSWORD))
    began = clock()
    for _ in range(loops):
        assert authenticator.still_valid(identity)
    return clock() - began


async def _app_password(house: _House, clock: Clock, loops: int) -> float:
    _, password = house.store.add("builtin", "alice", "phone", is_builtin=True)
    return await _repeated(house.rig.authenticator(), PasswordClaim("", "alice", password), loops, clock)


# --- by a hash, a proof, a token


async def _argon2(house: _House, clock: Clock, loops: int) -> float:
    house.rig.remembered = Remembered(KEY, house.rig.clock, 0)
    return await _repeated(house.rig.authenticator(), PasswordClaim("", "alice", PASSWORD), loops, clock)


async def _scram(house: _House, clock: Clock, loops: int) -> float:
    authenticator = house.rig.authenticator()
    client = _ScramClient(authenticator.scram_keys("alice", "sha256"))
    return sum(_prove(authenticator, client, clock) for _ in range(loops))


def _prove(authenticator: ChainAuthenticator, client: _ScramClient, clock: Clock) -> float:
    began = clock()
    mechanism = Scram("SCRAM-SHA-256", Channel())
    asked = mechanism.start(_FIRST)
    assert isinstance(asked, NeedKeys)
    challenge = mechanism.resume(authenticator.scram_keys(asked.authcid, asked.hash_name))
    spent = clock() - began
    assert isinstance(challenge, Challenge)
    final = client.final(challenge.data)
    began = clock()
    done = mechanism.respond(final)
    assert isinstance(done, Verify)
    verdict = authenticator.verify(done.claim, HOME)
    assert isinstance(verdict, SignInVerdict)
    spent += clock() - began
    assert verdict.identity is not None, verdict.explanation
    return spent


class _ScramClient:
    """Knows the password, and has done the iterations."""

    def __init__(self, keys: ScramKeys) -> None:
        salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), keys.salt, keys.iterations)
        self._key = hmac.digest(salted, b"Client Key", "sha256")
        self._stored = hashlib.sha256(self._key).digest()

    def final(self, server_first: bytes) -> bytes:
        """The answer to salt and count."""
        bare = b"c=biws," + server_first.partition(b",")[0]
        signed = b",".join((_FIRST.removeprefix(b"n,,"), server_first, bare))
        mask = hmac.digest(self._stored, signed, "sha256")
        proof = bytes(one ^ other for one, other in zip(self._key, mask, strict=True))
        return bare + b",p=" + base64.b64encode(proof)


async def _token(house: _House, clock: Clock, loops: int) -> float:
    authority, ca_file = Authority.make(), house.rig.folder / "ca.pem"
    authority.ca.cert_pem.write_to_path(str(ca_file))
    async with issuing(authority.ca) as issuer:
        asked = OauthSource(issuer=issuer.url, audience=("sams",), ca_file=ca_file)
        directory = OauthDirectory(asked, "", forms=LoginForms(_DOMAINS), clock=house.rig.clock)
        house.rig.clock.epoch = time.time() - house.rig.clock.seconds
        source = house.source(TokenDirectorySource, directory)
        try:
            authenticator = house.rig.authenticator([source])
            return await _repeated(authenticator, TokenClaim("", issuer.token()), loops, clock)
        finally:
            await source.close()


# --- by a directory


@asynccontextmanager
async def _ldap(house: _House, cache: float) -> AsyncIterator[DirectorySource]:
    folder = house.rig.folder / "slapd"
    folder.mkdir()
    with Slapd(folder, person("alice", "mail: alice@example.org")) as server:
        directory = LdapDirectory(section(server), SERVICE_PASSWORD, house.rig.clock)
        source = house.source(DirectorySource, directory, cache)
        try:
            yield source
        finally:
            await source.close()


async def _ldap_asked(house: _House, clock: Clock, loops: int) -> float:
    async with _ldap(house, cache=0.0) as source:
        authenticator = house.rig.authenticator([source])
        return await _repeated(authenticator, PasswordClaim("", "alice", WORD), loops, clock)


async def _ldap_remembered(house: _House, clock: Clock, loops: int) -> float:
    async with _ldap(house, cache=300.0) as source:
        authenticator = house.rig.authenticator([source])
        return await _repeated(authenticator, PasswordClaim("", "alice", WORD), loops, clock)


async def _ldap_app_password(house: _House, clock: Clock, loops: int) -> float:
    _, password = house.store.add("directory", "alice", "phone")
    async with _ldap(house, cache=300.0) as source:
        authenticator = house.rig.authenticator([source])
        return await _repeated(authenticator, PasswordClaim("", "alice", password), loops, clock)


_BUILT_IN = {
    "sign-in, remembered password": _remembered,
    "sign-in, app password": _app_password,
    "sign-in, SCRAM-SHA-256": _scram,
    "sign-in, token (RS256)": _token,
    "sign-in, first time (argon2)": _argon2,
    "signed in, asked at MAIL": _at_mail,
}
_OF_LDAP = {
    "sign-in, LDAP, remembered password": _ldap_remembered,
    "sign-in, LDAP, app password": _ldap_app_password,
    "sign-in, LDAP, asked": _ldap_asked,
}


def _run(loops: int, *, scratch: str | None, job: Job, clock: Clock = time.process_time) -> float:
    with _house(scratch) as house:
        return uvloop.run(job(house, clock, loops))


def parts(scratch: str | None) -> Mapping[str, tuple[Callable[[int], float], int]]:
    """Each with the sign-ins in one loop."""
    jobs = _BUILT_IN | (_OF_LDAP if PROGRAM is not None else {})
    found = {name: (partial(_run, scratch=scratch, job=job), 1) for name, job in jobs.items()}
    if PROGRAM is not None:
        later = partial(_run, scratch=scratch, job=_ldap_asked, clock=time.perf_counter)
        found["sign-in, LDAP, asked: until its answer"] = later, 1
    return found
