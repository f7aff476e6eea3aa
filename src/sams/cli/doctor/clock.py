"""The clock: whether something keeps it right. Certificates, Date fields and logs depend on it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator

from sams.cli.doctor.finding import Finding, ok, warn

SUBJECT = "clock"
_TIME_ERROR = 5
"""adjtimex(2): the clock is not synchronised."""
_TIMEX_OCTETS = 512
"""More than struct timex has; all zero: read only."""


def check(state: Callable[[], int]) -> Iterator[Finding]:
    """By the kernel's word. `state` as `kernel_state`."""
    found = state()
    if found < 0:
        yield warn(SUBJECT, "the kernel does not tell whether the clock is right", "see `timedatectl`")
    elif found == _TIME_ERROR:
        what = "nothing keeps the clock right: certificates and times of messages depend on it"
        yield warn(SUBJECT, what, "install chrony or enable systemd-timesyncd; see `timedatectl`")
    else:
        yield ok(SUBJECT, "is kept right")


def kernel_state() -> int:
    """The result of adjtimex(2): 0 to 4 synchronised, 5 not, -1 unknown."""
    try:
        function = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return -1
    return int(function(ctypes.create_string_buffer(_TIMEX_OCTETS)))
