"""Whose turn it is on cores that members and service share here.

Members have machines of their own, and the service does not answer for what they wait for there. So who is measured
goes first, and who only makes work for the service stands back.
"""

from __future__ import annotations

import os


def go_first() -> str:
    """Real time for this thread alone, where that is allowed: nothing that it starts has it, too. In words."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except PermissionError:
        return "that of all others"
    return "real time"


def stand_back() -> None:
    """Take of the service's cores only what nobody else wants.

    In the session of the service, for Linux may share cores between sessions first; such a one would have its part.
    """
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
