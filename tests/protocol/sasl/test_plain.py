from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.protocol.sasl.interface import Challenge, Malformed, PasswordClaim, Step, Verify
from sams.protocol.sasl.plain import Plain


@pytest.mark.parametrize(
    ("message", "claim"),
    [
        (b"\0tim\0tanstaaftanstaaf", PasswordClaim("", "tim", "tanstaaftanstaaf")),
        (b"Ursel\0Kurt\0xipj3plmq", PasswordClaim("Ursel", "Kurt", "xipj3plmq")),
        ("\0jürgen\0pässwörd ".encode(), PasswordClaim("", "jürgen", "pässwörd ")),
        (b"\0a\0" + 1_024 * b"p", PasswordClaim("", "a", 1_024 * "p")),
    ],
)
def test_the_message_of_rfc_4616_is_a_claim(message: bytes, claim: PasswordClaim) -> None:
    assert Plain().start(message) == Verify(claim)


def test_without_an_initial_response_the_challenge_is_empty() -> None:
    mechanism = Plain()
    assert mechanism.start(None) == Challenge(b"")
    assert mechanism.respond(b"\0tim\0x") == Verify(PasswordClaim("", "tim", "x"))


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"", "PLAIN takes identity, user name and password with NUL between them"),
        (b"tim", "PLAIN takes identity, user name and password with NUL between them"),
        (b"\0tim", "PLAIN takes identity, user name and password with NUL between them"),
        (b"\0tim\0secret\0", "PLAIN takes identity, user name and password with NUL between them"),
        (b"\0a\0b\0" + 9 * b"\0", "PLAIN takes identity, user name and password with NUL between them"),
        (b"\0\0secret", "the user name is missing, too long, or not UTF-8"),
        (b"\0\xff\0secret", "the user name is missing, too long, or not UTF-8"),
        (b"\xff\0tim\0secret", "the user name is missing, too long, or not UTF-8"),
        (b"\0" + 1_025 * b"a" + b"\0secret", "the user name is missing, too long, or not UTF-8"),
        (b"\0tim\0", "the password is missing, longer than 1024 octets, or not UTF-8"),
        (b"\0tim\0\xff", "the password is missing, longer than 1024 octets, or not UTF-8"),
        (b"\0tim\0" + 1_025 * b"p", "the password is missing, longer than 1024 octets, or not UTF-8"),
    ],
)
def test_what_is_no_message_is_malformed_with_what_is_allowed(message: bytes, text: str) -> None:
    assert Plain().start(message) == Malformed(text)


@given(st.binary(max_size=60))
def test_garbage_is_a_claim_of_three_parts_or_malformed(garbage: bytes) -> None:
    step: Step = Plain().start(garbage)
    if isinstance(step, Verify):
        claim = step.claim
        assert isinstance(claim, PasswordClaim)
        assert f"{claim.authzid}\0{claim.authcid}\0{claim.password}".encode() == garbage
    else:
        assert isinstance(step, Malformed)
