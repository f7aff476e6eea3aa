from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop
from aiohttp import web
from joserfc import jwe
from joserfc.jwk import ECKey, OKPKey, RSAKey

from sams.config.sources import OauthSource
from sams.core.errors import TemporaryFailure
from sams.identity.account_sources import Finding
from sams.identity.logins import LoginForms
from sams.identity.sources.directory_source import SourceSettings
from sams.identity.sources.interface import Answer, Member
from sams.identity.sources.known import KnownMembers
from sams.identity.sources.oauth.directory import OauthDirectory
from sams.identity.sources.oauth.issuer_keys import APART, FRESH
from sams.identity.sources.proofs import TokenDirectorySource
from sams.protocol.sasl.interface import TokenClaim
from tests.identity.rig import CAFE, HOME
from tests.identity.sources.sql.rig import login
from tests.support.issuer import CLIENT, CLIENT_SECRET, RSA, Issuer, encoded, issuing, signed

AUTHORITY = trustme.CA()
FORMS = LoginForms(["example.org"])
KEEP = 600.0


@dataclass
class Clock:
    """The machine's, and as much more as a test wants."""

    ahead: float = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@dataclass
class Rig:
    issuer: Issuer
    directory: OauthDirectory
    clock: Clock

    async def ask(self, token: str, authzid: str = "") -> Answer:
        return await self.directory.verify_token(TokenClaim(authzid, token))

    async def finding(self, token: str, authzid: str = "") -> Finding:
        return (await self.ask(token, authzid)).finding


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    AUTHORITY.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


@asynccontextmanager
async def rig(ca_file: Path, *, secret: str = CLIENT_SECRET, **settings: Any) -> AsyncIterator[Rig]:
    async with issuing(AUTHORITY) as issuer:
        if settings.pop("introspects", False):
            settings |= {"introspection_url": f"{issuer.url}/introspect", "client_id": CLIENT}
        usual = {"issuer": issuer.url, "audience": ("sams",), "ca_file": ca_file, "grace": KEEP}
        section = OauthSource(**{**usual, **settings})
        clock = Clock()
        directory = OauthDirectory(section, secret, forms=FORMS, clock=clock)
        try:
            yield Rig(issuer, directory, clock)
        finally:
            await directory.close()


Make = Callable[[Issuer], str]


def answer(ca_file: Path, make: Make, authzid: str = "", **settings: Any) -> Answer:
    async def main() -> Answer:
        async with rig(ca_file, **settings) as made:
            return await made.ask(make(made.issuer), authzid)

    return asyncio.run(main())


RIGHT: dict[str, Make] = {
    "rsa": lambda issuer: issuer.token(),
    "pss": lambda issuer: issuer.token(header={"alg": "PS256"}),
    "ec": lambda issuer: issuer.token("ec"),
    "ed25519": lambda issuer: issuer.token("ed"),
    "eddsa": lambda issuer: issuer.token("ed", {"alg": "EdDSA"}),
    "no name of a key": lambda issuer: issuer.token(header={"kid": None}),
    "access token": lambda issuer: issuer.token(header={"typ": "at+jwt"}),
    "access token with its media type": lambda issuer: issuer.token(header={"typ": "Application/AT+JWT"}),
    "no type": lambda issuer: issuer.token(header={"typ": None}),
    "access token with a nonce": lambda issuer: issuer.token(typ="Bearer", nonce="n"),
    "several audiences": lambda issuer: issuer.token(aud=["others", "sams"]),
    "scopes in a list": lambda issuer: issuer.token(scope=None, scp=["a", "smtp"]),
    "scopes in scp": lambda issuer: issuer.token(scope=None, scp="a smtp"),
    "just expired": lambda issuer: issuer.token(exp=int(time.time()) - 30),
    "from a clock that is ahead": lambda issuer: issuer.token(nbf=int(time.time()) + 30),
    "fractions": lambda issuer: issuer.token(exp=time.time() + 100.5),
    "foreign headers": lambda issuer: issuer.token(header={"x5t": "abc", "vendor": {"a": 1}}),
}


