"""Asking DNS: every question once, many side by side, and all of them over before a deadline.

A question that cannot be answered is an answer as well: what is not known is told, and nothing raises.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdata
import dns.rdtypes.IN.SRV
import dns.resolver

from sams.core.errors import OperatorError
from sams.core.text import visible

SECONDS = 5.0
"""For one question, with all that is tried for it."""
ALL_SECONDS = 60.0
"""For everything that is asked."""
_AT_ONCE = 16
_UDP_OCTETS = 1_232
"""What passes every network in one piece; the rest comes by TCP."""
_MOST_VALUES = 200
"""Of one answer; the rest is not looked at."""

RdataT = TypeVar("RdataT", bound=dns.rdata.Rdata)


class State(enum.Enum):
    """What came of a question. EMPTY: the name is there, without such a record."""

    FOUND = enum.auto()
    EMPTY = enum.auto()
    NO_NAME = enum.auto()
    UNKNOWN = enum.auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """What DNS says.

    name: what was asked about. canonical: where aliases (CNAME) led, in lower case without a dot at its end.
    why: of UNKNOWN, in a few words.
    """

    name: str
    state: State
    values: tuple[dns.rdata.Rdata, ...] = ()
    canonical: str = ""
    why: str = ""

    @property
    def is_known(self) -> bool:
        """Whether DNS said what there is."""
        return self.state is not State.UNKNOWN

    @property
    def is_alias(self) -> bool:
        """Whether the name is one for another name."""
        return bool(self.canonical) and self.canonical != self.name.lower()

    def of(self, kind: type[RdataT]) -> list[RdataT]:
        """The values of a class of dnspython."""
        return [value for value in self.values if isinstance(value, kind)]

    @property
    def texts(self) -> list[str]:
        """Of TXT records, their strings put together; octets beyond ASCII as escapes."""
        joined = (b"".join(getattr(value, "strings", ())) for value in self.values)
        return [octets.decode("ascii", "backslashreplace") for octets in joined]


def with_port(address: str, port: int) -> str:
    """A name server as `--resolver` takes it."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Questions:
    """Asks one resolver; every question is asked once, however many want to know.

    For one event loop. nameservers: addresses with ports; none: the resolvers of this machine.
    """

    def __init__(
        self,
        nameservers: Iterable[tuple[str, int]] = (),
        *,
        seconds: float = SECONDS,
        all_seconds: float = ALL_SECONDS,
    ) -> None:
        named = list(nameservers)
        self.named = ", ".join(with_port(*one) for one in named)
        """Who is asked, for people; empty: the resolvers of this machine."""
        self._resolver = _resolver(named)
        self._seconds = seconds
        self._over = asyncio.get_running_loop().time() + all_seconds
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._asked: dict[tuple[str, str], asyncio.Task[Answer]] = {}

    async def ask(self, name: str, kind: str) -> Answer:
        """The records of a type; `name` without a dot at its end."""
        key = (name.lower(), kind)
        if key not in self._asked:
            self._asked[key] = asyncio.create_task(self._ask(*key))
        return await asyncio.shield(self._asked[key])

    async def addresses(self, name: str) -> tuple[set[str], Answer]:
        """All addresses of a name, and the answer that says most about it."""
        four, six = await asyncio.gather(self.ask(name, "A"), self.ask(name, "AAAA"))
        found = {str(value) for answer in (four, six) for value in answer.values}
        return found, four if four.values or not six.values else six

    @property
    def answers(self) -> list[Answer]:
        """All that came so far."""
        return [task.result() for task in self._asked.values() if task.done()]

    async def close(self) -> None:
        """Wait for nothing any more."""
        for task in self._asked.values():
            task.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)

    async def _ask(self, name: str, kind: str) -> Answer:
        async with self._turns:
            left = self._over - asyncio.get_running_loop().time()
            if left <= 0:
                return Answer(name, State.UNKNOWN, why="the time for all questions is over")
            try:
                return await self._answer(name, kind, min(left, self._seconds))
            except dns.resolver.NXDOMAIN as error:
                return Answer(name, State.NO_NAME, canonical=plain_name(error.canonical_name))
            except (dns.exception.DNSException, OSError, ValueError) as error:
                return Answer(name, State.UNKNOWN, why=_why(error))

    async def _answer(self, name: str, kind: str, seconds: float) -> Answer:
        absolute = dns.name.from_text(name, dns.name.root)
        found = await self._resolver.resolve(absolute, kind, raise_on_no_answer=False, lifetime=seconds)
        values = tuple(found)[:_MOST_VALUES] if found.rrset is not None else ()
        return Answer(name, State.FOUND if values else State.EMPTY, values, plain_name(found.canonical_name))


def plain_name(name: dns.name.Name) -> str:
    """A name of dnspython as we write names: in lower case, without a dot at its end; the root is empty."""
    return name.to_text(omit_final_dot=True).lower() if name != dns.name.root else ""


def _resolver(nameservers: list[tuple[str, int]]) -> dns.asyncresolver.Resolver:
    try:
        resolver = dns.asyncresolver.Resolver(configure=not nameservers)
    except (dns.exception.DNSException, OSError) as error:
        raise OperatorError(
            f"/etc/resolv.conf names no resolver: {visible(str(error))}; name one with --resolver"
        ) from None
    if nameservers:
        resolver.nameservers = [address for address, _ in nameservers]
        resolver.nameserver_ports = dict(nameservers)
    resolver.use_edns(0, 0, _UDP_OCTETS)
    return resolver


def _why(error: Exception) -> str:
    if isinstance(error, dns.resolver.LifetimeTimeout):
        return "no answer in time"
    if isinstance(error, dns.resolver.NoNameservers):
        codes = [str(part[4]) for part in error.kwargs.get("errors", ()) if len(part) > 4]
        return visible(codes[-1] if codes else "no name server answers", 100)
    return visible(f"{type(error).__name__}: {error}", 200)
