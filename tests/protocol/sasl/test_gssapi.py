"""GSSAPI's exchange around a context of two rounds that is made up; Kerberos itself is tried with a real realm."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.core.errors import PeerFault
from sams.core.reply import reply
from sams.protocol.sasl.gssapi import MAX_ROUNDS, GssApi
from sams.protocol.sasl.interface import Challenge, Channel, PrincipalClaim, SecurityContext, Verify
from tests.protocol.sasl.steps import challenge_of, refusal_of

WRONG = PeerFault(reply(535, "5.7.8", "The ticket is not right"), "clock skew")
OFFER = b"sealed:\x01\0\0\0"


@dataclass
class Acceptor:
    """Answers `token-1`, `token-2` … with what is listed, and stands after the last."""

    answers: list[bytes | None] = field(default_factory=lambda: [b"answer-1", None])
    taken: int = 0
    principal: str = "alice@EXAMPLE.ORG"

    @property
    def is_complete(self) -> bool:
        return self.taken == len(self.answers)

    def step(self, token: bytes) -> bytes | None:
        if token != b"token-%d" % (self.taken + 1):
            raise WRONG
        self.taken += 1
        return self.answers[self.taken - 1]

    def wrap(self, data: bytes) -> bytes:
        return b"sealed:" + data

    def unwrap(self, data: bytes) -> bytes:
        if not data.startswith(b"sealed:"):
            raise WRONG
        return data.removeprefix(b"sealed:")


def begin(*answers: bytes | None) -> GssApi:
    def accept() -> SecurityContext:
        return Acceptor(list(answers)) if answers else Acceptor()

    return GssApi(Channel(accept_context=accept))


def test_tokens_go_to_and_fro_then_the_offer_then_the_choice() -> None:
    mechanism = begin(b"answer-1", None)
    assert mechanism.start(None) == Challenge(b"")
    assert challenge_of(mechanism.respond(b"token-1")) == b"answer-1"
    assert challenge_of(mechanism.respond(b"token-2")) == OFFER
    done = mechanism.respond(b"sealed:\x01\0\0\0bob@example.org")
    assert done == Verify(PrincipalClaim("bob@example.org", "alice@EXAMPLE.ORG"))


def test_a_last_token_of_ours_is_answered_with_nothing_before_the_offer() -> None:
    mechanism = begin(b"answer-1")
    assert challenge_of(mechanism.start(b"token-1")) == b"answer-1"
    assert challenge_of(mechanism.respond(b"")) == OFFER
    assert mechanism.respond(b"sealed:\x01\0\0\0") == Verify(PrincipalClaim("", "alice@EXAMPLE.ORG"))


def test_after_a_last_token_of_ours_nothing_else_is_taken() -> None:
    mechanism = begin(b"answer-1")
    mechanism.start(b"token-1")
    assert refusal_of(mechanism.respond(b"sealed:\x01\0\0\0")) == "an empty response was due"


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (b"", "a choice of no security layer was due (RFC 4752 section 3.1)"),
        (b"\x01\0\0", "a choice of no security layer was due (RFC 4752 section 3.1)"),
        (b"\x02\0\0\0", "a choice of no security layer was due (RFC 4752 section 3.1)"),
        (b"\x03\0\0\0", "a choice of no security layer was due (RFC 4752 section 3.1)"),
        (b"\x00\0\0\0", "a choice of no security layer was due (RFC 4752 section 3.1)"),
        (b"\x01\0\0\0\xff", "the identity to act as is too long, or not UTF-8"),
        (b"\x01\0\0\0a\0b", "the identity to act as is too long, or not UTF-8"),
        (b"\x01\0\0\0" + 1_025 * b"a", "the identity to act as is too long, or not UTF-8"),
    ],
)
def test_another_choice_is_malformed(choice: bytes, told: str) -> None:
    mechanism = begin(None)
    assert challenge_of(mechanism.start(b"token-1")) == OFFER
    assert refusal_of(mechanism.respond(b"sealed:" + choice)) == told


def test_what_the_context_raises_ends_the_exchange() -> None:
    mechanism = begin(None)
    with pytest.raises(PeerFault):
        mechanism.start(b"no token")
    mechanism.start(b"token-1")
    with pytest.raises(PeerFault):
        mechanism.respond(b"\x01\0\0\0")  # not protected


def test_a_context_that_never_comes_to_stand_is_given_up() -> None:
    mechanism = begin(*(b"more" for _ in range(2 * MAX_ROUNDS)))
    step = mechanism.start(b"token-1")
    rounds = 1
    while isinstance(step, Challenge):
        rounds += 1
        step = mechanism.respond(b"token-%d" % rounds)
    assert refusal_of(step) == "the security context does not come to stand"
    assert rounds == MAX_ROUNDS
    assert refusal_of(begin(None, None).start(b"token-1")) == "the security context does not come to stand"


def test_without_a_realm_there_is_nothing() -> None:
    assert refusal_of(GssApi(Channel()).start(b"token-1")) == "there is no Kerberos realm here"


@given(st.lists(st.binary(max_size=20), max_size=6))
def test_no_garbage_names_a_principal(answers: list[bytes]) -> None:
    mechanism = begin(b"answer-1", None)
    try:
        step = mechanism.start(None)
        for answer in answers:
            if isinstance(step, Challenge):
                step = mechanism.respond(answer)
    except PeerFault:
        return
    assert not isinstance(step, Verify)