@pytest.mark.parametrize("case", RIGHT)
def test_a_valid_token_tells_who_it_is(ca_file: Path, case: str) -> None:
    found = answer(ca_file, RIGHT[case], scope="smtp")
    assert found.finding is Finding.RIGHT, found.detail
    assert found.member == Member("alice", ("alice@example.org",))


def _by_public_key(key_id: str = "rsa") -> Make:
    """As who takes the public key to be a secret verifies it; joserfc itself makes no such signature."""

    def make(issuer: Issuer) -> str:
        header, payload = {"alg": "HS256", "kid": key_id}, issuer.claims()
        begin = ".".join(encoded(json.dumps(part).encode()) for part in (header, payload))
        digest = hmac.digest(RSA.as_pem(private=False), begin.encode(), "sha256")
        return f"{begin}.{encoded(digest)}"

    return make


def _with_payload(payload: bytes) -> Make:
    return lambda issuer: signed({"alg": "RS256", "kid": "rsa"}, payload, RSA)


def _doubled(issuer: Issuer) -> str:
    text = json.dumps(issuer.claims())
    return signed({"alg": "RS256", "kid": "rsa"}, (text[:-1] + ', "aud": "sams"}').encode(), RSA)


def _twice_in_header(issuer: Issuer) -> str:
    _, payload, signature = issuer.token().split(".")
    return ".".join((encoded(b'{"alg": "none", "alg": "RS256"}'), payload, signature))


def _other_key(alg: str, key: Any, **header: Any) -> Make:
    def make(issuer: Issuer) -> str:
        return signed({"alg": alg, "kid": "rsa", **header}, json.dumps(issuer.claims()).encode(), key)

    return make


def _without_signature(issuer: Issuer) -> str:
    return f"{issuer.token().rpartition('.')[0]}."


def _of_none(name: str) -> Make:
    header = encoded(json.dumps({"alg": name}).encode())
    return lambda issuer: f"{header}.{encoded(json.dumps(issuer.claims()).encode())}."


def _changed(issuer: Issuer) -> str:
    header, _, signature = issuer.token().split(".")
    return f"{header}.{encoded(json.dumps(issuer.claims(preferred_username='bob')).encode())}.{signature}"


def _padded(issuer: Issuer) -> str:
    return issuer.token() + "="


def _encrypted(issuer: Issuer) -> str:
    text = jwe.encrypt_compact({"alg": "RSA-OAEP", "enc": "A128GCM"}, json.dumps(issuer.claims()), RSA)
    return str(text)


