"""What an SPF record comes to with all that it includes (RFC 7208 section 4.6.4).

The tree is read from DNS first, without an address in mind, and every look-up is counted that a receiver may have to
make. Addresses are then judged in memory. Reading is bounded by its count, so a record that includes itself, or
hundreds of others, costs no more.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Literal

import dns.rdtypes.ANY.MX

from sams.cli.dns.questions import Answer, Questions, State, plain_name
from sams.cli.dns.spf_record import SpfRecord, covers, is_spf, read_spf
from sams.config.spf_terms import Network, Term

MOST_LOOK_UPS = 10
"""More of them, and receivers give up with an error."""
MOST_VOID = 2
"""More that find nothing, and they give up as well."""
_MOST_COUNTED = 40
_MOST_HOSTS = 10
"""Of one `mx` term."""

Verdict = Literal["pass", "other", "unknown"]
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(slots=True)
class Step:
    """One mechanism. networks: those that it matches; child: what it includes. is_open: it cannot be judged here."""

    term: Term
    networks: tuple[Network, ...] = ()
    child: Node | None = None
    is_open: bool = False


@dataclass(slots=True)
class Node:
    """One record. redirect: the one that counts where nothing matches."""

    steps: list[Step] = field(default_factory=list)
    redirect: Node | None = None
    is_open: bool = False

    def verdict(self, address: IpAddress) -> Verdict:
        """Whether a host of this address may send."""
        for step in self.steps:
            match = _match(step, address)
            if match == "unknown":
                return "unknown"
            if match == "pass":
                return "pass" if step.term.qualifier == "+" else "other"
        if self.redirect is not None:
            return self.redirect.verdict(address)
        return "unknown" if self.is_open else "other"

    def holds(self, wanted: Term) -> bool:
        """Whether a term stands here, or one that lets through at least as much; or in what is included."""
        for step in self.steps:
            if covers(step.term, wanted):
                return True
            child = step.child if step.term.qualifier == "+" and _is_absolute(wanted) else None
            if child is not None and child.holds(wanted):
                return True
        return self.redirect is not None and _is_absolute(wanted) and self.redirect.holds(wanted)


@dataclass(slots=True)
class SpfTree:
    """A record with all that it includes.

    look_ups: how many a receiver may have to make. void: those that find nothing.
    problems: what makes receivers give up, each as a clause. unknown: names on which DNS gave no answer.
    """

    root: Node = field(default_factory=Node)
    look_ups: int = 0
    void: int = 0
    problems: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def was_cut(self) -> bool:
        """Whether there is more than was counted."""
        return self.look_ups >= _MOST_COUNTED


async def read_tree(questions: Questions, domain: str, record: SpfRecord) -> SpfTree:
    """The tree of a record of a domain."""
    tree = SpfTree()
    tree.root = await _Reader(questions, tree).node(domain, record)
    return tree


class _Reader:
    def __init__(self, questions: Questions, tree: SpfTree) -> None:
        self._questions = questions
        self._tree = tree

    async def node(self, domain: str, record: SpfRecord) -> Node:
        node = Node()
        for term in record.terms:
            if not term.is_modifier:
                node.steps.append(await self._step(domain, term))
            if term.name == "all":
                break  # nothing behind it is ever looked at
        redirect = record.redirect
        if redirect is not None:
            node.redirect = await self._other(redirect)
            node.is_open = node.redirect is None
        return node

    async def _step(self, domain: str, term: Term) -> Step:
        if term.name in {"ip4", "ip6"} and term.network is not None:
            return Step(term, (term.network,))
        if term.name == "all":
            return Step(term, (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")))
        if term.name == "include":
            child = await self._other(term)
            return Step(term, child=child, is_open=child is None)
        counted = self._counts()
        if not counted or term.has_macro or term.name in {"exists", "ptr"}:
            return Step(term, is_open=True)
        if term.name == "a":
            return Step(term, await self._networks(term.domain or domain, term))
        return Step(term, await self._networks_of_mx(term.domain or domain, term))

    async def _other(self, term: Term) -> Node | None:
        """The record that another domain has; None: it cannot be known."""
        if not self._counts() or term.has_macro:
            return None
        answer = await self._questions.ask(term.domain, "TXT")
        if not answer.is_known:
            self._tree.unknown.append(term.domain)
            return None
        self._notice_void(answer)
        texts = [text for text in answer.texts if is_spf(text)]
        if len(texts) != 1:
            many = "no SPF record" if not texts else f"{len(texts)} SPF records"
            self._problem(f"{term.text} leads to a domain with {many}")
            return None
        record = read_spf(texts[0])
        for problem in record.problems:
            self._problem(f"the record of {term.domain} has a mistake: {problem}")
        return await self.node(term.domain, record)

    async def _networks_of_mx(self, domain: str, term: Term) -> tuple[Network, ...]:
        answer = await self._questions.ask(domain, "MX")
        if not answer.is_known:
            self._tree.unknown.append(domain)
        self._notice_void(answer)
        hosts = [plain_name(value.exchange) for value in answer.of(dns.rdtypes.ANY.MX.MX)]
        if len(hosts) > _MOST_HOSTS:
            self._problem(f"{term.text} leads to {len(hosts)} hosts, and {_MOST_HOSTS} are allowed")
        found: list[Network] = []
        for host in filter(None, hosts[:_MOST_HOSTS]):
            found += await self._networks(host, term)
        return tuple(found)

    async def _networks(self, host: str, term: Term) -> tuple[Network, ...]:
        addresses, answer = await self._questions.addresses(host)
        if not answer.is_known:
            self._tree.unknown.append(host)
        elif not addresses:
            self._notice_void(answer)
        return tuple(_widened(address, term) for address in sorted(addresses))

    def _counts(self) -> bool:
        """Count a look-up; false: there were enough."""
        self._tree.look_ups += 1
        return not self._tree.was_cut

    def _notice_void(self, answer: Answer) -> None:
        self._tree.void += answer.state in {State.EMPTY, State.NO_NAME}

    def _problem(self, text: str) -> None:
        if text not in self._tree.problems:
            self._tree.problems.append(text)


def _is_absolute(term: Term) -> bool:
    """Whether it means the same in a record of another domain."""
    return term.network is not None or bool(term.domain)


def _widened(address: str, term: Term) -> Network:
    length = term.lengths[0] if ":" not in address else term.lengths[1]
    return ipaddress.ip_network(f"{address}/{length}", strict=False)


def _match(step: Step, address: IpAddress) -> Verdict:
    if step.child is not None:
        return step.child.verdict(address)
    if step.is_open:
        return "unknown"
    return "pass" if any(address in network for network in step.networks) else "other"
