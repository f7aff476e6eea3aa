"""Every port of every address at once."""

from __future__ import annotations

from functools import partial

from sams_probe.looks.connection import Target
from sams_probe.looks.findings import PortFindings
from sams_probe.looks.port import look_at
from sams_probe.names.found import Names, find_addresses, followed
from sams_probe.options import PORTS, Options, Port
from sams_probe.parallel import in_parallel
from sams_probe.wire.contexts import Contexts

MOST_TARGETS = 24


def examine(options: Options, names: Names, contexts: Contexts) -> tuple[PortFindings, ...]:
    """Look at all of them.

    Versions of TLS are tried at the first address of each port: behind the others is the same server, mostly.
    """
    targets = targets_of(options, names)
    firsts = {(one.host, one.port): one.address for one in reversed(targets)}
    tasks = [
        partial(
            look_at, one, contexts, versions=options.versions and firsts[one.host, one.port] == one.address
        )
        for one in targets
    ]
    return tuple(in_parallel(tasks))


def targets_of(options: Options, names: Names) -> list[Target]:
    """The ports that were asked for; else the servers that the host announces; else the usual ports."""
    announced = () if options.ports else followed(names)
    if not announced:
        ports = options.ports or PORTS
        return _targets(options, names, ports)[:MOST_TARGETS]
    hosts: dict[str, list[Port]] = {}
    for one in announced:
        hosts.setdefault(one.service.target, []).append(one.port)
    found = [
        target
        for host, ports in hosts.items()
        for target in _targets(options, find_addresses(host, options), tuple(dict.fromkeys(ports)))
    ]
    return found[:MOST_TARGETS]


def _targets(options: Options, names: Names, ports: tuple[Port, ...]) -> list[Target]:
    addresses = [one for one in names.addresses if one.family in options.families]
    return [Target(names.host, address, port, options.timeout) for port in ports for address in addresses]
