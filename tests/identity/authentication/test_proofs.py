"""Sign-ins by app passwords and other proofs than passwords, by members of directories, and while those are down."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sams.identity.account_sources import Finding, Source
from sams.identity.app_passwords.store import AppPasswordStore
from sams.identity.authentication.authenticator import ChainAuthenticator
from sams.identity.interface import EVERYBODY, Audience, Identity, SignInVerdict
from sams.identity.sources.directory_source import DirectorySource, SourceSettings
from sams.identity.sources.interface import Answer, Member
from sams.identity.sources.known import KnownMembers
from sams.identity.sources.proofs import PrincipalDirectorySource, TokenDirectorySource
from sams.identity.sources.serves import Serves
from sams.protocol.sasl.interface import (
    CertificateClaim,
    Claim,
    PasswordClaim,
    PrincipalClaim,
    ProofClaim,
    ScramKeys,
    SecurityContext,
    TokenClaim,
)
from sams.protocol.sasl.scram import make_scram_key
from tests.identity.rig import CAFE, HOME, PASSWORD, Rig, rig
from tests.identity.sources.rig import BROKEN, FORMS, ToldDirectory

WRONG = "535 5.7.8 Wrong user name or password"
DOWN = "454 4.7.0 Signing in does not work at the moment, try again later"
APP_ONLY = "535 5.7.8 Wrong user name or password; an app password is needed here, not your usual one"
CAROL = Member("carol", ("carol@example.org", "c@example.org"), ("team@example.org",))


class Issuer(ToldDirectory):
    """Tokens are logins behind `token-`."""

    refusal = b'{"status":"invalid_token"}'

    async def verify_token(self, claim: TokenClaim) -> Answer:
        member = self.members.get(claim.token.removeprefix("token-"))
        return Answer(Finding.RIGHT, member[1]) if member else Answer(Finding.WRONG, detail="expired")


class Realm(ToldDirectory):
    """Principals of EXAMPLE.ORG."""

    async def find_principal(self, claim: PrincipalClaim) -> Answer:
        name, _, realm = claim.principal.partition("@")
        if realm != "EXAMPLE.ORG":
            return Answer(Finding.UNKNOWN)
        return Answer(Finding.RIGHT, self.members[name][1])

    def accept_context(self) -> SecurityContext:
        raise NotImplementedError


@dataclass
class House:
    """A worker with a directory behind its built-in accounts."""

    rig: Rig
    directory: ToldDirectory = field(
        default_factory=lambda: ToldDirectory({"carol": ("carols secret 7", CAROL)})
    )
    settings: SourceSettings = field(default_factory=lambda: SourceSettings("staff"))
    kind: type[DirectorySource] = DirectorySource
    serves: Serves = field(default_factory=Serves)

    def __post_init__(self) -> None:
        self.known = KnownMembers(self.rig.folder / "members.db")
        self.store = AppPasswordStore(self.rig.accounts.file, self.rig.clock)

    def source(self) -> DirectorySource:
        return self.kind(
            self.directory,
            self.settings,
            serves=self.serves,
            forms=FORMS,
            known=self.known,
            clock=self.rig.clock,
            tell=lambda _: None,
            report=self.rig.reported.append,
        )

    def authenticator(self, *, builtin: bool = True) -> ChainAuthenticator:
        sources: list[Source] = [self.source()]
        if builtin:
            sources.insert(0, self.rig.source())
        return self.rig.authenticator(sources)

    def app_password(self, login: str = "carol", source: str = "staff", **more: object) -> str:
        return self.store.add(source, login, "phone", **more)[1]  # type: ignore[arg-type]  # a test's own keywords


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with rig(tmp_path, domains=("example.ac.uk", "example.org")) as one:
        one.accounts.add("alice", PASSWORD, ["alice@example.ac.uk"])
        made = House(one)
        yield made
        made.known.close()


async def decided(
    authenticator: ChainAuthenticator, claim: Claim, address: str = HOME, audience: Audience = EVERYBODY
) -> SignInVerdict:
    verdict = authenticator.verify(claim, address, audience)
    return verdict if isinstance(verdict, SignInVerdict) else await verdict


def signs_in(
    authenticator: ChainAuthenticator, claim: Claim, address: str = HOME, audience: Audience = EVERYBODY
) -> SignInVerdict:
    return asyncio.run(decided(authenticator, claim, address, audience))


def typed(login: str, password: str) -> PasswordClaim:
    return PasswordClaim("", login, password)


def is_carol(verdict: SignInVerdict) -> Identity:
    assert verdict.identity is not None, verdict
    assert (verdict.identity.login, verdict.identity.source) == ("carol", "staff")
    return verdict.identity


# --- members of a directory


def test_a_member_of_a_directory_signs_in_and_the_second_time_nobody_is_asked(house: House) -> None:
    authenticator = house.authenticator()
    is_carol(signs_in(authenticator, typed("carol@example.org", "carols secret 7")))
    again = authenticator.verify(typed("carol@example.org", "carols secret 7"), CAFE)
    assert isinstance(again, SignInVerdict)
    assert is_carol(again).addresses == ("carol@example.org", "c@example.org")
    assert len(house.directory.asked) == 1


def test_what_a_directory_verified_is_remembered_for_its_cache_time_alone(house: House) -> None:
    house.settings = SourceSettings("staff", cache=60.0)
    authenticator = house.authenticator()
    signs_in(authenticator, typed("carol", "carols secret 7"))
    house.directory.members["carol"] = ("a new secret 7", CAROL)
    assert signs_in(authenticator, typed("carol", "carols secret 7")).identity is not None
    house.rig.clock.seconds += 61
    assert str(signs_in(authenticator, typed("carol", "carols secret 7")).reply) == WRONG
    assert "previous password" in signs_in(authenticator, typed("carol", "carols secret 7")).explanation
    is_carol(signs_in(authenticator, typed("carol", "a new secret 7")))


def test_a_password_is_remembered_from_when_it_was_verified_whatever_else_was_asked(house: House) -> None:
    house.settings = SourceSettings("staff", cache=60.0)
    authenticator = house.authenticator()
    app_password = house.app_password()
    signs_in(authenticator, typed("carol", "carols secret 7"))
    house.directory.members["carol"] = ("a new secret 7", CAROL)
    house.rig.clock.seconds += 61
    is_carol(signs_in(authenticator, typed("carol", app_password)))  # who she is was asked anew
    assert str(signs_in(authenticator, typed("carol", "carols secret 7")).reply) == WRONG


def test_a_member_of_a_directory_does_not_wait_for_the_hash_of_nobody(house: House) -> None:
    authenticator = house.authenticator()
    is_carol(signs_in(authenticator, typed("carol", "carols secret 7")))
    assert house.rig.hashes.compared == []
    signs_in(authenticator, typed("carol", "wrong"))
    signs_in(authenticator, typed("nobody", "wrong"))
    assert house.rig.hashes.compared == [False, False], "who fails pays, whoever it is"
    house.directory.failure = BROKEN
    house.rig.clock.seconds += house.settings.cache
    is_carol(signs_in(authenticator, typed("carol", "carols secret 7")))
    assert len(house.rig.hashes.compared) == 2


def test_a_wrong_password_repeated_asks_the_directory_once_a_minute(house: House) -> None:
    authenticator = house.authenticator(builtin=False)
    for _ in range(5):
        assert str(signs_in(authenticator, typed("carol", "the old one")).reply) == WRONG
    assert len(house.directory.asked) == 1
    house.rig.clock.seconds += 61
    signs_in(authenticator, typed("carol", "the old one"))
    assert len(house.directory.asked) == 2
    house.directory.members["carol"] = ("the old one", CAROL)
    house.rig.clock.seconds += 61
    is_carol(signs_in(authenticator, typed("carol", "the old one")))


def test_while_the_directory_is_down_who_was_right_lately_gets_in_by_that_password_alone(
    house: House,
) -> None:
    authenticator = house.authenticator()
    signs_in(authenticator, typed("carol", "carols secret 7"))
    house.directory.failure = BROKEN
    house.rig.clock.seconds += house.settings.cache
    verdict = signs_in(authenticator, typed("carol", "carols secret 7"))
    is_carol(verdict)
    assert "while down" in verdict.explanation
    assert str(signs_in(authenticator, typed("carol", "another secret")).reply) == DOWN
    assert str(signs_in(authenticator, typed("dave", "daves secret")).reply) == DOWN
    assert signs_in(authenticator, typed("alice", PASSWORD)).identity is not None, "of another source"
    house.rig.clock.seconds += house.settings.grace
    assert str(signs_in(authenticator, typed("carol", "carols secret 7")).reply) == DOWN


def test_a_password_that_the_directory_found_wrong_lets_nobody_in_while_it_is_down(house: House) -> None:
    """Who stole a password has only to wait for an outage, or to make one."""
    authenticator = house.authenticator()
    is_carol(signs_in(authenticator, typed("carol", "carols secret 7")))
    house.directory.members["carol"] = ("carols secret 8", CAROL)
    house.rig.clock.seconds += 301
    assert str(signs_in(authenticator, typed("carol", "carols secret 7")).reply) == WRONG
    is_carol(signs_in(authenticator, typed("carol", "carols secret 8")))
    house.directory.failure = BROKEN
    house.rig.clock.seconds += 301
    assert str(signs_in(authenticator, typed("carol", "carols secret 7"), CAFE).reply) == DOWN
    is_carol(signs_in(authenticator, typed("carol", "carols secret 8")))


def test_who_hangs_up_before_the_answer_has_guessed_all_the_same(house: House) -> None:
    """The directory was asked, and may lock its members for it: the guard stands before that."""
    house.directory.seconds = 0.05
    authenticator = house.authenticator(builtin=False)

    async def hangs_up(password: str) -> SignInVerdict | None:
        verdict = authenticator.verify(typed("carol", password), CAFE)
        if isinstance(verdict, SignInVerdict):
            return verdict
        await asyncio.sleep(0.001)
        verdict.cancel()
        await asyncio.wait([verdict])
        return None

    async def main() -> None:
        answers = [await hangs_up(f"guess {number}") for number in range(12)]
        assert len(house.directory.asked) == 10
        assert answers[-1] is not None
        assert answers[-1].explanation.startswith("locked")

    asyncio.run(main())


def test_grace_holds_in_every_worker(house: House) -> None:
    signs_in(house.authenticator(), typed("carol", "carols secret 7"))
    house.known.write(house.known.take())
    house.directory.failure = BROKEN
    house.rig.clock.seconds += house.settings.cache
    other = House(house.rig, house.directory)
    is_carol(signs_in(other.authenticator(), typed("carol", "carols secret 7")))
    other.known.close()


def test_a_source_that_is_not_asked_about_a_login_has_no_say_in_it(house: House) -> None:
    house.serves = Serves(patterns=["s*"])
    house.directory.failure = BROKEN
    authenticator = house.authenticator()
    assert str(signs_in(authenticator, typed("carol", "carols secret 7")).reply) == WRONG
    assert str(signs_in(authenticator, typed("sam", "sams secret")).reply) == DOWN


def test_a_source_that_refuses_without_saying_whom_passes_on(house: House) -> None:
    house.directory.tells_unknown = False
    authenticator = house.rig.authenticator([house.source(), house.rig.source()])
    assert signs_in(authenticator, typed("alice", PASSWORD)).identity is not None
    verdict = signs_in(authenticator, typed("nobody", "guess"))
    assert str(verdict.reply) == WRONG


def test_a_member_who_is_disabled_there_hears_it_after_the_right_password_only(house: House) -> None:
    gone = Member("carol", ("carol@example.org",), suspended="left the university")
    house.directory.members["carol"] = ("carols secret 7", gone)
    authenticator = house.authenticator()
    assert str(signs_in(authenticator, typed("carol", "guess")).reply) == WRONG
    verdict = signs_in(authenticator, typed("carol", "carols secret 7"))
    assert str(verdict.reply) == "535 5.7.13 This account may not send mail: left the university"


def test_a_session_of_a_source_that_left_the_configuration_is_over(house: House) -> None:
    identity = is_carol(signs_in(house.authenticator(), typed("carol", "carols secret 7")))
    assert not house.rig.authenticator([house.rig.source()]).still_valid(identity)


# --- app passwords


@pytest.mark.parametrize("login", ["carol", "carol@example.org", "carol/phone", "CAROL/phone@example.org"])
def test_an_app_password_of_a_directorys_member_lets_in_however_it_is_typed(house: House, login: str) -> None:
    password = house.app_password()
    authenticator = house.authenticator()
    for text in (password, password.replace("-", ""), password.upper().replace("-", " ")):
        identity = is_carol(signs_in(authenticator, typed(login, text)))
        assert identity.app_password
        assert authenticator.still_valid(identity)
    assert set(house.directory.asked) == {"find carol"}


def test_an_app_password_is_its_members_alone(house: House) -> None:
    house.directory.members["dave"] = ("daves secret", Member("dave"))
    password = house.app_password()
    authenticator = house.authenticator()
    for login in ("dave", "alice", "nobody"):
        assert str(signs_in(authenticator, typed(login, password)).reply) == WRONG


def test_an_app_password_ends_with_its_member_in_the_directory(house: House) -> None:
    password = house.app_password()
    authenticator = house.authenticator()
    identity = is_carol(signs_in(authenticator, typed("carol", password)))
    del house.directory.members["carol"]
    house.rig.clock.seconds += house.settings.cache
    assert str(signs_in(authenticator, typed("carol", password)).reply) == WRONG
    assert not authenticator.still_valid(identity)


def test_a_revoked_app_password_ends_at_once_with_its_session(house: House) -> None:
    password = house.app_password()
    authenticator = house.authenticator()
    identity = is_carol(signs_in(authenticator, typed("carol", password)))
    house.store.revoke("carol", "phone")
    assert not authenticator.still_valid(identity)
    assert "carol" in authenticator.changed_logins()
    assert str(signs_in(authenticator, typed("carol", password)).reply) == WRONG


def test_an_app_password_that_has_expired_says_so(house: House) -> None:
    password = house.app_password(expires=house.rig.clock.now() + 60)
    authenticator = house.authenticator()
    is_carol(signs_in(authenticator, typed("carol", password)))
    house.rig.clock.seconds += 61
    reply = str(signs_in(authenticator, typed("carol", password)).reply)
    assert reply == "535 5.7.8 This app password has expired: make a new one"


def test_an_app_password_is_for_its_networks(house: House) -> None:
    password = house.app_password(networks=["192.0.2.0/24"])
    authenticator = house.authenticator()
    is_carol(signs_in(authenticator, typed("carol", password), HOME))
    refused = signs_in(authenticator, typed("carol", password), CAFE)
    assert refused.identity is None
    assert "networks" in str(refused.reply)


def test_an_app_password_narrows_what_may_be_sent_as(house: House) -> None:
    password = house.app_password(senders=["c@example.org", "team@example.org", "other@example.org"])
    identity = is_carol(signs_in(house.authenticator(), typed("carol", password)))
    assert identity.addresses == ("c@example.org",)
    assert identity.may_send_as == ("team@example.org",)
    assert str(identity.default_address) == "c@example.org"


def test_while_the_directory_is_down_an_app_password_is_of_who_was_there_lately(house: House) -> None:
    password = house.app_password()
    authenticator = house.authenticator()
    is_carol(signs_in(authenticator, typed("carol", password)))
    house.directory.failure = BROKEN
    house.rig.clock.seconds += house.settings.cache
    is_carol(signs_in(authenticator, typed("carol", password)))
    house.rig.clock.seconds += house.settings.grace
    assert str(signs_in(authenticator, typed("carol", password)).reply) == DOWN


def test_where_app_passwords_alone_are_taken_no_directory_sees_the_members_own(house: House) -> None:
    house.settings = SourceSettings("staff", takes_passwords=False)
    authenticator = house.authenticator(builtin=False)
    for login in ("carol", "nobody"):
        assert str(signs_in(authenticator, typed(login, "carols secret 7")).reply) == APP_ONLY
    assert house.directory.asked == []
    is_carol(signs_in(authenticator, typed("carol", house.app_password())))


def test_no_lock_keeps_a_right_app_password_out(house: House) -> None:
    password = house.app_password()
    authenticator = house.authenticator()
    for number in range(30):
        signs_in(authenticator, typed("carol", f"guess {number}"))
    assert signs_in(authenticator, typed("carol", "carols secret 7")).reply.code == 454
    is_carol(signs_in(authenticator, typed("carol", password)))


# --- SCRAM


def proof_is_of(keys: ScramKeys, password: str) -> str | None:
    """Whose keys a password fits, as the mechanism finds out by a proof."""
    stored, _ = make_scram_key(password, keys.salt, keys.iterations, "sha256")
    return next((key.id for key in keys.keys if hmac.compare_digest(key.stored_key, stored)), None)


def test_own_and_app_password_prove_themselves_by_one_login(house: House) -> None:
    authenticator = house.authenticator()
    password = house.app_password("alice", "builtin", is_builtin=True)
    keys = authenticator.scram_keys("Alice@example.ac.uk", "sha256")
    for text, is_app in ((PASSWORD, False), (password, True)):
        claim = ProofClaim("", "alice", proof_is_of(keys, text))
        verdict = signs_in(authenticator, claim)
        assert verdict.identity is not None
        assert bool(verdict.identity.app_password) is is_app
    assert proof_is_of(keys, "guess") is None
    assert str(signs_in(authenticator, ProofClaim("", "alice", None)).reply) == WRONG


def test_keys_for_nobody_look_like_somebodys_and_are_the_same_each_time(house: House) -> None:
    authenticator = house.authenticator()
    known, unknown = (authenticator.scram_keys(name, "sha256") for name in ("alice", "nobody"))
    assert unknown == authenticator.scram_keys("nobody@example.ac.uk", "sha256")
    assert (len(unknown.salt), unknown.iterations) == (len(known.salt), known.iterations)
    assert unknown.salt != known.salt
    assert unknown.keys == ()
    assert authenticator.scram_keys("a b", "sha256").keys == ()


def test_a_salt_does_not_tell_that_a_directory_knows_somebody_by_another_address(house: House) -> None:
    house.directory.members["c.smith"] = house.directory.members["carol"]
    authenticator = house.authenticator()
    house.app_password()
    before = authenticator.scram_keys("c.smith@example.org", "sha256")
    is_carol(signs_in(authenticator, typed("c.smith@example.org", "carols secret 7")))
    assert authenticator.scram_keys("c.smith@example.org", "sha256") == before
    assert len(authenticator.scram_keys("carol@example.org", "sha256").keys) == 1


def test_a_proof_of_a_password_that_was_changed_meanwhile_is_none(house: House) -> None:
    authenticator = house.authenticator()
    proof = proof_is_of(authenticator.scram_keys("alice", "sha256"), PASSWORD)
    house.rig.accounts.passwd("alice", "another horse 9")
    assert str(signs_in(authenticator, ProofClaim("", "alice", proof)).reply) == WRONG


def test_a_proof_by_a_revoked_app_password_is_none(house: House) -> None:
    authenticator = house.authenticator()
    password = house.app_password("alice", "builtin", is_builtin=True)
    proof = proof_is_of(authenticator.scram_keys("alice/phone", "sha256"), password)
    assert proof is not None
    house.store.revoke("alice", "phone")
    assert str(signs_in(authenticator, ProofClaim("", "alice/phone", proof)).reply) == WRONG


# --- tokens, tickets, certificates


def test_a_token_is_its_members(house: House) -> None:
    house.directory = Issuer({"carol": ("", CAROL)})
    house.kind = TokenDirectorySource
    authenticator = house.authenticator()
    for authzid in ("", "carol", "carol@example.org", "c@example.org"):
        is_carol(signs_in(authenticator, TokenClaim(authzid, "token-carol")))
    verdict = signs_in(authenticator, TokenClaim("alice", "token-carol"))
    assert str(verdict.reply) == WRONG
    verdict = signs_in(authenticator, TokenClaim("carol", "stolen"))
    assert str(verdict.reply) == WRONG
    assert verdict.explanation.endswith("expired")


def test_a_flood_of_tokens_from_one_place_keeps_no_member_elsewhere_waiting(house: House) -> None:
    """As of passwords (docs/security.md rule 7): networks take turns at an issuer that has to be asked."""

    class Slow(Issuer):
        async def verify_token(self, claim: TokenClaim) -> Answer:
            await self._ask(claim.token)
            return await super().verify_token(claim)

    house.kind = TokenDirectorySource
    house.directory = issuer = Slow({"carol": ("", CAROL)}, seconds=0.001)
    house.settings = SourceSettings("staff", connections=1)
    authenticator = house.authenticator(builtin=False)

    async def main() -> None:
        floods = [TokenClaim("", f"token-{number}") for number in range(250)]
        flood = [asyncio.ensure_future(decided(authenticator, claim, CAFE)) for claim in floods]
        await asyncio.sleep(0)
        is_carol(await decided(authenticator, TokenClaim("carol", "token-carol")))
        assert issuer.asked.index("token-carol") < 5
        await asyncio.gather(*flood)

    asyncio.run(main())


@pytest.mark.parametrize("name", ["", "carol"])
def test_no_wrong_tokens_keep_a_member_out_who_shares_the_address_and_has_a_new_one(
    house: House, name: str
) -> None:
    """A lock knows who was right there by the very text, and a token is another one each hour."""
    house.kind, house.directory = TokenDirectorySource, Issuer({"carol": ("", CAROL)})
    authenticator = house.authenticator(builtin=False)
    for number in range(50):
        assert str(signs_in(authenticator, TokenClaim(name, f"token-{number}")).reply) == WRONG
    is_carol(signs_in(authenticator, TokenClaim(name, "token-carol")))


def test_an_issuer_that_is_down_keeps_out_nobody_of_another(house: House) -> None:
    house.kind = TokenDirectorySource
    house.directory = Issuer({"carol": ("", CAROL)})
    house.settings = SourceSettings("other")

    class Silent(Issuer):
        async def verify_token(self, claim: TokenClaim) -> Answer:
            raise BROKEN

    other = house.source()
    house.directory, house.settings = Silent(), SourceSettings("first")
    authenticator = house.rig.authenticator([house.source(), other])
    verdict = signs_in(authenticator, TokenClaim("carol", "token-carol"))
    assert verdict.identity is not None
    assert verdict.identity.source == "other"
    assert str(signs_in(authenticator, TokenClaim("dave", "token-dave")).reply) == DOWN


def test_a_ticket_is_its_principals(house: House) -> None:
    house.directory = Realm({"carol": ("", CAROL)})
    house.kind = PrincipalDirectorySource
    authenticator = house.authenticator()
    is_carol(signs_in(authenticator, PrincipalClaim("", "carol@EXAMPLE.ORG")))
    assert str(signs_in(authenticator, PrincipalClaim("", "carol@ELSEWHERE")).reply) == WRONG
    assert str(signs_in(authenticator, PrincipalClaim("alice", "carol@EXAMPLE.ORG")).reply) == WRONG


def test_a_certificate_is_of_the_first_of_its_names_that_is_a_members(house: House) -> None:
    authenticator = house.authenticator()
    is_carol(signs_in(authenticator, CertificateClaim("", ("n o", "nobody", "carol@example.org"))))
    verdict = signs_in(authenticator, CertificateClaim("", ("alice@example.ac.uk",)))
    assert verdict.identity is not None
    assert str(signs_in(authenticator, CertificateClaim("", ("nobody",))).reply) == WRONG
    house.directory.failure = BROKEN
    assert str(signs_in(authenticator, CertificateClaim("", ("dave",))).reply) == DOWN


def test_who_can_tell_is_asked_about_a_certificate_before_who_takes_it_on_trust(house: House) -> None:
    house.directory.can_find = False
    authenticator = house.rig.authenticator([house.source(), house.rig.source()])
    verdict = signs_in(authenticator, CertificateClaim("", ("alice",)))
    assert verdict.identity is not None
    assert verdict.identity.source == "builtin"
    verdict = signs_in(authenticator, CertificateClaim("", ("erin",)))
    assert verdict.identity is not None
    assert verdict.identity.source == "staff"


# --- who may use a listener


def test_a_listener_may_be_for_some_sources(house: House) -> None:
    authenticator = house.authenticator()
    staff = Audience(frozenset({"staff"}))
    is_carol(signs_in(authenticator, typed("carol", "carols secret 7"), HOME, staff))
    assert str(signs_in(authenticator, typed("alice", PASSWORD), HOME, staff).reply) == WRONG
    password = house.app_password("alice", "builtin", is_builtin=True)
    assert str(signs_in(authenticator, typed("alice", password), HOME, staff).reply) == WRONG
    assert authenticator.scram_keys("alice", "sha256", staff).keys == ()


def test_a_listener_may_be_for_devices(house: House) -> None:
    authenticator = house.authenticator()
    verdict = signs_in(authenticator, typed("alice", PASSWORD), HOME, Audience(devices_only=True))
    assert verdict.identity is None
    assert "devices" in str(verdict.reply)


def test_every_way_to_fail_takes_the_same_time_at_least(house: House) -> None:
    authenticator = house.authenticator()
    for claim in (
        typed("nobody", "guess"),
        typed("alice", house.app_password()),
        ProofClaim("", "nobody", None),
        TokenClaim("nobody", "guess"),
        PrincipalClaim("", "nobody@NOWHERE"),
        CertificateClaim("", ("nobody",)),
    ):
        verdict = signs_in(authenticator, claim)
        assert str(verdict.reply) == WRONG, claim
        assert verdict.delay >= 0.25, claim


def test_no_secret_of_a_claim_is_shown(house: House) -> None:
    secret = "geheim-token-4711"
    authenticator = house.authenticator()
    verdict = signs_in(authenticator, TokenClaim("carol", secret))
    assert secret not in repr((TokenClaim("carol", secret), verdict))
