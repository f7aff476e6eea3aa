from __future__ import annotations

import os
import shutil
import subprocess
from itertools import groupby
from pathlib import Path

import dns.rdatatype
import dns.zone
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import given
from hypothesis import strategies as st

from sams.cli.dns.proposal import proposal
from sams.cli.dns.record import Importance, Record, txt
from sams.cli.dns.zone_text import readable, zone_text
from sams.config.model import Config
from sams.config.sts_policy import policy_id, policy_text
from tests.cli.desk import Desk
from tests.cli.dns.samples import DKIM, FULL, config_of
from tests.config.samples import MINIMAL

CHECKZONE = shutil.which("named-checkzone", path=f"{os.environ.get('PATH', '')}:/usr/bin:/usr/sbin")
HEAD = "@ 60 IN SOA ns hostmaster 1 3600 600 86400 60\n@ 60 IN NS ns\nns 60 IN A 192.0.2.53\n"


def lines(config: Config, only: str = "") -> list[str]:
    return [record.line for group in proposal(config, only) for record in group.records]


def changed(old: str, new: str, text: str = FULL) -> list[str]:
    assert old in text
    return lines(config_of(text.replace(old, new)))


def named(found: list[str], *names: str) -> list[str]:
    return [line.split(" 3600 IN ")[1] for line in found if line.split(" ")[0].removesuffix(".") in names]


@pytest.fixture(scope="module")
def with_key(tmp_path_factory: pytest.TempPathFactory) -> Config:
    folder = tmp_path_factory.mktemp("dkim")
    key = generate_private_key(65_537, 4_096).public_key()
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "s1.pem").write_bytes(pem)
    return config_of(FULL + DKIM, folder)


def test_a_service_without_pages_or_incoming_server_has_what_follows_from_it() -> None:
    assert lines(config_of(MINIMAL)) == [
        "_submissions._tcp.example.ac.uk. 3600 IN SRV 0 0 0 .",
        "_submission._tcp.example.ac.uk. 3600 IN SRV 0 1 587 smtp-auth.example.ac.uk.",
        'example.ac.uk. 3600 IN TXT "v=spf1 a:mailhub.example.ac.uk ~all"',
        '_dmarc.example.ac.uk. 3600 IN TXT "v=DMARC1; p=none"',
    ]


def test_an_organisation_with_everything_has_all_records() -> None:
    sts = policy_id("testing", ["mx2.example.ac.uk", "mx1.example.ac.uk"])
    assert lines(config_of(FULL)) == [
        "_submissions._tcp.example.ac.uk. 3600 IN SRV 0 1 465 smtp-auth.example.ac.uk.",
        "_submission._tcp.example.ac.uk. 3600 IN SRV 10 1 587 smtp-auth.example.ac.uk.",
        "_imaps._tcp.example.ac.uk. 3600 IN SRV 0 1 993 imap.example.ac.uk.",
        "_imap._tcp.example.ac.uk. 3600 IN SRV 0 0 0 .",
        "_pop3s._tcp.example.ac.uk. 3600 IN SRV 0 0 0 .",
        "_pop3._tcp.example.ac.uk. 3600 IN SRV 0 0 0 .",
        "autoconfig.example.ac.uk. 3600 IN CNAME mail-help.example.ac.uk.",
        "autodiscover.example.ac.uk. 3600 IN CNAME mail-help.example.ac.uk.",
        "_autodiscover._tcp.example.ac.uk. 3600 IN SRV 0 1 443 mail-help.example.ac.uk.",
        'example.ac.uk. 3600 IN TXT "v=spf1 a:mailhub.example.ac.uk ~all"',
        '_dmarc.example.ac.uk. 3600 IN TXT "v=DMARC1; p=quarantine; rua=mailto:dmarc@example.ac.uk"',
        "example.ac.uk. 3600 IN MX 10 mx1.example.ac.uk.",
        "example.ac.uk. 3600 IN MX 20 mx2.example.ac.uk.",
        f'_mta-sts.example.ac.uk. 3600 IN TXT "v=STSv1; id={sts}"',
        "mta-sts.example.ac.uk. 3600 IN CNAME mail-help.example.ac.uk.",
        '_smtp._tls.example.ac.uk. 3600 IN TXT "v=TLSRPTv1; rua=mailto:dmarc@example.ac.uk"',
    ]


