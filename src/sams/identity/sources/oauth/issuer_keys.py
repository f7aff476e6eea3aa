"""The public keys of an issuer (RFC 7517), fetched, kept and asked for again: not more often than needed.

Keys are fresh for a quarter of an hour; then they are fetched again beside whoever needs one. While the issuer is
down they are kept for a while longer. A key that is not among them may be a new one: then all are fetched at once,
but not twice within some seconds, however many tokens with made-up names of keys are brought.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sams.config.source_addresses import is_loopback
from sams.core.clock import Clock
from sams.core.errors import TemporaryFailure
from sams.identity.sources.interface import down
from sams.identity.sources.oauth.jwt import Token
from sams.identity.sources.strict_json import read_object
from sams.identity.sources.web import WebClient

if TYPE_CHECKING:  # 50 ms, for those alone who have an issuer
    from joserfc.jwk import Key

FRESH = 900.0
"""Seconds."""
APART = 10.0
"""Seconds between two times that keys are fetched for one that is not known."""
MAX_DOCUMENT = 256 * 1024
_MOST_KEYS = 100
_MOST_TRIED = 20
"""Keys for one token that names none; each takes some 0.1 ms."""
_LEAST_RSA, _MOST_RSA = 2_048, 16_384
_PUBLIC = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
DISCOVERY = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A public key. algorithm: the one that it is for; None: all that fit it."""

    id: str | None
    algorithm: str | None
    key: Key = field(repr=False)

    def may_be(self, token: Token) -> bool:
        """Whether the token may be signed by it, going by what both say."""
        is_named = token.key_id is None or self.id == token.key_id
        return is_named and self.algorithm in {None, token.algorithm}

    def signed(self, token: Token) -> bool:
        """Whether the token's signature is by this key, and the key one for the algorithm."""
        from joserfc.errors import JoseError  # noqa: PLC0415 - see above
        from joserfc.jws import JWSRegistry  # noqa: PLC0415

        algorithm = JWSRegistry.algorithms[token.algorithm]
        try:
            algorithm.check_key(self.key)
            return algorithm.verify(token.signed, token.signature, self.key)
        except (JoseError, ValueError):
            return False