OTHER = RSAKey.generate_key(2048)
NOW = time.time()
FORGED: dict[str, tuple[Make, str]] = {
    "alg none": (_of_none("none"), "signed by none"),
    "alg NoNe": (_of_none("NoNe"), "signed by NoNe"),
    "alg nothing": (_of_none(""), "not among algorithms"),
    "no signature": (_without_signature, "signature is wrong"),
    "HMAC with the public key": (_by_public_key(), "signed by HS256"),
    "an algorithm that is not allowed": (_other_key("RS512", RSA), "signed by RS512"),
    "another key of the same name": (_other_key("RS256", OTHER), "signature is wrong"),
    "an algorithm of another kind of key": (
        _other_key("ES256", ECKey.generate_key("P-256")), "signature is wrong",
    ),
    "its own key in jwk": (_other_key("RS256", OTHER, jwk=OTHER.as_dict(private=False)), "signature is wrong"),
    "its own key at jku": (_other_key("RS256", OTHER, jku="https://evil.example/keys"), "signature is wrong"),
    "its own key at x5u": (_other_key("RS256", OTHER, x5u="https://evil.example/c"), "signature is wrong"),
    "its own key in x5c": (_other_key("RS256", OTHER, x5c=["MIIB"]), "signature is wrong"),
    "a path as the name of a key": (_by_public_key("../../dev/null"), "signed by HS256"),
    "a key that nobody has": (_other_key("RS256", OTHER, kid="' OR 1=1"), "key that its issuer does not have"),
    "a critical extension": (lambda i: i.token(header={"crit": ["exp"]}), "extension"),
    "an empty list of critical extensions": (lambda i: i.token(header={"crit": []}), "extension"),
    "b64": (lambda i: i.token(header={"crit": ["b64"], "b64": False}), "extension"),
    "claims that were changed": (_changed, "signature is wrong"),
    "padding": (_padded, "cannot be read"),
    "two algorithms": (_twice_in_header, "no JWT"),
    "a claim twice": (_doubled, "a name stands twice"),
    "no object": (_with_payload(b'["iss"]'), "no object"),
    "no JSON": (_with_payload(b"hello"), "no JSON"),
    "no UTF-8": (_with_payload(b'{"iss": "\xff"}'), "no UTF-8"),
    "deep": (_with_payload(b'{"a": ' + b"[" * 4_000), "nested too deep"),
    "a long number": (_with_payload(b'{"exp": ' + b"9" * 5_000 + b"}"), "a number is too long"),
    "NaN": (_with_payload(b'{"exp": NaN}'), "no number"),
    "huge": (lambda i: i.token(pad="x" * 9_000), "longer than 8192"),
    "encrypted": (_encrypted, "encrypted (JWE)"),
    "the name of a key that is no text": (lambda i: i.token(header={"kid": 7}), "another form"),
    "a header that is no text": (lambda i: i.token(header={"typ": ["JWT"]}), "another form"),
    "another issuer": (lambda i: i.token(iss="https://evil.example"), "another issuer"),
    "an issuer with a slash": (lambda i: i.token(iss=f"{i.url}/"), "another issuer"),
    "issuers in a list": (lambda i: i.token(iss=[i.url]), "another issuer"),
    "no issuer": (lambda i: i.token(iss=None), "another issuer"),
    "for others": (lambda i: i.token(aud="others"), "made for others"),
    "for nobody": (lambda i: i.token(aud=None), "made for others"),
    "for a part": (lambda i: i.token(aud="sam"), "made for others"),
    "an audience that is no text": (lambda i: i.token(aud={"sams": 1}), "made for others"),
    "expired": (lambda i: i.token(exp=int(NOW) - 3_600), "has expired"),
    "no end": (lambda i: i.token(exp=None), "until when"),
    "an end as text": (lambda i: i.token(exp="9999999999"), "exp is no number"),
    "an end as truth": (lambda i: i.token(exp=True), "exp is no number"),
    "an end that is infinite": (
        lambda i: signed({"alg": "RS256"}, json.dumps(i.claims()).replace(
            str(i.claims()["exp"]), "1e999", 1).encode(), RSA), "exp is no time"),
    "not yet": (lambda i: i.token(nbf=int(NOW) + 3_600), "not valid yet"),
    "made in the future": (lambda i: i.token(iat=int(NOW) + 3_600), "not valid yet"),
    "no scope": (lambda i: i.token(scope=None), "scope smtp"),
    "a part of a scope": (lambda i: i.token(scope="smtps openid"), "scope smtp"),
    "an ID token by nonce": (lambda i: i.token(nonce="n"), "ID token"),
    "an ID token by hash": (lambda i: i.token(header={"typ": "at+jwt"}, at_hash="h"), "ID token"),
    "an ID token by typ": (lambda i: i.token(typ="ID"), "no access token"),
    "a refresh token": (lambda i: i.token(typ="Refresh"), "no access token"),
    "an ID token by use": (lambda i: i.token(token_use="id"), "no access token"),
    "a logout token": (lambda i: i.token(header={"typ": "logout+jwt"}), "no access token"),
    "a logout token by events": (lambda i: i.token(events={}), "no access token"),
    "bound to a key": (lambda i: i.token(cnf={"jkt": "x"}), "bound to a key"),
    "no login": (lambda i: i.token(preferred_username=None), "the member's login"),
    "a login that is no text": (lambda i: i.token(preferred_username=["alice"]), "the member's login"),
    "an empty login": (lambda i: i.token(preferred_username=""), "the member's login"),
    "opaque": (lambda i: "opaque-token", "no JWT"),
    "empty parts": (lambda i: "..", "no JWT"),
    "no ASCII": (lambda i: "é.é.é", "no JWT"),
}  # fmt: skip


