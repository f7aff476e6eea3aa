"""Short ways to say what a mechanism did."""

from __future__ import annotations

from sams.protocol.sasl.interface import Challenge, Malformed, NeedKeys, Step, Verify


def challenge_of(step: Step) -> bytes:
    """What it sends."""
    assert isinstance(step, Challenge), step
    return step.data


def verified(step: Step) -> Verify:
    """The end of an exchange."""
    assert isinstance(step, Verify), step
    return step


def needed(step: Step) -> NeedKeys:
    """Whose keys it needs."""
    assert isinstance(step, NeedKeys), step
    return step


def refusal_of(step: Step) -> str:
    """Why it went no further: what the peer may be told."""
    assert isinstance(step, Malformed), step
    assert step.text.isascii()
    assert step.text.isprintable()
    assert len(step.text) < 200
    return step.text
