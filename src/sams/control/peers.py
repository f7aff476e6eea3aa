"""Who asks: the kernel's word on the other end of a Unix socket, and the roles that follow from it."""

from __future__ import annotations

import grp
import pwd
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from sams.config.model import Config, Control
from sams.control.messages import Role
from sams.core.errors import OperatorError

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

    @property
    def name(self) -> str:
        """The user's name, for the journal; its number where it has none. Asks the system."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)


@dataclass(frozen=True, slots=True)
class Roles:
    """Which roles a peer has.

    admins: uids that may do everything.
    groups: roles that members of a group have, by gid. users: roles by uid.
    """

    admins: frozenset[int]
    groups: Mapping[int, frozenset[Role]] = field(default_factory=dict)
    users: Mapping[int, frozenset[Role]] = field(default_factory=dict)

    def of(self, peer: Peer) -> frozenset[Role]:
        """All roles of a peer; none where it is neither an admin nor in a configured group."""
        if peer.uid in self.admins:
            return frozenset(Role)
        granted = set(self.users.get(peer.uid, ()))
        for group in peer.groups:
            granted |= self.groups.get(group, frozenset())
        if granted - {Role.PAGES}:
            granted.add(Role.READ)
        return frozenset(Role) if Role.ADMIN in granted else frozenset(granted)


def service_roles(service_uid: int, control: Control | None = None, pages_user: str = "") -> Roles:
    """Root and the service's own user may do everything; others what `[control]` says.

    pages_user: the user of the web process, who has its role alone; empty: it is the service's own, or there is none.

    Raises:
        OperatorError: `[control]` or `[web]` names a user or a group that this machine does not have.
    """
    groups: dict[int, frozenset[Role]] = {}
    users: dict[int, frozenset[Role]] = {}
    for role in Role:
        for name in getattr(control, role.value, ()):
            known, number = (groups, _gid(name[1:])) if name.startswith("@") else (users, _uid(name))
            known[number] = known.get(number, frozenset()) | {role}
    if pages_user:
        number = _uid(pages_user, "[web] user")
        users[number] = users.get(number, frozenset()) | {Role.PAGES}
    return Roles(frozenset({0, service_uid}), groups, users)


def pages_user_of(config: Config) -> str:
    """The name of the web process's own user; empty: it has none."""
    return config.web.user if config.web is not None else ""


def _uid(name: str, key: str = "[control]") -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise OperatorError(f'{key}: there is no user "{name}" on this machine') from None


def _gid(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise OperatorError(f'[control]: there is no group "{name}" on this machine') from None


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
