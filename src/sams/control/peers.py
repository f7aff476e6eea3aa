"""Who asks: the kernel's word on the other end of a Unix socket, and the roles that follow from it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from sams.control.messages import Role

_UCRED = struct.Struct("iII")
_GROUP_SIZE = 4
_SO_PEERGROUPS = 59
"""Linux 4.13; Python has no name for it."""
_MAX_OPTION = 1_024
"""What Python's getsockopt takes at most: 256 groups."""


class HasOptions(Protocol):
    """A socket, or what an event loop hands out in its place."""

    def getsockopt(self, level: int, optname: int, buflen: int, /) -> bytes:
        """As socket.socket.getsockopt."""
        ...


@dataclass(frozen=True, slots=True)
class Peer:
    """A process that asks: its ids when it connected. groups: all of its groups, the first one included."""

    pid: int
    uid: int
    groups: frozenset[int]


@dataclass(frozen=True, slots=True)
class Roles:
    """Which roles a peer has.

    admins: uids that may do everything.
    groups: roles that members of a group have, by gid.
    """

    admins: frozenset[int]
    groups: Mapping[int, frozenset[Role]] = field(default_factory=dict)

    def of(self, peer: Peer) -> frozenset[Role]:
        """All roles of a peer; none where it is neither an admin nor in a configured group."""
        if peer.uid in self.admins:
            return frozenset(Role)
        granted: set[Role] = set()
        for group in peer.groups:
            granted |= self.groups.get(group, frozenset())
        return frozenset(Role) if Role.ADMIN in granted else frozenset(granted)


def service_roles(service_uid: int, groups: Mapping[int, frozenset[Role]] | None = None) -> Roles:
    """Root and the service's own user may do everything; others what their group may."""
    return Roles(frozenset({0, service_uid}), dict(groups or {}))


def peer_of(connection: HasOptions) -> Peer:
    """The process at the other end.

    Raises:
        OSError: the kernel does not tell.
    """
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, gid = _UCRED.unpack(raw)
    return Peer(pid, uid, frozenset({gid, *_further_groups(connection)}))


def _further_groups(connection: HasOptions) -> tuple[int, ...]:
    """ERANGE (too many to be told) leaves the first group alone: fewer rights, never more."""
    try:
        raw = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MAX_OPTION)
    except OSError:
        return ()
    return struct.unpack(f"{len(raw) // _GROUP_SIZE}I", raw)
