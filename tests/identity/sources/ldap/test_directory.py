from __future__ import annotations

from collections.abc import Iterator

import pytest

from sams.core.errors import TemporaryFailure
from sams.identity.account_sources import Finding
from sams.identity.replies import BUSY
from sams.identity.sources.interface import Answer, Member
from sams.identity.sources.ldap.states import DISABLED, EXPIRED, MUST_CHANGE, NOT_IN_GROUP, PASSWORD_EXPIRED
from tests.identity.sources.ldap.rig import (
    AD,
    GROUPS,
    NOW,
    PEOPLE,
    WORD,
    asking,
    group,
    login,
    person,
    run,
    user,
)
from tests.support.slapd_server import MISSING, PROGRAM, SUFFIX, Slapd

pytestmark = [pytest.mark.real, pytest.mark.skipif(PROGRAM is None, reason=MISSING)]

DAY = 86_400
TODAY = NOW // DAY


def windows_time(at: float) -> int:
    return int((at + 11_644_473_600) * 10_000_000)


MEMBERS = (
    person(
        "alice",
        "mail: alice@example.org",
        "mail: a.liddell@example.org",
        "mailAlternateAddress: al@example.org",
        "sendAs: desk@example.org",
        f"sendAs: uid=office,{PEOPLE}",
        f"sendAs: uid=nobody,{PEOPLE}",
    )
    + person("office", "mail: office@example.org")
    + person("twin1", "mail: twin@example.org")
    + person("twin2", "mail: twin@example.org")
    + person("nolock", "nsAccountLock: TRUE")
    + person("nologin", "loginDisabled: TRUE")
    + person("gone", f"shadowExpire: {TODAY}")
    + person("staying", f"shadowExpire: {TODAY + 1}")
    + person("forever", "shadowExpire: -1")
    + person("locked", "pwdAccountLockedTime: 000001010000Z")
    + person("waiting", "pwdAccountLockedTime: 20260101000000Z")
    + person("old", "pwdChangedTime: 20200101000000Z")
    + person("fresh", "pwdReset: TRUE")
    + person("j*r)(g\\", "mail: joerg@example.org").replace("uid=j*r)(g\\,", "uid=j*r)(g\\5c,")
    + user(
        "Bob",
        "userPrincipalName: bob.builder@example.org",
        "mail: bob@example.org",
        "proxyAddresses: smtp:second@example.org",
        "proxyAddresses: SMTP:first@example.org",
        "proxyAddresses: x500:/o=none",
        f"publicDelegates: uid=office,{PEOPLE}",
        "accountExpires: 9223372036854775807",
    )
    + user("off", "userAccountControl: 514")
    + user("past", f"accountExpires: {windows_time(NOW)}")
    + user("coming", f"accountExpires: {windows_time(NOW + 1)}", "userAccountControl: 66048")
    + user("never", "accountExpires: 0")
    + user("odd", "accountExpires: 0").replace("userAccountControl: 512\n", "")
)


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with Slapd(tmp_path_factory.mktemp("slapd"), MEMBERS) as server:
        yield server


def verified(slapd: Slapd, typed: str, password: str = WORD, **keys: object) -> Answer:
    async def ask() -> Answer:
        async with asking(slapd, **keys) as directory:
            return await directory.verify(login(typed), password, "192.0.2.1")

    return run(ask())


def found(slapd: Slapd, typed: str, **keys: object) -> Member | None:
    async def ask() -> Member | None:
        async with asking(slapd, **keys) as directory:
            return await directory.find(login(typed))

    return run(ask())


ALICE = Member("alice", ("alice@example.org", "a.liddell@example.org", "al@example.org"))


@pytest.mark.parametrize("typed", ["alice", "Alice@Example.org", "EXAMPLE\\alice", "a.liddell@example.org"])
def test_a_member_signs_in_by_login_and_by_address(slapd: Slapd, typed: str) -> None:
    assert verified(slapd, typed) == Answer(Finding.RIGHT, ALICE)
    assert found(slapd, typed) == ALICE


