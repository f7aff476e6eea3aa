"""What the PAM helper gives up before it hears a question.

Root it stays where the service was started as root: `pam_unix` reads `/etc/shadow`, and other modules files of their
own. It keeps what they need for that, and to act as the user they check. `no_new_privs` is not set: it would take
nothing from root, and without root it would break the set-user-id programs that modules call.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

from sams.core.rights import c_library, keep_secrets_in, prctl, raise_on_error

_BOUNDS_READ, _BOUNDS_DROP = 23, 24
_VERSION_3 = 0x20080522
_CHOWN, _DAC_OVERRIDE, _DAC_READ_SEARCH, _FOWNER, _KILL, _SETGID, _SETUID, _AUDIT_WRITE = (
    0,
    1,
    2,
    3,
    5,
    6,
    7,
    29,
)
KEPT = frozenset({_CHOWN, _DAC_OVERRIDE, _DAC_READ_SEARCH, _FOWNER, _KILL, _SETGID, _SETUID, _AUDIT_WRITE})
"""Capabilities (capabilities(7)); not among them: the network, devices, mounts, other processes' memory."""
_LAST = 63


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Half(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def give_up() -> None:
    """No core dumps, no looks into memory; as root, few capabilities.

    Raises:
        OSError: the system does not allow it.
    """
    keep_secrets_in()
    if os.geteuid() == 0:
        _keep_only(KEPT)


def _keep_only(kept: frozenset[int]) -> None:
    with suppress(PermissionError):  # who may not narrow the bounds was given narrow ones
        for capability in range(_LAST + 1):
            if capability not in kept and c_library().prctl(_BOUNDS_READ, capability, 0, 0, 0) == 1:
                prctl(_BOUNDS_DROP, capability)
    header, halves = _Header(_VERSION_3, 0), (_Half * 2)()
    raise_on_error(c_library().capget(ctypes.byref(header), halves))
    for at, half in enumerate(halves):
        mask = sum(1 << (number - 32 * at) for number in kept if 32 * at <= number < 32 * (at + 1))
        half.permitted &= mask
        half.effective = half.permitted
        half.inheritable = 0
    raise_on_error(c_library().capset(ctypes.byref(header), halves))
