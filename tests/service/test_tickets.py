from __future__ import annotations

from sams.core.address import parse_mailbox
from sams.identity.interface import Identity
from sams.service.tickets import LIFE, MOST, MOST_OF_A_LOGIN, Tickets
from tests.identity.rig import FakeClock


def member(login: str, generation: int = 1) -> Identity:
    return Identity(login, (f"{login}@example.org",), (), parse_mailbox(f"{login}@example.org"), generation)


def tickets(clock: FakeClock | None = None, changed: set[str] | None = None) -> Tickets:
    return Tickets(clock or FakeClock(), lambda identity: identity.login not in (changed or set()))


def test_a_ticket_names_the_member_it_was_given_to_and_cannot_be_guessed() -> None:
    made = tickets()
    alice, bob = made.issue(member("alice")), made.issue(member("bob"))
    assert (made.find(alice), made.find(bob)) == (member("alice"), member("bob"))
    assert len({alice, bob, made.issue(member("alice"))}) == 3
    assert len(alice) >= 256 // 6
    for guess in ("", alice[:-1], alice.swapcase(), alice + "=", "\ud800"):
        assert made.find(guess) is None


def test_the_tickets_themselves_are_nowhere_in_memory() -> None:
    made = tickets()
    text = made.issue(member("alice"))
    assert text not in repr(made._tickets)


def test_a_ticket_ends_after_an_hour() -> None:
    clock = FakeClock()
    made = tickets(clock)
    text = made.issue(member("alice"))
    clock.seconds += LIFE - 1
    assert made.find(text) == member("alice")
    clock.seconds += 1
    assert made.find(text) is None
    assert len(made) == 0


def test_a_ticket_ends_with_the_account_as_it_was() -> None:
    changed = set[str]()
    made = tickets(changed=changed)
    text = made.issue(member("alice"))
    changed.add("alice")
    assert made.find(text) is None
    changed.clear()
    assert made.find(text) is None, "what has ended does not come back"


def test_a_ticket_that_was_given_back_is_nobodys() -> None:
    made = tickets()
    text = made.issue(member("alice"))
    made.forget(text)
    made.forget("another")
    assert made.find(text) is None


def test_who_signs_in_again_and_again_pushes_out_nobody_else() -> None:
    made = tickets()
    bob = made.issue(member("bob"))
    alice = [made.issue(member("alice")) for _ in range(MOST_OF_A_LOGIN + 2)]
    assert made.find(bob) is not None
    assert [made.find(one) is not None for one in alice] == [False] * 2 + [True] * MOST_OF_A_LOGIN


def test_of_too_many_the_oldest_goes() -> None:
    made = tickets()
    first = made.issue(member("first"))
    second = made.issue(member("second"))
    for number in range(MOST - 1):
        made.issue(member(f"member-{number}"))
    assert len(made) == MOST
    assert made.find(first) is None
    assert made.find(second) is not None


def test_those_that_have_ended_make_room_first() -> None:
    clock = FakeClock()
    made = tickets(clock)
    for number in range(MOST):
        made.issue(member(f"member-{number}"))
    clock.seconds += LIFE
    made.issue(member("late"))
    assert len(made) == 1
