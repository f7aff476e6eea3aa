from __future__ import annotations

import pytest

from sams.protocol.sasl.interface import Challenge, Malformed, PasswordClaim, Verify
from sams.protocol.sasl.login import Login

ASK_NAME, ASK_PASSWORD = Challenge(b"Username:"), Challenge(b"Password:")


@pytest.mark.parametrize("initial", [None, b""])
def test_name_and_password_are_asked_for_one_after_the_other(initial: bytes | None) -> None:
    mechanism = Login()
    assert mechanism.start(initial) == ASK_NAME
    assert mechanism.respond(b"alice") == ASK_PASSWORD
    assert mechanism.respond(b"sesame") == Verify(PasswordClaim("", "alice", "sesame"))


def test_an_initial_response_is_the_name() -> None:
    mechanism = Login()
    assert mechanism.start(b"alice") == ASK_PASSWORD
    assert mechanism.respond(b"sesame") == Verify(PasswordClaim("", "alice", "sesame"))


def test_a_final_nul_belongs_to_neither() -> None:
    mechanism = Login()
    assert mechanism.start(b"alice\0") == ASK_PASSWORD
    assert mechanism.respond(b"sesame\0") == Verify(PasswordClaim("", "alice", "sesame"))


@pytest.mark.parametrize("name", [b"", b"\xff", b"a\0b", 1_025 * b"a"])
def test_a_bad_name_is_malformed_before_a_password_is_asked_for(name: bytes) -> None:
    mechanism = Login()
    mechanism.start(None)
    assert mechanism.respond(name) == Malformed("the user name is missing, too long, or not UTF-8")


@pytest.mark.parametrize("password", [b"", b"\xff", b"a\0b", 1_025 * b"a"])
def test_a_bad_password_is_malformed(password: bytes) -> None:
    mechanism = Login()
    mechanism.start(b"alice")
    assert mechanism.respond(password) == Malformed(
        "the password is missing, longer than 1024 octets, or not UTF-8"
    )
