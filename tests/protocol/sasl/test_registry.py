from __future__ import annotations

import pytest

from sams.protocol.sasl.interface import Challenge, Channel, PasswordClaim, Verify
from sams.protocol.sasl.plain import Plain
from sams.protocol.sasl.registry import Factory, Registry, all_mechanisms


def test_each_exchange_has_a_mechanism_of_its_own() -> None:
    registry = all_mechanisms()
    one, other = registry.create("LOGIN", Channel()), registry.create("LOGIN", Channel())
    assert one.start(b"alice") == Challenge(b"Password:")
    assert other.start(None) == Challenge(b"Username:")


def test_what_all_programs_know_is_offered_first_and_each_has_its_name() -> None:
    registry = all_mechanisms()
    assert registry.names[:2] == ("PLAIN", "LOGIN")
    assert set(registry.names[2:]) == {
        "SCRAM-SHA-256-PLUS",
        "SCRAM-SHA-256",
        "SCRAM-SHA-1-PLUS",
        "SCRAM-SHA-1",
        "OAUTHBEARER",
        "XOAUTH2",
        "EXTERNAL",
        "GSSAPI",
    }
    for name in registry.names:
        registry.create(name, Channel())


def test_names_keep_their_order_and_what_is_registered_stays() -> None:
    factories: dict[str, Factory] = {"X-B": lambda _: Plain(), "X-A": lambda _: Plain()}
    registry = Registry(factories)
    factories.clear()
    assert registry.names == ("X-B", "X-A")
    assert isinstance(registry.create("X-A", Channel()), Plain)


def test_a_mechanism_that_is_not_there_is_not_made() -> None:
    with pytest.raises(KeyError):
        all_mechanisms().create("plain", Channel())


@pytest.mark.parametrize("name", ["", "plain", "A B", "A\n", 21 * "A", "PLÄIN"])
def test_a_name_that_rfc_4422_does_not_know_is_a_bug(name: str) -> None:
    with pytest.raises(ValueError, match="not a name of a SASL mechanism"):
        Registry({name: lambda _: Plain()})


def test_no_step_shows_a_password() -> None:
    assert "geheim" not in repr(Verify(PasswordClaim("", "alice", "geheim")))
    assert "geheim" not in repr(Challenge(b"geheim"))
