"""The whole of a probe: from options to a report."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sams_probe.certificates.products import product_of
from sams_probe.clock import MADE, Clock, ask_time, told_time
from sams_probe.looks.connection import Target
from sams_probe.looks.examining import examine
from sams_probe.looks.findings import PortFindings
from sams_probe.looks.signing_in import sign_in_at
from sams_probe.names.found import belongs, find
from sams_probe.options import Options
from sams_probe.smtp.sign_in import SignedIn, SignIn
from sams_probe.verdicts.judging import Report, usable
from sams_probe.wire.contexts import Contexts, make_contexts


def probe(options: Options) -> Report:
    """Look at all of it. Takes some ten times the time-out, at most forty times: where all answers are late.

    Raises:
        OSError: the file of authorities cannot be read.
    """
    return probe_with(options, make_contexts(options.ca_file))


def probe_with(options: Options, contexts: Contexts) -> Report:
    """The same with contexts that were made before; whatever the network does, nothing is raised."""
    names = find(options)
    ports = examine(options, names, contexts)
    clock = _clock(options, ports)
    signed = _signed(options, contexts, usable(ports, clock)) if options.login is not None else None
    return Report(names, ports, clock, signed)


def _clock(options: Options, ports: Sequence[PortFindings]) -> Clock:
    """By the time server that was named, or else by a greeting that holds a time; one that is over is a lie."""
    if options.time_server:
        offset = ask_time(options.time_server, options.timeout)
        if offset is not None and time.time() + offset >= MADE:
            return Clock(time.time(), offset, f"the time server {options.time_server}")
    for one in ports:
        greeting = one.strict.greeting
        told = told_time(greeting.text) if greeting else None
        if told is not None and told >= MADE:
            return Clock(time.time(), told - one.strict.greeted_at, f"the greeting of port {one.port.number}")
    return Clock(time.time())


def _signed(options: Options, contexts: Contexts, works: Sequence[PortFindings]) -> SignIn:
    """Once, at the first port that nobody reads along: a wrong password counts against the member each time.

    A server to which DNS alone leads is given no password, however good its certificate.
    """
    mine = [one for one in works if belongs(one.host, options.host)]
    if works and not mine:
        return SignIn(SignedIn.ELSEWHERE, words=works[0].host)
    for one in mine:
        if one.strict.behind:
            continue
        if one.shown is not None and product_of(one.shown.certificate.issuer) is None:
            target = Target(one.host, one.address, one.port, options.timeout)
            return sign_in_at(target, contexts.strict, options.login or "", options.password or "")
    return SignIn(SignedIn.BROKEN, words="no port has TLS that nobody reads along")
