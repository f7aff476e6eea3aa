"""Whose turn it is on cores that members and service share here.

Members have machines of their own, and the service does not answer for what they wait for there. So who is measured
goes first, and who only makes work for the service stands back.
"""

from __future__ import annotations

import os
from pathlib import Path

_NICENESS = 10
_GROUP = Path("/proc/self/autogroup")
"""Linux may share cores between sessions first, and by niceness only within each; then the session has one, too."""


def go_first() -> str:
    """Real time for this thread alone, where that is allowed: nothing that it starts has it, too. In words."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except PermissionError:
        return "that of all others"
    return "real time"


def stand_back() -> None:
    """Leave the cores to the service, as far as that can be had. For a process that leads a session of its own."""
    os.nice(_NICENESS)
    if _GROUP.exists():
        _GROUP.write_text(str(_NICENESS))