@pytest.mark.parametrize(
    ("typed", "password", "finding"),
    [
        ("alice", "wrong", Finding.WRONG),
        ("alice", "", Finding.REFUSED),
        ("alice", "nul\0", Finding.REFUSED),
        ("alice", "\ud800", Finding.REFUSED),
        ("nobody", WORD, Finding.UNKNOWN),
        ("alice@elsewhere.example", WORD, Finding.UNKNOWN),
        ("*", WORD, Finding.UNKNOWN),
        ("alice)(uid=*", WORD, Finding.UNKNOWN),
        ("al*", WORD, Finding.UNKNOWN),
        ("\\61lice", WORD, Finding.UNKNOWN),
        ("x" * 250, WORD, Finding.UNKNOWN),
        ("j*r)(g\\", WORD, Finding.RIGHT),
        ("j*r)(g\\", "wrong", Finding.WRONG),
    ],
)
def test_what_a_password_proves(slapd: Slapd, typed: str, password: str, finding: Finding) -> None:
    assert verified(slapd, typed, password).finding is finding


@pytest.mark.parametrize(
    ("typed", "suspended"),
    [
        ("nolock", DISABLED),
        ("nologin", DISABLED),
        ("gone", EXPIRED),
        ("staying", None),
        ("forever", None),
        ("old", PASSWORD_EXPIRED),
        ("fresh", MUST_CHANGE),
    ],
)
def test_why_an_account_may_not_be_used_is_told_after_the_right_password_alone(
    slapd: Slapd, typed: str, suspended: str | None
) -> None:
    answer = verified(slapd, typed)
    assert answer.finding is Finding.RIGHT
    assert answer.member is not None
    assert answer.member.suspended == suspended
    assert verified(slapd, typed, "wrong") == Answer(Finding.WRONG)


def test_an_account_that_is_locked_for_ever_proves_no_password_and_is_found_suspended(slapd: Slapd) -> None:
    for password in (WORD, "wrong"):
        answer = verified(slapd, "locked", password)
        assert answer.finding is Finding.REFUSED
        assert "locked" in answer.detail
    assert found(slapd, "locked") == Member("locked", suspended=DISABLED)


def test_a_lock_for_a_while_after_wrong_passwords_ends_no_app_password(slapd: Slapd) -> None:
    assert found(slapd, "waiting") == Member("waiting")


@pytest.mark.parametrize(
    ("typed", "finding", "suspended"),
    [
        ("bob", Finding.RIGHT, None),
        ("bob.builder@example.org", Finding.RIGHT, None),
        ("EXAMPLE\\bob", Finding.RIGHT, None),
        ("off", Finding.RIGHT, DISABLED),
        ("past", Finding.RIGHT, EXPIRED),
        ("coming", Finding.RIGHT, None),
        ("never", Finding.RIGHT, None),
        ("odd", Finding.RIGHT, None),
        ("alice", Finding.UNKNOWN, None),
    ],
)
def test_accounts_of_active_directory(
    slapd: Slapd, typed: str, finding: Finding, suspended: str | None
) -> None:
    answer = verified(slapd, typed, base=AD, schema="active-directory")
    assert answer.finding is finding
    assert finding is not Finding.RIGHT or (answer.member and answer.member.suspended == suspended)
    if suspended:
        assert verified(slapd, typed, "wrong", base=AD, schema="active-directory") == Answer(Finding.WRONG)
        told = found(slapd, typed, base=AD, schema="active-directory")
        assert told is not None
        assert told.suspended == suspended


def test_addresses_of_exchange_begin_with_the_one_that_others_see(slapd: Slapd) -> None:
    keys = {"base": AD, "schema": "active-directory", "address_attributes": ("proxyAddresses", "mail")}
    bob = found(slapd, "bob", **keys)
    assert bob == Member("Bob", ("first@example.org", "second@example.org", "bob@example.org"))


def test_a_bit_can_be_asked_for_in_the_filter(slapd: Slapd) -> None:
    enabled = "(&(sAMAccountName={user})(!(userAccountControl:1.2.840.113556.1.4.803:=2)))"
    keys = {"base": AD, "schema": "active-directory", "filter": enabled}
    assert verified(slapd, "off", **keys).finding is Finding.UNKNOWN
    assert verified(slapd, "bob", **keys).finding is Finding.RIGHT