@pytest.mark.parametrize("case", FORGED)
def test_any_other_token_is_wrong(ca_file: Path, case: str) -> None:
    make, told = FORGED[case]
    found = answer(ca_file, make, scope="smtp")
    assert found.finding is Finding.WRONG
    assert told in found.detail
    assert found.member is None


def test_no_token_of_others_makes_us_ask_the_issuer_for_keys(ca_file: Path) -> None:
    async def main() -> None:
        async with rig(ca_file, scope="smtp") as made:
            for case in ("alg none", "another issuer", "for others", "expired", "no scope", "huge"):
                assert await made.finding(FORGED[case][0](made.issuer)) is Finding.WRONG
            assert made.issuer.server.asked == []

    asyncio.run(main())


@pytest.mark.parametrize(
    ("authzid", "claims", "finding"),
    [
        ("alice", {}, Finding.RIGHT),
        ("Alice@Example.org", {}, Finding.RIGHT),
        ("alice/phone", {}, Finding.RIGHT),
        ("bob", {}, Finding.WRONG),
        ("alice@other.example", {}, Finding.WRONG),
        ("al", {"email": ["alice@example.org", "Al@example.org"]}, Finding.RIGHT),
        ("al@example.org", {"email": ["alice@example.org", "Al@example.org"]}, Finding.RIGHT),
        ("al@example.org", {"email": "al@example.org", "email_verified": False}, Finding.WRONG),
        ("al@example.org", {"email": "al@example.org", "email_verified": "false"}, Finding.WRONG),
        ("alice@b.example", {"email": None, "preferred_username": "alice@b.example"}, Finding.RIGHT),
        ("alice@b.example", {"email": None}, Finding.WRONG),
        ("alice", {"email": "bad address <>"}, Finding.RIGHT),
        ("alice", {"preferred_username": "a b"}, Finding.WRONG),
        ("a b", {}, Finding.WRONG),
        ("x" * 1_000, {}, Finding.WRONG),
        ("*@example.org", {"email": "*@example.org"}, Finding.WRONG),
    ],
)
def test_whom_the_mail_program_names_has_to_be_the_tokens_member(
    ca_file: Path, authzid: str, claims: dict[str, Any], finding: Finding
) -> None:
    assert answer(ca_file, lambda issuer: issuer.token(**claims), authzid).finding is finding


def test_addresses_come_from_the_claims_that_are_named(ca_file: Path) -> None:
    found = answer(
        ca_file,
        lambda issuer: issuer.token(
            upn="A1",
            mails=["a@example.org", 7, "*@b.example", " *@b.example", "b@example.org"],
            email_verified=False,
        ),
        login_claim="upn",
        address_claims=("email", "mails", "none"),
    )
    assert found.member == Member("A1", ("a@example.org", "b@example.org"))


@pytest.mark.parametrize("verified", [False, "false", True, None])
def test_an_address_that_the_issuer_has_not_verified_is_nobodys_login(
    ca_file: Path, verified: object
) -> None:
    """At an issuer where people write it themselves, anybody could be the boss."""
    found = answer(
        ca_file,
        lambda issuer: issuer.token(email="boss@example.org", email_verified=verified),
        login_claim="email",
    )
    is_taken = verified in (True, None)
    assert found.finding is (Finding.RIGHT if is_taken else Finding.WRONG)


def test_a_password_is_for_another_source(ca_file: Path) -> None:
    async def main() -> None:
        async with rig(ca_file) as made:
            assert not made.directory.can_find
            assert (await made.directory.verify(login("alice"), "x", "")).finding is Finding.REFUSED
            with pytest.raises(TemporaryFailure):
                await made.directory.find(login("alice"))
            assert made.issuer.server.asked == []

    asyncio.run(main())


