"""An issuer of access tokens (OAuth 2.0, OpenID Connect): who brings one of them is who it says.

A token that is a JWT is verified here by the issuer's keys (`jwt.py`, `issuer_keys.py`); about another, or about
each, the issuer is asked (`introspection.py`). Passwords are not for an issuer to check.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sams.config.sources import OauthSource
from sams.core.clock import Clock, SystemClock
from sams.core.errors import TemporaryFailure
from sams.core.text import visible
from sams.identity.account_sources import Finding
from sams.identity.logins import MAX_LOGIN_OCTETS, Login, LoginForms, UnpreparableError, map_login
from sams.identity.patterns import ANY
from sams.identity.sources.interface import Answer, Member, down
from sams.identity.sources.oauth.introspection import Introspection
from sams.identity.sources.oauth.issuer_keys import IssuerKeys, UnknownKeyError, discovery_url
from sams.identity.sources.oauth.jwt import (
    Expected,
    Token,
    TokenError,
    check_audience,
    check_bearer,
    check_scope,
    check_times,
    check_token,
    read_token,
)
from sams.identity.sources.strict_json import texts
from sams.identity.sources.web import WebClient
from sams.protocol.sasl.interface import TokenClaim

_MOST_ADDRESSES = 1_000
_OWN_TIME = 0.9
"""Of the source's `timeout`, so that what is said about an outage is said here."""
_EMAIL = "email"


