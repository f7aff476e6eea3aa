"""Whether all members seem to be at one place, by their sign-ins."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest

from sams.policy.admission import Admission, AdmissionBooks, AdmissionLimits
from sams.policy.shared_address import FEW, LOGINS, SIGN_INS, SharedAddresses
from tests.identity.rig import KEY, FakeClock

BALANCER, SECOND, PUBLIC = "10.0.0.11", "10.0.0.12", "8.8.4.4"


def watched(*addresses: str, logins: int = SIGN_INS, times: int = SIGN_INS) -> tuple[str, ...]:
    """What is found after so many sign-ins, from one of these addresses after the other."""
    watch = SharedAddresses()
    for number in range(times):
        watch.note(addresses[number % len(addresses)], f"member{number % logins}")
    return watch.found


@pytest.mark.parametrize(
    "address", [BALANCER, "192.168.1.1", "127.0.0.1", "100.64.0.1", "fd00::1", "fe80::1"]
)
def test_many_members_behind_one_private_address_are_found(address: str) -> None:
    assert watched(address) == (address,)
    assert watched(address, logins=LOGINS) == (address,)


def test_a_pair_of_balancers_is_found() -> None:
    assert watched(SECOND, BALANCER) == (BALANCER, SECOND)


@pytest.mark.parametrize(
    ("addresses", "logins", "times"),
    [
        pytest.param((BALANCER,), 100, SIGN_INS - 1, id="a few sign-ins"),
        pytest.param((BALANCER,), LOGINS - 1, SIGN_INS, id="a few members"),
        pytest.param((PUBLIC,), 100, SIGN_INS, id="a public address, such as a campus behind NAT"),
        pytest.param((BALANCER,) * 99 + (PUBLIC,), 100, SIGN_INS, id="one from elsewhere"),
        pytest.param((BALANCER,) * 99 + (SECOND,), 100, SIGN_INS, id="one from another private address"),
        pytest.param(tuple(f"10.0.1.{n}" for n in range(FEW + 1)), 100, SIGN_INS, id="a network of desktops"),
        pytest.param(("",), 100, SIGN_INS, id="no address at all"),
    ],
)
def test_anything_else_is_not(addresses: tuple[str, ...], logins: int, times: int) -> None:
    assert watched(*addresses, logins=logins, times=times) == ()


def test_a_finding_lasts_until_a_window_shows_something_else() -> None:
    watch = SharedAddresses()
    for address, expected in ((BALANCER, (BALANCER,)), (PUBLIC, ()), (BALANCER, (BALANCER,))):
        before = watch.found
        for number in range(SIGN_INS):
            assert watch.found == before
            watch.note(address, f"member{number}")
        assert watch.found == expected


def test_admission_notes_sign_ins_and_forgets_networks_that_are_allowed() -> None:
    books, clock, limits = AdmissionBooks(1, KEY), FakeClock(), AdmissionLimits()
    admission = Admission(books, 0, clock, limits)
    for number in range(SIGN_INS):
        assert admission.connected(BALANCER) is None
        assert admission.signed_in(BALANCER, f"member{number}") is None
        admission.disconnected(BALANCER, f"member{number}")
    assert admission.shared_addresses == (BALANCER,)
    allowing = replace(limits, allow=(ipaddress.ip_network("10.0.0.0/24"),))
    assert Admission(books, 0, clock, allowing).shared_addresses == ()
    assert Admission(books, 0, clock, limits).shared_addresses == (BALANCER,)
