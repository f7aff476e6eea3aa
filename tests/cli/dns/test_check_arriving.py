from __future__ import annotations

import pytest

from sams.cli.dns.finding import Kind
from sams.config.model import Config
from tests.cli.dns.policies import policy
from tests.cli.dns.rig import (
    FAIL,
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
from tests.cli.dns.samples import FULL, config_of
from tests.support.dns_server import DnsServer

STS = "_mta-sts.example.ac.uk. 60 IN TXT"
MX = "example.ac.uk. 60 IN MX"
CASES = [
    Case(f"{MX} 0 .", "MX", WRONG, FAIL, "takes no mail at all"),
    Case(f"{MX} 10 mx1.example.ac.uk.", "MX", WRONG, FAIL, "does not name mx2.example.ac.uk"),
    Case(
        f"{MX} 10 mx.old.example.",
        "MX",
        WRONG,
        FAIL,
        "mx1.example.ac.uk, mx2.example.ac.uk, but mx.old.example",
    ),
    Case(
        lines(f"{MX} 20 mx1.example.ac.uk.", f"{MX} 10 mx2.example.ac.uk."),
        "MX",
        WRONG,
        WARN,
        "the order is another",
    ),
    Case(
        lines(f"{MX} 9 mx1.example.ac.uk.", f"{MX} 9 mx2.example.ac.uk.", f"{MX} 99 mx.spam.example."),
        "MX",
        WRONG,
        WARN,
        "also names mx.spam.example",
    ),
    Case(f'{STS} "v=STSv1; id=1"', "MTA-STS", WRONG, WARN, "does not look again"),
    Case(f'{STS} "v=STSv1; id=a-b"', "MTA-STS", WRONG, FAIL, "letters and digits"),
    Case(lines(f'{STS} "v=STSv1; id=1"', f'{STS} "v=STSv1; id=2"'), "MTA-STS", WRONG, FAIL, "2 records"),
    Case(
        '_smtp._tls.example.ac.uk. 60 IN TXT "v=TLSRPTv1; rua=https://r.example/"',
        "TLSRPT",
        WRONG,
        WARN,
        "reports go to https://r.example/",
    ),
]
GONE = [
    Gone("example.ac.uk", "MX", "MX", FAIL),
    Gone("_mta-sts.example.ac.uk", "TXT", "MTA-STS", FAIL),
    Gone("mta-sts.example.ac.uk", "CNAME", "mta-sts (CNAME)", FAIL),
    Gone("_smtp._tls.example.ac.uk", "TXT", "TLSRPT", WARN),
]


@pytest.mark.parametrize("case", CASES)
def test_records_for_mail_that_comes_that_say_something_else(
    config: Config, server: DnsServer, case: Case
) -> None:
    assert assert_found(config, server, case).records or "also names" in case.told


@pytest.mark.parametrize("case", GONE)
def test_records_for_mail_that_comes_that_are_missing(config: Config, server: DnsServer, case: Gone) -> None:
    assert_missed(config, server, case)


def test_a_policy_that_dns_announces_and_the_configuration_does_not_know_is_noted(server: DnsServer) -> None:
    config = config_of(FULL.replace('mta_sts = "testing"', 'mta_sts = "none"'))
    assert "there is a policy" in about(look(config, server), "MTA-STS").what
    server.remove("_mta-sts.example.ac.uk", "TXT")
    assert "MTA-STS" not in {each.subject for each in look(config, server)}


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        (
            "version: STSv1\nmode: testing\nmx: MX1.example.ac.uk\nmx: mx2.example.ac.uk\nmax_age: 1\n",
            Kind.OK,
            "has",
        ),
        (
            "version: STSv1\nmode: enforce\nmx: mx1.example.ac.uk\nmx: mx2.example.ac.uk\n",
            Kind.WRONG,
            "enforce for mode",
        ),
        ("version: STSv1\nmode: testing\nmx: *.example.ac.uk\n", Kind.WRONG, "*.example.ac.uk for mx"),
        ("version: STSv1\nmode: testing\n", Kind.WRONG, "nothing for mx"),
        ("<!DOCTYPE html>", Kind.WRONG, "holds no policy"),
        ("", Kind.WRONG, "no answer within 10 s"),
    ],
)
def test_the_policy_that_is_served_is_compared(
    config: Config, server: DnsServer, text: str, kind: Kind, told: str
) -> None:
    finding = about(look(config, server, policy(text)), "MTA-STS policy")
    assert finding.kind is kind
    assert told in finding.what


def test_a_host_of_mx_that_has_no_address_or_is_an_alias_is_wrong(config: Config, server: DnsServer) -> None:
    server.remove("mx1.example.ac.uk", "A")
    server.remove("mx2.example.ac.uk", "A")
    server.add("mx2.example.ac.uk. 60 IN CNAME imap.example.ac.uk.")
    found = look(config, server)
    assert "there is no such name" in about(found, "mx1.example.ac.uk").what
    assert "must not lead to" in about(found, "mx2.example.ac.uk").what
    assert about(found, "imap.example.ac.uk").kind is Kind.OK
