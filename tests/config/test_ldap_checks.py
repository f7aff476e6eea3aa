from __future__ import annotations

import pytest

from sams.config.kinds import Unfit
from sams.config.ldap_checks import ldap_server
from tests.config.samples import MINIMAL, problems

BASE = 'base = "ou=people,dc=x"\n'


def with_source(text: str, servers: str = "ldaps://ldap.example.ac.uk") -> str:
    return f'{MINIMAL}[[accounts.source]]\ntype = "ldap"\nservers = ["{servers}"]\n{text}'


@pytest.mark.parametrize(
    ("text", "key", "told"),
    [
        (with_source(""), "base", "nobody can be found"),
        (with_source(BASE, "http://x.example"), "servers", "write ldaps://HOST"),
        (with_source(BASE + 'security = "none"\n', "ldap://10.0.0.1"), "security", "in clear"),
        (with_source(BASE + 'security = "tls"\n', "ldap://10.0.0.1"), "security", "ldaps://"),
        (with_source(BASE + 'bind_dn = "cn=x"\n'), "bind_password_file", "needs a password"),
        (with_source(BASE + 'bind_password_file = "p"\n'), "bind_dn", "needs a name"),
        (
            with_source('user_dn = "uid={user},dc=x"\nbind_dn = "cn=x"\nbind_password_file = "p"\n'),
            "bind_dn",
            "set base",
        ),
        (with_source('base = "people"\n'), "base", "no distinguished name"),
        (with_source(BASE + 'group = "staff"\n'), "group", "no distinguished name"),
        (with_source(BASE + 'group_base = "dc=x"\n'), "group_base", "with group only"),
        (with_source(BASE + 'filter = "(uid={user}"\n'), "filter", "at character 2"),
        (with_source(BASE + 'filter = "(uid={name})"\n'), "filter", "braces one of {address}"),
        (with_source(BASE + 'filter = "(uid=alice)"\n'), "filter", "the same for everybody"),
        (with_source('user_dn = "uid={user},dc=x"\nfilter = "(uid={user})"\n'), "filter", "without base"),
        (with_source('user_dn = "uid={name},dc=x"\n'), "user_dn", "{name} is none of"),
        (with_source('user_dn = "uid=x"\n'), "user_dn", "the same for everybody"),
        (with_source('user_dn = "{address}"\ngroup = "cn=x"\n'), "user_dn", "set base"),
        (with_source(BASE + 'login_attribute = "u id"\n'), "login_attribute", "no name of an attribute"),
        (with_source(BASE + 'address_attributes = ["mail;x"]\n'), "address_attributes", "no name of"),
    ],
)
def test_what_cannot_work_is_told_with_what_to_write(text: str, key: str, told: str) -> None:
    found = [one for one in problems(text) if f"accounts.source[1].{key}:" in one]
    assert found, problems(text)
    assert told in found[0]


@pytest.mark.parametrize(
    "text",
    [
        with_source(BASE),
        with_source(BASE + 'security = "none"\n', "ldap://localhost"),
        with_source(BASE + 'security = "none"\n', "ldap://127.0.0.1:3389"),
        with_source(BASE + 'security = "none"\n', "ldapi:///run/slapd/ldapi"),
        with_source('user_dn = "{address}"\nbase = "dc=x"\ngroup = "cn=x,dc=x"\n'),
        with_source(BASE + 'filter = "(|(uid={user})(mail={address}))"\n'),
    ],
)
def test_what_can_work_is_taken(text: str) -> None:
    assert problems(text) == []


@pytest.mark.parametrize(
    ("text", "host", "port", "path", "is_tls"),
    [
        ("ldaps://ldap.example.org", "ldap.example.org", 636, "", True),
        ("LDAP://ldap.example.org/", "ldap.example.org", 389, "", False),
        ("ldap://192.0.2.1:3389", "192.0.2.1", 3389, "", False),
        ("ldaps://[2001:db8::1]", "2001:db8::1", 636, "", True),
        ("ldaps://[2001:db8::1]:1636", "2001:db8::1", 1636, "", True),
        ("ldapi:///run/slapd/ldapi", "", 0, "/run/slapd/ldapi", False),
        ("ldapi://%2Frun%2Fslapd%2Fldapi", "", 0, "/run/slapd/ldapi", False),
    ],
)
def test_a_server_is_named_by_a_url(text: str, host: str, port: int, path: str, is_tls: bool) -> None:
    assert ldap_server(text) == (host, port, path, is_tls, text)


@pytest.mark.parametrize(
    "text",
    ["ldap.example.org", "ldap://", "ldap://a:0", "ldap://a:99999", "ldap://u@a", "ldap://a/dc=x", "ldap://a?x",
     "ldapi://", "ldapi://run", "ldap://[a]", "ldap://2001:db8::1"],
)  # fmt: skip
def test_what_names_no_server_is_told(text: str) -> None:
    with pytest.raises(Unfit):
        ldap_server(text)