def test_a_member_may_send_for_addresses_and_for_those_of_other_entries(slapd: Slapd) -> None:
    alice = found(slapd, "alice", send_as_attributes=("sendAs",))
    assert alice is not None
    assert alice.may_send_as == ("desk@example.org", "office@example.org")
    bob = found(slapd, "bob", base=AD, schema="active-directory", send_as_attributes=("publicDelegates",))
    assert bob is not None
    assert bob.may_send_as == ("office@example.org",)


def test_of_two_entries_for_one_login_neither_is_taken_and_nothing_counts_as_down(slapd: Slapd) -> None:
    for ask in (lambda: verified(slapd, "twin@example.org"), lambda: found(slapd, "twin@example.org")):
        with pytest.raises(TemporaryFailure, match=r"more than one entry .*uid=twin1.*uid=twin2") as raised:
            ask()
        assert raised.value.reply == BUSY


def test_an_entry_without_a_login_is_told(slapd: Slapd) -> None:
    with pytest.raises(TemporaryFailure, match="has no employeeNumber"):
        verified(slapd, "alice", login_attribute="employeeNumber")


class TestDirectBind:
    """With `user_dn`."""

    DN = "uid={user}," + PEOPLE

    def test_the_entry_is_read_as_the_member(self, slapd: Slapd) -> None:
        answer = verified(slapd, "alice", base="", bind_dn="", user_dn=self.DN)
        assert answer == Answer(Finding.RIGHT, ALICE)

    @pytest.mark.parametrize("typed", ["alice", "nobody", "alice@elsewhere.example", "alice,ou=x", "*"])
    def test_a_wrong_password_and_an_unknown_login_are_not_told_apart(self, slapd: Slapd, typed: str) -> None:
        assert verified(slapd, typed, "wrong", base="", bind_dn="", user_dn=self.DN) == Answer(
            Finding.REFUSED
        )

    def test_what_stands_in_a_name_is_escaped(self, slapd: Slapd) -> None:
        keys = {"base": "", "bind_dn": "", "user_dn": self.DN}
        assert verified(slapd, "j*r)(g\\", **keys).finding is Finding.RIGHT
        assert verified(slapd, "ä\0", **keys).finding is Finding.REFUSED

    def test_the_entry_may_be_searched_for_as_the_member(self, slapd: Slapd) -> None:
        assert verified(slapd, "alice", user_dn=self.DN, bind_dn="").member == ALICE
        answer = verified(slapd, "alice", user_dn=self.DN, bind_dn="", filter="(cn=not-{user})")
        assert answer.finding is Finding.UNKNOWN
        assert "finds no entry" in answer.detail

    def test_who_has_to_change_the_password_is_told_so(self, slapd: Slapd) -> None:
        answer = verified(slapd, "fresh", base="", bind_dn="", user_dn=self.DN)
        assert answer == Answer(Finding.RIGHT, Member("fresh", suspended=MUST_CHANGE))
        assert verified(slapd, "old", base="", bind_dn="", user_dn=self.DN).member == Member(
            "old", suspended=PASSWORD_EXPIRED
        )

    @pytest.mark.parametrize(
        ("keys", "can_find"),
        [
            ({"base": "", "bind_dn": "", "user_dn": DN}, False),
            ({"bind_dn": "", "user_dn": DN}, False),
            ({"user_dn": DN}, True),
            ({"bind_dn": ""}, True),
            ({}, True),
        ],
    )
    def test_members_are_found_where_the_service_may_search(
        self, slapd: Slapd, keys: dict[str, str], can_find: bool
    ) -> None:
        async def ask() -> bool:
            async with asking(slapd, **keys) as directory:
                return directory.can_find

        assert run(ask()) is can_find


