from __future__ import annotations

import pytest

from sams.config.sources import BuiltinSource, LdapSource
from tests.config.samples import MINIMAL, loaded, problems, warnings

BUILTIN = '[[accounts.source]]\ntype = "builtin"\n'
LDAP = (
    '[[accounts.source]]\ntype = "ldap"\nservers = ["ldaps://ldap.example.org"]\n'
    'user_dn = "uid={user},dc=example"\n'
)


def with_listener(text: str, more: str = "") -> str:
    return MINIMAL.replace("port = 587\n", f"port = 587\n{text}") + more


def test_each_source_is_of_its_own_type_and_without_a_type_it_is_the_built_in_one() -> None:
    config = loaded(MINIMAL + "[[accounts.source]]\n" + LDAP).config
    assert [type(source) for source in config.accounts.sources] == [BuiltinSource, LdapSource]
    assert [source.id for source in config.accounts.sources] == ["builtin", "ldap"]
    assert [source.id for source in loaded().config.accounts.sources] == ["builtin"]


@pytest.mark.parametrize(
    ("text", "key", "told"),
    [
        (MINIMAL + BUILTIN + BUILTIN, "accounts.source[2].name", 'source[1] is called "builtin" too'),
        (MINIMAL + BUILTIN + BUILTIN + 'name = "more"\n', "accounts.source[1].type", "one set of built-in"),
        (MINIMAL + LDAP + LDAP, "accounts.source[2].name", "give one of them another name"),
        (MINIMAL + LDAP + 'addresses = ["{uid}@example.org"]\n', "accounts.source[1].addresses", "{user}"),
        (MINIMAL + LDAP + 'addresses = ["{user}"]\n', "accounts.source[1].addresses", "and an @"),
        (MINIMAL + '[[accounts.source]]\ntype = "nis"\n', "accounts.source[1].type", '"ldap" or "sql"'),
        (MINIMAL + '[[accounts.source]]\ntype = "ldap"\nport = 1\n', "accounts.source[1].servers", "missing"),
        (with_listener('sources = ["staff"]\n'), "listener[1].sources", 'no source of accounts "staff"'),
        (with_listener('members = "devices"\n', LDAP), "listener[1].members", 'type "builtin" has to be'),
        (
            with_listener('members = "devices"\nsources = ["ldap"]\n', BUILTIN + LDAP),
            "listener[1].members",
            'type "builtin" has to be',
        ),
    ],
)
def test_what_cannot_hold_together_is_told_where_it_stands(text: str, key: str, told: str) -> None:
    found = problems(text)
    assert any(key in line and told in line for line in found), found


def test_a_grace_that_is_shorter_than_the_cache_is_told() -> None:
    found = warnings(MINIMAL + LDAP + 'cache = "2 h"\n')
    assert any("accounts.source[1].grace" in line for line in found), found


def test_listeners_may_be_for_devices_or_for_some_sources() -> None:
    text = with_listener(
        'sources = ["ldap"]\n[[listener]]\nport = 2525\nmembers = "devices"\n', BUILTIN + LDAP
    )
    first, second = loaded(text).config.listeners
    assert (first.sources, second.members) == (("ldap",), "devices")
