"""What the service promised with its 250s, what came of it, and whether the two agree."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.soak.hop import CUTTING, Entry

_ID = re.compile(r"accepted for delivery as ([0-9A-Z]+)")


class Promise(NamedTuple):
    """A message that was answered with 250. id: from that reply; empty where the program does not show it."""

    mark: str
    recipients: tuple[str, ...]
    id: str


class Refusal(NamedTuple):
    """A reply that was no 250, or no reply at all (code 0). at: UNIX seconds."""

    at: float
    client: str
    code: int
    text: str


class Disturbance(NamedTuple):
    """Something that we did between two moments, UNIX seconds."""

    what: str
    detail: str
    begin: float
    end: float


def id_of(reply: str) -> str:
    """The message's id in a 250; empty: there is none."""
    found = _ID.search(reply)
    return found[1] if found else ""


@dataclass
class Ledger:
    """Everybody writes into it, at the same time."""

    promises: dict[str, Promise] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    disturbances: list[Disturbance] = field(default_factory=list)
    accepted: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def promise(self, client: str, mark: str, recipients: Sequence[str], reply: str = "") -> None:
        with self._lock:
            self.promises[mark] = Promise(mark, tuple(recipients), id_of(reply))
            self.accepted[client] += 1

    def refuse(self, client: str, code: int, text: str) -> None:
        with self._lock:
            self.refusals.append(Refusal(time.time(), client, code, text[:200]))

    def disturb(self, what: str, detail: str, begin: float, end: float | None = None) -> None:
        with self._lock:
            self.disturbances.append(Disturbance(what, detail, begin, time.time() if end is None else end))

    def fault(self, words: str) -> None:
        """Something that must never be, however disturbed the service is."""
        with self._lock:
            self.faults.append(words)


@dataclass
class Balance:
    """What came of the promises.

    missing: recipients of promised messages who neither got it nor are named in a report.
    broken: marks of messages that came with another body. strange: came under another id than was promised.
    unpromised: messages that came though no 250 was heard (the connection broke before it).
    duplicates: by their explanation. unexplained: duplicates without any.
    """

    promised: int = 0
    recipients: int = 0
    delivered: int = 0
    reported: int = 0
    missing: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    unpromised: int = 0
    duplicates: Counter[str] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)


def balance(
    promises: dict[str, Promise], entries: Iterable[Entry], disturbances: Sequence[Disturbance]
) -> Balance:
    """Hold the promises against what came."""
    found = Balance(promised=len(promises))
    copies: defaultdict[tuple[str, str], list[Entry]] = defaultdict(list)
    reported: set[tuple[str, str]] = set()
    for entry in entries:
        reported.update((entry.mark, address) for address in entry.failed)
        if not entry.failed:
            _check(found, promises.get(entry.mark), entry)
            for address in entry.recipients:
                copies[entry.mark, address].append(entry)
    for promise in promises.values():
        for address in promise.recipients:
            _settle(found, (promise.mark, address), copies, reported)
    found.unpromised = len({mark for mark, _ in copies} - promises.keys())
    _explain(found, copies, disturbances)
    return found


def _check(found: Balance, promise: Promise | None, entry: Entry) -> None:
    if not entry.whole:
        found.broken.append(entry.mark or f"without a mark: {entry.id}")
    if promise is not None and promise.id not in {"", entry.id}:
        found.strange.append(f"{entry.mark}: {entry.id} for {promise.id}")


def _settle(
    found: Balance,
    key: tuple[str, str],
    copies: dict[tuple[str, str], list[Entry]],
    reported: set[tuple[str, str]],
) -> None:
    found.recipients += 1
    if key in copies:
        found.delivered += 1
    elif key in reported:
        found.reported += 1
    else:
        found.missing.append(f"{key[0]} to {key[1]}")


def _explain(
    found: Balance,
    copies: dict[tuple[str, str], list[Entry]],
    disturbances: Sequence[Disturbance],
) -> None:
    """Each copy but the last is one too many."""
    for (mark, address), came in copies.items():
        for entry in sorted(came, key=lambda one: one.at)[:-1]:
            why = explanation(entry, disturbances)
            if why:
                found.duplicates[why] += 1
            else:
                found.unexplained.append(f"{mark} to {address}, taken at {entry.at:.3f}")


SETTLED_WITHIN = 10.0
"""Seconds from the hop's 250 to the settlement on disk, at the worst: a busy machine, a full disk."""
HEARD_WITHIN = 2.0
"""Seconds from the hop's 250 until the service has read it."""


def explanation(entry: Entry, disturbances: Iterable[Disturbance]) -> str:
    """Why the service could not know that the hop had taken this copy; empty: it could."""
    if not entry.answered:
        return "the next hop took it and did not say so"
    for each in disturbances:
        # what the killed one had sent may be taken until its successor is there
        if each.what == "kill" and each.begin - SETTLED_WITHIN <= entry.at <= each.end:
            return "the worker was killed before it had settled"
        if each.detail in CUTTING and each.begin - HEARD_WITHIN <= entry.at <= each.end + HEARD_WITHIN:
            return "the next hop cut the connection behind its answer"
        if each.what == "full disk" and each.begin - SETTLED_WITHIN <= entry.at <= each.end:
            return "the disk was too full to settle"
    return ""