@pytest.fixture(scope="module")
def groups(slapd: Slapd) -> Slapd:
    alice, office = f"uid=alice,{PEOPLE}", f"uid=office,{PEOPLE}"
    added = (
        group("direct", f"member: {alice}")
        + group("inner", f"member: {alice}", f"member: cn=ring,{GROUPS}")
        + group("middle", f"uniqueMember: cn=inner,{GROUPS}", kind="groupOfUniqueNames")
        + group("outer", f"member: cn=middle,{GROUPS}")
        + group("ring", f"member: cn=inner,{GROUPS}", f"member: cn=ring,{GROUPS}")
        + group("others", f"member: {office}")
        + group("by-uid", "gidNumber: 500", "memberUid: alice", kind="posixGroup")
    )
    slapd.modify(added.replace("\nobjectClass", "\nchangetype: add\nobjectClass", 7))
    return slapd


class TestGroups:
    """Who may send."""

    @pytest.mark.parametrize("name", ["direct", "inner", "middle", "outer", "ring", "by-uid"])
    def test_a_member_of_the_group_may_send(self, groups: Slapd, name: str) -> None:
        assert verified(groups, "alice", group=f"CN={name}, {GROUPS}") == Answer(Finding.RIGHT, ALICE)

    def test_others_hear_it_after_the_right_password(self, groups: Slapd) -> None:
        member = verified(groups, "alice", group=f"cn=others,{GROUPS}").member
        assert member is not None
        assert member.suspended == NOT_IN_GROUP
        assert verified(groups, "alice", "wrong", group=f"cn=others,{GROUPS}") == Answer(Finding.WRONG)
        told = found(groups, "alice", group=f"cn=others,{GROUPS}")
        assert told is not None
        assert told.suspended == NOT_IN_GROUP

    def test_what_the_server_says_of_groups_is_believed(self, groups: Slapd) -> None:
        keys = {"group": f"cn=direct,{GROUPS}", "group_base": f"ou=ad,{SUFFIX}"}
        assert verified(groups, "alice", **keys).member == ALICE

    def test_of_a_group_that_does_not_exist_nobody_hears_that_they_are_not_in_it(self, groups: Slapd) -> None:
        with pytest.raises(TemporaryFailure, match="does not exist") as raised:
            verified(groups, "alice", group=f"cn=missing,{GROUPS}")
        assert raised.value.reply != BUSY, "it is the configuration, and nobody gets in: an outage"
        keys = {"base": "", "bind_dn": "", "user_dn": TestDirectBind.DN}
        with pytest.raises(TemporaryFailure, match="does not exist") as raised:
            verified(groups, "alice", group=f"cn=missing,{GROUPS}", **keys)
        assert raised.value.reply == BUSY, "another member may read it"

    @pytest.mark.parametrize("name", [f"cn=missing,{GROUPS}", f"cn=x,ou=missing,{SUFFIX}"])
    def test_who_asks_about_nobody_hears_that_there_is_no_group(self, groups: Slapd, name: str) -> None:
        assert found(groups, "sams-probe", group=f"cn=direct,{GROUPS}") is None
        with pytest.raises(TemporaryFailure, match="group") as raised:
            found(groups, "sams-probe", group=name)
        assert raised.value.reply != BUSY

    def test_where_there_are_no_groups_it_is_the_configuration(self, groups: Slapd) -> None:
        with pytest.raises(TemporaryFailure, match=r"in the group \(code 32\)"):
            verified(groups, "alice", group="cn=x,ou=missing,dc=example,dc=org")

    def test_connections_that_were_given_up_are_at_their_end_when_the_directory_is(
        self, groups: Slapd
    ) -> None:
        async def ask() -> None:
            async with asking(groups, group="cn=x,ou=missing,dc=example,dc=org") as directory:
                for _ in range(3):
                    with pytest.raises(TemporaryFailure):
                        await directory.verify(login("alice"), WORD, "192.0.2.1")
                (server,) = directory._servers._servers
                made = list(server.unfinished)
                assert made, "they are being closed, in TLS, which takes a round trip"
            assert all(connection.closed.is_set() for connection in made)

        run(ask())

    def test_a_member_reads_groups_where_no_service_does(self, groups: Slapd) -> None:
        keys = {"base": "", "bind_dn": "", "user_dn": TestDirectBind.DN}
        assert verified(groups, "alice", group=f"cn=outer,{GROUPS}", **keys).member == ALICE
