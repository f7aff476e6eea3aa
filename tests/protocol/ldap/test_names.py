from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.protocol.ldap import names


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("uid=alice,dc=example", "UID=Alice, DC=Example"),
        ("cn=Smith\\, J,dc=example", "cn=smith\\2c j,dc=example"),
        ("cn=a+sn=b,dc=example", "sn=b + cn=a,dc=example"),
        ("cn=a\\+b,dc=example", "cn=a\\2bb,dc=example"),
        ("cn=J\\C3\\B6rg", "cn=jörg"),
        ("cn=two  spaces", "cn=two spaces"),
        ("cn=a\\=b", "cn=a=b"),
    ],
)
def test_these_mean_one_entry(one: str, other: str) -> None:
    assert names.key(one) == names.key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cn=a\\,dc=b", "cn=a,dc=b"),
        ("cn=a\\+sn=b", "cn=a+sn=b"),
        ("uid=alice,dc=example", "uid=alice,ou=x,dc=example"),
        ("uid=alice", "cn=alice"),
        ("uid=", "uid=a"),
    ],
)
def test_these_do_not(one: str, other: str) -> None:
    assert names.key(one) != names.key(other)


@given(st.text())
def test_what_is_escaped_is_one_value_whatever_stands_in_it(value: str) -> None:
    name = f"uid={names.escaped(value)},ou=people"
    assert names.key(name) == ((("uid", " ".join(value.split()).casefold()),), (("ou", "people"),))
    assert names.parent(name) == "ou=people"


def test_the_name_above() -> None:
    assert names.parent("cn=Smith\\, J, ou=people,dc=x") == "ou=people,dc=x"
    assert names.parent("dc=x") == ""


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("uid=a,dc=b", True),
        ("alice@example.org", False),
        ("EXAMPLE\\alice", False),
        ("bounce=a@example.org", False),
        ("mail=a@b,dc=x", True),
        ("2.5.4.3=a", True),
        ("", False),
    ],
)
def test_names_are_told_from_addresses(text: str, is_one: bool) -> None:
    assert names.is_name(text) is is_one
