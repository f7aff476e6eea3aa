"""What a process or a thread gives up, and as whom a process runs, by Linux's own calls."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from contextlib import suppress

import msgspec

_DEATH_SIGNAL, _DUMPABLE, _NO_NEW_PRIVILEGES = 1, 4, 38
_NICEST = 19
UMASK = 0o077


class ServiceUser(msgspec.Struct, frozen=True):
    """A user that a process becomes: its name and numbers."""

    name: str
    uid: int
    gid: int


def making_user(name: str) -> str:
    """The command by which an administrator makes such a user."""
    return f"adduser --system --group --no-create-home {name}"


def become(user: ServiceUser) -> None:
    """Give up root for good: groups, group, user, in this order.

    Raises:
        OSError: who asks is not root.
    """
    os.initgroups(user.name, user.gid)
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)


def leave_the_terminal() -> None:
    """Keep no folder in use, and leave what a terminal tells the whole group to the supervisor."""
    os.chdir("/")
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def confine(user: ServiceUser | None) -> None:
    """Become the user, for good, where we are root and one is named; gain no rights, and keep secrets in.

    Raises:
        OSError: the system does not allow it.
    """
    if user is not None and os.geteuid() == 0:
        become(user)
    prctl(_NO_NEW_PRIVILEGES, 1)
    keep_secrets_in()


def stand_back(niceness: int, thread: int = 0) -> None:
    """Give way to whatever else wants a core: this much nicer, and as a batch job, which interrupts nobody.

    Where the system does not allow it (the service itself has the class "idle", say), all stays as it is.

    thread: its number; 0: the one that calls. What it starts afterwards stands back, too.
    """
    nicer = os.getpriority(os.PRIO_PROCESS, thread) + niceness  # to ask for less than that would need a right
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, thread, min(nicer, _NICEST))
        os.sched_setscheduler(thread, os.SCHED_BATCH, os.sched_param(0))


def keep_secrets_in() -> None:
    """No core dumps, no looks into memory by other processes of the user; new files are for the user alone.

    After a change of user, which would take the second back.

    Raises:
        OSError: the system does not allow it.
    """
    os.umask(UMASK)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    prctl(_DUMPABLE, 0)


def die_with_parent(number: int) -> None:
    """Get this signal when the parent ends. After a change of user, which would take it back.

    Raises:
        OSError: the system does not allow it.
    """
    prctl(_DEATH_SIGNAL, number)


def prctl(option: int, argument: int) -> None:
    """Set an option of this process (prctl(2)) that takes one argument.

    Raises:
        OSError: the system does not allow it.
    """
    raise_on_error(c_library().prctl(option, argument, 0, 0, 0))


def c_library() -> ctypes.CDLL:
    """The C library."""
    return ctypes.CDLL(None, use_errno=True)


def raise_on_error(result: int) -> None:
    """Look at what a call to it returned.

    Raises:
        OSError: it failed.
    """
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
