"""A small real issuer: a description, keys that rotate, tokens signed by joserfc, and introspection."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

import trustme
from aiohttp import BasicAuth, web
from joserfc import jws
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from tests.support.web_server import WebServer, serving

CLIENT, CLIENT_SECRET = "sams & co", "tell:me % all"
RSA = RSAKey.generate_key(2048)
"""One for all tests: to make it takes long."""
ALL_ALGORITHMS = [name for name in jws.JWSRegistry.algorithms if name != "none"]


def encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def signed(header: Mapping[str, Any], payload: bytes, key: Key) -> str:
    """A token with any header and payload, signed as `alg` says."""
    begin = f"{encoded(json.dumps(header).encode())}.{encoded(payload)}"
    signature = jws.JWSRegistry.algorithms[header["alg"]].sign(begin.encode(), key)
    return f"{begin}.{encoded(signature)}"


@dataclass
class Issuer:
    """Its keys by `kid`, its server, and the opaque tokens that it knows."""

    server: WebServer
    keys: dict[str, Key] = field(default_factory=dict)
    opaque: dict[str, dict[str, Any]] = field(default_factory=dict)
    published: dict[str, Any] | None = None
    """Instead of `keys`."""
    name: str = ""
    """What it calls itself where that is not its address."""

    def __post_init__(self) -> None:
        self.keys = {"rsa": RSA, "ec": ECKey.generate_key("P-256"), "ed": OKPKey.generate_key("Ed25519")}
        self.server.handlers |= {
            "/.well-known/openid-configuration": self._described,
            "/keys": self._keys,
            "/introspect": self._introspected,
        }

    @property
    def url(self) -> str:
        return self.server.url

    def times_asked(self, path: str) -> int:
        return sum(request.path == path for request in self.server.asked)

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Those of a valid token; None takes one out."""
        now = int(time.time())
        usual = {
            "iss": self.url, "aud": "sams", "sub": "a1b2", "exp": now + 300, "iat": now, "scope": "openid smtp",
            "preferred_username": "alice", "email": "alice@example.org",
        }  # fmt: skip
        return {name: value for name, value in (usual | changed).items() if value is not None}

    def token(
        self, key_id: str | None = "rsa", header: Mapping[str, Any] | None = None, **changed: Any
    ) -> str:
        """A token signed by one of the keys, with the usual header but for `header`."""
        key = self.keys[key_id or "rsa"]
        usual = {
            "alg": {"RSA": "RS256", "EC": "ES256", "OKP": "Ed25519"}[key.key_type],
            "kid": key_id,
            "typ": "JWT",
        }
        merged = {name: value for name, value in {**usual, **(header or {})}.items() if value is not None}
        return signed(merged, json.dumps(self.claims(**changed)).encode(), key)

    async def _described(self, request: web.Request) -> web.Response:
        return web.json_response({"issuer": self.name or self.url, "jwks_uri": f"{self.url}/keys"})

    async def _keys(self, request: web.Request) -> web.Response:
        keys = [{**key.as_dict(private=False), "kid": name, "use": "sig"} for name, key in self.keys.items()]
        return web.json_response({"keys": keys} if self.published is None else self.published)

    async def _introspected(self, request: web.Request) -> web.Response:

        asking = BasicAuth.decode(request.headers.get("Authorization", ""), encoding="utf-8")
        if (unquote_plus(asking.login), unquote_plus(asking.password)) != (CLIENT, CLIENT_SECRET):
            return web.json_response({"error": "invalid_client"}, status=401)
        form = await request.post()
        return web.json_response(self.opaque.get(str(form["token"]), {"active": False}))


@asynccontextmanager
async def issuing(authority: trustme.CA) -> AsyncIterator[Issuer]:
    """One that runs."""
    async with serving(authority) as server:
        yield Issuer(server)
