from __future__ import annotations

import pytest

from sams.core.errors import TemporaryFailure
from sams.identity.account_sources import Finding
from sams.identity.replies import BUSY
from sams.identity.sources.ldap import states
from sams.identity.sources.ldap.connection import ServerFault
from sams.identity.sources.ldap.states import Judgement, judge_bind, judge_entry
from sams.protocol.ldap import ber
from sams.protocol.ldap.messages import PASSWORD_POLICY, Entry, Result

SOMEBODY = Entry("uid=alice", {})


def windows(data: str) -> Result:
    """As Active Directory writes it, and Samba, which wrote these."""
    return Result(
        49, f"80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {data}, v1db1"
    )


def policy(error: int | None, code: int = 49) -> Result:
    warning = ber.constructed(0xA0, ber.integer(3600, 0x80))
    told = b"" if error is None else ber.integer(error, 0x81)
    return Result(code, "", {PASSWORD_POLICY: ber.constructed(ber.SEQUENCE, warning, told)})


@pytest.mark.parametrize(
    ("result", "finding", "suspended"),
    [
        (Result(0), Finding.RIGHT, None),
        (Result(49), Finding.WRONG, None),
        (windows("52e"), Finding.WRONG, None),
        (windows("52E"), Finding.WRONG, None),
        (windows("525"), Finding.UNKNOWN, None),
        (windows("530"), Finding.RIGHT, states.WRONG_HOUR),
        (windows("531"), Finding.RIGHT, states.WRONG_PLACE),
        (windows("532"), Finding.RIGHT, states.PASSWORD_EXPIRED),
        (windows("533"), Finding.RIGHT, states.DISABLED),
        (windows("701"), Finding.RIGHT, states.EXPIRED),
        (windows("773"), Finding.RIGHT, states.MUST_CHANGE),
        (windows("775"), Finding.REFUSED, None),
        (windows("5331"), Finding.WRONG, None),
        (Result(49, "metadata 533"), Finding.WRONG, None),
        (policy(0), Finding.RIGHT, states.PASSWORD_EXPIRED),
        (policy(1), Finding.REFUSED, None),
        (policy(2, code=0), Finding.RIGHT, states.MUST_CHANGE),
        (policy(None), Finding.WRONG, None),
        (policy(None, code=0), Finding.RIGHT, None),
        (Result(49, "", {PASSWORD_POLICY: b""}), Finding.WRONG, None),
        (Result(49, "", {PASSWORD_POLICY: b"\x30\x7f"}), Finding.WRONG, None),
        (Result(32), Finding.UNKNOWN, None),
        (Result(34), Finding.UNKNOWN, None),
        (Result(48), Finding.REFUSED, None),
        (Result(19, "Exceed password retry limit. Please try later."), Finding.REFUSED, None),
        (Result(53, "Account inactivated. Contact system administrator."), Finding.REFUSED, None),
        (Result(53, "Entry permanently locked."), Finding.REFUSED, None),
    ],
)
def test_what_the_answer_to_a_bind_proves(result: Result, finding: Finding, suspended: str | None) -> None:
    judged = judge_bind(result, SOMEBODY, "ldap://x")
    assert (judged.finding, judged.suspended) == (finding, suspended)


def test_without_an_entry_a_wrong_password_may_be_an_unknown_login() -> None:
    assert judge_bind(Result(49), None, "ldap://x") == Judgement(Finding.REFUSED)


def test_an_entry_that_is_locked_makes_a_refusal_no_proof() -> None:
    locked = Entry("uid=alice", {"pwdaccountlockedtime": (b"20260101000000Z",)})
    assert judge_bind(Result(49), locked, "ldap://x").finding is Finding.REFUSED
    inactive = Entry("uid=alice", {"nsaccountlock": (b"TRUE",)})
    assert judge_bind(Result(53), inactive, "ldap://x").finding is Finding.REFUSED


def test_what_is_not_understood_of_one_account_is_no_wrong_password_and_no_outage() -> None:
    with pytest.raises(TemporaryFailure, match="tries no password of this account") as raised:
        judge_bind(Result(53, "Minimum SSF not met."), SOMEBODY, "ldap://x")
    assert raised.value.reply == BUSY


@pytest.mark.parametrize(
    ("code", "told"),
    [(8, "starttls"), (13, "starttls"), (7, "simple binds"), (10, "another server"), (51, "51"), (80, "80")],
)
def test_what_is_said_of_the_server_is_its_fault(code: int, told: str) -> None:
    with pytest.raises(ServerFault, match=told):
        judge_bind(Result(code, "words"), SOMEBODY, "ldap://x")


@pytest.mark.parametrize("attribute", ["userAccountControl", "accountExpires"])
def test_a_number_that_is_none_lets_nobody_in(attribute: str) -> None:
    with pytest.raises(TemporaryFailure, match="no number"):
        judge_entry(Entry("cn=bob", {attribute.lower(): (b"many",)}), "active-directory", 0.0)


def test_an_entry_without_states_may_sign_in() -> None:
    assert judge_entry(SOMEBODY, "posix", 0.0) is None
    assert judge_entry(SOMEBODY, "active-directory", 0.0) is None
