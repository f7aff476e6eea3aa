"""argon2 hashes (RFC 9106) of other systems: ours in all but what they cost."""

from __future__ import annotations

import re

from argon2 import extract_parameters
from argon2.exceptions import InvalidHashError

from sams.identity.passwords.foreign.interface import UnusableHashError, bounded, damaged

MAX_MEMORY = 256 * 1024
"""KiB."""
MAX_WORK = 1024 * 1024
"""KiB of memory times passes: about a second."""
MAX_LANES = 8
_FORM = re.compile(
    r"\$argon2(?:id|i|d)\$v=(?:16|19)\$m=[0-9]{1,9},t=[0-9]{1,9},p=[0-9]{1,9}"
    r"\$[+/A-Za-z0-9]{11,128}\$[+/A-Za-z0-9]{16,128}"
)


def read_argon2(text: str) -> str:
    """The hash as it is stored.

    Raises:
        UnusableHashError: it is damaged, or asks for too much.
    """
    if _FORM.fullmatch(text) is None:
        raise damaged("argon2")
    try:
        cost = extract_parameters(text)
    except (InvalidHashError, ValueError):
        raise damaged("argon2") from None
    bounded("argon2", "KiB of memory:", cost.memory_cost, 8, MAX_MEMORY)
    bounded("argon2", "KiB of memory times passes:", cost.memory_cost * cost.time_cost, 8, MAX_WORK)
    bounded("argon2", "lanes:", cost.parallelism, 1, MAX_LANES)
    if cost.hash_len < 12 or cost.time_cost < 1:
        raise UnusableHashError(
            "its argon2 is too short to tell one password from another: give a new password"
        )
    return text
