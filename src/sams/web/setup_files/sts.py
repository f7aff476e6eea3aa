"""The policy of MTA-STS (RFC 8461): whom other servers may hand the domains' mail to, and only by TLS."""

from __future__ import annotations

from sams.config.sts_policy import policy_text
from sams.web.setup_files.asked import Refused, SetupFile
from sams.web.site import Site


def sts_policy(site: Site) -> SetupFile:
    """`mta-sts.txt`.

    Raises:
        Refused: there is no policy.
    """
    if site.sts is None:
        raise Refused(404, "There is no MTA-STS policy.")
    return SetupFile("text/plain; charset=utf-8", policy_text(site.sts.mode, site.sts.mx).encode())
