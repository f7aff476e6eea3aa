"""Records by which others tell the domains' mail from forgeries.

SPF (RFC 7208), DKIM (RFC 6376) and DMARC (RFC 9989, before it RFC 7489).
"""

from __future__ import annotations

import ipaddress
from urllib.parse import quote

from sams.cli.dns.record import Hint, Importance, Record, txt
from sams.config.dkim_keys import dkim_record
from sams.config.model import Config, DkimKey
from sams.config.places import HostPort
from sams.core.address import domain_key

_SAFE = "+'$*=?^_`{|}~/-."
"""Characters of a local part that mean nothing else in a list of addresses."""
_SPF_WHY = (
    "Names the hosts that send the domain's mail. A domain has one SPF record only: where there is one, add these "
    "terms to it, before `all`."
)
_SPF_HINT = (
    "SPF: SAMS cannot tell which hosts send the domain's mail to the world; name them in [dns] spf. Then this record "
    "is made of them."
)
_DKIM_HINT = (
    "DKIM: name the keys by which mail of the domain is signed, by the next hop for example, in [[dns.dkim]]."
)
_DMARC_WHY = {
    "none": "Says that mail which is neither SPF's nor DKIM's is to be delivered all the same, for now.",
    "quarantine": "Has mail put into the junk folder that is neither SPF's nor DKIM's.",
    "reject": "Has mail refused that is neither SPF's nor DKIM's.",
}


def spf_terms(config: Config) -> tuple[str, ...]:
    """The terms for the hosts that send: those of `[dns] spf`, else the next hops of the route for `*`."""
    if config.dns.spf:
        return config.dns.spf
    route = next((route for route in config.routes if "*" in route.domains), None)
    terms = [_term_of(hop) for hop in (route.hosts if route is not None else ())]
    return tuple(dict.fromkeys(term for term in terms if term))


def spf_record(config: Config, domain: str) -> Record | None:
    """The SPF record; None: nothing is known of the hosts."""
    terms = spf_terms(config)
    if not terms:
        return None
    return txt(domain, " ".join(("v=spf1", *terms, "~all")), _SPF_WHY, Importance.NEEDED)


def dkim_name(key: DkimKey, domain: str) -> str:
    """Where the key of a domain stands."""
    return f"{key.selector}._domainkey.{domain}"


def sender_records(config: Config, domain: str) -> list[Record]:
    """SPF, DKIM and DMARC.

    Raises:
        OperatorError: a file of a DKIM key cannot be used.
    """
    spf = spf_record(config, domain)
    dkim = [dkim_proposal(key, domain) for key in config.dns.dkim]
    return [*([spf] if spf else []), *dkim, dmarc_proposal(config, domain)]


def dkim_proposal(key: DkimKey, domain: str) -> Record:
    """The record of one key.

    Raises:
        OperatorError: its file cannot be used.
    """
    why = f'The key by which others check signatures of the selector "{key.selector}".'
    return txt(dkim_name(key, domain), dkim_record(key.public_key), why, Importance.NEEDED)


def dmarc_proposal(config: Config, domain: str) -> Record:
    """The record of DMARC."""
    reports = f"; rua=mailto:{mailto(config.dns.reports)}" if config.dns.reports else ""
    text = f"v=DMARC1; p={config.dns.dmarc}{reports}"
    return txt(f"_dmarc.{domain}", text, _DMARC_WHY[config.dns.dmarc], Importance.ADVISED)


def report_permission(config: Config, domain: str) -> Record | None:
    """By which another domain says that it takes the reports on this one (RFC 9990); None: no need.

    Domains above and below each other belong to one organisation, so that none is needed.
    """
    other = reports_domain(config)
    if not other or other.startswith("[") or _is_within(domain, other) or _is_within(other, domain):
        return None
    why = f"Says that {other} is willing to take reports on {domain}; without it none are sent."
    return txt(f"{domain}._report._dmarc.{other}", "v=DMARC1", why, Importance.ADVISED)


def reports_domain(config: Config) -> str:
    """The domain of `[dns] reports` as A-labels; empty: no reports are asked for."""
    domain = config.dns.reports.rpartition("@")[2]
    return domain_key(domain) if domain else ""


def sender_hints(config: Config) -> list[Hint]:
    """What is not known."""
    found = [] if spf_terms(config) else [Hint(_SPF_HINT)]
    return found if config.dns.dkim else [*found, Hint(_DKIM_HINT)]


def mailto(address: str) -> str:
    """An address for a `mailto:` in the lists of DMARC and TLSRPT, where `,`, `!` and `;` are encoded."""
    local, _, domain = address.rpartition("@")
    return f"{quote(local, safe=_SAFE)}@{domain_key(domain)}"


def _term_of(hop: HostPort) -> str:
    """The term for a next hop; empty where its address is none of the world's."""
    try:
        address = ipaddress.ip_address(hop.host)
    except ValueError:
        return f"a:{hop.host}" if "." in hop.host else ""
    return f"ip{address.version}:{address}" if address.is_global else ""


def _is_within(name: str, domain: str) -> bool:
    return name == domain or name.endswith(f".{domain}")
