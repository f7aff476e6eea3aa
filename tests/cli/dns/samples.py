"""Configurations of an organisation with everything, and DNS that is as it should be."""

from __future__ import annotations

from pathlib import Path

from sams.cli.dns.proposal import proposal
from sams.cli.dns.zone_text import zone_text
from sams.config.loading import parse
from sams.config.model import Config
from tests.config.samples import MINIMAL

FULL = (
    MINIMAL.replace("port = 587\n", 'port = 587\n\n[[listener]]\nport = 465\nsecurity = "implicit"\n')
    + """
[incoming]
host = "imap.example.ac.uk"

[web]
url = "https://mail-help.example.ac.uk"

[dns]
mx = ["mx1.example.ac.uk", "mx2.example.ac.uk"]
dmarc = "quarantine"
reports = "dmarc@example.ac.uk"
mta_sts = "testing"
"""
)
DKIM = '[[dns.dkim]]\nselector = "s1"\npublic_key = "s1.pem"\n'
HOSTS = """\
smtp-auth.example.ac.uk. 60 IN A 127.0.0.1
smtp-auth.example.ac.uk. 60 IN AAAA ::1
mail-help.example.ac.uk. 60 IN A 127.0.0.1
imap.example.ac.uk. 60 IN A 192.0.2.143
mx1.example.ac.uk. 60 IN A 192.0.2.1
mx2.example.ac.uk. 60 IN A 192.0.2.2
mailhub.example.ac.uk. 60 IN A 9.9.9.25
"""


def config_of(text: str, folder: Path = Path("/etc/sams")) -> Config:
    return parse(text.encode(), folder / "sams.toml").config


def right_zone(config: Config) -> str:
    """What `sams dns` shows, published, and the hosts beside it."""
    return HOSTS + zone_text(proposal(config))
