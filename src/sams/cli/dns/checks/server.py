"""The server's own name: it leads here, and its addresses lead back."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable

import dns.rdtypes.ANY.PTR
import dns.reversename

from sams.cli.dns.finding import About, DnsFinding
from sams.cli.dns.questions import Answer, Questions, State, plain_name
from sams.cli.dns.record import Importance
from sams.cli.dns.server import server_group
from sams.cli.doctor.finding import Level
from sams.config.model import Config
from sams.core.text import visible

IsHere = Callable[[str], bool]
"""Whether this machine has an address."""


async def check_server(config: Config, questions: Questions, is_here: IsHere) -> list[DnsFinding]:
    """The name, and its way back."""
    name = config.server.name
    about = About("", name, Importance.NEEDED, server_group(config).records)
    addresses, answer = await questions.addresses(name)
    if not answer.is_known:
        return [about.unknown(answer)]
    if not addresses:
        return [_judge_none(about, answer)]
    found = [_judge(about, answer, addresses, is_here)]
    public = sorted(address for address in addresses if ipaddress.ip_address(address).is_global)
    return found + list(await asyncio.gather(*(_check_back(name, each, questions) for each in public)))


def has_address(address: str) -> bool:
    """Whether this machine has it: only then can a socket be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as trial:
            trial.bind((address, 0))
    except OSError:
        return False
    return True


def _judge_none(about: About, answer: Answer) -> DnsFinding:
    what = "there is no such name" if answer.state is State.NO_NAME else "the name has no address"
    missing = f"{what}: no mail program finds this server by it"
    if about.records:
        return about.missing(missing)
    return about.wrong(missing, f"add A and AAAA records for {about.subject}, or correct [server] name")


def _judge(about: About, answer: Answer, addresses: set[str], is_here: IsHere) -> DnsFinding:
    shown = ", ".join(sorted(addresses))
    if answer.is_alias:
        what = f"is an alias (CNAME) of {answer.canonical}, and SRV records must not lead to one"
        return about.wrong(what, f"give {about.subject} A and AAAA records of its own", level=Level.WARN)
    wanted = {record.data for record in about.records}
    if wanted - addresses:
        return about.wrong(
            f"leads to {shown} and not to {', '.join(sorted(wanted - addresses))}, where SAMS listens"
        )
    if all(ipaddress.ip_address(address).is_loopback for address in addresses):
        what = f"leads to {shown}: nobody else can reach that"
        return about.note(what, "this is right for a trial only", level=Level.WARN)
    elsewhere = sorted(address for address in addresses if not is_here(address))
    if elsewhere:
        what = f"leads to {', '.join(elsewhere)}, which this machine does not have"
        return about.note(what, "this is right where a load balancer or a firewall hands connections on")
    return about.ok(f"leads to {shown}, which this machine has")


async def _check_back(name: str, address: str, questions: Questions) -> DnsFinding:
    about = About("", f"PTR of {address}", Importance.OPTIONAL)
    answer = await questions.ask(plain_name(dns.reversename.from_address(address)), "PTR")
    if not answer.is_known:
        return about.unknown(answer)
    names = [plain_name(each.target) for each in answer.of(dns.rdtypes.ANY.PTR.PTR)]
    if name in names:
        return about.ok(f"leads back to {name}")
    found = visible(", ".join(names) or "no name", 200)
    return about.note(
        f"leads to {found} and not to {name}; some networks are wary of that", "ask who has the network"
    )
