from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.protocol.sasl.interface import Challenge, Channel, TokenClaim, Verify
from sams.protocol.sasl.oauthbearer import MAX_TOKEN_OCTETS
from sams.protocol.sasl.xoauth2 import XOAuth2
from tests.protocol.sasl.steps import refusal_of

REFUSAL = b'{"status":"401","schemes":"bearer","scope":"https://mail.google.com/"}'
CHANNEL = Channel(token_refusal=REFUSAL)


def test_the_example_of_its_makers_is_a_claim() -> None:
    example = (
        "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZ"
        "MjluWTIKAQE="
    )
    message = base64.b64decode(example).replace(b"\n", b"")  # a slip of the example: no token has a line end
    token = message.split(b"Bearer ")[1].rstrip(b"\x01").decode()
    claim = TokenClaim("someuser@example.com", token)
    assert XOAuth2(CHANNEL).start(message) == Verify(claim, on_failure=REFUSAL)


def test_without_an_initial_response_the_challenge_is_empty() -> None:
    mechanism = XOAuth2(CHANNEL)
    assert mechanism.start(None) == Challenge(b"")
    claim = TokenClaim("alice", "abc")
    assert mechanism.respond(b"user=alice\x01auth=Bearer abc\x01\x01") == Verify(claim, on_failure=REFUSAL)


NOT_THIS = "XOAUTH2 takes user=, auth=Bearer with a token, and three times the octet 1"
BAD_NAME = "the user name is missing, too long, or not UTF-8"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (b"", NOT_THIS),
        (b"user=alice", NOT_THIS),
        (b"user=alice\x01auth=Bearer abc", NOT_THIS),
        (b"user=alice\x01auth=Bearer abc\x01", NOT_THIS),
        (b"user=alice\x01auth=Bearer abc\x01\x01\x01", NOT_THIS),
        (b"user=alice\x01auth=Bearer abc\x01\x01x", NOT_THIS),
        (b"auth=Bearer abc\x01user=alice\x01\x01", NOT_THIS),
        (b"user=alice\x01auth=Bearer \x01\x01", NOT_THIS),
        (b"user=alice\x01auth=Basic abc\x01\x01", NOT_THIS),
        (b"user=alice\x01auth=Bearer " + (MAX_TOKEN_OCTETS + 1) * b"a" + b"\x01\x01", NOT_THIS),
        (b"user=\x01auth=Bearer abc\x01\x01", BAD_NAME),
        (b"user=\xff\x01auth=Bearer abc\x01\x01", BAD_NAME),
        (b"user=a\0b\x01auth=Bearer abc\x01\x01", BAD_NAME),
        (b"user=" + 1_025 * b"a" + b"\x01auth=Bearer abc\x01\x01", BAD_NAME),
    ],
)
def test_what_is_no_message_is_malformed(message: bytes, told: str) -> None:
    assert refusal_of(XOAuth2(CHANNEL).start(message)) == told


@given(st.binary(max_size=60))
def test_garbage_is_no_claim(garbage: bytes) -> None:
    refusal_of(XOAuth2(CHANNEL).start(garbage))
