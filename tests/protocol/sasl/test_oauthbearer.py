"""OAUTHBEARER: the examples of RFC 7628, and what has to be refused."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.protocol.sasl.interface import Challenge, Channel, TokenClaim, Verify
from sams.protocol.sasl.oauthbearer import MAX_TOKEN_OCTETS, OAuthBearer
from tests.protocol.sasl.steps import challenge_of, refusal_of

REFUSAL = (
    b'{"status":"invalid_token","scope":"example_scope",'
    b'"openid-configuration":"https://example.com/.well-known/openid-configuration"}'
)
CHANNEL = Channel(token_refusal=REFUSAL)
TOKEN = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
IMAP_EXAMPLE = (
    "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRx"
    "bVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
)
SMTP_EXAMPLE = (
    "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9NTg3AWF1dGg9QmVhcmVyIHZGOWRmdDRx"
    "bVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
)


@pytest.mark.parametrize("example", [IMAP_EXAMPLE, SMTP_EXAMPLE])
def test_the_examples_of_rfc_7628_are_a_claim(example: str) -> None:
    claim = TokenClaim("user@example.com", TOKEN)
    assert OAuthBearer(CHANNEL).start(base64.b64decode(example)) == Verify(claim, on_failure=REFUSAL)


def test_the_refusal_of_rfc_7628_is_what_the_channel_says() -> None:
    told = base64.b64encode(REFUSAL).decode()
    assert told == (
        "eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NvcGUiOiJleGFtcGxlX3Njb3BlIiwib3BlbmlkLWNvbmZpZ3VyYXRpb24iOi"
        "JodHRwczovL2V4YW1wbGUuY29tLy53ZWxsLWtub3duL29wZW5pZC1jb25maWd1cmF0aW9uIn0="
    )


@pytest.mark.parametrize(
    ("message", "claim"),
    [
        (b"n,,\x01auth=Bearer abc\x01\x01", TokenClaim("", "abc")),
        (b"y,,\x01auth=bearer  a.b-c_d~e+f/g==\x01\x01", TokenClaim("", "a.b-c_d~e+f/g==")),
        (b"n,a=a=2Cb,\x01auth=BEARER abc\x01x=y=z\x01\x01", TokenClaim("a,b", "abc")),
        (b"n,,\x01host=\x01auth=Bearer abc\x01\x01", TokenClaim("", "abc")),
        (b"n,,\x01AUTH=Bearer abc\x01\x01", TokenClaim("", "abc")),
    ],
)
def test_a_message_by_the_grammar_is_a_claim(message: bytes, claim: TokenClaim) -> None:
    assert OAuthBearer(Channel()).start(message) == Verify(claim, on_failure=b'{"status":"invalid_token"}')


def test_without_an_initial_response_the_challenge_is_empty() -> None:
    mechanism = OAuthBearer(CHANNEL)
    assert mechanism.start(None) == Challenge(b"")
    assert mechanism.respond(b"n,,\x01auth=Bearer abc\x01\x01") == Verify(
        TokenClaim("", "abc"), on_failure=REFUSAL
    )


@pytest.mark.parametrize("message", [b"n,,\x01auth=\x01\x01", b"n,,\x01host=a\x01port=587\x01\x01"])
def test_who_brings_no_token_hears_where_to_get_one(message: bytes) -> None:
    """RFC 7628 section 4.3; no verdict is asked for, so that it counts as no failure to sign in."""
    mechanism = OAuthBearer(CHANNEL)
    assert challenge_of(mechanism.start(message)) == REFUSAL
    assert refusal_of(mechanism.respond(b"\x01")) == "there was no bearer token"


NOT_THIS = "OAUTHBEARER takes a header, keys with values and a token (RFC 7628 section 3.1)"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (b"", NOT_THIS),
        (b"\x01", NOT_THIS),
        (b"n,,", NOT_THIS),
        (b"n,,auth=Bearer abc\x01\x01", NOT_THIS),
        (b"n,,\x01auth=Bearer abc\x01", NOT_THIS),
        (b"n,,\x01auth=Bearer abc", NOT_THIS),
        (b"n,,\x01auth=Bearer abc\x01\x01more", NOT_THIS),
        (b"n,,\x01auth=Bearer abc\x01\x01\x01", NOT_THIS),
        (b"n,,\x01\x01auth=Bearer abc\x01\x01", NOT_THIS),
        (b"n,,\x01auth=Bearer abc\x01auth=Bearer def\x01\x01", NOT_THIS),
        (b"n,,\x01auth=Bearer abc\x01AUTH=Bearer def\x01\x01", NOT_THIS),
        (b"n,,\x01auth\x01\x01", NOT_THIS),
        (b"n,,\x01au1th=x\x01\x01", NOT_THIS),
        (b"n,,\x01host=\xc3\xa4\x01auth=Bearer abc\x01\x01", NOT_THIS),
        (b"n,,\x01host=a\0\x01auth=Bearer abc\x01\x01", NOT_THIS),
        (b"n,a=\xff,\x01auth=Bearer abc\x01\x01", NOT_THIS),
        (b"p=tls-exporter,,\x01auth=Bearer abc\x01\x01", "OAUTHBEARER has no channel binding"),
        (b"n,,\x01auth=Basic abc\x01\x01", "there was no bearer token"),
        (b"n,,\x01auth=Bearer\x01\x01", "there was no bearer token"),
        (b"n,,\x01auth=Bearer \x01\x01", "there was no bearer token"),
        (b"n,,\x01auth=Bearer a b\x01\x01", "there was no bearer token"),
        (b"n,,\x01auth=Bearer a=b\x01\x01", "there was no bearer token"),
        (b"n,,\x01auth=Bearer abc\r\n\x01\x01", "there was no bearer token"),
        (
            b"n,,\x01auth=Bearer " + (MAX_TOKEN_OCTETS + 1) * b"a" + b"\x01\x01",
            "there was no bearer token",
        ),
    ],
)
def test_what_is_no_message_is_malformed(message: bytes, told: str) -> None:
    assert refusal_of(OAuthBearer(CHANNEL).start(message)) == told


@given(st.binary(max_size=60))
def test_garbage_is_no_claim(garbage: bytes) -> None:
    assert not isinstance(OAuthBearer(CHANNEL).start(garbage), Verify) or b"\x01auth=" in garbage.lower()


def test_a_token_is_not_shown() -> None:
    assert "geheim" not in repr(Verify(TokenClaim("alice", "geheim")))
