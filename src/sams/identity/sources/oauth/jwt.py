"""JSON Web Tokens (RFC 7519) as access tokens (RFC 9068, RFC 8725): taken apart with bounds, claims checked.

Nothing in a token says by which key or with which algorithm it is to be believed: `jwk`, `jku`, `x5u` and `x5c` are
never looked at, `alg` only chooses among those of the configuration, and `kid` among the issuer's keys.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sams.core.text import visible
from sams.identity.sources.strict_json import read_object, texts

MAX_TOKEN = 8 * 1024
"""Octets; real ones have one to three thousand."""
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")
_ACCESS = frozenset({"at+jwt", "application/at+jwt"})
_TYPES = frozenset({"", "jwt", "application/jwt"}) | _ACCESS
_NO_ACCESS = frozenset({"id", "refresh", "offline", "logout"})
"""What other tokens of Keycloak say of themselves in the claim `typ`."""
_HASHES = ("at_hash", "c_hash", "s_hash")
"""What ID tokens alone have (OpenID Connect Core section 3.3.2.11)."""


class TokenError(ValueError):
    """A token is not valid here. The message says why, for the journal, and holds nothing secret."""


@dataclass(frozen=True, slots=True)
class Token:
    """A signed token, of which nothing is verified yet.

    is_access: its header says that it is an access token (RFC 9068); most say nothing.
    signed: the octets that the signature is of.
    """

    algorithm: str
    is_access: bool
    key_id: str | None
    claims: Mapping[str, Any] = field(repr=False)
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say. scope: empty: nothing in particular. skew: seconds."""

    issuer: str
    audience: frozenset[str]
    scope: str
    skew: float


def read_token(text: str) -> Token | None:
    """Take a token apart; None: it is no JWT, and means something to its issuer alone.

    Raises:
        TokenError: it is a JWT, of a kind that is not taken.
    """
    if len(text) > MAX_TOKEN:
        raise TokenError(f"it is longer than {MAX_TOKEN} octets")
    parts = text.split(".")
    header = _header(parts[0]) if len(parts) in {3, 5} else None
    if header is None:
        return None
    if len(parts) == 5 or "enc" in header:
        raise TokenError("it is encrypted (JWE): let the issuer sign access tokens only")
    _check_header(header)
    try:
        payload, signature = _decoded(parts[1]), _decoded(parts[2])
        claims = read_object(payload)
    except ValueError as error:
        raise TokenError(f"its claims cannot be read: {error}") from None
    return Token(
        header["alg"],
        header.get("typ", "").lower() in _ACCESS,
        header.get("kid"),
        claims,
        f"{parts[0]}.{parts[1]}".encode("ascii"),
        signature,
    )


def check_token(token: Token, expected: Expected, now: float) -> None:
    """Whether a token says what is expected; its signature is another question. now: UNIX seconds.

    Raises:
        TokenError: it does not.
    """
    claims = token.claims
    _check_kind(token)
    if claims.get("iss") != expected.issuer:
        raise TokenError(f"it is of another issuer ({visible(str(claims.get('iss')), 100)})")
    check_audience(claims, expected.audience)
    check_times(claims, expected.skew, now)
    check_scope(claims, expected.scope)


def check_audience(claims: Mapping[str, Any], audience: frozenset[str]) -> None:
    """RFC 7519 section 4.1.3.

    Raises:
        TokenError: it was made for others.
    """
    named = texts(claims.get("aud"))
    if not audience.intersection(named):
        raise TokenError(f"it was made for others (aud: {visible(', '.join(named) or 'none', 200)})")


def check_times(claims: Mapping[str, Any], skew: float, now: float, *, needs_end: bool = True) -> None:
    """RFC 7519 sections 4.1.4 to 4.1.6. needs_end: whether there must be an `exp`.

    Raises:
        TokenError: it is not valid now.
    """
    end, begin, issued = (seconds(claims, name) for name in ("exp", "nbf", "iat"))
    if end is None and needs_end:
        raise TokenError("it does not say until when it is valid (exp)")
    if end is not None and now >= end + skew:
        raise TokenError(f"it has expired {now - end:.0f} s ago")
    for name, at in (("nbf", begin), ("iat", issued)):
        if at is not None and now < at - skew:
            raise TokenError(
                f"it is not valid yet ({name} is {at - now:.0f} s ahead): are both clocks right?"
            )


def check_bearer(claims: Mapping[str, Any]) -> None:
    """Whether it is enough to have the token (RFC 7800 section 3.1 has it otherwise).

    Raises:
        TokenError: it is not.
    """
    if "cnf" in claims:
        raise TokenError("it is bound to a key of its owner (cnf), which mail programs cannot show")


def check_scope(claims: Mapping[str, Any], scope: str) -> None:
    """RFC 8693 section 4.2 (`scope`), and `scp` as Microsoft and Okta write it: a text with spaces, or a list.

    Raises:
        TokenError: it does not allow what is needed.
    """
    allowed = {
        word for name in ("scope", "scp") for text in texts(claims.get(name)) for word in text.split(" ")
    }
    if scope and scope not in allowed:
        raise TokenError(f"it has not the scope {scope}: let the mail program ask for it")


def seconds(claims: Mapping[str, Any], name: str) -> float | None:
    """A time in UNIX seconds; None: it is not told.

    Raises:
        TokenError: it is no number.
    """
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenError(f"{name} is no number")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise TokenError(f"{name} is no time")
    return found


def _header(part: str) -> dict[str, Any] | None:
    """None: it is not the header of a token."""
    try:
        header = read_object(_decoded(part))
    except ValueError:
        return None
    return header if "alg" in header else None


def _check_header(header: Mapping[str, Any]) -> None:
    algorithm, key_id, kind = header["alg"], header.get("kid"), header.get("typ", "")
    if not isinstance(algorithm, str) or not isinstance(key_id, str | None) or not isinstance(kind, str):
        raise TokenError("its header has another form (alg, kid or typ is no text)")
    if "crit" in header or "b64" in header:
        raise TokenError("its header demands an extension that is not known here (crit)")
    if kind.lower() not in _TYPES:
        raise TokenError(f"it is no access token (typ: {visible(kind, 40)})")


def _check_kind(token: Token) -> None:
    """ID tokens are for the mail program, and tell only that somebody signed in there (RFC 9068 section 5)."""
    claims = token.claims
    kind, use = claims.get("typ"), claims.get("token_use", "access")
    is_access = token.is_access or kind == "Bearer" or "token_use" in claims
    if any(name in claims for name in _HASHES) or ("nonce" in claims and not is_access):
        raise TokenError("it is an ID token: let the mail program send the access token")
    if (isinstance(kind, str) and kind.lower() in _NO_ACCESS) or use != "access":
        raise TokenError("it is no access token (typ or token_use)")
    if "events" in claims:
        raise TokenError("it is a notice of an event and no access token")
    check_bearer(claims)


def _decoded(part: str) -> bytes:
    """Base64url without padding, and of each value the one form only (RFC 7515 section 2).

    Raises:
        ValueError: it is none.
    """
    if _BASE64URL.fullmatch(part) is None:
        raise ValueError("no base64url")
    octets = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if base64.urlsafe_b64encode(octets).rstrip(b"=") != part.encode():
        raise ValueError("no base64url")
    return octets
