"""`sams dns check` against a real DNS server: all of it together, the server's own name, and DNS that fails."""

from __future__ import annotations

import pytest

from sams.cli.dns.finding import Kind
from sams.cli.doctor.finding import Level
from sams.config.model import Config
from tests.cli.dns.policies import policy
from tests.cli.dns.rig import DOMAIN, about, look
from tests.cli.dns.samples import FULL, config_of
from tests.support.dns_server import DnsServer, Fault


def test_dns_as_it_is_shown_is_as_it_should_be(config: Config, server: DnsServer) -> None:
    found = look(config, server, policy())
    odd = [each for each in found if each.kind is not Kind.OK]
    assert [each.subject for each in odd] == ["smtp-auth.example.ac.uk"]
    assert "nobody else can reach that" in odd[0].what
    subjects = {each.subject for each in found}
    assert {"SPF", "DKIM s1", "DMARC", "MX", "MTA-STS", "MTA-STS policy", "TLSRPT"} <= subjects
    assert {
        "_submissions._tcp (SRV)",
        "_pop3._tcp (SRV)",
        "autoconfig (CNAME)",
        "mx1.example.ac.uk",
    } <= subjects
    assert all(not each.advice for each in found if each.kind is Kind.OK)


def test_every_question_is_asked_once(config: Config, server: DnsServer) -> None:
    look(config, server, policy())
    assert len(server.asked) == len(set(server.asked))


def test_one_domain_alone_may_be_looked_at(config: Config, server: DnsServer) -> None:
    found = look(config, server, only=DOMAIN)
    assert "smtp-auth.example.ac.uk" not in {each.subject for each in found}
    assert about(found, "SPF").kind is Kind.OK


def test_what_is_told_to_be_published_makes_it_right(config: Config, server: DnsServer) -> None:
    """The very lines of all findings, published, leave none."""
    server.add('example.ac.uk. 60 IN TXT "v=spf1 include:a.example ?all"\na.example. 60 IN TXT "v=spf1 -all"')
    server.remove("_dmarc.example.ac.uk", "TXT")
    server.remove("autoconfig.example.ac.uk", "CNAME")
    server.add("_submissions._tcp.example.ac.uk. 60 IN SRV 0 0 0 .")
    first = look(config, server, policy(), only=DOMAIN)
    server.add("\n".join(record.line for finding in first for record in finding.records))
    left = [each for each in look(config, server, policy(), only=DOMAIN) if each.kind is not Kind.OK]
    assert [each.subject for each in first if each.level is Level.FAIL]
    assert [(each.subject, each.what) for each in left] == [
        ("SPF", "says nothing of hosts that it does not name")
    ]


@pytest.mark.parametrize(
    ("change", "level", "told"),
    [
        ("smtp-auth.example.ac.uk. 60 IN A 9.9.9.9", Level.OK, "which this machine does not have"),
        ("", Level.WARN, "nobody else can reach that"),
    ],
)
def test_the_servers_own_name_leads_here_or_it_is_noted(
    config: Config, server: DnsServer, change: str, level: Level, told: str
) -> None:
    server.remove("smtp-auth.example.ac.uk", "AAAA")
    server.add(change)
    finding = about(look(config, server), "smtp-auth.example.ac.uk")
    assert finding.level is level
    assert told in finding.what


def test_a_servers_name_that_is_not_there_or_an_alias_is_wrong(config: Config, server: DnsServer) -> None:
    for kind in ("A", "AAAA"):
        server.remove("smtp-auth.example.ac.uk", kind)
    finding = about(look(config, server), "smtp-auth.example.ac.uk")
    assert finding.level is Level.FAIL
    assert "no mail program finds this server" in finding.what
    server.add("smtp-auth.example.ac.uk. 60 IN CNAME imap.example.ac.uk.")
    assert (
        "is an alias (CNAME) of imap.example.ac.uk"
        in about(look(config, server), "smtp-auth.example.ac.uk").what
    )


def test_the_addresses_of_the_server_lead_back(config: Config, server: DnsServer) -> None:
    server.add("smtp-auth.example.ac.uk. 60 IN A 9.9.9.9\nsmtp-auth.example.ac.uk. 60 IN AAAA 2620:fe::9")
    server.add("9.9.9.9.in-addr.arpa. 60 IN PTR smtp-auth.example.ac.uk.")
    found = look(config, server)
    assert about(found, "PTR of 9.9.9.9").kind is Kind.OK
    assert about(found, "PTR of 2620:fe::9").kind is Kind.NOTE
    assert "no name" in about(found, "PTR of 2620:fe::9").what


def test_a_listeners_own_address_has_to_be_that_of_the_name(server: DnsServer) -> None:
    config = config_of(FULL.replace("port = 587\n", 'port = 587\naddress = "9.9.9.9"\n'))
    finding = about(look(config, server), "smtp-auth.example.ac.uk")
    assert "and not to 9.9.9.9, where SAMS listens" in finding.what
    assert [record.line for record in finding.records] == ["smtp-auth.example.ac.uk. 3600 IN A 9.9.9.9"]


@pytest.mark.parametrize("fault", ["servfail", "refused", "silent", "garbage"])
def test_an_outage_of_a_name_is_a_note_and_hides_nothing_else(
    config: Config, server: DnsServer, fault: Fault
) -> None:
    server.faults["_dmarc.example.ac.uk"] = fault
    found = look(config, server, only=DOMAIN, seconds=5.0 if fault in {"silent", "garbage"} else 20.0)
    finding = about(found, "DMARC")
    assert (finding.kind, finding.level) == (Kind.NOTE, Level.WARN)
    assert "DNS gives no answer on _dmarc.example.ac.uk" in finding.what
    assert {"servfail": "SERVFAIL", "refused": "REFUSED"}.get(fault, "no answer in time") in finding.what
    assert about(found, "MX").kind is Kind.OK


def test_an_answer_that_was_cut_comes_by_tcp(config: Config, server: DnsServer) -> None:
    server.faults["_dmarc.example.ac.uk"] = "truncated"
    many = "\n".join(f'example.ac.uk. 60 IN TXT "verification={at}{"x" * 200}"' for at in range(20))
    server.add(f'{many}\nexample.ac.uk. 60 IN TXT "v=spf1 a:mailhub.example.ac.uk -all"')
    found = look(config, server, only=DOMAIN)
    assert about(found, "DMARC").kind is Kind.OK
    assert about(found, "SPF").kind is Kind.OK
    for name in ("_dmarc.example.ac.uk", "example.ac.uk"):
        assert {(name, "TXT", "udp"), (name, "TXT", "tcp")} <= set(server.asked)


def test_dns_that_answers_nothing_is_one_finding(config: Config, server: DnsServer) -> None:
    server.faults["*"] = "servfail"
    (finding,) = look(config, server)
    assert finding.level is Level.FAIL
    assert "SERVFAIL" in finding.what


def test_all_questions_together_have_a_deadline(config: Config, server: DnsServer) -> None:
    server.faults["*"] = "silent"
    (finding,) = look(config, server, seconds=60.0, all_seconds=0.5)
    assert "nothing can be told" in finding.what
    assert len(server.asked) < 200
