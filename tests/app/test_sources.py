from __future__ import annotations

from pathlib import Path

import pytest

from sams.app.sources import made_alike, source_settings
from sams.config.loading import parse
from sams.config.sources import DirectorySection
from sams.service.material import Material
from tests.config.samples import HERE, MINIMAL

LDAP = 'type = "ldap"\nservers = ["ldaps://ldap.example.org"]\nuser_dn = "uid={user}"\n'
KERBEROS = 'type = "kerberos"\nrealm = "EXAMPLE.ORG"\nkeytab = "smtp.keytab"\n'
OAUTH = 'type = "oauth"\nissuer = "https://login.example.org"\naudience = ["sams"]\n'


def section(text: str) -> DirectorySection:
    (source,) = parse(f"{MINIMAL}[[accounts.source]]\n{text}".encode(), HERE).config.accounts.sources
    assert isinstance(source, DirectorySection)
    return source


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LDAP, True),
        (LDAP + 'submission = "app-passwords-only"\n', False),
        (KERBEROS, True),
        (KERBEROS + "passwords = false\n", False),
        (OAUTH, False),
    ],
)
def test_own_passwords_are_taken_where_there_are_any_and_they_are_allowed(
    text: str, *, expected: bool
) -> None:
    assert source_settings(section(text)).takes_passwords is expected


def test_a_section_says_how_its_directory_is_asked() -> None:
    text = f'{LDAP}name = "staff"\ncache = "1 min"\ngrace = "2 h"\ntimeout = "3 s"\nconnections = 7\n'
    settings = source_settings(section(text))
    assert (settings.name, settings.cache, settings.grace) == ("staff", 60, 7_200)
    assert (settings.timeout, settings.connections, settings.addresses) == (3, 7, ("{user}@{domain}",))


def test_a_database_has_a_time_of_its_own_for_hashes_wait_for_a_core() -> None:
    sql = 'type = "sql"\ndatabase = "sqlite:///m.db"\nquery = "SELECT 1 AS password WHERE %(user)s = 1"\n'
    assert source_settings(section(sql)).timeout is None


def test_other_secrets_or_domains_make_other_sources() -> None:
    def material(text: str = MINIMAL, **secrets: str) -> Material:
        return Material(parse(text.encode(), Path("/etc/sams.toml")).config, (), {}, secrets)

    assert made_alike(material(a="1"), material(a="1"))
    assert not made_alike(material(a="1"), material(a="2"))
    assert not made_alike(material(), material(MINIMAL.replace('["example.ac.uk"]', '["example.org"]')))
