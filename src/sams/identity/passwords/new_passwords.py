"""Which new passwords are refused, wherever one is set (NIST SP 800-63B section 5.1.1.2).

What is guessed within a million guesses, by an estimate made here, and what is in the administrator's list of
breached passwords if there is one. There are no rules of which characters it has: they make passwords worse.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from sams.core import hash_list
from sams.core.errors import OperatorError
from sams.identity.logins import UnpreparableError, prepare_password
from sams.identity.passwords.guessing import Estimate, common_words, estimate

MIN_PASSWORD_LENGTH = 8
"""Characters of a new password (NIST SP 800-63B section 5.1.1.1)."""
MIN_DIFFERENT = 4
"""Different characters of a new password."""
MIN_GUESSES = 6.0
"""The decimal logarithm of how many guesses a new password must withstand, of who guesses at the door."""
_ADVICE = "Take four words that have nothing to do with each other, or let a password manager make one."


class PasswordRules:
    """What is asked of a new password. Blocks for milliseconds; keeps the list of common words once it was needed.

    domains: the organisation's: their words are guessed first.
    breached: a file of `core.hash_list`; None: there is none.
    """

    def __init__(self, domains: Sequence[str] = (), breached: Path | None = None) -> None:
        self._domains = tuple(domains)
        self._breached = breached

    def check(self, login: str, addresses: Iterable[str], text: str) -> str:
        """The prepared form of a password that is to be set for a login with these addresses.

        Raises:
            OperatorError: it can be no password, is guessed too soon, or was breached; says which, and what to do.
                Also where the list of breached ones cannot be read.
        """
        password = _prepared(text)
        _check_shape(login, password)
        found = estimate(password, (login, *addresses, *self._domains), self._common_words)
        if found.guesses < MIN_GUESSES:
            raise OperatorError(
                f"The password is guessed too soon: it is made of {_listed(found)}. {_ADVICE}"
            )
        self._check_breached(password)
        return password

    @cached_property
    def _common_words(self) -> dict[str, float]:
        return dict(common_words())

    def _check_breached(self, password: str) -> None:
        if self._breached is None:
            return
        digest = hashlib.new("sha1", password.encode(), usedforsecurity=False).digest()
        try:
            is_breached = hash_list.contains(self._breached, digest)
        except hash_list.HashListError as error:
            raise OperatorError(
                f"No password can be set now: {error}. Correct [accounts] breached_passwords, or take it out."
            ) from None
        if is_breached:
            raise OperatorError(
                f"The password is in a list of stolen passwords, which guessers try. {_ADVICE}"
            )


def _prepared(text: str) -> str:
    try:
        return prepare_password(text)
    except UnpreparableError as error:
        raise OperatorError(f"{error}.") from None


def _check_shape(login: str, password: str) -> None:
    if len(password) < MIN_PASSWORD_LENGTH:
        raise OperatorError(f"The password is too short: use {MIN_PASSWORD_LENGTH} characters or more.")
    if len(set(password)) < MIN_DIFFERENT:
        raise OperatorError(f"The password is too simple: use {MIN_DIFFERENT} different characters or more.")
    if password.casefold() in {login.casefold(), login.partition("@")[0].casefold()}:
        raise OperatorError("The password is the login: it would be the first guess.")


def _listed(found: Estimate) -> str:
    *first, last = found.pieces
    return f"{', '.join(first)} and {last}" if first else last
