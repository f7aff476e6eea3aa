from __future__ import annotations

import pytest

from sams.cli.dns.senders import dkim_proposal
from sams.config.model import Config
from tests.cli.dns.rig import (
    DOMAIN,
    FAIL,
    FINE,
    MISSING,
    NOTE,
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

SPF = 'example.ac.uk. 60 IN TXT "v=spf1'
HUB = "a:mailhub.example.ac.uk"
KEY = "s1._domainkey.example.ac.uk. 60 IN TXT"
DMARC = "_dmarc.example.ac.uk. 60 IN TXT"
SPF_CASES = [
    Case(f'{SPF} ip4:192.0.2.0/24 -all"', "SPF", WRONG, FAIL, f"does not let {HUB} send"),
    Case(
        lines(f'{SPF} {HUB} -all"', f'{SPF.replace("v=spf1", "V=SPF1")} include:_spf.example.net ~all"'),
        "SPF",
        WRONG,
        FAIL,
        "2 records, and one is allowed",
    ),
    Case(f'{SPF} {HUB} +all"', "SPF", WRONG, FAIL, "everybody"),
    Case(f'{SPF} {HUB} all"', "SPF", WRONG, FAIL, "everybody"),
    Case(f'{SPF} {HUB}"', "SPF", NOTE, WARN, "says nothing of hosts that it does not name"),
    Case(f'{SPF} {HUB} ipv4:192.0.2.1 -all"', "SPF", WRONG, FAIL, "void: ipv4:192.0.2.1"),
    Case(f'{SPF} {HUB} ptr -all"', "SPF", NOTE, WARN, "must not be used"),
    Case(
        f'{SPF} {HUB} include:none.example -all"',
        "SPF",
        WRONG,
        FAIL,
        "include:none.example leads to a domain with no SPF record",
    ),
    Case(
        f'{SPF} {HUB} a:g1.example a:g2.example a:g3.example -all"',
        "SPF",
        WRONG,
        FAIL,
        "3 of its look-ups find nothing",
    ),
    Case(f'{SPF} {HUB} -all ip4:192.0.2.1"', "SPF", NOTE, WARN, "where nobody looks"),
    Case("mailhub.example.ac.uk. 60 IN A 10.0.0.25", "SPF", NOTE, WARN, "leads to 10.0.0.25 only"),
    Case(
        lines(
            'example.ac.uk. 60 IN TXT "google-site-verification=x" "y"',
            f'{SPF} include:a.example -all"',
            'a.example. 60 IN TXT "v=spf1 ip4:9.9.9." "0/24 ?all"',
        ),
        "SPF",
        OK,
        FINE,
        "1 of 10 look-ups",
    ),
    Case(
        lines(f'{SPF} redirect=a.example"', f'a.example. 60 IN TXT "v=spf1 {HUB} -all"'),
        "SPF",
        OK,
        FINE,
        "2 of 10 look-ups",
    ),
    Case(
        lines(f'{SPF} include:a.example -all"', f'a.example. 60 IN TXT "v=spf1 ip4:192.0.2.1 {HUB} ?all"'),
        "SPF",
        OK,
        FINE,
        "2 of 10 look-ups",
    ),
    Case(
        f'{SPF} exists:%{{i}}._spf.example -all"',
        "SPF",
        NOTE,
        WARN,
        f"cannot be told from here whether it lets {HUB}",
    ),
    Case(f'{SPF} -ip4:9.9.9.0/24 {HUB} -all"', "SPF", WRONG, FAIL, f"does not let {HUB} send"),
    Case(f'{SPF} exists:%{{i}}._spf.example {HUB} -all"', "SPF", OK, FINE, "2 of 10 look-ups"),
    Case(f'{SPF} -ip4:9.9.9.0/24 ip4:9.9.9.25 -all"', "SPF", WRONG, FAIL, f"does not let {HUB} send"),
    Case(
        lines(f'{SPF} mx/24 -all"', "mx2.example.ac.uk. 60 IN A 9.9.9.1"),
        "SPF",
        OK,
        FINE,
        "1 of 10 look-ups",
    ),
]
CASES = [
    Case(f'{KEY} "v=DKIM1; p="', "DKIM s1", WRONG, FAIL, "revoked"),
    Case(f'{KEY} "v=DKIM1; k=ed25519; p=AAAA"', "DKIM s1", WRONG, FAIL, "another key"),
    Case(f'{KEY} "v=DKIM2; p=AAAA"', "DKIM s1", WRONG, FAIL, "none of DKIM"),
    Case(lines(f'{KEY} "p=AAAA"', f'{KEY} "p=BBBB"'), "DKIM s1", WRONG, FAIL, "2 records"),
    Case(
        lines(f'{DMARC} "v=DMARC1; p=none"', f'{DMARC} "v=DMARC1; p=reject"'),
        "DMARC",
        WRONG,
        FAIL,
        "2 records",
    ),
    Case(f'{DMARC} "v=DMARC1; p=monitor"', "DMARC", WRONG, FAIL, '"monitor"'),
    Case(f'{DMARC} "v=DMARC1"', "DMARC", WRONG, FAIL, "its policy is none,"),
    Case(
        f'{DMARC} "v=DMARC1; p=none; rua=mailto:dmarc@example.ac.uk"',
        "DMARC",
        NOTE,
        WARN,
        "weaker than [dns] dmarc",
    ),
    Case(
        f'{DMARC} "v=DMARC1;p=REJECT;rua=mailto:x@y.example,mailto:DMARC@example.ac.uk!10m"',
        "DMARC",
        NOTE,
        FINE,
        "stricter than [dns] dmarc",
    ),
    Case(
        f'{DMARC} "v=DMARC1; p=quarantine; rua=mailto:x@y.example"',
        "DMARC",
        NOTE,
        WARN,
        "reports go to mailto:x@y.example",
    ),
    Case(f'{DMARC} "v=DMARC1; p=quarantine; rua=x@example.ac.uk"', "DMARC", WRONG, FAIL, "lacks the mailto:"),
]
GONE = [
    Gone("example.ac.uk", "TXT", "SPF", FAIL),
    Gone("s1._domainkey.example.ac.uk", "TXT", "DKIM s1", FAIL),
    Gone("_dmarc.example.ac.uk", "TXT", "DMARC", WARN),
]


@pytest.mark.parametrize("case", SPF_CASES)
def test_spf_records_that_say_something_else(config: Config, server: DnsServer, case: Case) -> None:
    assert_found(config, server, case)


@pytest.mark.parametrize("case", CASES)
def test_dkim_and_dmarc_that_say_something_else(config: Config, server: DnsServer, case: Case) -> None:
    finding = assert_found(config, server, case)
    assert bool(finding.records) is (case.kind is WRONG)


@pytest.mark.parametrize("case", GONE)
def test_records_of_senders_that_are_missing(config: Config, server: DnsServer, case: Gone) -> None:
    assert_missed(config, server, case)


def test_a_key_of_dkim_may_be_written_in_other_words(config: Config, server: DnsServer) -> None:
    text = dkim_proposal(config.dns.dkim[0], DOMAIN).text
    key = text.partition("p=")[2]
    server.add(f'{KEY} "K = ed25519 ; t=s; n=made by hand; p={key[:20]} " " {key[20:]};"')
    assert about(look(config, server), "DKIM s1").kind is OK
    server.add(f'{KEY} "k=ed25519; t=y:s; p={key}"')
    assert "is tried only" in about(look(config, server), "DKIM s1").what
    server.add(f'{KEY} "v=DKIM1; p={key}"')
    assert "one of rsa; it is one of ed25519" in about(look(config, server), "DKIM s1").what


def test_a_key_whose_file_cannot_be_read_is_a_finding(config: Config, server: DnsServer) -> None:
    config.dns.dkim[0].public_key.unlink()
    server.add(lines("s1._domainkey.example.ac.uk. 60 IN A 192.0.2.1"))
    finding = about(look(config, server), "DKIM s1")
    assert finding.level is FAIL
    assert "s1.pem: cannot be read" in finding.what


def test_a_merged_spf_record_keeps_what_stands_there(config: Config, server: DnsServer) -> None:
    server.add('example.ac.uk. 60 IN TXT "v=spf1 ip4:192.0.2.0/24 -all"')
    finding = about(look(config, server, only=DOMAIN), "SPF")
    assert finding.records[0].text == "v=spf1 ip4:192.0.2.0/24 a:mailhub.example.ac.uk -all"
    server.add(
        'example.ac.uk. 60 IN TXT "v=spf1 mx ~all"\nexample.ac.uk. 60 IN TXT "v=spf1 ip4:192.0.2.7 -all"'
    )
    finding = about(look(config, server, only=DOMAIN), "SPF")
    assert sorted(finding.records[0].text.split()) == sorted(
        ["v=spf1", "mx", "ip4:192.0.2.7", "a:mailhub.example.ac.uk", "~all"]
    )


def test_a_record_that_includes_too_much_is_counted_and_reading_it_ends(
    config: Config, server: DnsServer
) -> None:
    server.add('example.ac.uk. 60 IN TXT "v=spf1 include:loop.example -all"')
    server.add('loop.example. 60 IN TXT "v=spf1 include:loop.example include:loop.example -all"')
    found = [each for each in look(config, server, only=DOMAIN) if each.subject == "SPF"]
    assert any("look-ups or more" in each.what for each in found)
    chain = [f'c{at}.example. 60 IN TXT "v=spf1 include:c{at + 1}.example -all"' for at in range(10)]
    server.add("\n".join([*chain, 'c10.example. 60 IN TXT "v=spf1 ip4:9.9.9.25 -all"']))
    server.add('example.ac.uk. 60 IN TXT "v=spf1 include:c0.example -all"')
    finding = about(look(config, server, only=DOMAIN), "SPF")
    assert "takes 11 look-ups with all that it includes, and 10 are allowed" in finding.what


def test_an_outage_behind_an_include_makes_no_failure_of_what_cannot_be_seen(
    config: Config, server: DnsServer
) -> None:
    server.add('example.ac.uk. 60 IN TXT "v=spf1 include:gone.example -all"')
    server.faults["gone.example"] = "servfail"
    found = [each for each in look(config, server, only=DOMAIN) if each.subject == "SPF"]
    assert {each.level for each in found} == {WARN}
    assert any("no answer on gone.example" in each.what for each in found)


def test_the_nearest_domain_above_speaks_for_one_without_a_dmarc_record(server: DnsServer) -> None:
    below = config_of(FULL.replace('domains = ["example.ac.uk"]', 'domains = ["it.example.ac.uk"]'))
    server.add(right_zone(below))
    server.remove("_dmarc.it.example.ac.uk", "TXT")
    server.add('_dmarc.example.ac.uk. 60 IN TXT "v=DMARC1; p=reject; sp=quarantine"')
    finding = about(look(below, server, only="it.example.ac.uk"), "DMARC")
    assert finding.what == "no record of its own: that of example.ac.uk counts (quarantine)"


def test_reports_to_another_domain_need_its_word(server: DnsServer) -> None:
    config = config_of(FULL.replace("dmarc@example.ac.uk", "x@reports.example.net"))
    server.add(right_zone(config))
    assert about(look(config, server), "DMARC reports").kind is OK
    server.remove("example.ac.uk._report._dmarc.reports.example.net", "TXT")
    finding = about(look(config, server), "DMARC reports")
    assert finding.kind is MISSING
    assert finding.records[0].name == "example.ac.uk._report._dmarc.reports.example.net"
