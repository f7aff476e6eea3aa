from __future__ import annotations

import pytest

from sams.protocol.sasl.interface import Challenge, PasswordClaim, Verify
from sams.protocol.sasl.plain import Plain
from sams.protocol.sasl.registry import Registry, password_mechanisms


def test_each_exchange_has_a_mechanism_of_its_own() -> None:
    registry = password_mechanisms()
    assert registry.names == ("PLAIN", "LOGIN")
    one, other = registry.create("LOGIN"), registry.create("LOGIN")
    assert one.start(b"alice") == Challenge(b"Password:")
    assert other.start(None) == Challenge(b"Username:")


def test_names_keep_their_order_and_what_is_registered_stays() -> None:
    factories = {"X-B": Plain, "X-A": Plain}
    registry = Registry(factories)
    factories.clear()
    assert registry.names == ("X-B", "X-A")
    assert isinstance(registry.create("X-A"), Plain)


def test_a_mechanism_that_is_not_there_is_not_made() -> None:
    with pytest.raises(KeyError):
        password_mechanisms().create("plain")


@pytest.mark.parametrize("name", ["", "plain", "A B", "A\n", 21 * "A", "PLÄIN"])
def test_a_name_that_rfc_4422_does_not_know_is_a_bug(name: str) -> None:
    with pytest.raises(ValueError, match="not a name of a SASL mechanism"):
        Registry({name: Plain})


def test_no_step_shows_a_password() -> None:
    assert "geheim" not in repr(Verify(PasswordClaim("", "alice", "geheim")))
    assert "geheim" not in repr(Challenge(b"geheim"))
