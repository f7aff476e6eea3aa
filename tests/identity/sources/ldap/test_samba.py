"""Against a domain controller of Samba: what Active Directory says of passwords, states and nested groups."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sams.config.sources import LdapSource
from sams.core.errors import TemporaryFailure
from sams.identity.account_sources import Finding
from sams.identity.logins import LoginForms, map_login
from sams.identity.sources.interface import Answer, Member
from sams.identity.sources.ldap.directory import LdapDirectory
from sams.identity.sources.ldap.states import DISABLED, EXPIRED, MUST_CHANGE, NOT_IN_GROUP
from tests.identity.sources.ldap.rig import WORD, run
from tests.support.samba_server import MISSING, REALM, SUFFIX, Samba, can_run

pytestmark = [
    pytest.mark.long,
    pytest.mark.real,
    pytest.mark.skipif(not can_run(), reason=MISSING),
    pytest.mark.timeout(300),
]

FORMS = LoginForms((REALM,), ("EXAMPLE",))
SERVICE = f"CN=svc,CN=Users,{SUFFIX}"


@pytest.fixture(scope="module")
def samba(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samba]:
    made = Samba(tmp_path_factory.mktemp("dc"))
    made.provision()
    for name in ("alice", "off", "past", "must", "locked", "svc"):
        made.tool("user", "create", name, WORD, f"--mail-address={name}@{REALM}")
    made.tool("user", "disable", "off")
    made.tool("user", "setexpiry", "past", "--days=0")
    made.tool("user", "setpassword", "must", f"--newpassword={WORD}", "--must-change-at-next-login")
    for name, member in (("inner", "alice"), ("outer", "inner"), ("other", "off")):
        made.tool("group", "add", name)
        made.tool("group", "addmembers", name, member)
    made.tool("group", "addmembers", "inner", "outer")
    with made.running():
        yield made


def directory(samba: Samba, **keys: str) -> LdapDirectory:
    kept = {"base": SUFFIX, "bind_dn": SERVICE} | keys
    section = LdapSource(servers=(samba.url,), schema="active-directory", **kept)  # type: ignore[arg-type]
    return LdapDirectory(section, WORD if section.bind_dn else "")


def verified(samba: Samba, typed: str, password: str = WORD, **keys: str) -> Answer:
    async def ask() -> Answer:
        made = directory(samba, **keys)
        try:
            return await made.verify(FORMS.parse(map_login(typed)), password, "192.0.2.1")
        finally:
            await made.close()

    return run(ask())


def found(samba: Samba, typed: str, **keys: str) -> Member | None:
    async def ask() -> Member | None:
        made = directory(samba, **keys)
        try:
            return await made.find(FORMS.parse(map_login(typed)))
        finally:
            await made.close()

    return run(ask())


@pytest.mark.parametrize("typed", ["alice", f"alice@{REALM}", "EXAMPLE\\alice"])
def test_a_member_signs_in(samba: Samba, typed: str) -> None:
    assert verified(samba, typed) == Answer(Finding.RIGHT, Member("alice", (f"alice@{REALM}",)))
    assert verified(samba, typed, "wrong") == Answer(Finding.WRONG)


def test_somebody_else_is_unknown(samba: Samba) -> None:
    assert verified(samba, "nobody") == Answer(Finding.UNKNOWN)
    assert found(samba, "nobody") is None


@pytest.mark.parametrize(
    ("typed", "suspended"), [("off", DISABLED), ("past", EXPIRED), ("must", MUST_CHANGE)]
)
@pytest.mark.parametrize("keys", [{}, {"user_dn": "{address}", "bind_dn": ""}])
def test_why_not_is_told_after_the_right_password(
    samba: Samba, typed: str, suspended: str, keys: dict[str, str]
) -> None:
    member = verified(samba, typed, **keys).member
    assert member is not None
    assert member.suspended == suspended
    assert verified(samba, typed, "wrong", **keys).member is None


@pytest.mark.parametrize(("typed", "suspended"), [("off", DISABLED), ("past", EXPIRED), ("alice", None)])
def test_who_is_disabled_is_found_so(samba: Samba, typed: str, suspended: str | None) -> None:
    assert found(samba, typed) == Member(typed, (f"{typed}@{REALM}",), suspended=suspended)


def test_of_who_is_locked_out_no_password_is_known(samba: Samba) -> None:
    findings = [verified(samba, "locked", "wrong").finding for _ in range(4)]
    assert findings == [Finding.WRONG] * 3 + [Finding.REFUSED]
    assert verified(samba, "locked").finding is Finding.REFUSED
    assert found(samba, "locked") == Member("locked", (f"locked@{REALM}",))


@pytest.mark.parametrize(("name", "suspended"), [("inner", None), ("outer", None), ("other", NOT_IN_GROUP)])
def test_groups_are_followed_though_they_hold_each_other(
    samba: Samba, name: str, suspended: str | None
) -> None:
    member = verified(samba, "alice", group=f"CN={name},CN=Users,{SUFFIX}").member
    assert member is not None
    assert member.suspended == suspended


def test_a_group_that_does_not_exist_is_told(samba: Samba) -> None:
    with pytest.raises(TemporaryFailure, match="does not exist"):
        verified(samba, "alice", group=f"CN=none,CN=Users,{SUFFIX}")


@pytest.mark.parametrize("user_dn", ["{address}", "EXAMPLE\\{user}"])
def test_a_bind_at_once_by_a_name_of_windows(samba: Samba, user_dn: str) -> None:
    keys = {"user_dn": user_dn, "bind_dn": ""}
    assert verified(samba, "alice", **keys) == Answer(Finding.RIGHT, Member("alice", (f"alice@{REALM}",)))
    assert verified(samba, "alice", user_dn=user_dn, bind_dn="", base="") == Answer(
        Finding.RIGHT, Member("alice")
    )
    assert verified(samba, "alice", "wrong", **keys).finding is Finding.REFUSED
    assert verified(samba, "nobody", **keys).finding is Finding.REFUSED


def test_without_a_name_nothing_can_be_searched_for(samba: Samba) -> None:
    with pytest.raises(TemporaryFailure, match="does not search"):
        found(samba, "alice", bind_dn="")
