from __future__ import annotations

import grp
import os
import pwd
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.config.model import Control
from sams.control.messages import ROLE_FOR, Request, Role
from sams.control.peers import Peer, Roles, peer_of, service_roles
from sams.core.errors import OperatorError


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


def test_users_and_groups_of_the_configuration_get_their_roles() -> None:
    root = grp.getgrgid(0).gr_name
    roles = service_roles(5, Control(queue=(f"@{root}",), accounts=("nobody", f"@{root}")))
    assert roles.of(Peer(1, 7, frozenset({0}))) == {Role.READ, Role.QUEUE, Role.ACCOUNTS}
    nobody = pwd.getpwnam("nobody").pw_uid
    assert roles.of(Peer(1, nobody, frozenset({9}))) == {Role.READ, Role.ACCOUNTS}


@pytest.mark.parametrize("name", ["nobody-at-all", "@nobody-at-all"])
def test_a_name_that_the_machine_does_not_know_is_an_error(name: str) -> None:
    with pytest.raises(OperatorError, match='"nobody-at-all" on this machine'):
        service_roles(5, Control(read=(name,)))


def test_a_peer_has_its_users_name_or_number() -> None:
    assert Peer(1, 0, frozenset()).name == pwd.getpwuid(0).pw_name
    assert Peer(1, 3_999_999_999, frozenset()).name == "3999999999"


def test_the_admin_role_brings_every_other() -> None:
    roles = Roles(frozenset(), {10: frozenset({Role.ADMIN})})
    assert roles.of(Peer(1, 1000, frozenset({10}))) == frozenset(Role)


def test_the_user_of_the_pages_has_their_role_and_no_other() -> None:
    roles = service_roles(5, Control(), "nobody")
    nobody = pwd.getpwnam("nobody").pw_uid
    assert roles.of(Peer(1, nobody, frozenset({9}))) == {Role.PAGES}
    assert roles.of(Peer(1, nobody + 1, frozenset({9}))) == frozenset()


def test_a_user_of_the_pages_that_is_not_there_is_named_by_its_key() -> None:
    with pytest.raises(OperatorError, match=r'\[web\] user: there is no user "no-such-user-here"'):
        service_roles(5, Control(), "no-such-user-here")


FOUR = {"PagesSignIn", "PagesSignOut", "StoriesOfAddress", "StoriesOfMember"}


@pytest.mark.parametrize("kind", list(ROLE_FOR), ids=lambda kind: kind.__name__)
def test_the_pages_may_ask_four_questions_and_nobody_else_may_ask_these(kind: type[Request]) -> None:
    others = frozenset(Role) - {Role.PAGES, Role.ADMIN}
    assert (ROLE_FOR[kind] is Role.PAGES) == (kind.__name__ in FOUR)
    assert (ROLE_FOR[kind] in others | {Role.ADMIN}) == (kind.__name__ not in FOUR)
