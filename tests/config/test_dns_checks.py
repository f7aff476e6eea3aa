"""What must hold of `[dns]`."""

from __future__ import annotations

from pathlib import Path

import pytest

from sams.config.loading import load, parse
from tests.config.samples import HERE, MINIMAL, problems, warnings

KEY = '[[dns.dkim]]\nselector = "s1"\npublic_key = "s1.pem"\n'


@pytest.mark.parametrize(
    ("text", "key", "told"),
    [
        ('[dns]\nmta_sts = "enforce"\n', "dns.mta_sts", "name them in mx"),
        (f"{KEY}{KEY}", "dns.dkim[2].selector", "a second time"),
        ('[dns]\nspf = ["mailhub.example.org"]\n', "dns.spf", '"mailhub.example.org": SPF has no mechanism'),
        ('[dns]\nspf = ["ip4:example.org"]\n', "dns.spf", "no address or network"),
        ('[dns]\nspf = ["-all"]\n', "dns.spf", "only terms that name hosts which send"),
        ('[dns]\nspf = ["redirect=_spf.example.org"]\n', "dns.spf", "only terms that name hosts"),
        ('[dns]\nspf = ["-a:hub.example.org"]\n', "dns.spf", "only terms that name hosts"),
        ('[dns]\nmx = ["192.0.2.1:25"]\n', "dns.mx", "domain name"),
        ('[dns]\ndmarc = "monitor"\n', "dns.dmarc", '"quarantine"'),
        ('[dns]\nreports = "https://reports.example"\n', "dns.reports", "mail address"),
    ],
)
def test_what_cannot_be_said_in_dns_is_refused(text: str, key: str, told: str) -> None:
    (problem,) = problems(MINIMAL + text)
    assert key in problem
    assert told in problem


def test_a_policy_that_nobody_serves_is_a_warning() -> None:
    text = MINIMAL + '[dns]\nmx = ["mx.example.org"]\nmta_sts = "testing"\n'
    (warning,) = warnings(text)
    assert "another server has to serve the policy" in warning
    assert not any("serve the policy" in warning for warning in warnings(text + "[web]\n"))


def test_all_that_dns_can_be_told_is_read() -> None:
    text = """
[dns]
mx = ["MX1.Example.org", "mx2.bücher.example"]
spf = ["a:hub.example.org", "ip4:192.0.2.0/24", "include:_spf.example.net", "mx"]
dmarc = "reject"
reports = "dmarc@example.org"
"""
    dns = parse((MINIMAL + text + KEY).encode(), HERE).config.dns
    assert dns.mx == ("mx1.example.org", "mx2.xn--bcher-kva.example")
    assert dns.spf == ("a:hub.example.org", "ip4:192.0.2.0/24", "include:_spf.example.net", "mx")
    assert (dns.dmarc, dns.reports, dns.mta_sts) == ("reject", "dmarc@example.org", "none")
    assert [(key.selector, key.public_key) for key in dns.dkim] == [("s1", Path("/etc/sams/s1.pem"))]


def test_a_key_of_dkim_that_is_missing_is_a_warning_for_mail_does_not_need_it(tmp_path: Path) -> None:
    for name in ("fullchain.pem", "key.pem"):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(0o600)
    (tmp_path / "sams.toml").write_text(MINIMAL + KEY)
    (warning,) = load(tmp_path / "sams.toml").warnings
    assert "dns.dkim[1].public_key" in warning.show("sams.toml")
    assert "s1.pem: cannot be read" in warning.show("sams.toml")
    (tmp_path / "s1.pem").write_text("v=DKIM1; p=QUJD")
    assert load(tmp_path / "sams.toml").warnings == ()
