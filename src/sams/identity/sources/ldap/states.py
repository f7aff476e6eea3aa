"""What a bind proves, and whether an account may be used.

A wrong password, a disabled account and a server that cannot work come back with few codes, and each server has ways
of its own to say more. Two rules hold for all of them: that an account is disabled is told only to who has shown the
right password; and where a server looks at the account before it looks at the password, nothing is known of the
password, and the finding is REFUSED.

Active Directory adds a Windows error to the diagnostic message (`data 533`). It looks at the password first, but for
an account that is locked out (775). OpenLDAP's policy overlay and 389 Directory Server tell an expired password by
the control of draft-behera-ldap-password-policy, and refuse every password of a locked account.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from sams.core.text import visible
from sams.identity.account_sources import Finding
from sams.identity.sources.interface import unanswerable
from sams.identity.sources.ldap.connection import ServerFault
from sams.protocol.ldap.ber import BerError, Reader
from sams.protocol.ldap.messages import PASSWORD_POLICY, Entry, Result

Schema = Literal["posix", "active-directory"]

DISABLED = "it is disabled in the directory"
EXPIRED = "it has expired in the directory"
PASSWORD_EXPIRED = "your password has expired: choose a new one first"  # noqa: S105 - a text about one
MUST_CHANGE = "your password has to be changed first"
WRONG_HOUR = "the directory does not let you sign in at this hour"
WRONG_PLACE = "the directory does not let you sign in from here"
NOT_IN_GROUP = "it is not among those who may send mail here"

STATE_ATTRIBUTES: dict[Schema, tuple[str, ...]] = {
    "posix": ("shadowExpire", "pwdAccountLockedTime", "pwdReset", "nsAccountLock", "loginDisabled"),
    "active-directory": ("userAccountControl", "accountExpires"),
}
"""What has to be asked for by name: most are operational."""

_SUCCESS, _CONSTRAINT, _NO_SUCH, _BAD_NAME, _NO_PASSWORD, _WRONG, _UNWILLING = 0, 19, 32, 34, 48, 49, 53
_DATA = re.compile(r"\bdata ([0-9a-f]{3,8})\b", re.IGNORECASE)
_LOCKED_WORDS = re.compile(r"inactivat|locked|disabled|expired|retry limit", re.IGNORECASE)
_AFTER_THE_PASSWORD = {
    "530": WRONG_HOUR,
    "531": WRONG_PLACE,
    "532": PASSWORD_EXPIRED,
    "533": DISABLED,
    "701": EXPIRED,
    "773": MUST_CHANGE,
}
"""By Active Directory's error: told only to who has shown the right password."""
_NO_SUCH_USER, _LOCKED_OUT = "525", "775"
_POLICY_EXPIRED, _POLICY_LOCKED, _POLICY_MUST_CHANGE = 0, 1, 2
_POLICY_ERROR = 0x81

