"""A mail program as the pages know it."""

from __future__ import annotations

import enum

import msgspec

from sams.web.visitor import System


class Kind(enum.Enum):
    """What sort of program it is: where it stands in the lists."""

    DESKTOP = "desktop"
    PHONE = "phone"
    TERMINAL = "terminal"
    SERVER = "server"
    DEVICE = "device"
    OLD = "old"


class Automatic(enum.Enum):
    """How a program finds its settings by itself."""

    AUTOCONFIG = "autoconfig"
    AUTODISCOVER = "autodiscover"
    PROFILE = "profile"
    SRV = "srv"
    NONE = "none"


class Program(msgspec.Struct, frozen=True):
    """One program.

    slug: its address below `/programs/`, and its template. name: as its maker writes it.
    systems: where it runs, the most usual first. automatic: how it finds its settings.
    rank: the lowest comes first in the list of a system.
    note: a few words beside the name in lists, marked as translatable; may be empty.
    """

    slug: str
    name: str
    kind: Kind
    systems: tuple[System, ...]
    automatic: Automatic = Automatic.NONE
    rank: int = 50
    note: str = ""