class OauthDirectory:
    """The source `oauth` (`Directory`, and `proofs.TokenDirectory`).

    client_secret: for introspection; None: none.
    forms: tells which spellings of a login are one.

    Raises:
        OperatorError: a file cannot be used.
    """

    can_find = False

    def __init__(
        self,
        section: OauthSource,
        client_secret: str | None = None,
        *,
        forms: LoginForms,
        clock: Clock | None = None,
    ) -> None:
        self._section = section
        self._forms = forms
        self._clock = clock or SystemClock()
        patience = _OWN_TIME * section.timeout
        self._web = WebClient(section.ca_file, timeout=patience, connections=section.connections)
        self._expected = Expected(
            section.issuer, frozenset(section.audience), section.scope, section.clock_skew
        )
        self._algorithms = frozenset(section.algorithms)
        self._keys = IssuerKeys(
            self._web, section.issuer, section.jwks_url,
            keep=section.grace, patience=patience, clock=self._clock,
        )  # fmt: skip
        self._introspection = self._asked_at(client_secret)
        self.refusal = _refusal(section)

    async def verify(self, login: Login, password: str, address: str) -> Answer:
        """No password is taken: another source may know it."""
        del login, password, address
        return Answer(Finding.REFUSED, detail="an issuer takes tokens and no passwords")

    async def find(self, login: Login) -> Member | None:
        """Nobody can be asked about.

        Raises:
            TemporaryFailure: always.
        """
        del login
        raise down("an issuer tells of members only by their tokens")

    async def close(self) -> None:
        """Let go of connections."""
        await self._keys.close()
        await self._web.close()

    async def verify_token(self, claim: TokenClaim) -> Answer:
        """RIGHT for a token that is valid here, of whom the client named; WRONG for any other.

        Raises:
            TemporaryFailure: the issuer is needed for this token and is down.
        """
        try:
            member = self._member(await self._verified(claim.token))
            self._check_named(claim.authzid, member)
        except TokenError as error:
            return Answer(Finding.WRONG, detail=f"the token is refused: {error}")
        except UnknownKeyError as error:
            return Answer(Finding.UNAVAILABLE, detail=f"the token cannot be verified: {error}")
        return Answer(Finding.RIGHT, member)

    def _asked_at(self, client_secret: str | None) -> Introspection | None:
        section = self._section
        if not section.introspection_url:
            return None
        return Introspection(
            self._web, section.introspection_url, section.client_id, client_secret or "",
            cache=section.cache, clock=self._clock,
        )  # fmt: skip

    async def _verified(self, text: str) -> Mapping[str, Any]:
        """The claims of a token that is valid here.

        Raises:
            TokenError, TemporaryFailure, UnknownKeyError.
        """
        token = self._read(text)
        if token is None and self._introspection is None:
            raise TokenError("it is no JWT, and there is no introspection_url to ask about others")
        claims: Mapping[str, Any] = {}
        if token is not None:
            claims = await self._of_jwt(token)
        if self._introspection is not None and (token is None or self._section.introspect == "always"):
            said = await self._said(self._introspection, text, is_opaque=token is None)
            self._check_said(said)
            claims = {**claims, **said}
        return claims

    async def _said(self, introspection: Introspection, text: str, *, is_opaque: bool) -> Mapping[str, Any]:
        """What the issuer says of a token.

        Raises:
            TokenError: as `claims`.
            TemporaryFailure: the issuer is down, for all its tokens.
            UnknownKeyError: it is, and tokens that are verified here do without it: anybody can bring another one.
        """
        try:
            return await introspection.claims(text)
        except TemporaryFailure as failure:
            if is_opaque and self._keys.are_known and self._section.introspect == "opaque":
                raise UnknownKeyError(failure.detail) from None
            raise

    def _read(self, text: str) -> Token | None:
        """None: it is no JWT."""
        token = read_token(text)
        if token is not None and token.algorithm not in self._algorithms:
            raise TokenError(f"it is signed by {visible(token.algorithm, 20)}, which is not among algorithms")
        return token

    async def _of_jwt(self, token: Token) -> Mapping[str, Any]:
        """The cheap checks first: for a token of others, no keys are asked for."""
        check_token(token, self._expected, self._clock.now())
        candidates = await self._keys.candidates(token)
        if not candidates:
            raise TokenError("it is signed by a key that its issuer does not have")
        if not any(key.signed(token) for key in candidates):
            raise TokenError("its signature is wrong")
        return token.claims

    def _check_said(self, said: Mapping[str, Any]) -> None:
        """An answer need not tell all of it (RFC 7662 section 2.2). What it tells must be right."""
        expected = self._expected
        if said.get("iss", expected.issuer) != expected.issuer:
            raise TokenError("its issuer says that it is of another issuer")
        if "aud" in said:
            check_audience(said, expected.audience)
        elif not expected.scope:
            raise TokenError(
                "its issuer does not tell for whom it was made: let it tell aud, or name a scope"
            )
        check_times(said, expected.skew, self._clock.now(), needs_end=False)
        check_scope(said, expected.scope)
        check_bearer(said)

    def _member(self, claims: Mapping[str, Any]) -> Member:
        name = self._section.login_claim
        login = claims.get(name)
        if not isinstance(login, str) or not login or len(login) > MAX_LOGIN_OCTETS:
            raise TokenError(
                f"it does not tell the member's login ({name}): let the issuer add it, or set login_claim"
            )
        if name == _EMAIL and _is_unverified(claims):
            raise TokenError("its login is an address that its issuer has not verified (email_verified)")
        return Member(login, self._addresses(claims))

    def _addresses(self, claims: Mapping[str, Any]) -> tuple[str, ...]:
        """Mailboxes alone: at many an issuer members write these themselves, and a pattern is a whole domain."""
        found: dict[str, None] = {}
        for name in self._section.address_claims:
            if name == _EMAIL and _is_unverified(claims):
                continue
            told = map(str.strip, texts(claims.get(name)))
            found |= dict.fromkeys(text for text in told if not text.startswith(ANY))
        return tuple(found)[:_MOST_ADDRESSES]

    def _check_named(self, authzid: str, member: Member) -> None:
        """Who was named by the mail program has to be who the token is of: by login, or by address."""
        if not authzid:
            return
        named, own = self._parsed(authzid), self._parsed(member.login)
        if (
            named is None
            or own is None
            or (named.bare != own.bare and not self._has(member, own, named.address))
        ):
            told = f"{visible(member.login, 100)}, and the mail program says {visible(authzid, 100)}"
            raise TokenError(f"it is of {told}")

    def _parsed(self, text: str) -> Login | None:
        """None: it can be no login."""
        mapped = _mapped(text)
        return self._forms.parse(mapped) if mapped else None

    def _has(self, member: Member, login: Login, address: str) -> bool:
        """Whether the member has the address: by the token, or by the source's rule where that tells none."""
        rules = self._section.addresses or ("{user}@{domain}",)
        by_rule = [one.replace("{user}", login.user).replace("{domain}", login.domain) for one in rules]
        return address in map(_mapped, member.addresses or by_rule)


def _is_unverified(claims: Mapping[str, Any]) -> bool:
    """Whether anybody may have written this e-mail address into an account of their own there."""
    return claims.get("email_verified") in (False, "false")


def _mapped(text: str) -> str:
    """As logins and addresses are compared; empty: it can be neither."""
    try:
        return map_login(text)
    except UnpreparableError:
        return ""


def _refusal(section: OauthSource) -> bytes:
    """RFC 7628 section 3.2.2."""
    told = {"status": "invalid_token"}
    if section.scope:
        told["scope"] = section.scope
    told["openid-configuration"] = discovery_url(section.issuer)
    return json.dumps(told).encode()
