"""All records that DNS should have by the configuration."""

from __future__ import annotations

from sams.cli.dns.arriving import arriving_hints, arriving_records
from sams.cli.dns.record import Group
from sams.cli.dns.senders import report_permission, reports_domain, sender_hints, sender_records
from sams.cli.dns.server import server_group
from sams.cli.dns.services import services, setup_hints, setup_records
from sams.config.model import Config


def proposal(config: Config, only: str = "") -> tuple[Group, ...]:
    """The records, in groups.

    only: one of the domains of `[accounts]`; empty: all of them and the server itself.

    Raises:
        OperatorError: a file of a DKIM key cannot be used.
    """
    groups = [] if only else [server_group(config)]
    for domain in (only,) if only else config.accounts.domains:
        groups += _of_domain(config, domain)
    return tuple(groups)


def _of_domain(config: Config, domain: str) -> list[Group]:
    found = [record for service in services(config) for record in service.records(domain)]
    found += setup_records(config, domain)
    found += sender_records(config, domain)
    found += arriving_records(config, domain)
    hints = (*setup_hints(config, domain), *sender_hints(config), *arriving_hints(config, domain))
    groups = [Group(domain, domain, domain, tuple(found), hints)]
    permission = report_permission(config, domain)
    if permission is not None:
        other = reports_domain(config)
        groups.append(Group(domain, other, f"in the zone of {other}, for {domain}", (permission,)))
    return groups
