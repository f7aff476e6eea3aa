from __future__ import annotations

import pytest

from sams.protocol.sasl.external import External
from sams.protocol.sasl.interface import CertificateClaim, Challenge, Channel, Verify
from tests.protocol.sasl.steps import refusal_of

CHANNEL = Channel(certificate_names=("alice@example.org", "alice@example.com"))


@pytest.mark.parametrize(
    ("message", "authzid"),
    [(b"", ""), (b"bob@example.org", "bob@example.org"), ("jürgen".encode(), "jürgen")],
)
def test_the_message_is_whom_to_act_as(message: bytes, authzid: str) -> None:
    done = Verify(CertificateClaim(authzid, ("alice@example.org", "alice@example.com")))
    assert External(CHANNEL).start(message) == done
    mechanism = External(CHANNEL)
    assert mechanism.start(None) == Challenge(b"")
    assert mechanism.respond(message) == done


@pytest.mark.parametrize("message", [b"\xff", b"a\0b", 1_025 * b"a"])
def test_a_bad_name_is_malformed(message: bytes) -> None:
    assert refusal_of(External(CHANNEL).start(message)) == "the identity to act as is too long, or not UTF-8"


def test_without_a_certificate_that_names_somebody_there_is_no_claim() -> None:
    assert "no client certificate" in refusal_of(External(Channel()).start(b""))
