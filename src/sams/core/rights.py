"""What a process gives up, and as whom it runs: by Linux's own calls, for which Python has no names."""

from __future__ import annotations

import ctypes
import os
import resource

import msgspec

_DEATH_SIGNAL, _DUMPABLE, _NO_NEW_PRIVILEGES = 1, 4, 38


class ServiceUser(msgspec.Struct, frozen=True):
    """A user that a process becomes: its name and numbers."""

    name: str
    uid: int
    gid: int


def become(user: ServiceUser) -> None:
    """Give up root for good: groups, group, user, in this order.

    Raises:
        OSError: who asks is not root.
    """
    os.initgroups(user.name, user.gid)
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)


def keep_secrets_in() -> None:
    """No core dumps, no looks into memory by other processes of the user, no files that others may read.

    After a change of user, which would take the second back.

    Raises:
        OSError: the system does not allow it.
    """
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    prctl(_DUMPABLE, 0)


def gain_nothing() -> None:
    """No program that is started from here gets rights that this process has not.

    Raises:
        OSError: the system does not allow it.
    """
    prctl(_NO_NEW_PRIVILEGES, 1)


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
    done(library().prctl(option, argument, 0, 0, 0))


def library() -> ctypes.CDLL:
    """The C library."""
    return ctypes.CDLL(None, use_errno=True)


def done(result: int) -> None:
    """Look at what a call to it returned.

    Raises:
        OSError: it failed.
    """
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
