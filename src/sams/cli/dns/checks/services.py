"""SRV records: do they name the servers of the configuration, in its order (RFC 2782)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import dns.rdtypes.IN.SRV

from sams.cli.dns.checks.names import check_alias
from sams.cli.dns.finding import About, DnsFinding
from sams.cli.dns.questions import Questions, plain_name
from sams.cli.dns.record import Importance, Record
from sams.cli.dns.services import Service, Target, services, setup_records
from sams.cli.doctor.finding import Level
from sams.config.model import Config
from sams.core.text import visible


async def check_services(config: Config, domain: str, questions: Questions) -> list[DnsFinding]:
    """Every service, and the names for programs that set themselves up."""
    return await asyncio.gather(
        *(_check_service(each, domain, questions) for each in services(config)),
        *(_check_setup(record, domain, questions) for record in setup_records(config, domain)),
    )


async def _check_service(service: Service, domain: str, questions: Questions) -> DnsFinding:
    records = tuple(service.records(domain))
    about = About(domain, f"{service.label} (SRV)", records[0].importance, records)
    answer = await questions.ask(records[0].name, "SRV")
    if not answer.is_known:
        return about.unknown(answer)
    found = _targets(answer.of(dns.rdtypes.IN.SRV.SRV))
    if not service.targets:
        return _judge_absent(about, found, said=bool(answer.values))
    if not answer.values:
        return about.missing(f"no record: programs that look for it do not find {_shown(service.targets)}")
    if not found:
        return about.wrong(f"says that the service is not there; it is at {_shown(service.targets)}")
    return _judge(about, service.targets, found)


async def _check_setup(record: Record, domain: str, questions: Questions) -> DnsFinding:
    label = record.name.removesuffix(f".{domain}")
    about = About(domain, f"{label} ({record.type})", record.importance, (record,))
    if record.type == "CNAME":
        return await check_alias(questions, about, record)
    answer = await questions.ask(record.name, "SRV")
    if not answer.is_known:
        return about.unknown(answer)
    if not answer.values:
        return about.missing("no record")
    _, _, port, host = record.data.split(" ")
    return _judge(
        about, (Target(0, host.removesuffix("."), int(port)),), _targets(answer.of(dns.rdtypes.IN.SRV.SRV))
    )


def _judge_absent(about: About, found: Sequence[Target], *, said: bool) -> DnsFinding:
    if found:
        what = f"names {_shown(found)}, which the configuration does not offer"
        return about.wrong(what, "where it is offered by nobody, publish in its place:")
    if said:
        return about.ok("says that there is no such service")
    return about.missing("no record: programs may try whether there is such a service")


def _judge(about: About, wanted: Sequence[Target], found: Sequence[Target]) -> DnsFinding:
    missing = [each for each in wanted if _place(each) not in set(map(_place, found))]
    strange = [each for each in found if _place(each) not in set(map(_place, wanted))]
    if missing and strange:
        return about.wrong(f"names {_shown(strange)} and not {_shown(missing)}")
    if missing:
        return about.wrong(f"does not name {_shown(missing)}", "publish as well:")
    if strange:
        what = f"also names {_shown(strange)}, of which the configuration says nothing"
        return about.wrong(what, "remove that, unless another server answers there", level=_softer(about))
    if not _in_order(wanted, found):
        return about.wrong(f"the order is another: {_shown(found)}; the lowest priority is tried first")
    return about.ok(_shown(found))


def _targets(values: Sequence[dns.rdtypes.IN.SRV.SRV]) -> list[Target]:
    """By priority. A target of `.` is none (RFC 2782)."""
    found = [Target(each.priority, plain_name(each.target), each.port) for each in values]
    return sorted(
        (each for each in found if each.host), key=lambda each: (each.priority, each.host, each.port)
    )


def _in_order(wanted: Sequence[Target], found: Sequence[Target]) -> bool:
    """Whether who is better in the configuration is not worse in DNS."""
    priorities = {_place(each): each.priority for each in found}
    ours = [priorities[_place(each)] for each in wanted]
    return ours == sorted(ours)


def _place(target: Target) -> tuple[str, int]:
    return target.host, target.port


def _shown(targets: Sequence[Target]) -> str:
    return visible(", ".join(f"{each.host}:{each.port}" for each in targets), 300)


def _softer(about: About) -> Level:
    return Level.OK if about.importance is Importance.OPTIONAL else Level.WARN
