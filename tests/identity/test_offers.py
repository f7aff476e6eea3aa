"""Which mechanisms follow from the sources of a listener, its authority, its certificates and its cut."""

from __future__ import annotations

import pytest

from sams.core.errors import TemporaryFailure
from sams.core.reply import reply
from sams.identity.offers import never_offered, offered, verifiable
from sams.protocol.sasl.registry import all_mechanisms

ORDER = all_mechanisms().names
SCRAM = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]


class Passwords:
    """A source that takes passwords, and keeps none."""

    takes_passwords = True


class Closed:
    """One whose members have app passwords only."""

    takes_passwords = False


class Keys(Passwords):
    """One that keeps SCRAM keys, of all or of some."""

    def __init__(self, *, of_all: bool = True) -> None:
        self.has_all_keys = of_all

    def scram_keys(self, login: object, hash_name: str) -> None:
        """None of this login."""


class Unreadable(Passwords):
    """One that keeps keys, and cannot tell now of whom."""

    @property
    def has_all_keys(self) -> bool:
        raise TemporaryFailure(reply(454, "4.7.0", "Later"))

    def scram_keys(self, login: object, hash_name: str) -> None:
        """None of this login."""


class Tokens(Closed):
    refusal = b"{}"

    async def verify_token(self, claim: object) -> None:
        """Never asked here."""


class Realm(Closed):
    def accept_context(self) -> None:
        """Never asked here."""

    async def find_principal(self, claim: object) -> None:
        """Never asked here."""


def offers(
    *sources: object,
    certificates: bool = False,
    binds: bool = True,
    cut: tuple[str, ...] = (),
    exports: bool = True,
) -> list[str]:
    possible = verifiable(sources, certificates=certificates, binds=binds)  # type: ignore[arg-type]
    return list(offered(possible, cut, ORDER, exports=exports))


@pytest.mark.parametrize(
    ("sources", "more"),
    [
        ([Passwords()], []),
        ([Keys()], SCRAM),
        ([Keys(), Keys()], SCRAM),
        ([Keys(of_all=False)], []),
        ([Unreadable()], []),
        ([Keys(), Keys(of_all=False)], []),
        ([Keys(), Passwords()], []),
        ([Keys(), Closed()], SCRAM),
        ([Closed()], SCRAM),
        ([Tokens()], [*SCRAM, "OAUTHBEARER", "XOAUTH2"]),
        ([Passwords(), Tokens()], ["OAUTHBEARER", "XOAUTH2"]),
        ([Keys(), Realm()], [*SCRAM, "GSSAPI"]),
        ([Passwords(), Tokens(), Realm()], ["OAUTHBEARER", "XOAUTH2", "GSSAPI"]),
    ],
)
def test_what_all_or_some_sources_can_verify_is_offered(sources: list[object], more: list[str]) -> None:
    assert offers(*sources) == ["PLAIN", "LOGIN", *more]


def test_without_an_end_point_nobody_can_bind() -> None:
    assert offers(Keys(), binds=False) == ["PLAIN", "LOGIN", "SCRAM-SHA-256"]


def test_certificates_bring_external() -> None:
    assert offers(Passwords(), certificates=True) == ["PLAIN", "LOGIN", "EXTERNAL"]


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        (("PLAIN",), ["PLAIN"]),
        (("LOGIN", "PLAIN"), ["PLAIN", "LOGIN"]),
        (("SCRAM-SHA-256",), ["SCRAM-SHA-256"]),
        (("SCRAM-SHA-1", "PLAIN"), ["PLAIN", "SCRAM-SHA-1"]),
        (("SCRAM-SHA-1-PLUS",), ["SCRAM-SHA-1-PLUS"]),
        (("EXTERNAL", "GSSAPI"), []),
    ],
)
def test_a_cut_leaves_what_it_names_in_the_usual_order(cut: tuple[str, ...], expected: list[str]) -> None:
    assert offers(Keys(), cut=cut) == expected


def test_without_an_exporter_binding_is_offered_where_it_is_named() -> None:
    """GNU SASL picks -PLUS by itself, binds to `tls-exporter`, and could not sign in."""
    assert offers(Keys(), exports=False) == ["PLAIN", "LOGIN", "SCRAM-SHA-256"]
    assert offers(Keys(), exports=False, cut=("PLAIN", *SCRAM)) == ["PLAIN", *SCRAM]


def test_sha_1_is_offered_where_it_is_named_only() -> None:
    assert "SCRAM-SHA-1" not in offers(Keys())


def test_what_is_named_in_vain_is_told() -> None:
    possible = verifiable([Passwords()], certificates=False, binds=True)  # type: ignore[list-item]
    assert never_offered(possible, ("PLAIN", "SCRAM-SHA-256", "GSSAPI")) == ("SCRAM-SHA-256", "GSSAPI")