def test_several_servers_of_a_service_have_priorities_with_the_best_first() -> None:
    found = changed("port = 587\n", "port = 587\n[[listener]]\nport = 2587\n")
    assert named(found, "_submissions._tcp.example.ac.uk", "_submission._tcp.example.ac.uk") == [
        "SRV 0 1 465 smtp-auth.example.ac.uk.",
        "SRV 10 1 587 smtp-auth.example.ac.uk.",
        "SRV 20 1 2587 smtp-auth.example.ac.uk.",
    ]


@pytest.mark.parametrize(
    ("incoming", "label", "data"),
    [
        ('type = "imap"\nsecurity = "starttls"', "_imap._tcp", "SRV 0 1 143 imap.example.ac.uk."),
        ('type = "pop3"', "_pop3s._tcp", "SRV 0 1 995 imap.example.ac.uk."),
        (
            'type = "pop3"\nsecurity = "starttls"\nport = 1110',
            "_pop3._tcp",
            "SRV 0 1 1110 imap.example.ac.uk.",
        ),
    ],
)
def test_the_incoming_server_has_its_service_and_the_others_are_absent(
    incoming: str, label: str, data: str
) -> None:
    found = changed('host = "imap.example.ac.uk"', f'host = "imap.example.ac.uk"\n{incoming}')
    for other in ("_imaps._tcp", "_imap._tcp", "_pop3s._tcp", "_pop3._tcp"):
        assert named(found, f"{other}.example.ac.uk") == [data if other == label else "SRV 0 0 0 ."]


@pytest.mark.parametrize(
    ("url", "host", "port", "aliases"),
    [
        ("", "smtp-auth.example.ac.uk", 443, True),
        ('url = "https://mail-help.example.ac.uk:8443"', "mail-help.example.ac.uk", 8443, False),
    ],
)
def test_names_for_set_up_lead_to_the_pages_where_their_port_is_that_of_https(
    url: str, host: str, port: int, aliases: bool
) -> None:
    found = changed('url = "https://mail-help.example.ac.uk"', url)
    assert named(found, "_autodiscover._tcp.example.ac.uk") == [f"SRV 0 1 {port} {host}."]
    assert (
        named(found, "autoconfig.example.ac.uk", "mta-sts.example.ac.uk") == [f"CNAME {host}."] * 2 * aliases
    )
    hints = [
        hint.text
        for group in proposal(config_of(FULL.replace('url = "https://mail-help.example.ac.uk"', url)))
        for hint in group.hints
    ]
    assert any("have a proxy there" in hint for hint in hints) is not aliases


@pytest.mark.parametrize("host", ["192.0.2.1", "[2001:db8::1]"])
def test_no_record_leads_to_an_address_as_if_it_were_a_name(host: str) -> None:
    text = FULL.replace("https://mail-help.example.ac.uk", f"https://{host}")
    shown = zone_text(proposal(config_of(text)))
    bare = host.strip("[]")
    assert [line for line in shown.split("\n") if bare in line] == []
    assert "have a proxy there hand them on" in " ".join(shown.replace("\n; ", " ").split())


def test_pages_without_https_are_no_place_for_programs() -> None:
    found = changed("https://mail-help", "http://mail-help")
    assert not any("autodiscover" in line or "autoconfig" in line for line in found)


