"""Records for mail that comes to the domains: MX, MTA-STS (RFC 8461) and TLSRPT (RFC 8460)."""

from __future__ import annotations

from sams.cli.dns.record import Hint, Importance, Record, txt
from sams.cli.dns.senders import mailto
from sams.cli.dns.services import pages_host
from sams.config.model import Config
from sams.config.sts_policy import policy_id

_STEP = 10
_MX_WHY = "Takes the mail that comes to the domain."
_MX_HINT = (
    "MX: SAMS sends only. Name the hosts that take the domain's mail in [dns] mx, to have them checked."
)
_STS_WHY = "Says that there is a policy on TLS for mail to the domain; another id says that it has changed."
_STS_HOST_WHY = "Other servers fetch the policy here, by HTTPS with a certificate for this name."
_TLSRPT_WHY = "Where other servers report that TLS to the hosts of MX failed."


def arriving_records(config: Config, domain: str) -> list[Record]:
    """All of this file."""
    return [*mx_records(config, domain), *sts_records(config, domain), *tlsrpt_records(config, domain)]


def arriving_hints(config: Config, domain: str) -> list[Hint]:
    """What is not known."""
    found = [] if config.dns.mx else [Hint(_MX_HINT)]
    if config.dns.mta_sts != "none" and _policy_host(config) is None:
        text = (
            f"MTA-STS: mta-sts.{domain} has to lead to a server that serves the policy by HTTPS on port 443."
        )
        found.append(Hint(text))
    return found


def mx_records(config: Config, domain: str) -> list[Record]:
    """The hosts that take mail, the first one preferred."""
    return [
        Record(domain, "MX", f"{(place + 1) * _STEP} {host}.", _MX_WHY, Importance.NEEDED)
        for place, host in enumerate(config.dns.mx)
    ]


def sts_records(config: Config, domain: str) -> list[Record]:
    """The announcement of the policy and the name where it is, unless somebody else serves it."""
    if config.dns.mta_sts == "none":
        return []
    host = _policy_host(config)
    text = f"v=STSv1; id={policy_id(config.dns.mta_sts, config.dns.mx)}"
    found = [txt(f"_mta-sts.{domain}", text, _STS_WHY, Importance.NEEDED)]
    if host is not None and host != f"mta-sts.{domain}":
        name = f"mta-sts.{domain}"
        found.append(Record(name, "CNAME", f"{host}.", _STS_HOST_WHY, Importance.NEEDED))
    return found


def tlsrpt_records(config: Config, domain: str) -> list[Record]:
    """Where reports on TLS go."""
    if not config.dns.reports:
        return []
    text = f"v=TLSRPTv1; rua=mailto:{mailto(config.dns.reports)}"
    importance = Importance.OPTIONAL if config.dns.mta_sts == "none" else Importance.ADVISED
    return [txt(f"_smtp._tls.{domain}", text, _TLSRPT_WHY, importance)]


def _policy_host(config: Config) -> str | None:
    pages = pages_host(config)
    return pages.host if pages is not None and pages.can_be_found else None
