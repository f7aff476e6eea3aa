"""An issuer of access tokens as a source of accounts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from sams.config.key import MINUTE, Key
from sams.config.kinds import Choice, File, Many, SecretFile, Text
from sams.config.places import Url
from sams.config.quantities import Duration
from sams.config.sources.section import SECRET, DirectorySection


class OauthSource(DirectorySection, frozen=True, kw_only=True, tag_field="kind", tag="oauth"):
    """An OAuth 2.0 or OpenID Connect issuer whose access tokens members' programs bring.

    Tokens that are JWTs are checked here by the issuer's keys; others are asked about at `introspection_url`.
    """

    type: Annotated[Literal["oauth"], Key(Choice(("oauth",)), "Access tokens of an issuer.")] = "oauth"
    issuer: Annotated[
        str,
        Key(
            Url(),
            "The issuer, as it stands in tokens (`iss`).",
            example='"https://login.example.ac.uk"',
        ),
    ]
    audience: Annotated[
        tuple[str, ...],
        Key(
            Many(Text(longest=300), least=1, most=20),
            "For whom a token must have been made (`aud`): one of these.",
            example='["sams"]',
        ),
    ]
    scope: Annotated[
        str,
        Key(
            Text(longest=100),
            "What a token must allow (`scope` or `scp`).",
            unset="nothing in particular",
            example='"smtp"',
        ),
    ] = ""
    algorithms: Annotated[
        tuple[str, ...],
        Key(
            Many(Text(longest=20), least=1, most=20),
            "How a token may be signed; `none` and the symmetric ones (`HS256` …) are never taken.",
        ),
    ] = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
    jwks_url: Annotated[
        str,
        Key(
            Url(),
            "Where the issuer's keys are.",
            unset="what `issuer`/.well-known/openid-configuration says",
            example='"https://login.example.ac.uk/keys"',
        ),
    ] = ""
    introspection_url: Annotated[
        str,
        Key(
            Url(),
            "Where to ask about a token (RFC 7662).",
            unset="none: tokens are JWTs",
            example='"https://login.example.ac.uk/introspect"',
        ),
    ] = ""
    introspect: Annotated[
        Literal["opaque", "always"],
        Key(
            Choice(("opaque", "always")),
            "Which tokens are asked about there: those that are no JWT, or each, so that one that was revoked ends "
            "within `cache`.",
        ),
    ] = "opaque"
    client_id: Annotated[
        str,
        Key(
            Text(longest=300),
            "As whom to ask there.",
            unset="none",
            example='"sams"',
        ),
    ] = ""
    client_secret_file: Annotated[
        Path | None,
        Key(
            SecretFile(),
            f"The password for that. {SECRET}",
            unset="none",
            example='"oauth-secret"',
        ),
    ] = None
    login_claim: Annotated[str, Key(Text(longest=100), "The claim that is the member's login.")] = (
        "preferred_username"
    )
    address_claims: Annotated[
        tuple[str, ...],
        Key(
            Many(Text(longest=100), most=20),
            "The claims with the member's addresses. `email` counts only where `email_verified` is not false.",
        ),
    ] = ("email",)
    clock_skew: Annotated[float, Key(Duration(0, 5 * MINUTE), "How far its clock and ours may be apart.")] = (
        MINUTE
    )
    ca_file: Annotated[
        Path | None,
        Key(
            File(),
            "The authorities that its certificate is checked against, as PEM.",
            unset="the system's",
            example='"login-ca.pem"',
        ),
    ] = None
