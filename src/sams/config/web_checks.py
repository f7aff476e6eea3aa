"""What must hold of `[web]`, `[organisation]`, `[incoming]` and `[dns]`."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from sams.config.findings import Findings
from sams.config.model import Config
from sams.config.offered import outgoing_servers, usual_security
from sams.config.spf_terms import SpfTermError, read_term
from sams.config.web import Incoming, Web

_LOCAL = frozenset({"127.0.0.1", "::1"})


def check_web(config: Config, findings: Findings) -> None:
    """All checks of this file."""
    if config.web is not None:
        _check_pages(config.web, findings)
        if not outgoing_servers(config):
            text = (
                "the pages have no listener to tell members of: one on port 25, one of devices and one with old TLS "
                'is told to nobody; add one, such as port = 465 with security = "implicit"'
            )
            findings.problem(("web",), text)
    if config.incoming is not None:
        _check_incoming(config.incoming, findings)
    _check_dns(config, findings)


def _check_incoming(incoming: Incoming, findings: Findings) -> None:
    if "." not in incoming.host or incoming.host.rpartition(".")[2].isdigit():
        text = "this is no name that members' programs find and a certificate is for: write the whole name"
        findings.warning(("incoming", "host"), text)
    meant = usual_security(incoming.port)
    if meant is not None and meant != (incoming.type, incoming.security):
        text = (
            f'port {incoming.port} is that of {meant[0].upper()} with security = "{meant[1]}": look at both'
        )
        findings.warning(("incoming", "port"), text)


def _check_pages(web: Web, findings: Findings) -> None:
    if web.url:
        parts = urlsplit(web.url)
        if parts.path not in {"", "/"} or parts.query or parts.fragment:
            findings.problem(("web", "url"), "the pages are at the root of a host: write it without a path")
        if parts.scheme == "http":
            findings.warning(
                ("web", "url"), "without https nobody can sign in to the doctor, and programs trust no file"
            )
    if web.security == "none" and web.address not in _LOCAL and not web.proxies:
        text = (
            "plain HTTP is for a proxy: name it in proxies, listen on 127.0.0.1, "
            'or let SAMS do HTTPS itself with security = "tls"'
        )
        findings.problem(("web", "security"), text)
    elif web.security == "none" and not web.proxies:
        text = "visitors who come by way of a proxy all look like the proxy: name it, here"
        findings.warning(("web", "proxies"), text)
    for network in web.proxies:
        if ipaddress.ip_network(network).prefixlen == 0:
            findings.problem(
                ("web", "proxies"), f'"{network}" lets everybody claim any address: name the proxies'
            )
    if len(set(web.languages)) != len(web.languages):
        findings.problem(("web", "languages"), "a language stands here twice")


def _check_dns(config: Config, findings: Findings) -> None:
    if config.dns.mta_sts != "none" and not config.dns.mx:
        findings.problem(("dns", "mta_sts"), "a policy names the hosts that take mail: name them in mx")
    elif config.dns.mta_sts != "none" and config.web is None:
        findings.warning(("dns", "mta_sts"), "without [web] another server has to serve the policy")
    selectors = [key.selector for key in config.dns.dkim]
    for at, selector in enumerate(selectors):
        if selector in selectors[:at]:
            findings.problem(("dns", "dkim", at, "selector"), f'"{selector}" stands here a second time')
    for text in config.dns.spf:
        if (why := _unfit_for_spf(text)) is not None:
            findings.problem(("dns", "spf"), f'"{text}": {why}')


def _unfit_for_spf(text: str) -> str | None:
    """Why a text names no hosts that send mail; None: it does."""
    try:
        term = read_term(text)
    except SpfTermError as error:
        return str(error)
    if term.is_modifier or term.name == "all" or term.qualifier != "+":
        return "only terms that name hosts which send stand here, such as a:, ip4: and include:"
    return None