class IssuerKeys:
    """The keys of one issuer in one worker.

    jwks_url: empty: as the issuer's own description says (OpenID Connect Discovery).
    keep: for how many seconds past `FRESH` they are used while the issuer is down.
    patience: seconds for which a token waits for keys that may be new.
    """

    def __init__(
        self, web: WebClient, issuer: str, jwks_url: str, *, keep: float, patience: float, clock: Clock
    ) -> None:
        import joserfc.jws  # noqa: F401, PLC0415 - now, and not while a member waits

        self._web = web
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._keep = keep
        self._patience = patience
        self._clock = clock
        self._keys: tuple[IssuerKey, ...] = ()
        self._fetched: float | None = None
        self._tried = 0.0
        self._fetching: asyncio.Task[None] | None = None
        self._failure: TemporaryFailure | None = None

    @property
    def are_known(self) -> bool:
        """Whether there are any: for tokens by one of them the issuer is not needed."""
        return self._fetched is not None

    async def candidates(self, token: Token) -> tuple[IssuerKey, ...]:
        """The keys that may have signed a token; none: the issuer has no such key.

        Raises:
            TemporaryFailure: there are no keys.
            UnknownKeyError: there is no such key, and it cannot be told whether it is a new one.
        """
        age = self._age()
        if age is None or age > FRESH + self._keep:
            await self._fetch()
        elif age > FRESH and self._may_try():
            self._start()
        found = self._matching(token)
        if not found and (self._fetching or self._may_try()):
            await self._look_again()
            found = self._matching(token)
        if not found and self._failure is not None:
            raise UnknownKeyError(
                f"its key is not among those of the issuer, which is down: {self._failure.detail}"
            )
        return found

    async def close(self) -> None:
        """Stop asking."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    def _age(self) -> float | None:
        return None if self._fetched is None else self._clock.monotonic() - self._fetched

    def _may_try(self) -> bool:
        return self._clock.monotonic() - self._tried >= APART

    def _matching(self, token: Token) -> tuple[IssuerKey, ...]:
        return tuple(key for key in self._keys if key.may_be(token))[:_MOST_TRIED]

    async def _look_again(self) -> None:
        """For a key that may be new. The others are good, whatever comes of it: a made-up name is no outage.

        Raises:
            UnknownKeyError: it takes too long.
        """
        try:
            async with asyncio.timeout(self._patience):
                await self._fetch()
        except TimeoutError:
            text = f"its key is not among those of the issuer, which says nothing for {self._patience:g} s"
            raise UnknownKeyError(text) from None
        except TemporaryFailure:
            return  # `candidates` tells of it

    async def _fetch(self) -> None:
        """All who wait are waiting for the same answer."""
        await asyncio.shield(self._start())

    def _start(self) -> asyncio.Task[None]:
        if self._fetching is None:
            self._tried = self._clock.monotonic()
            self._fetching = asyncio.get_running_loop().create_task(self._ask())
            self._fetching.add_done_callback(self._ended)
        return self._fetching

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._fetching = None
        if not task.cancelled():
            task.exception()  # who waited may have gone: then nobody else looks at it

    async def _ask(self) -> None:
        try:
            url = self._jwks_url or await self._discovered()
            document = await self._document(url)
            self._keys = _read_keys(document, url)
        except TemporaryFailure as failure:
            self._failure = failure
            raise
        self._failure, self._fetched = None, self._clock.monotonic()

    async def _discovered(self) -> str:
        """OpenID Connect Discovery section 4.3: it has to name itself as it was asked."""
        url = discovery_url(self._issuer)
        said = await self._document(url)
        if said.get("issuer") != self._issuer:
            raise down(f"{url}: it is of another issuer: write issuer exactly as it stands there")
        found = said.get("jwks_uri")
        if not isinstance(found, str) or not _is_safe(found):
            raise down(f"{url}: its jwks_uri is no https address: name jwks_url")
        return found

    async def _document(self, url: str) -> dict[str, Any]:
        answer = await self._web.get(url, longest=MAX_DOCUMENT)
        if answer.status != 200:
            raise down(
                f"{url}: status {answer.status} instead of a JSON document: correct issuer or jwks_url"
            )
        try:
            return read_object(answer.body)
        except ValueError as error:
            raise down(f"{url}: what is there is no JSON document ({error})") from None


class UnknownKeyError(Exception):
    """A token's key is not known, and may be a new one. The message says what to look at."""


def discovery_url(issuer: str) -> str:
    """Where an issuer describes itself."""
    return issuer.rstrip("/") + DISCOVERY


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and (parts.scheme == "https" or is_loopback(parts.hostname or ""))


def _read_keys(document: dict[str, Any], url: str) -> tuple[IssuerKey, ...]:
    """Those that can be used; a set may hold others (RFC 7517 section 5)."""
    listed = document.get("keys")
    if not isinstance(listed, list) or len(listed) > _MOST_KEYS:
        raise down(f"{url}: what is there is no set of keys, or has more than {_MOST_KEYS}: correct jwks_url")
    found = tuple(_usable(listed))
    if not found:
        raise down(f"{url}: none of its keys can be used: RSA keys of 2048 bits or more, EC and OKP keys are")
    return found


def _usable(listed: Iterable[object]) -> Iterable[IssuerKey]:
    for one in listed:
        if not isinstance(one, dict) or one.get("use", "sig") != "sig" or not _may_verify(one.get("key_ops")):
            continue
        name, algorithm = one.get("kid"), one.get("alg")
        key = _imported(one)
        if key is not None and isinstance(name, str | None) and isinstance(algorithm, str | None):
            yield IssuerKey(name, algorithm, key)


def _may_verify(operations: object) -> bool:
    return operations is None or (isinstance(operations, list) and "verify" in operations)


def _imported(one: dict[str, Any]) -> Key | None:
    """A symmetric key is none: what is published is no secret."""
    from joserfc.errors import JoseError  # noqa: PLC0415 - see above
    from joserfc.jwk import JWKRegistry  # noqa: PLC0415

    kind = one.get("kty")
    names = _PUBLIC.get(kind) if isinstance(kind, str) else None
    if names is None:
        return None
    try:
        key = JWKRegistry.import_key({"kty": str(kind), **{name: one[name] for name in names}})
        size = key.public_key.key_size if kind == "RSA" else _LEAST_RSA  # type: ignore[union-attr]  # RSAKey
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return key if _LEAST_RSA <= size <= _MOST_RSA else None
