"""The verdict of it all: what works, what to set in the mail program, what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sams_probe.clock import Clock
from sams_probe.looks.findings import PortFindings
from sams_probe.names.found import Lookup, Names, belongs, followed
from sams_probe.options import Security, is_address
from sams_probe.smtp.sign_in import SignedIn, SignIn
from sams_probe.text import listed, moment, span
from sams_probe.verdicts.kinds import WEIGHTS, Exit
from sams_probe.verdicts.troubles import troubles
from sams_probe.verdicts.verdict import WORDS, Settings, Trouble, Verdict, named, tell
from sams_probe.wire.first_octets import Speech
from sams_probe.wire.reaching import Reach

_ORDER = (Security.TLS, Security.STARTTLS)
_SIGNED = {
    SignedIn.WRONG: "wrong-password",
    SignedIn.APP_PASSWORD: "app-password",
    SignedIn.MAY_NOT: "may-not-send",
    SignedIn.LOCKED: "locked",
    SignedIn.NO_MECHANISM: "no-mechanism",
    SignedIn.REFUSED: "sign-in-refused",
    SignedIn.ELSEWHERE: "sign-in-elsewhere",
    SignedIn.BROKEN: "sign-in-broken",
}
_QUIET = frozenset({"ends-soon"})
"""Told, and nothing is wrong yet."""
_NOT_REACHED = frozenset({"port-silent", "port-refused", "port-reset", "port-unreachable"})


class Report(NamedTuple):
    """All that was found. signed: None: no sign-in was asked for; BROKEN without words: none could be tried."""

    names: Names
    ports: tuple[PortFindings, ...]
    clock: Clock
    signed: SignIn | None = None


class Judgement(NamedTuple):
    """What it all means.

    verdicts: the main one first, then all else that is wrong. notes: worth knowing. settings: None: no port works.
    """

    verdicts: tuple[Verdict, ...]
    settings: Settings | None = None
    notes: tuple[Verdict, ...] = ()

    @property
    def exit_code(self) -> Exit:
        """The main verdict's."""
        return self.verdicts[0].exit_code


def usable(ports: Sequence[PortFindings], clock: Clock) -> list[PortFindings]:
    """Where a mail program can sign in: TLS at once first (RFC 8314 section 3), and none that is read along first."""
    works = [one for one in ports if one.usable and one.port.security in _ORDER]
    read_along = {one: any(each.kind == "intercepted" for each in troubles(one, clock)) for one in works}
    return sorted(works, key=lambda one: (read_along[one], _ORDER.index(one.port.security)))


def judge(report: Report) -> Judgement:
    """What the findings mean."""
    if not report.ports:
        return Judgement((_of_names(report.names),))
    works = usable(report.ports, report.clock)
    wrong, notes = _sorted_out(report, works)
    settings = Settings(works[0].host, works[0].port.number, works[0].port.security) if works else None
    return Judgement(tuple(_main(report, works, settings, wrong)), settings, notes)


def _main(
    report: Report, works: list[PortFindings], settings: Settings | None, wrong: list[Verdict]
) -> Iterable[Verdict]:
    host = {"host": report.names.host}
    if settings is None:
        if report.signed is not None and wrong:
            return [*wrong, tell("no-safe-sign-in", host)]
        return wrong or [tell("nothing-to-test", host)]
    facts = {**host, "works": _works(works), "settings": settings.text}
    if report.signed is not None and report.signed.result is not SignedIn.ACCEPTED:
        refused = tell(_SIGNED[report.signed.result], {**facts, "detail": report.signed.words or "no words"})
        return [refused, *wrong]
    if wrong:
        return [tell("partly", facts), *wrong]
    return [tell("signed-in" if report.signed is not None else "well", facts)]


def _works(works: list[PortFindings]) -> str:
    ports = list(dict.fromkeys(one.port for one in works))
    told = [f"{named(port)} ({WORDS[port.security]})" for port in ports]
    return f"{listed(told)} {'works' if len(told) == 1 else 'work'}"


def _of_names(names: Names) -> Verdict:
    """Nothing could be looked at, for there was no address."""
    targets = followed(names)
    if targets:
        return tell("name-unknown", {"host": targets[0].service.target})
    asked = [one for one in (names.v4, names.v6) if one is not Lookup.NOT_ASKED]
    kind = "name-unknown" if len(asked) == 2 else "name-without-address"
    return tell("resolver-failed" if Lookup.FAILED in asked else kind, {"host": names.host})


class _Found(NamedTuple):
    trouble: Trouble
    where: PortFindings


