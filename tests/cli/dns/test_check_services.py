from __future__ import annotations

import pytest

from sams.config.model import Config
from tests.cli.dns.rig import (
    FAIL,
    FINE,
    OK,
    WARN,
    WRONG,
    Case,
    Gone,
    about,
    assert_found,
    assert_missed,
    lines,
    look,
)
from tests.cli.dns.samples import FULL, config_of, right_zone
from tests.support.dns_server import DnsServer

SERVICES = "_submissions._tcp (SRV)"
SUBMISSIONS = "_submissions._tcp.example.ac.uk. 60 IN SRV"
SAMS = "smtp-auth.example.ac.uk"
CASES = [
    Case(f"{SUBMISSIONS} 0 0 0 .", SERVICES, WRONG, FAIL, "says that the service is not there"),
    Case(f"{SUBMISSIONS} 0 1 466 {SAMS}.", SERVICES, WRONG, FAIL, f"names {SAMS}:466 and not {SAMS}:465"),
    Case(
        f"{SUBMISSIONS} 0 1 465 smtp.example.",
        SERVICES,
        WRONG,
        FAIL,
        f"names smtp.example:465 and not {SAMS}:465",
    ),
    Case(
        lines(f"{SUBMISSIONS} 0 1 465 {SAMS}.", f"{SUBMISSIONS} 5 1 465 other.example."),
        SERVICES,
        WRONG,
        WARN,
        "also names other.example:465",
    ),
    Case(f"{SUBMISSIONS} 7 9 465 SMTP-AUTH.example.ac.uk.", SERVICES, OK, FINE, f"{SAMS}:465"),
    Case(
        "_pop3s._tcp.example.ac.uk. 60 IN SRV 0 1 995 pop.example.ac.uk.",
        "_pop3s._tcp (SRV)",
        WRONG,
        WARN,
        "names pop.example.ac.uk:995, which the configuration does not offer",
    ),
    Case(
        "_autodiscover._tcp.example.ac.uk. 60 IN SRV 0 1 443 exchange.example.ac.uk.",
        "_autodiscover._tcp (SRV)",
        WRONG,
        WARN,
        "names exchange.example.ac.uk:443",
    ),
    Case(
        lines(
            "autoconfig.example.ac.uk. 60 IN CNAME elsewhere.example.",
            "elsewhere.example. 60 IN A 192.0.2.99",
        ),
        "autoconfig (CNAME)",
        WRONG,
        FAIL,
        "leads to elsewhere.example and not to mail-help.example.ac.uk",
    ),
    Case(
        "autoconfig.example.ac.uk. 60 IN CNAME nowhere.example.",
        "autoconfig (CNAME)",
        WRONG,
        FAIL,
        "leads to no address",
    ),
]
GONE = [
    Gone("_submissions._tcp.example.ac.uk", "SRV", SERVICES, WARN),
    Gone("_imap._tcp.example.ac.uk", "SRV", "_imap._tcp (SRV)", FINE),
    Gone("autoconfig.example.ac.uk", "CNAME", "autoconfig (CNAME)", WARN),
    Gone("_autodiscover._tcp.example.ac.uk", "SRV", "_autodiscover._tcp (SRV)", FINE),
]


@pytest.mark.parametrize("case", CASES)
def test_services_and_names_that_say_something_else(config: Config, server: DnsServer, case: Case) -> None:
    finding = assert_found(config, server, case)
    assert bool(finding.records) is (case.kind is WRONG)


@pytest.mark.parametrize("case", GONE)
def test_services_and_names_that_are_missing(config: Config, server: DnsServer, case: Gone) -> None:
    assert_missed(config, server, case)


def test_the_order_of_priorities_is_that_of_the_configuration(server: DnsServer) -> None:
    config = config_of(FULL.replace("port = 587\n", "port = 587\n\n[[listener]]\nport = 2587\n"))
    server.add(right_zone(config))
    assert about(look(config, server), "_submission._tcp (SRV)").kind is OK
    name = "_submission._tcp.example.ac.uk. 60 IN SRV"
    server.add(lines(f"{name} 5 1 587 {SAMS}.", f"{name} 5 1 2587 {SAMS}."))
    assert about(look(config, server), "_submission._tcp (SRV)").kind is OK
    server.add(lines(f"{name} 5 1 587 {SAMS}.", f"{name} 1 1 2587 {SAMS}."))
    assert (
        f"the order is another: {SAMS}:2587, {SAMS}:587"
        in about(look(config, server), "_submission._tcp (SRV)").what
    )
    server.add(f"{name} 5 1 587 {SAMS}.")
    finding = about(look(config, server), "_submission._tcp (SRV)")
    assert finding.what == f"does not name {SAMS}:2587"
    assert finding.advice == "publish as well:"


def test_a_name_for_set_up_may_have_the_same_addresses_in_place_of_an_alias(
    config: Config, server: DnsServer
) -> None:
    server.remove("autoconfig.example.ac.uk", "CNAME")
    server.add("autoconfig.example.ac.uk. 60 IN A 127.0.0.1")
    assert about(look(config, server), "autoconfig (CNAME)").kind is OK
