"""An account as it is stored, and what may be written into one."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sams.core.address import AddressError
from sams.core.errors import OperatorError
from sams.core.text import visible
from sams.identity.logins import UnpreparableError, prepare_login
from sams.identity.patterns import pattern_key

MAX_PATTERNS = 1_000
"""Addresses of one account, of each kind."""
MAX_NETWORKS = 100
DEVICE_PER_HOUR, DEVICE_PER_DAY = 50, 200
"""Recipients of a device for which nothing else was said: a printer hardly needs more, a stolen one gets no more."""
MAX_REASON = 200
"""Characters of a suspension's reason: it goes into a reply line."""
MAX_LIMIT = 0x7FFF_FFFF
MAX_TIME = 253_402_214_400.0
"""The end of the year 9999."""
COLUMNS = (
    "login, addresses, may_send_as, suspended, per_hour, per_day, generation, created, scram_of IS password, "
    "owner, networks, recipients, expires, "
    "(SELECT count(*) FROM app_passwords AS one WHERE one.login = accounts.login AND one.is_builtin = 1)"
)


@dataclass(frozen=True, slots=True)
class Device:
    """What a printer, a scanner or a monitor has besides: an account that no person signs in to.

    owner: the login of who answers for it.
    networks: from where alone it may be used; empty: from everywhere.
    recipients: patterns of whom alone it may write to; empty: everybody.
    expires: when it ends by itself, UNIX seconds; None: never.
    """

    owner: str
    networks: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """An account as it is stored, without its password.

    addresses, may_send_as: patterns as the administrator wrote them.
    created: UNIX seconds.
    has_scram_keys: whether the member may sign in by SCRAM.
    device: None: it is a person's, or a program's.
    app_passwords: how many it has.
    """

    login: str
    addresses: tuple[str, ...]
    may_send_as: tuple[str, ...]
    suspended: str | None
    recipients_per_hour: int | None
    recipients_per_day: int | None
    generation: int
    created: float
    has_scram_keys: bool = False
    device: Device | None = None
    app_passwords: int = 0


def record_of(row: Any) -> AccountRecord:
    """The record of a row that has `COLUMNS`."""
    login, addresses, may_send_as, suspended, per_hour, per_day, generation, created, has_keys, *rest = row
    owner, networks, recipients, expires, app_passwords = rest
    device = (
        None
        if owner is None
        else Device(owner, tuple(json.loads(networks)), tuple(json.loads(recipients)), expires)
    )
    return AccountRecord(
        login,
        tuple(json.loads(addresses)),
        tuple(json.loads(may_send_as)),
        suspended,
        per_hour,
        per_day,
        generation,
        created,
        bool(has_keys),
        device,
        app_passwords,
    )


def checked_login(text: str) -> str:
    """A login, prepared.

    Raises:
        OperatorError: it is none.
    """
    try:
        return prepare_login(text)
    except UnpreparableError as error:
        raise OperatorError(f"This is no login: {error}.") from None


def checked_limit(number: int | None) -> int | None:
    """A limit of recipients.

    Raises:
        OperatorError: it is none.
    """
    if number is not None and not 0 <= number <= MAX_LIMIT:
        raise OperatorError("A limit of recipients is 0 or more.")
    return number


def checked_reason(text: str) -> str:
    """The reason of a suspension, in one line.

    Raises:
        OperatorError: it is too long.
    """
    reason = " ".join(text.split())
    if len(reason) > MAX_REASON:
        raise OperatorError(f"The reason has at most {MAX_REASON} characters: it is told in one line.")
    return reason


def checked_patterns(texts: Sequence[str], *, at_least: int) -> str:
    """Patterns of addresses, as they are stored.

    Raises:
        OperatorError: one is none, or there are too few or too many.
    """
    if not at_least <= len(texts) <= MAX_PATTERNS:
        raise OperatorError(f"An account has {at_least} to {MAX_PATTERNS} addresses.")
    for text in texts:
        try:
            pattern_key(text)
        except AddressError as error:
            raise OperatorError(
                f"{visible(text, 300)} is neither an address nor *@domain: {error}."
            ) from None
    return json.dumps(tuple(dict.fromkeys(texts)), ensure_ascii=False)


def checked_networks(texts: Sequence[str]) -> str:
    """Networks and single addresses, as they are stored.

    Raises:
        OperatorError: one is none, or there are too many.
    """
    if len(texts) > MAX_NETWORKS:
        raise OperatorError(f"At most {MAX_NETWORKS} networks can be named.")
    return json.dumps(tuple(dict.fromkeys(map(_network, texts))))


def checked_expiry(at: float | None, now: float) -> float | None:
    """A time in the future; None: never.

    Raises:
        OperatorError: it is over already, or no time.
    """
    if at is not None and not now < at < MAX_TIME:
        raise OperatorError("The end (--expires) has to be in the future, before the year 9999.")
    return at


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise OperatorError(
            f"{visible(text, 100)} is no network such as 192.0.2.0/24 or 2001:db8::/32: {error}."
        ) from None
