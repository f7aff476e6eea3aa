"""The policy of MTA-STS (RFC 8461 section 3.2): whom other servers may hand the domains' mail to, and only by TLS."""

from __future__ import annotations

from typing import Final

from sams.web.setup_files.asked import Refused, SetupFile
from sams.web.site import Site

_MAX_AGES: Final = {"testing": 86_400, "enforce": 604_800}
"""Seconds for which others keep it: a day while it is tried out, then a week."""


def sts_policy(site: Site) -> SetupFile:
    """`mta-sts.txt`.

    Raises:
        Refused: there is no policy.
    """
    if site.sts is None:
        raise Refused(404, "There is no MTA-STS policy.")
    lines = (
        "version: STSv1",
        f"mode: {site.sts.mode}",
        *(f"mx: {host}" for host in site.sts.mx),
        f"max_age: {_MAX_AGES[site.sts.mode]}",
    )
    return SetupFile("text/plain; charset=utf-8", "".join(f"{line}\r\n" for line in lines).encode())
