"""Asking an issuer about a token (RFC 7662). Tokens are kept as keyed hashes only, and answers not for long."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlencode

from sams.core.clock import Clock
from sams.identity.sources.interface import down
from sams.identity.sources.oauth.jwt import TokenError, seconds
from sams.identity.sources.strict_json import read_object
from sams.identity.sources.web import WebClient

NOT_ACTIVE_FOR = 10.0
"""Seconds for which a token that is not valid is not asked about again."""
MAX_KEPT = 10_000
_FORM = "application/x-www-form-urlencoded"
_STATUS_ADVICE = {
    401: "it does not take client_id and the secret of client_secret_file",
    403: "this client may not ask about tokens: let the issuer allow it",
    404: "there is nothing at this path: correct introspection_url",
}


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer. claims: None: the token is not active. until: monotonic seconds. end: UNIX seconds."""

    claims: Mapping[str, Any] | None = field(repr=False)
    until: float
    end: float | None = None


class Introspection:
    """Asks one issuer. cache: for how many seconds a token that is active is not asked about again."""

    def __init__(
        self, web: WebClient, url: str, client_id: str, secret: str, *, cache: float, clock: Clock
    ) -> None:
        self._web = web
        self._url = url
        self._headers = {"Content-Type": _FORM, "Authorization": _basic(client_id, secret)}
        self._cache = cache
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._kept: dict[bytes, _Kept] = {}

    async def claims(self, token: str) -> Mapping[str, Any]:
        """What the issuer says of a token that is active.

        Raises:
            TokenError: it is not.
            TemporaryFailure: the issuer does not tell.
        """
        name = hashlib.blake2b(token.encode(), key=self._key, digest_size=32).digest()
        kept = self._kept.get(name)
        if kept is None or not self._holds(kept):
            kept = self._keep(name, await self._ask(token))
        if kept.claims is None:
            raise TokenError("its issuer says that it is not valid, or no more")
        return kept.claims

    def _holds(self, kept: _Kept) -> bool:
        is_over = kept.end is not None and self._clock.now() >= kept.end
        return self._clock.monotonic() < kept.until and not is_over

    def _keep(self, name: bytes, claims: Mapping[str, Any] | None) -> _Kept:
        longest = NOT_ACTIVE_FOR if claims is None else self._cache
        end = None if claims is None else seconds(claims, "exp")
        kept = _Kept(claims, self._clock.monotonic() + longest, end)
        self._kept.pop(name, None)
        self._kept[name] = kept
        if len(self._kept) > MAX_KEPT:
            self._kept.pop(next(iter(self._kept)))
        return kept

    async def _ask(self, token: str) -> Mapping[str, Any] | None:
        """RFC 7662 section 2."""
        question = urlencode({"token": token, "token_type_hint": "access_token"}).encode()
        answer = await self._web.post(self._url, question, self._headers)
        if answer.status != 200:
            advice = _STATUS_ADVICE.get(answer.status, "it has to answer 200; see its own log")
            raise down(f"{self._url}: status {answer.status}: {advice}")
        try:
            said = read_object(answer.body)
        except ValueError as error:
            raise down(f"{self._url}: its answer is not as RFC 7662 has it ({error})") from None
        if not isinstance(said.get("active"), bool):
            raise down(f"{self._url}: its answer does not say whether the token is active (RFC 7662)")
        return said if said["active"] else None


def _basic(client_id: str, secret: str) -> str:
    """RFC 6749 section 2.3.1: both are form-encoded first."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"