def _sorted_out(report: Report, works: list[PortFindings]) -> tuple[list[Verdict], tuple[Verdict, ...]]:
    """What is wrong, the weightiest first, and what is only to be known."""
    every = [_Found(trouble, one) for one in report.ports for trouble in troubles(one, report.clock)]
    every = [one for one in every if not _is_nobodys_fault(one, report.ports)]
    wrong = [one for one in every if _counts(one)]
    notes = [one for one in every if not _counts(one)]
    told = [*_of_all(report, wrong, works), *_told(wrong, report)]
    told.sort(key=lambda verdict: WEIGHTS[verdict.kind])
    return told, (*_told(notes, report), *_elsewhere(report))


def _elsewhere(report: Report) -> Iterable[Verdict]:
    """Servers to which DNS alone leads, unless the verdict is of that already."""
    host = report.names.host
    if report.signed is not None and report.signed.result is SignedIn.ELSEWHERE:
        return
    for server in dict.fromkeys(one.host for one in report.ports):
        if not belongs(server, host):
            yield tell("announced-elsewhere", {"host": host, "detail": server})


def _is_nobodys_fault(found: _Found, ports: Sequence[PortFindings]) -> bool:
    """Whether this computer has no network of that IP version, while it has one of the other."""
    return found.trouble.kind == "no-network" and any(
        one.strict.reach is not Reach.NO_FAMILY for one in ports
    )


def _counts(found: _Found) -> bool:
    """Whether it matters to members. On the port between servers only who answers in the server's place does."""
    relay = found.where.port.security is Security.RELAY and found.trouble.kind != "captive-portal"
    return not relay and found.trouble.kind not in _QUIET


def _told(every: list[_Found], report: Report) -> list[Verdict]:
    """Each trouble of a port once, with the IP version where not all of the port's addresses have it."""
    told = []
    for trouble, number in dict.fromkeys((one.trouble, one.where.port.number) for one in every):
        places = [one.where for one in every if one.trouble == trouble and one.where.port.number == number]
        facts = {"port": f"port {number}", "over": _over(places, report), "host": places[0].host}
        told.append(tell(trouble.kind, {**facts, **dict(trouble.facts)}, number))
    return told


def _over(places: list[PortFindings], report: Report) -> str:
    port = places[0].port
    there = {one.address for one in report.ports if one.port == port}
    here = {one.address for one in places}
    if here == there:
        return ""
    families = {one.family for one in here}
    if {one for one in there if one.family in families} == here and len(families) == 1:
        return f" over IPv{families.pop()}"
    return f" at {listed(sorted(one.text for one in here))}"


def _of_all(report: Report, wrong: list[_Found], works: list[PortFindings]) -> Iterable[Verdict]:
    """What is seen only where all is seen together."""
    host = {"host": report.names.host}
    if report.clock.wrong:
        yield tell("clock-wrong", {**host, "detail": _clock(report.clock)})
    portal = _portal(report, works)
    if portal and not any(one.trouble.kind == "captive-portal" for one in wrong):
        yield tell("captive-portal", {**host, "detail": portal})
    if wrong and not works and all(one.trouble.kind in _NOT_REACHED for one in wrong):
        yield tell("nothing-reached", {**host, "detail": _ports_reached(report)})


def _clock(clock: Clock) -> str:
    if clock.offset is None:
        return f"{moment(clock.local)}, which is over"
    which = "slow" if clock.offset > 0 else "fast"
    return f"{moment(clock.local)}, and is {span(abs(clock.offset))} {which} by {clock.source}"


def _ports_reached(report: Report) -> str:
    numbers = dict.fromkeys(
        one.port.number for one in report.ports if one.port.security is not Security.RELAY
    )
    told = f"{'neither' if len(numbers) > 1 else 'not'} {listed(list(map(str, numbers)), 'nor')}"
    relays = [one.port for one in report.ports if one.port.security is Security.RELAY and _is_open(one)]
    return f"{told}; {named(relays[0])} answers, so the server is there" if relays else told


def _is_open(found: PortFindings) -> bool:
    return found.strict.reach is Reach.OPEN


def _portal(report: Report, works: list[PortFindings]) -> str:
    """What shows that the network itself answers, where no page was seen; empty: nothing does."""
    if works or is_address(report.names.host):
        return ""
    if set(report.names.invented) & {one.text for one in report.names.addresses}:
        return "its resolver gives the same address for names that do not exist"
    reached = [one for one in report.ports if _is_open(one)]
    answers = {one.strict.first for one in reached if one.strict.speech is not Speech.TLS}
    kinds = {one.port.security is Security.TLS for one in reached}
    if len(reached) > 1 and len(answers) == 1 and kinds == {True, False}:
        (answer,) = answers
        if answer and report.names.host.encode() not in answer.lower():
            return "the same answer on every port"
    return ""
