"""Names that lead to hosts: whether they have an address, and whether two lead to the same host."""

from __future__ import annotations

from sams.cli.dns.finding import About, DnsFinding
from sams.cli.dns.questions import Questions, State
from sams.cli.dns.record import Importance, Record


async def check_host(questions: Questions, host: str, domain: str, role: str) -> DnsFinding:
    """A host to which SRV or MX records lead: it has an address, and is no alias (RFC 2181 section 10.3)."""
    about = About(domain, host, Importance.NEEDED)
    addresses, answer = await questions.addresses(host)
    if not answer.is_known:
        return about.unknown(answer)
    if not addresses:
        what = "there is no such name" if answer.state is State.NO_NAME else "it has no address"
        return about.wrong(f"{role}, and {what}", f"add A and AAAA records for {host}, or correct its name")
    if answer.is_alias:
        what = f"{role}, and is an alias (CNAME) of {answer.canonical}, which such records must not lead to"
        return about.wrong(
            what, f"give {host} A and AAAA records of its own, or name {answer.canonical} itself"
        )
    return about.ok(f"{role}; {', '.join(sorted(addresses))}")


async def check_alias(questions: Questions, about: About, record: Record) -> DnsFinding:
    """A name that is to lead to the same host as another: by CNAME, or by the same addresses."""
    host = record.data.removesuffix(".")
    mine, answer = await questions.addresses(record.name)
    theirs, other = await questions.addresses(host)
    if answer.state is State.NO_NAME and not answer.is_alias:
        return about.missing("there is no such name")
    if answer.is_alias and answer.canonical in {host, other.canonical}:
        return about.ok(f"leads to {host}")
    for each in (answer, other):
        if not each.is_known:
            return about.unknown(each)
    if mine and mine <= theirs:
        return about.ok(f"has addresses of {host}")
    return about.wrong(_astray(mine, answer.canonical if answer.is_alias else "", host))


def _astray(addresses: set[str], alias: str, host: str) -> str:
    if not addresses:
        return "the name leads to no address"
    return f"leads to {alias or ', '.join(sorted(addresses))} and not to {host}: programs ask another server"
