"""What must hold between the keys of a configuration. Nothing here looks outside it."""

from __future__ import annotations

import ipaddress

from sams.config.chain_checks import check_chain
from sams.config.findings import Findings
from sams.config.model import Config, Limits, Listener, Route, Tls
from sams.config.positions import KeyPath
from sams.config.problems import key_path
from sams.config.quantities import show_duration
from sams.config.sender_checks import check_maps
from sams.config.source_checks import check_sources
from sams.config.web_checks import check_web

_OLD_TLS = frozenset({"1.0", "1.1"})
_VERIFYING = frozenset({"verified", "implicit"})


def check_values(config: Config, findings: Findings) -> None:
    """All checks of this file."""
    _check_name(config, findings)
    _check_tls(config.tls, findings)
    _check_ports(config, findings)
    for at, listener in enumerate(config.listeners):
        _check_listener(listener, ("listener", at), findings)
    for at, route in enumerate(config.routes):
        _check_route(route, ("route", at), findings)
    _check_order_of_routes(config.routes, findings)
    _check_limits(config.limits, findings)
    _check_times(config, findings)
    _check_rest(config, findings)
    check_sources(config.accounts.sources, findings)
    check_chain(config.accounts.sources, config.listeners, findings)
    check_maps(config.senders.maps, findings)
    check_web(config, findings)


def _check_name(config: Config, findings: Findings) -> None:
    path = ("server", "name")
    if config.server.name == "localhost":
        findings.warning(path, "members on other machines cannot reach a server of this name")
    elif "." not in config.server.name:
        findings.problem(path, f'"{config.server.name}" is no full host name; write it with its domain')


def _check_tls(tls: Tls, findings: Findings) -> None:
    pairs: list[tuple[KeyPath, int, int]] = [(("tls",), len(tls.certificate), len(tls.private_key))]
    pairs += [
        (("tls", "host", at), len(host.certificate), len(host.private_key))
        for at, host in enumerate(tls.hosts)
    ]
    for path, certificates, keys in pairs:
        if certificates != keys:
            text = f"{certificates} certificates need as many keys, in the same order; found {keys}"
            findings.problem((*path, "private_key"), text)
    names: set[str] = set()
    for at, host in enumerate(tls.hosts):
        if host.name in names:
            findings.problem(("tls", "host", at, "name"), f'"{host.name}" stands here a second time')
        names.add(host.name)


def _check_ports(config: Config, findings: Findings) -> None:
    taken: list[tuple[str, int, str]] = []
    claims: list[tuple[KeyPath, str, int]] = [
        (("listener", at, "port"), listener.address, listener.port)
        for at, listener in enumerate(config.listeners)
    ]
    if config.web:
        claims.append((("web", "port"), config.web.address, config.web.port))
    for path, address, port in claims:
        for other_address, other_port, other in taken:
            if port == other_port and _overlap(address, other_address):
                findings.problem(path, f"port {port} at this address is taken by {other}")
                break
        taken.append((address, port, key_path(path[:-1])))


def _overlap(one: str, other: str) -> bool:
    if one == other or "::" in {one, other}:
        return True
    same_family = ipaddress.ip_address(one).version == ipaddress.ip_address(other).version
    return same_family and "0.0.0.0" in {one, other}  # noqa: S104 - compared, not bound


def _check_listener(listener: Listener, path: KeyPath, findings: Findings) -> None:
    usual = {587: "starttls", 465: "implicit"}.get(listener.port)
    if usual and listener.security != usual:
        text = f'mail programs expect "{usual}" on port {listener.port}; here it is "{listener.security}"'
        findings.warning((*path, "security"), text)
    if listener.port == 25:
        findings.warning((*path, "port"), "port 25 is for mail between servers; members use 587 and 465")
    if listener.min_tls in _OLD_TLS:
        text = f"TLS {listener.min_tls} can be broken; keep this listener to the network of the old devices"
        findings.warning((*path, "min_tls"), text)
    _check_proxies(listener, path, findings)
    _check_client_certificates(listener, path, findings)


def _check_client_certificates(listener: Listener, path: KeyPath, findings: Findings) -> None:
    named = "EXTERNAL" in listener.mechanisms
    if listener.client_ca is None:
        if listener.client_crl is not None:
            findings.problem((*path, "client_crl"), "a revocation list needs its authority: name client_ca")
        if named:
            findings.problem((*path, "mechanisms"), "EXTERNAL needs client certificates: name client_ca")
    elif listener.mechanisms and not named:
        findings.warning((*path, "client_ca"), "mechanisms leaves EXTERNAL out: certificates have no effect")


def _check_proxies(listener: Listener, path: KeyPath, findings: Findings) -> None:
    """Who may say by the PROXY protocol who connects is named, one by one."""
    if listener.proxy_protocol and not listener.proxy_from:
        text = 'name the load balancers, such as proxy_from = ["10.0.0.11"]: only theirs is believed'
        findings.problem((*path, "proxy_from"), text)
    if listener.proxy_from and not listener.proxy_protocol:
        findings.problem(
            (*path, "proxy_protocol"), "proxy_from has a meaning with proxy_protocol = true only"
        )
    for network in listener.proxy_from:
        if ipaddress.ip_network(network).prefixlen == 0:
            text = f'"{network}" would let everybody say from where they come; name the load balancers'
            findings.problem((*path, "proxy_from"), text)


