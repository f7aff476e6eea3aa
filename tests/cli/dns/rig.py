"""Runs the checks of `sams dns check` against a real DNS server, and tables of what they must find."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sams.cli.dns.check import examine
from sams.cli.dns.checks.arriving import Fetch
from sams.cli.dns.checks.server import has_address
from sams.cli.dns.finding import DnsFinding, Kind
from sams.cli.dns.questions import Questions
from sams.cli.doctor.finding import Level
from sams.config.model import Config
from tests.support.dns_server import DnsServer

DOMAIN = "example.ac.uk"
MISSING, WRONG, NOTE, OK = Kind.MISSING, Kind.WRONG, Kind.NOTE, Kind.OK
FAIL, WARN, FINE = Level.FAIL, Level.WARN, Level.OK


@dataclass(frozen=True)
class Case:
    """change: lines of a zone file that take the place of what is right. told: a part of the finding's words."""

    change: str
    subject: str
    kind: Kind
    level: Level
    told: str


@dataclass(frozen=True)
class Gone:
    """A record that is taken away, and how bad that is."""

    name: str
    type: str
    subject: str
    level: Level


def lines(*each: str) -> str:
    """Lines of a zone file."""
    return "\n".join(each)


def look(
    config: Config,
    server: DnsServer,
    fetch: Fetch | None = None,
    *,
    only: str = "",
    seconds: float = 20.0,
    all_seconds: float = 60.0,
) -> list[DnsFinding]:
    """All findings."""

    async def run() -> list[DnsFinding]:
        where = [("127.0.0.1", server.port)]
        questions = Questions(where, seconds=seconds, all_seconds=all_seconds)
        try:
            return await examine(config, questions, only=only, fetch=fetch, is_here=has_address)
        finally:
            await questions.close()

    return asyncio.run(run())


def about(found: list[DnsFinding], subject: str) -> DnsFinding:
    """The one finding on a subject."""
    (finding,) = [each for each in found if each.subject == subject]
    return finding


def assert_found(config: Config, server: DnsServer, case: Case) -> DnsFinding:
    """The case's finding, which is as the case says."""
    server.add(case.change)
    finding = about(look(config, server, only=DOMAIN), case.subject)
    assert (finding.kind, finding.level) == (case.kind, case.level), finding
    assert case.told in finding.what
    assert finding.advice or case.level is Level.OK
    assert not (finding.advice and case.kind is Kind.OK)
    return finding


def assert_missed(config: Config, server: DnsServer, case: Gone) -> None:
    """The record's absence is told, with the record to publish."""
    server.remove(case.name, case.type)
    finding = about(look(config, server, only=DOMAIN), case.subject)
    assert finding.level is case.level
    assert finding.kind is (Kind.NOTE if case.level is Level.OK else Kind.MISSING)
    assert finding.advice == "publish:"
    assert {record.name for record in finding.records} == {case.name}
