"""DNS: can members find this server by its name."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator

import dns.exception
import dns.resolver

from sams.cli.doctor.finding import Finding, fail, ok, warn

_SECONDS = 5.0

Lookup = Callable[[str, str], list[str]]
"""The values of a name's records of a type, as text; empty where it has none.

Raises:
    NoSuchNameError: the name does not exist.
    NoAnswerError: it cannot be told; the message says why.
"""


class NoSuchNameError(Exception):
    """The name does not exist."""


class NoAnswerError(Exception):
    """DNS gives no answer now."""


def check(name: str, lookup: Lookup) -> Iterator[Finding]:
    """The server's name."""
    subject = f"DNS of {name}"
    try:
        addresses = lookup(name, "A") + lookup(name, "AAAA")
    except NoSuchNameError:
        what = "there is no such name: no mail program finds this server by it"
        yield fail(subject, what, f"add A and AAAA records for {name}, or correct [server] name")
        return
    except NoAnswerError as error:
        what = f"DNS gives no answer from here ({error}), so this cannot be told"
        yield warn(subject, what, "look at /etc/resolv.conf, and whether the name server can be reached")
        return
    if not addresses:
        yield fail(subject, "the name has no address", f"add A and AAAA records for {name}")
    elif all(ipaddress.ip_address(address).is_loopback for address in addresses):
        what = f"the name leads to {', '.join(addresses)}: nobody else can reach that"
        yield warn(subject, what, "this is right for a trial only")
    else:
        yield ok(subject, ", ".join(addresses))


def system_lookup(name: str, kind: str) -> list[str]:
    """Ask the resolvers that this machine is set up with."""
    try:
        resolver = dns.resolver.Resolver()
        resolver.lifetime = _SECONDS
        answer = resolver.resolve(f"{name}.", kind, raise_on_no_answer=False)
    except dns.resolver.NXDOMAIN:
        raise NoSuchNameError(name) from None
    except (dns.exception.DNSException, OSError) as error:
        raise NoAnswerError(type(error).__name__) from None
    return [str(record) for record in answer]