def test_who_is_refused_is_told_where_to_get_a_token(ca_file: Path) -> None:
    async def main() -> None:
        async with rig(ca_file, scope="smtp") as made:
            assert json.loads(made.directory.refusal) == {
                "status": "invalid_token",
                "scope": "smtp",
                "openid-configuration": f"{made.issuer.url}/.well-known/openid-configuration",
            }

    asyncio.run(main())


@pytest.mark.parametrize("runs", [asyncio.run, uvloop.run])
def test_keys_are_fetched_once_and_again_for_a_new_one(ca_file: Path, runs: Any) -> None:
    async def main() -> None:
        async with rig(ca_file) as made:
            issuer = made.issuer
            first = issuer.token()
            assert await asyncio.gather(*(made.finding(first) for _ in range(5))) == [Finding.RIGHT] * 5
            assert issuer.times_asked("/keys") == 1
            issuer.keys = {"new": ECKey.generate_key("P-256")}
            made.clock.ahead += APART
            assert await made.finding(issuer.token("new")) is Finding.RIGHT
            assert issuer.times_asked("/keys") == 2
            assert await made.finding(first) is Finding.WRONG  # the key was taken back

    runs(main())


def test_made_up_names_of_keys_do_not_make_us_ask_each_time(ca_file: Path) -> None:
    async def main() -> None:
        async with rig(ca_file) as made:
            for number in range(20):
                token = _other_key("RS256", OTHER, kid=f"made-up-{number}")(made.issuer)
                assert await made.finding(token) is Finding.WRONG
            assert made.issuer.times_asked("/keys") == 1
            assert await made.finding(made.issuer.token()) is Finding.RIGHT

    asyncio.run(main())


def test_keys_outlive_an_outage_for_a_while(ca_file: Path) -> None:
    async def main() -> None:
        async with rig(ca_file) as made:
            late = int(time.time()) + 100_000
            token = made.issuer.token(exp=late)
            unknown = signed(
                {"alg": "RS256", "kid": "perhaps-new"},
                json.dumps(made.issuer.claims(exp=late)).encode(),
                OTHER,
            )
            assert await made.finding(token) is Finding.RIGHT
            await made.issuer.server.stop()
            made.clock.ahead += FRESH + 1
            for _ in range(3):
                assert await made.finding(token) is Finding.RIGHT
                found = await made.ask(unknown)
                assert found.finding is Finding.UNAVAILABLE
                assert "cannot be reached" in found.detail
            made.clock.ahead += KEEP
            with pytest.raises(TemporaryFailure, match="cannot be reached"):
                await made.ask(token)
            await made.issuer.server.start()
            assert await made.finding(token) is Finding.RIGHT
            made.clock.ahead += APART
            assert await made.finding(unknown) is Finding.WRONG

    asyncio.run(main())


def test_keys_that_are_no_more_fresh_are_fetched_beside_who_needs_them(ca_file: Path) -> None:
    async def main() -> None:
        async with rig(ca_file) as made:
            token = made.issuer.token(exp=int(time.time()) + 100_000)
            assert await made.finding(token) is Finding.RIGHT
            made.clock.ahead += FRESH + 1
            waits = asyncio.Event()
            keys = made.issuer.server.handlers["/keys"]

            async def slow(request: web.Request) -> web.StreamResponse:
                await waits.wait()
                return await keys(request)

            made.issuer.server.handlers["/keys"] = slow
            assert await made.finding(token) is Finding.RIGHT
            waits.set()

    asyncio.run(main())