@pytest.mark.parametrize(
    ("dns", "hosts", "spf"),
    [
        (
            'spf = ["ip4:192.0.2.0/24", "include:_spf.example.net"]',
            "",
            "ip4:192.0.2.0/24 include:_spf.example.net",
        ),
        ("", '"hub1.example.net:25", "hub2.example.net:587"', "a:hub1.example.net a:hub2.example.net"),
        ("", '"hub1.example.net:25", "hub1.example.net:587"', "a:hub1.example.net"),
        ("", '"9.9.9.9:25", "[2620:fe::fe]:25"', "ip4:9.9.9.9 ip6:2620:fe::fe"),
        ("", '"10.0.0.25:25"', ""),
        ("", '"localhost:25"', ""),
    ],
)
def test_spf_names_the_configured_senders_or_the_next_hops(dns: str, hosts: str, spf: str) -> None:
    text = FULL.replace("[dns]\n", f"[dns]\n{dns}\n")
    text = text.replace('"mailhub.example.ac.uk:25"', hosts or '"mailhub.example.ac.uk:25"')
    found = [data for data in named(lines(config_of(text)), "example.ac.uk") if data.startswith("TXT")]
    assert found == ([f'TXT "v=spf1 {spf} ~all"'] if spf else [])


def test_what_sams_cannot_know_is_hinted_at() -> None:
    hints = [hint.text for group in proposal(config_of(MINIMAL)) for hint in group.hints]
    for begin in ("A and AAAA: ", "PTR: ", "CAA: ", "DKIM: ", "MX: "):
        assert any(hint.startswith(begin) for hint in hints), begin


def test_addresses_of_listeners_are_records_of_the_server() -> None:
    found = changed("port = 587\n", 'port = 587\naddress = "9.9.9.9"\n')
    assert named(found, "smtp-auth.example.ac.uk") == ["A 9.9.9.9"]
    found = changed("port = 587\n", 'port = 587\naddress = "10.0.0.1"\n')
    assert named(found, "smtp-auth.example.ac.uk") == []


def test_reports_that_leave_the_organisation_need_the_other_domains_word() -> None:
    config = config_of(FULL.replace("dmarc@example.ac.uk", "x!y@reports.example.net"))
    groups = proposal(config)
    assert groups[-1].zone == "reports.example.net"
    assert [record.line for record in groups[-1].records] == [
        'example.ac.uk._report._dmarc.reports.example.net. 3600 IN TXT "v=DMARC1"'
    ]
    assert any("rua=mailto:x%21y@reports.example.net" in line for line in lines(config))
    for within in ("dmarc@example.ac.uk", "dmarc@it.example.ac.uk"):
        found = proposal(config_of(FULL.replace("dmarc@example.ac.uk", within)))
        assert [group.zone for group in found] == ["example.ac.uk", "example.ac.uk"]


def test_the_id_of_a_policy_changes_with_its_content_alone() -> None:
    one = policy_id("testing", ["a.example", "b.example"])
    assert one == policy_id("testing", ["b.example", "a.example"])
    assert (
        len({one, policy_id("enforce", ["a.example", "b.example"]), policy_id("testing", ["a.example"])}) == 3
    )
    assert one.isalnum()
    assert len(one) <= 32


def test_a_policy_is_written_as_rfc_8461_has_it() -> None:
    assert policy_text("enforce", ["mx2.example", "mx1.example"]) == (
        "version: STSv1\r\nmode: enforce\r\nmx: mx1.example\r\nmx: mx2.example\r\nmax_age: 1209600\r\n"
    )


def test_an_internationalised_domain_is_written_in_a_labels() -> None:
    config = config_of(FULL.replace('domains = ["example.ac.uk"]', 'domains = ["bücher.example"]'))
    text = zone_text(proposal(config))
    assert "_submissions._tcp.xn--bcher-kva.example. 3600 IN SRV" in text
    assert "; ---- xn--bcher-kva.example (bücher.example) ----" in text
    assert all(line.isascii() for line in text.splitlines() if not line.startswith(";"))
    assert readable("xn--") == "xn--"


