from __future__ import annotations

import os
import socket
import struct

from hypothesis import given
from hypothesis import strategies as st

from sams.control.messages import Role
from sams.control.peers import Peer, Roles, peer_of, service_roles


def test_the_kernel_tells_who_is_at_the_other_end() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        peer = peer_of(ours)
    assert (peer.pid, peer.uid) == (os.getpid(), os.geteuid())
    assert peer.groups == {os.getegid(), *os.getgroups()}


class _ManyGroups:
    def getsockopt(self, level: int, optname: int, buflen: int, /) -> bytes:
        if optname == socket.SO_PEERCRED:
            return struct.pack("iII", 1, 1000, 100)
        raise OSError(34, "Result too large")


def test_a_peer_of_too_many_groups_has_its_first_one() -> None:
    assert peer_of(_ManyGroups()) == Peer(1, 1000, frozenset({100}))


def test_root_and_the_service_user_may_do_everything() -> None:
    roles = service_roles(995)
    for uid in (0, 995):
        assert roles.of(Peer(1, uid, frozenset())) == frozenset(Role)


@given(st.integers(min_value=1, max_value=2**31), st.frozensets(st.integers(min_value=0, max_value=70_000)))
def test_nobody_else_may_do_anything(uid: int, groups: frozenset[int]) -> None:
    assert service_roles(0).of(Peer(1, uid, groups)) == frozenset()


def test_groups_add_up() -> None:
    roles = Roles(frozenset(), {10: frozenset({Role.READ}), 20: frozenset({Role.QUEUE})})
    assert roles.of(Peer(1, 1000, frozenset({10, 20, 30}))) == {Role.READ, Role.QUEUE}


def test_the_admin_role_brings_every_other() -> None:
    roles = Roles(frozenset(), {10: frozenset({Role.ADMIN})})
    assert roles.of(Peer(1, 1000, frozenset({10}))) == frozenset(Role)