PUBLISHED: dict[str, tuple[object, str]] = {
    "no set": ({"key": []}, "no set of keys"),
    "a list": ([], "no JSON document"),
    "none": ({"keys": []}, "none of its keys can be used"),
    "too many": ({"keys": [{}] * 101}, "more than 100"),
    "what are no keys": ({"keys": ["a", 1, None, {}, {"kty": "RSA"}, {"kty": ["EC"]}]}, "none of its keys"),
    "a symmetric one": ({"keys": [{"kty": "oct", "k": "c2VjcmV0LXNlY3JldA", "kid": "rsa"}]}, "none of its keys"),
    "one for encryption": ({"keys": [{**RSA.as_dict(private=False), "use": "enc"}]}, "none of its keys"),
    "one that only signs": ({"keys": [{**RSA.as_dict(private=False), "key_ops": ["sign"]}]}, "none of its keys"),
    "a point off its curve": ({"keys": [{"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}]}, "none of its keys"),
    "a small one": ({"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}, "none of its keys"),
}  # fmt: skip


@pytest.mark.parametrize("case", PUBLISHED)
def test_an_issuer_without_keys_that_can_be_used_is_an_outage(ca_file: Path, case: str) -> None:
    published, told = PUBLISHED[case]

    def make(issuer: Issuer) -> str:
        issuer.published = published  # type: ignore[assignment]  # whatever it is, it is published
        return issuer.token()

    with pytest.raises(TemporaryFailure, match=told):
        answer(ca_file, make)


def test_keys_that_cannot_be_used_leave_the_others(ca_file: Path) -> None:
    def make(issuer: Issuer) -> str:
        issuer.published = {
            "keys": [{"kty": "AKP", "kid": "rsa"}, {**RSA.as_dict(private=True), "kid": "rsa"}]
        }
        return issuer.token()

    assert answer(ca_file, make).finding is Finding.RIGHT


@pytest.mark.parametrize(
    ("kid", "alg", "finding"),
    [("rsa", "RS256", Finding.RIGHT), ("rsa", "PS256", Finding.WRONG), ("other", "RS256", Finding.WRONG)],
)
def test_a_key_is_for_its_own_name_and_algorithm(ca_file: Path, kid: str, alg: str, finding: Finding) -> None:
    def make(issuer: Issuer) -> str:
        issuer.published = {"keys": [{**RSA.as_dict(private=False), "kid": kid, "alg": alg}]}
        return issuer.token()

    assert answer(ca_file, make).finding is finding


def test_an_algorithm_needs_a_key_of_its_kind_and_curve(ca_file: Path) -> None:
    def make(issuer: Issuer) -> str:
        issuer.keys = {"wrong": ECKey.generate_key("P-384"), "ed": OKPKey.generate_key("X25519"), "rsa": RSA}
        claims = json.dumps(issuer.claims()).encode()
        return signed({"alg": "ES256"}, claims, ECKey.generate_key("P-256"))

    assert answer(ca_file, make).finding is Finding.WRONG


async def _elsewhere(request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": "/keys"})


async def _nothing(request: web.Request) -> web.Response:
    return web.Response(status=500)


def _describing(said: object) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def describe(request: web.Request) -> web.Response:
        return web.json_response(said)

    return describe


@pytest.mark.parametrize(
    ("path", "handler", "told"),
    [
        ("/keys", _elsewhere, "status 302"),
        ("/keys", _nothing, "status 500"),
        ("/.well-known/openid-configuration", _nothing, "status 500"),
        (
            "/.well-known/openid-configuration",
            _describing({"issuer": "https://evil.example"}),
            "of another issuer",
        ),
        ("/.well-known/openid-configuration", _describing(["a"]), "no JSON document"),
    ],
)
def test_an_issuer_that_does_not_tell_its_keys_is_an_outage(
    ca_file: Path, path: str, handler: Callable[[web.Request], Awaitable[web.Response]], told: str
) -> None:
    def make(issuer: Issuer) -> str:
        issuer.server.handlers[path] = handler
        return issuer.token()

    with pytest.raises(TemporaryFailure, match=told):
        answer(ca_file, make)


@pytest.mark.parametrize(
    "url", ["http://keys.example/k", "file:///etc/passwd", "//x", "", None, 7, "https://[x"]
)
def test_keys_are_fetched_over_https_alone(ca_file: Path, url: object) -> None:
    def make(issuer: Issuer) -> str:
        said = {"issuer": issuer.url, "jwks_uri": url}
        issuer.server.handlers["/.well-known/openid-configuration"] = _describing(said)
        return issuer.token()

    with pytest.raises(TemporaryFailure, match="no https address"):
        answer(ca_file, make)


def test_keys_may_be_at_an_address_of_their_own(ca_file: Path) -> None:
    async def main() -> None:
        async with issuing(AUTHORITY) as issuer:
            issuer.server.handlers.pop("/.well-known/openid-configuration")
            section = OauthSource(
                issuer="https://login.example.org/a",
                audience=("sams",),
                jwks_url=f"{issuer.url}/keys",
                ca_file=ca_file,
            )
            directory = OauthDirectory(section, forms=FORMS)
            token = issuer.token(iss="https://login.example.org/a")
            assert (await directory.verify_token(TokenClaim("", token))).finding is Finding.RIGHT
            await directory.close()

    asyncio.run(main())


OPAQUE: dict[str, tuple[dict[str, Any], str]] = {
    "active": ({}, ""),
    "without its issuer": ({"iss": None}, ""),
    "without an end": ({"exp": None}, ""),
    "not active": ({"active": False}, "says that it is not valid"),
    "of another issuer": ({"iss": "https://evil.example"}, "of another issuer"),
    "for others": ({"aud": "others"}, "made for others"),
    "for nobody in particular": ({"aud": None}, "does not tell for whom"),
    "expired": ({"exp": int(NOW) - 3_600}, "has expired"),
    "bound to a key": ({"cnf": {}}, "bound to a key"),
    "with an end that is no number": ({"exp": "soon"}, "exp is no number"),
    "without a login": ({"preferred_username": None}, "the member's login"),
}


@pytest.mark.parametrize("case", OPAQUE)
def test_the_issuer_is_asked_about_a_token_that_is_no_jwt(ca_file: Path, case: str) -> None:
    changed, told = OPAQUE[case]

    def make(issuer: Issuer) -> str:
        issuer.opaque["0paque"] = issuer.claims(**{"active": True, **changed})
        return "0paque"

    found = answer(ca_file, make, introspects=True)
    assert found.finding is (Finding.WRONG if told else Finding.RIGHT)
    assert told in found.detail
    assert "0paque" not in repr(found)


def test_a_scope_stands_for_an_audience_that_is_not_told(ca_file: Path) -> None:
    def make(issuer: Issuer) -> str:
        issuer.opaque["0paque"] = issuer.claims(active=True, aud=None)
        return "0paque"

    assert answer(ca_file, make, introspects=True, scope="smtp").finding is Finding.RIGHT
    assert answer(ca_file, make, introspects=True, scope="other").finding is Finding.WRONG


def test_answers_are_kept_no_longer_than_they_hold(ca_file: Path) -> None:
    async def main() -> None:
        async with rig(ca_file, introspects=True, cache=60.0, clock_skew=0.0) as made:
            issuer = made.issuer
            asked: list[int] = []

            async def ask(token: str, finding: Finding) -> None:
                assert await made.finding(token) is finding
                asked.append(issuer.times_asked("/introspect"))

            issuer.opaque["a"] = issuer.claims(active=True, exp=time.time() + 30)
            issuer.opaque["b"] = issuer.claims(active=True, exp=time.time() + 300)
            for token in ("a", "a", "b", "b"):
                await ask(token, Finding.RIGHT)
            for _ in range(2):
                await ask("c", Finding.WRONG)
            issuer.opaque["c"] = issuer.claims(active=True, exp=time.time() + 300)
            made.clock.ahead = 11
            await ask("c", Finding.RIGHT)
            made.clock.ahead = 31
            await ask("a", Finding.WRONG)
            await ask("b", Finding.RIGHT)
            issuer.opaque.clear()
            await ask("b", Finding.RIGHT)
            made.clock.ahead = 61
            await ask("b", Finding.WRONG)
            assert asked == [1, 1, 2, 2, 3, 3, 4, 5, 5, 5, 6]
            kept = made.directory._introspection
            assert kept is not None
            assert {len(name) for name in kept._kept} == {32}

    asyncio.run(main())


def test_a_jwt_is_asked_about_only_where_that_is_wanted(ca_file: Path) -> None:
    async def main(introspect: str, active: bool) -> tuple[Finding, int]:
        async with rig(ca_file, introspects=True, introspect=introspect) as made:
            token = made.issuer.token()
            made.issuer.opaque[token] = made.issuer.claims(active=active)
            found = await made.finding(token)
            assert await made.finding(FORGED["claims that were changed"][0](made.issuer)) is Finding.WRONG
            return found, made.issuer.times_asked("/introspect")

    assert asyncio.run(main("opaque", False)) == (Finding.RIGHT, 0)
    assert asyncio.run(main("always", False)) == (Finding.WRONG, 1)
    assert asyncio.run(main("always", True)) == (Finding.RIGHT, 1)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"error": "x"}, "does not say whether"),
        ({"active": "true"}, "does not say whether"),
        ({"active": 1}, "does not say whether"),
        ([True], "not as RFC 7662"),
    ],
)
def test_an_answer_about_a_token_that_is_none_is_an_outage(ca_file: Path, said: object, told: str) -> None:
    def make(issuer: Issuer) -> str:
        issuer.server.handlers["/introspect"] = _describing(said)
        return "0paque"

    with pytest.raises(TemporaryFailure, match=told):
        answer(ca_file, make, introspects=True)


def test_a_wrong_client_secret_is_an_outage_in_words(ca_file: Path) -> None:
    with pytest.raises(TemporaryFailure) as failed:
        answer(ca_file, lambda issuer: "0paque", introspects=True, secret="s3cret")
    assert "does not take client_id" in failed.value.detail
    assert "s3cret" not in failed.value.detail


def test_an_issuer_with_a_certificate_of_another_authority_is_an_outage(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    with pytest.raises(TemporaryFailure, match="certificate cannot be verified"):
        answer(tmp_path / "other.pem", lambda issuer: issuer.token())


def test_who_stops_waiting_for_keys_leaves_them_to_the_others(ca_file: Path) -> None:
    async def main() -> None:
        async with rig(ca_file) as made:
            heard, waits = asyncio.Event(), asyncio.Event()
            keys = made.issuer.server.handlers["/keys"]

            async def slow(request: web.Request) -> web.StreamResponse:
                heard.set()
                await waits.wait()
                return await keys(request)

            made.issuer.server.handlers["/keys"] = slow
            first, second = (asyncio.create_task(made.finding(made.issuer.token())) for _ in range(2))
            await heard.wait()
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            waits.set()
            assert await second is Finding.RIGHT
            assert made.issuer.times_asked("/keys") == 1

    asyncio.run(main())


@pytest.mark.parametrize("brought", ["a key that nobody has", "no JWT"])
def test_while_the_issuer_says_nothing_no_stranger_keeps_out_whose_tokens_are_verified_here(
    ca_file: Path, tmp_path: Path, brought: str
) -> None:
    """The circuit breaker is for questions that had to be asked: anybody can bring a token that needs one."""

    async def silent(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        raise AssertionError

    async def main() -> None:
        known = KnownMembers(tmp_path / "members.db")
        async with rig(ca_file, timeout=0.5, introspects=True) as made:
            told = list[str]()
            source = TokenDirectorySource(
                made.directory,
                SourceSettings("idp", timeout=0.5),
                serves=lambda _: True,
                forms=FORMS,
                known=known,
                clock=made.clock,
                tell=told.append,
                report=lambda _: None,
            )
            right = TokenClaim("", made.issuer.token())
            assert (await source.verify_token(right, HOME, is_known=False)).finding is Finding.RIGHT
            for path in ("/.well-known/openid-configuration", "/introspect"):
                made.issuer.server.handlers[path] = silent
            made.clock.ahead += APART
            texts = [made.issuer.token(header={"kid": f"k{number}"}) for number in range(4)]
            if brought == "no JWT":
                texts = [f"opaque{number}" for number in range(4)]
            flood = [source.verify_token(TokenClaim("", text), CAFE, is_known=False) for text in texts]
            for checked in await asyncio.gather(*flood):
                assert checked.finding is Finding.UNAVAILABLE
            assert (await source.verify_token(right, HOME, is_known=False)).finding is Finding.RIGHT
            assert not told
        known.close()

    asyncio.run(main())