def test_the_zone_text_says_the_same_to_the_parser_of_dnspython(with_key: Config) -> None:
    records = [record for group in proposal(with_key) for record in group.records]
    zone = dns.zone.from_text(HEAD + zone_text(proposal(with_key)), origin=".", relativize=False)
    for (name, kind), same in groupby(records, key=lambda record: (record.name, record.type)):
        expected = list(same)
        found = zone.find_rdataset(f"{name}.", kind)
        if kind == "TXT":
            texts = {b"".join(value.strings).decode() for value in found}
            assert texts == {record.text for record in expected}
            assert all(len(part) <= 255 for value in found for part in value.strings)
        else:
            assert {value.to_text() for value in found} == {record.data for record in expected}


def test_a_long_key_is_cut_into_strings_that_dns_can_hold(with_key: Config) -> None:
    (record,) = [
        record for group in proposal(with_key) for record in group.records if "_domainkey" in record.name
    ]
    assert len(record.text) > 510
    assert record.data.count('" "') == 2


@pytest.mark.real
@pytest.mark.skipif(CHECKZONE is None, reason="named-checkzone is missing: apt install bind9-utils")
def test_the_zone_text_is_valid_for_bind(with_key: Config, tmp_path: Path) -> None:
    (tmp_path / "zone").write_text(f"$ORIGIN example.ac.uk.\n{HEAD}{zone_text(proposal(with_key))}")
    command = [
        "named-checkzone",
        "-k",
        "fail",
        "-i",
        "local-sibling",
        "example.ac.uk",
        str(tmp_path / "zone"),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "ignoring out-of-zone" not in result.stdout + result.stderr
    broken = (tmp_path / "zone").read_text().replace("IN SRV 0 1 465", "IN SRV 0 1")
    (tmp_path / "zone").write_text(broken)
    assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode != 0


@given(st.text(st.characters(max_codepoint=126, min_codepoint=1), max_size=700))
def test_any_text_comes_back_from_its_record(text: str) -> None:
    record = txt("example.org", text, "why", Importance.NEEDED)
    zone = dns.zone.from_text(HEAD + record.line + "\n", origin=".", relativize=False)
    (value,) = zone.find_rdataset("example.org.", "TXT")
    assert b"".join(value.strings).decode() == text


def test_the_command_prints_the_zone_text_or_json_for_all_domains_or_one(desk: Desk) -> None:
    config = desk.server.config.read_text()
    old = 'domains = ["example.org", "lab.example.org"]'
    assert old in config
    desk.server.config.write_text(config.replace(old, 'domains = ["example.org", "bücher.example"]'))
    text = desk.sams("dns").stdout
    assert "_dmarc.example.org. 3600 IN TXT" in text
    assert "_dmarc.xn--bcher-kva.example. 3600 IN TXT" in text
    found = desk.json("dns", "--domain", "Bücher.example")
    assert [group["domain"] for group in found["groups"]] == ["xn--bcher-kva.example"]
    names = {record["name"] for record in found["groups"][0]["records"]}
    assert "_submission._tcp.xn--bcher-kva.example" in names
    assert {record["importance"] for record in found["groups"][0]["records"]} <= {
        "needed",
        "advised",
        "optional",
    }


def test_a_domain_that_is_none_of_ours_and_options_in_the_wrong_place_are_refused(desk: Desk) -> None:
    assert "none of [accounts] domains" in desk.sams("dns", "--domain", "other.example", code=2).output
    assert "no" in desk.sams("dns", "--domain", "in valid", code=2).output
    assert "options stand behind `check`" in desk.sams("dns", "--json", "check", code=2).output


def test_a_key_that_cannot_be_used_is_told_in_one_line(desk: Desk) -> None:
    with desk.server.config.open("a") as file:
        file.write(f"\n{DKIM}")
    assert "s1.pem: cannot be read" in desk.sams("dns", code=1).output


def test_records_are_values() -> None:
    record = Record("a.example", "A", "192.0.2.1", "why", Importance.NEEDED)
    assert record.line == "a.example. 3600 IN A 192.0.2.1"
    assert dns.rdatatype.from_text(record.type) == dns.rdatatype.A