def _check_route(route: Route, path: KeyPath, findings: Findings) -> None:
    if route.type == "maildir":
        _check_maildir(route, path, findings)
        return
    if not route.hosts:
        findings.problem((*path, "hosts"), 'a smarthost needs hosts, such as ["mailhub.example.ac.uk:25"]')
    if route.path is not None:
        findings.problem((*path, "path"), 'only a route of type "maildir" has a path')
    _check_sign_in(route, path, findings)
    if route.ca_file and route.security not in _VERIFYING:
        text = (
            f'with security = "{route.security}" no certificate is checked; write "verified" to use ca_file'
        )
        findings.warning((*path, "ca_file"), text)
    for host in route.hosts:
        if host.port == 465 and route.security != "implicit":
            findings.warning((*path, "security"), f'{host} speaks TLS from the start: write "implicit"')
        if host.port in {25, 587} and route.security == "implicit":
            findings.warning((*path, "security"), f'{host} begins in clear: write "verified"')


def _check_maildir(route: Route, path: KeyPath, findings: Findings) -> None:
    if route.path is None:
        findings.problem((*path, "path"), "a maildir route needs the path of the Maildir")
    for name in ("hosts", "username", "password_file", "ca_file", "source_address"):
        if getattr(route, name):
            findings.problem((*path, name), 'only a route of type "smarthost" has this')


def _check_sign_in(route: Route, path: KeyPath, findings: Findings) -> None:
    if route.username and route.password_file is None:
        findings.problem((*path, "password_file"), "a username needs a password: name the file that holds it")
    if route.password_file and not route.username:
        findings.problem((*path, "username"), "a password needs a username")
    if route.username and route.security not in _VERIFYING:
        text = (
            f'found "{route.security}"; a password goes only to a host whose certificate was checked:'
            ' write "verified" (or "implicit" for port 465), or leave the key out'
        )
        findings.problem((*path, "security"), text)


def _check_order_of_routes(routes: tuple[Route, ...], findings: Findings) -> None:
    seen: dict[str, int] = {}
    caught_by: int | None = None
    for at, route in enumerate(routes):
        if route.id in seen:
            text = f'route[{seen[route.id] + 1}] has the name "{route.id}" too; give one of them another name'
            findings.problem(("route", at, "name"), text)
        seen.setdefault(route.id, at)
        if caught_by is not None:
            text = f'never used: route[{caught_by + 1}] before it takes every domain ("*")'
            findings.warning(("route", at, "domains"), text)
        elif "*" in route.domains:
            caught_by = at
    if caught_by is None:
        text = 'no route has the domain "*": mail to all other domains is refused'
        findings.warning(("route", len(routes) - 1, "domains"), text)


def _check_limits(limits: Limits, findings: Findings) -> None:
    if limits.recipients_per_hour > limits.recipients_per_day:
        text = (
            f"more than recipients_per_day ({limits.recipients_per_day}): the day's limit always comes first"
        )
        findings.warning(("limits", "recipients_per_hour"), text)
    if limits.recipients > limits.recipients_per_hour:
        text = f"a message of {limits.recipients} recipients is over recipients_per_hour from the start"
        findings.warning(("limits", "recipients"), text)
    if limits.connections_per_address > limits.connections:
        text = f"more than all connections of a worker ({limits.connections}): one address may take all"
        findings.warning(("limits", "connections_per_address"), text)
    if limits.header_size > limits.message_size:
        findings.problem(("limits", "header_size"), "a header cannot be larger than message_size")
    if limits.auth_line < limits.command_line:
        findings.problem(("limits", "auth_line"), "shorter than command_line; the AUTH command is one, too")
    if limits.pressure_auth_time > limits.auth_time:
        findings.problem(
            ("limits", "pressure_auth_time"), "longer than auth_time; pressure has to shorten it"
        )


def _check_times(config: Config, findings: Findings) -> None:
    retry, guard = config.retry, config.guard
    for path, less, more, than in (
        (("retry", "first"), retry.first, retry.longest, "longest"),
        (("retry", "longest"), retry.longest, retry.expire, "expire"),
        (("guard", "lock"), guard.lock, guard.lock_longest, "lock_longest"),
    ):
        if less > more:
            findings.problem(path, f"longer than {than} ({show_duration(more)})")
    if retry.delay_notice >= retry.expire:
        text = f"not before expire ({show_duration(retry.expire)}): the sender hears of the failure only"
        findings.warning(("retry", "delay_notice"), text)


def _check_rest(config: Config, findings: Findings) -> None:
    for network in config.guard.allow:
        if ipaddress.ip_network(network).prefixlen == 0:
            findings.warning(("guard", "allow"), f'"{network}" frees every address from the guard')
    command = config.alarm.command
    if command and not command[0].startswith("/"):
        text = f'"{command[0]}" is no full path; without a shell there is no search for programs'
        findings.problem(("alarm", "command"), text)
    if not (command or config.alarm.mail or config.alarm.webhook):
        findings.warning(
            ("alarm",), "nobody is told when the service needs someone: set mail, command or webhook"
        )
