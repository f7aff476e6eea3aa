"""One check by PAM, as the helper's child does it: blocking, and with whatever the modules do to their process."""

from __future__ import annotations

import grp
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from sams.identity.sources.pam.library import Code, Transaction
from sams.identity.sources.pam.messages import Outcome, Policy, Question, Told

_FOLDERS = ("/etc/pam.d", "/usr/lib/pam.d", "/usr/etc/pam.d")
_LONGEST = 254
_SHADOW = "/etc/shadow"
_SHADOWED = "x"
_NEVER = frozenset("/:,\\")
"""In no name of an account: modules make paths and lists of names."""

_WRONG = frozenset({Code.AUTH_ERR, Code.PERM_DENIED, Code.MAXTRIES})
_PASSWORD_EXPIRED = frozenset({Code.NEW_AUTHTOK_REQD, Code.AUTHTOK_EXPIRED, Code.CRED_EXPIRED})
_EXPIRED = "the account has expired"
_CHANGE_IT = "the password has expired, change it"
_NOT_LET_IN = "the system does not let it sign in"
_NOT_IN_GROUP = "it is not in the group of those who may send"


class UnusableError(Exception):
    """PAM cannot answer anybody. The message says why."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """An account of this system. is_shadowed: its password is in `/etc/shadow`."""

    name: str
    uid: int
    gid: int
    is_shadowed: bool


def check(question: Question, policy: Policy) -> Told:
    """The answer. Everything that can go wrong with PAM is one, too."""
    try:
        return _check(question, policy)
    except (UnusableError, OSError) as error:
        return Told(Outcome.DOWN, detail=str(error))


def _check(question: Question, policy: Policy) -> Told:
    if not _is_name(question.login):
        return Told(Outcome.UNKNOWN, detail="no account can have this name")
    entry = _account(question.login)
    if entry is not None and entry.uid < policy.least_uid:
        return Told(Outcome.UNKNOWN, detail=f"its uid {entry.uid} is below least_uid")
    _check_service(policy)
    transaction = Transaction(
        policy.service,
        question.login,
        password=question.password,
        address=question.address,
        folder=policy.folder,
    )
    try:
        if question.password is None:
            return _found(transaction, entry, policy)
        return _verified(transaction, entry, policy)
    finally:
        transaction.end(Code.SUCCESS)


def _verified(transaction: Transaction, entry: _Entry | None, policy: Policy) -> Told:
    """PAM is asked about a login that is nobody's as well: it takes its time, and may tell that it cannot know."""
    code = transaction.authenticate()
    if code != Code.SUCCESS:
        return _refused(transaction, code, entry, policy)
    name = transaction.user
    if name != (entry.name if entry else name):
        entry = _account(name)
    if entry is None and not policy.virtual_users:
        return Told(
            Outcome.UNKNOWN, detail="PAM takes the password, but there is no such account on this system"
        )
    if entry is not None and entry.uid < policy.least_uid:
        return Told(Outcome.UNKNOWN, detail=f"its uid {entry.uid} is below least_uid")
    code = transaction.check_account()
    if code == Code.USER_UNKNOWN:
        text = f"the password is right, but the `account` lines of the service {policy.service} do not know the login"
        return Told(Outcome.REFUSED, detail=text)
    if code in _PASSWORD_EXPIRED:
        return Told(Outcome.RIGHT, name, suspended=_CHANGE_IT)
    return Told(Outcome.RIGHT, name, suspended=_suspended(transaction, code, name, entry, policy))


def _refused(transaction: Transaction, code: int, entry: _Entry | None, policy: Policy) -> Told:
    if code in _WRONG:
        return _wrong(entry, policy, "")
    if code == Code.ACCT_EXPIRED or code in _PASSWORD_EXPIRED:
        return _wrong(entry, policy, transaction.words(code))
    if code == Code.USER_UNKNOWN:
        is_account = entry is not None and not policy.virtual_users
        return Told(Outcome.REFUSED if is_account else Outcome.UNKNOWN, detail="unknown to PAM")
    if code == Code.CONV_ERR:
        return Told(Outcome.UNAVAILABLE, detail="a PAM module asks for something else than a password")
    raise _unusable(transaction, code, policy)


def _wrong(entry: _Entry | None, policy: Policy, detail: str) -> Told:
    """A password that PAM does not take; where it can be told, of whom."""
    if entry is None:
        return Told(Outcome.REFUSED if policy.virtual_users else Outcome.UNKNOWN, detail=detail)
    if not _can_read(entry):
        raise UnusableError(
            f"the PAM helper may not read {_SHADOW}, without which pam_unix finds every password wrong: start the "
            "service as root, with [server] user naming whom it is to become, or put its user into the group shadow"
        )
    return Told(Outcome.WRONG, detail=detail)


def _found(transaction: Transaction, entry: _Entry | None, policy: Policy) -> Told:
    """Who it is. An expired password is the member's affair here, for nobody shows one."""
    if entry is not None and not _can_read(entry):
        code: int = Code.SUCCESS  # pam_unix cannot tell
    else:
        code = transaction.check_account()
    if code == Code.USER_UNKNOWN or (entry is None and code in {*_WRONG, Code.SUCCESS, Code.ACCT_EXPIRED}):
        return Told(Outcome.UNKNOWN)
    name = entry.name if entry is not None else transaction.user
    if code in _PASSWORD_EXPIRED:
        code = Code.SUCCESS
    return Told(Outcome.RIGHT, name, suspended=_suspended(transaction, code, name, entry, policy))


def _suspended(
    transaction: Transaction, code: int, name: str, entry: _Entry | None, policy: Policy
) -> str | None:
    """Why an account may not sign in; None: it may."""
    if code == Code.ACCT_EXPIRED:
        return _EXPIRED
    if code in _WRONG:
        return _NOT_LET_IN
    if code != Code.SUCCESS:
        raise _unusable(transaction, code, policy)
    if policy.group and not _is_in_group(name, entry, policy.group):
        return _NOT_IN_GROUP
    return None


def _is_in_group(name: str, entry: _Entry | None, group: str) -> bool:
    try:
        wanted = grp.getgrnam(group)
    except KeyError:
        raise UnusableError(f"there is no group {group} on this system, as `group` names it") from None
    if entry is None:
        return name in wanted.gr_mem
    return wanted.gr_gid in os.getgrouplist(entry.name, entry.gid)


def _can_read(entry: _Entry) -> bool:
    """Whether pam_unix can know the account's password and when it expires."""
    return not entry.is_shadowed or os.access(_SHADOW, os.R_OK)


def _account(name: str) -> _Entry | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return _Entry(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_passwd == _SHADOWED)


def _check_service(policy: Policy) -> None:
    """For a service without a file PAM takes `other`, which refuses everybody's password."""
    folders = (policy.folder,) if policy.folder else _FOLDERS
    if not any(Path(folder, policy.service).exists() for folder in folders):
        raise UnusableError(f"there is no PAM service {folders[0]}/{policy.service}: write that file")


def _unusable(transaction: Transaction, code: int, policy: Policy) -> UnusableError:
    return UnusableError(
        f"PAM service {policy.service}: {transaction.words(code)}; the system's log of authentication tells more"
    )


def _is_name(text: str) -> bool:
    return (
        0 < len(text) <= _LONGEST
        and text.isprintable()
        and not text.startswith("-")
        and _NEVER.isdisjoint(text)
        and not any(character.isspace() for character in text)
    )
