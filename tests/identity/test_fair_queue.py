from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sams.identity.fair_queue import FairQueue
from sams.identity.origin import origin_key

CAFE, BESIDE, HOME = map(origin_key, ("198.51.100.7", "198.51.100.8", "192.0.2.1"))


def queue_of(*items: tuple[str, bytes]) -> FairQueue[str]:
    queue: FairQueue[str] = FairQueue()
    for item, origin in items:
        queue.put(item, origin)
    return queue


def drained(queue: FairQueue[str]) -> list[str]:
    return list(iter(queue.pop, None))


def crowd(origin: bytes, count: int, name: str = "c") -> list[tuple[str, bytes]]:
    return [(f"{name}{number}", origin) for number in range(count)]


def test_an_empty_queue_has_no_next_one() -> None:
    assert queue_of().pop() is None


def test_within_an_origin_it_is_first_come_first_served() -> None:
    assert drained(queue_of(*crowd(CAFE, 3))) == ["c0", "c1", "c2"]


def test_networks_take_turns_however_many_wait_of_one() -> None:
    assert drained(queue_of(*crowd(CAFE, 4), ("h0", HOME), ("h1", HOME))) == [
        "c0",
        "h0",
        "c1",
        "h1",
        "c2",
        "c3",
    ]


def test_in_a_network_its_origins_take_turns_and_share_the_networks() -> None:
    queue = queue_of(*crowd(CAFE, 3), *crowd(BESIDE, 2, "b"), *crowd(HOME, 3, "h"))
    assert drained(queue) == ["c0", "h0", "b0", "h1", "c1", "h2", "b1", "c2"]


def test_who_comes_later_stands_behind_one_turn_of_each() -> None:
    queue = queue_of(*crowd(CAFE, 3))
    assert queue.pop() == "c0"
    queue.put("h0", HOME)
    assert drained(queue) == ["c1", "h0", "c2"]


def test_who_gave_up_is_passed_over_once() -> None:
    queue = queue_of(*crowd(CAFE, 3))
    assert queue.remove("c1", CAFE)
    assert not queue.remove("c1", CAFE)
    assert not queue.remove("c1", HOME)
    assert drained(queue) == ["c0", "c2"]


def test_the_newest_of_who_holds_the_most_gives_way() -> None:
    queue = queue_of(*crowd(CAFE, 2), *crowd(BESIDE, 3, "b"), ("h0", HOME))
    assert queue.give_way(HOME) == "b2"
    assert queue.give_way(CAFE) is None, "no origin beside it holds two more"
    assert drained(queue) == ["c0", "h0", "b0", "c1", "b1"]


def test_nobody_gives_way_to_one_of_the_same_crowd() -> None:
    assert queue_of(*crowd(CAFE, 5)).give_way(CAFE) is None
    assert queue_of().give_way(CAFE) is None


def test_a_crowd_gives_way_to_its_neighbour_in_the_network() -> None:
    assert queue_of(*crowd(CAFE, 5)).give_way(BESIDE) == "c4"


def test_nobody_gives_way_where_it_would_only_change_places() -> None:
    assert queue_of(("c0", CAFE)).give_way(HOME) is None


_ORIGINS = st.sampled_from([origin_key(f"192.0.{net}.{host}") for net in (1, 2, 3) for host in (1, 2)])


@given(st.lists(st.tuples(st.sampled_from(["put", "pop", "remove", "give"]), _ORIGINS), max_size=60))
def test_whatever_happens_each_leaves_once_and_none_is_lost(steps: list[tuple[str, bytes]]) -> None:
    queue: FairQueue[int] = FairQueue()
    inside: dict[int, bytes] = {}
    for number, (step, origin) in enumerate(steps):
        gone: int | None = None
        if step == "put":
            queue.put(number, origin)
            inside[number] = origin
        elif step == "pop":
            gone = queue.pop()
            assert (gone is None) == (not inside)
        elif step == "remove" and inside:
            gone = next(iter(inside))
            assert queue.remove(gone, inside[gone])
        elif step == "give":
            gone = queue.give_way(origin)
            held = Counter(inside.values())
            assert gone is None or held[inside[gone]] > held[origin]
        if gone is not None:
            del inside[gone]
    assert sorted(iter(queue.pop, None)) == sorted(inside)
    assert not queue._networks