_LOCKED_FOR_EVER = "000001010000Z"
"""As `pwdAccountLockedTime`: by an administrator. Any other time is a lock for a while, after wrong passwords."""
_ACCOUNT_DISABLED = 0x2
_NEVER = frozenset({0, 2**63 - 1})
_WINDOWS_EPOCH = -11_644_473_600
_WINDOWS_TICKS = 10_000_000
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a bind proved.

    suspended: with RIGHT: why the member may not sign in, as far as the bind tells; None: it may.
    """

    finding: Finding
    suspended: str | None = None
    detail: str = ""


def judge_bind(result: Result, entry: Entry | None, server: str) -> Judgement:
    """What the answer to a bind says of the password. entry: the member's, where it is known.

    Raises:
        ServerFault: it says something of the server.
        TemporaryFailure: it says something that is not understood.
    """
    policy = _policy_error(result)
    if result.code == _SUCCESS:
        return Judgement(Finding.RIGHT, MUST_CHANGE if policy == _POLICY_MUST_CHANGE else None)
    if result.code == _WRONG:
        return _judge_refusal(result, entry, policy)
    told = f"{visible(result.diagnostic, 200)} (code {result.code})"
    if result.code in {_NO_SUCH, _BAD_NAME}:
        return Judgement(Finding.UNKNOWN, detail=told)
    if result.code == _NO_PASSWORD:
        return Judgement(Finding.REFUSED, detail=f"the entry has no password to bind with: {told}")
    if result.code in {_CONSTRAINT, _UNWILLING}:
        return _judge_unwilling(result, entry, told)
    raise ServerFault(f"{server}: it tries no password: {told}{_ADVICE.get(result.code, '')}")


_ADVICE = {
    7: ": it has to allow simple binds",
    8: ': it demands TLS: write security = "starttls", or ldaps://',
    10: ": it is a copy that names another server: name that one in servers",
    13: ': it demands TLS: write security = "starttls", or ldaps://',
}


def judge_entry(entry: Entry, schema: Schema, now: float) -> str | None:
    """Why the account may not be used, by the entry's attributes; None: it may. now: UNIX seconds.

    Raises:
        TemporaryFailure: an attribute has a value that cannot be understood.
    """
    return _judge_windows(entry, now) if schema == "active-directory" else _judge_posix(entry, now)


def _judge_refusal(result: Result, entry: Entry | None, policy: int | None) -> Judgement:
    found = _DATA.search(result.diagnostic)
    data = found[1].lower() if found else ""
    if data in _AFTER_THE_PASSWORD:
        return Judgement(Finding.RIGHT, _AFTER_THE_PASSWORD[data], f"Active Directory's error {data}")
    if policy == _POLICY_EXPIRED:
        return Judgement(Finding.RIGHT, PASSWORD_EXPIRED)
    if data == _NO_SUCH_USER:
        return Judgement(Finding.UNKNOWN, detail=f"Active Directory's error {data}")
    if data == _LOCKED_OUT or policy == _POLICY_LOCKED or _is_locked_by_policy(entry):
        return Judgement(Finding.REFUSED, detail="locked in the directory, which then refuses every password")
    return Judgement(Finding.WRONG if entry is not None else Finding.REFUSED)


def _judge_unwilling(result: Result, entry: Entry | None, told: str) -> Judgement:
    """389 Directory Server says so of an account that is inactivated or locked, whatever the password."""
    is_inactive = entry is not None and _is_true(entry, "nsAccountLock")
    if is_inactive or _is_locked_by_policy(entry) or _LOCKED_WORDS.search(result.diagnostic):
        return Judgement(
            Finding.REFUSED, detail=f"the directory refuses every password of this account: {told}"
        )
    raise unanswerable(f"it tries no password of this account: {told}")


def _is_locked_by_policy(entry: Entry | None) -> bool:
    return entry is not None and bool(entry.texts("pwdAccountLockedTime"))


def _policy_error(result: Result) -> int | None:
    """What the control of the password policy says."""
    value = result.controls.get(PASSWORD_POLICY)
    if value is None:
        return None
    try:
        content = Reader(Reader(value).take())
        while content.tag is not None:
            if content.tag == _POLICY_ERROR:
                return content.integer(_POLICY_ERROR)
            content.take()
    except BerError:
        return None
    return None


def _judge_posix(entry: Entry, now: float) -> str | None:
    if _is_true(entry, "nsAccountLock") or _is_true(entry, "loginDisabled"):
        return DISABLED
    if _LOCKED_FOR_EVER in entry.texts("pwdAccountLockedTime"):
        return DISABLED
    last_day = _number(entry, "shadowExpire")
    if last_day is not None and 0 <= last_day <= now // _DAY:
        return EXPIRED
    return MUST_CHANGE if _is_true(entry, "pwdReset") else None


def _judge_windows(entry: Entry, now: float) -> str | None:
    flags, expires = _number(entry, "userAccountControl"), _number(entry, "accountExpires")
    if flags is not None and flags & _ACCOUNT_DISABLED:
        return DISABLED
    if expires is None or expires in _NEVER:
        return None
    return EXPIRED if expires / _WINDOWS_TICKS + _WINDOWS_EPOCH <= now else None


def _is_true(entry: Entry, attribute: str) -> bool:
    return any(text.upper() == "TRUE" for text in entry.texts(attribute))


def _number(entry: Entry, attribute: str) -> int | None:
    texts = entry.texts(attribute)
    if not texts:
        return None
    if re.fullmatch(r"-?[0-9]{1,20}", texts[0]) is None:
        raise unanswerable(f"{attribute} of {visible(entry.name, 200)} is no number")
    return int(texts[0])
