"""The policy of MTA-STS that the pages serve and DNS announces (RFC 8461): written in one place for both."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

_DAY = 86_400
_MAX_AGE = {"testing": _DAY, "enforce": 14 * _DAY}
"""How long other servers keep a policy, in seconds: weeks once it counts, and a day while it is tried."""
_ID_LENGTH = 20
"""An id has 1 to 32 letters and digits (RFC 8461 section 3.1)."""


def policy_text(mode: str, mx: Iterable[str]) -> str:
    """The text at `https://mta-sts.DOMAIN/.well-known/mta-sts.txt` (RFC 8461 section 3.2).

    mode: `testing` or `enforce`. mx: the hosts that take mail, as A-labels; their order does not matter.
    """
    hosts = "".join(f"mx: {host}\r\n" for host in sorted(set(mx)))
    return f"version: STSv1\r\nmode: {mode}\r\n{hosts}max_age: {_MAX_AGE[mode]}\r\n"


def policy_id(mode: str, mx: Iterable[str]) -> str:
    """The id in DNS by which others see that the policy has changed: made of its text."""
    return hashlib.sha256(policy_text(mode, mx).encode()).hexdigest()[:_ID_LENGTH]
