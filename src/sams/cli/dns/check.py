"""Everything that `sams dns check` looks at, side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from sams.cli.dns.checks.arriving import Fetch, check_arriving
from sams.cli.dns.checks.dkim import check_dkim
from sams.cli.dns.checks.dmarc import check_dmarc
from sams.cli.dns.checks.names import check_host
from sams.cli.dns.checks.server import IsHere, check_server
from sams.cli.dns.checks.services import check_services
from sams.cli.dns.checks.spf import check_spf
from sams.cli.dns.finding import DnsFinding, Kind
from sams.cli.dns.questions import Questions
from sams.cli.doctor.finding import Level
from sams.config.model import Config

DomainCheck = Callable[[Config, str, Questions], Awaitable[list[DnsFinding]]]
_CHECKS: tuple[DomainCheck, ...] = (check_services, check_spf, check_dkim, check_dmarc)


async def examine(
    config: Config, questions: Questions, *, only: str, fetch: Fetch | None, is_here: IsHere
) -> list[DnsFinding]:
    """All findings: the server first, then each domain.

    only: one of the domains of `[accounts]`; empty: all, and the server. fetch: None: no policy is fetched.
    """
    domains = (only,) if only else config.accounts.domains
    groups = await asyncio.gather(
        check_server(config, questions, is_here) if not only else _nothing(),
        _check_hosts(config, questions),
        *(_check_domain(config, domain, questions, fetch) for domain in domains),
    )
    if questions.answers and not any(answer.is_known for answer in questions.answers):
        return [_unreachable(questions)]
    return [finding for group in groups for finding in group]


async def _check_domain(
    config: Config, domain: str, questions: Questions, fetch: Fetch | None
) -> list[DnsFinding]:
    groups = await asyncio.gather(
        *(check(config, domain, questions) for check in _CHECKS),
        check_arriving(config, domain, questions, fetch),
    )
    return [finding for group in groups for finding in group]


async def _check_hosts(config: Config, questions: Questions) -> Iterable[DnsFinding]:
    """The hosts to which records lead; the server itself is looked at more closely."""
    roles = dict.fromkeys(config.dns.mx, "an MX leads to it")
    if config.incoming is not None:
        roles.setdefault(config.incoming.host, "[incoming] names it")
    roles.pop(config.server.name, None)
    return await asyncio.gather(*(check_host(questions, host, "", role) for host, role in roles.items()))


async def _nothing() -> list[DnsFinding]:
    return []


def _unreachable(questions: Questions) -> DnsFinding:
    """One finding in place of one for each record."""
    why = questions.answers[0].why
    if questions.named:
        what = f"{questions.named} answers no question from here ({why}), so nothing can be told"
        advice = "look whether a name server listens there and answers this machine, and at firewalls"
    else:
        what = f"DNS answers no question from here ({why}), so nothing can be told"
        advice = "look at /etc/resolv.conf and at firewalls, or name another resolver with --resolver"
    return DnsFinding("", "DNS", Kind.WRONG, Level.FAIL, what, advice)
