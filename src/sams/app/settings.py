"""The configuration in the terms of each room: the rooms know nothing of the configuration's file."""

from __future__ import annotations

import ipaddress
import os

from sams.config.model import Config, Listener
from sams.config.model import Route as RouteConfig
from sams.core.address import Mailbox
from sams.core.courtesy import Courtesy
from sams.delivery.backoff import RetryPolicy
from sams.delivery.hop_settings import RouteSettings, Security, parse_host
from sams.delivery.routes import Route, RouteTable
from sams.identity.interface import Audience
from sams.identity.origin import covering
from sams.message.header import HeaderLimits
from sams.message.mime import MimeLimits
from sams.protocol.smtp.client_opening import Credentials
from sams.protocol.smtp.settings import BareNewlines, ServerSettings
from sams.spool.settings import Settings as SpoolSettings
from sams.submission.deadlines import TimeLimits
from sams.submission.proxied import Proxies


def worker_count(config: Config) -> int:
    """How many processes serve; 0: everything in one."""
    configured = config.server.workers
    return configured if configured is not None else os.cpu_count() or 1


def postmaster(config: Config) -> Mailbox:
    """Who answers for this service: in the organisation's first domain."""
    return Mailbox("postmaster", config.accounts.domains[0])


def server_settings(config: Config, listener: Listener, mechanisms: tuple[str, ...]) -> ServerSettings:
    """What sessions of a listener may do."""
    limits = config.limits
    return ServerSettings(
        name=config.server.name,
        postmaster=postmaster(config),
        message_size=limits.message_size,
        max_recipients=limits.recipients,
        mechanisms=mechanisms,
        starttls=listener.security == "starttls",
        binarymime=listener.binarymime,
        bare_newlines=BareNewlines(listener.bare_newlines),
        auth_equals_line=listener.auth_equals_line,
        command_line=limits.command_line,
        auth_line=limits.auth_line,
        data_line=limits.data_line,
        errors=limits.errors,
        commands_before_auth=limits.commands_before_auth,
        failed_signins=limits.failed_sign_ins,
    )


def audience(listener: Listener) -> Audience:
    """Who may sign in at a listener."""
    return Audience(frozenset(listener.sources), listener.members == "devices")


def proxies(config: Config, listener: Listener) -> Proxies | None:
    """The load balancers of a listener; None where clients connect themselves."""
    if not listener.proxy_protocol:
        return None
    named = covering(ipaddress.ip_network(text) for text in listener.proxy_from)
    return Proxies(named, config.limits.proxy_time)


def time_limits(config: Config) -> TimeLimits:
    """How long a peer may take."""
    limits = config.limits
    return TimeLimits(
        command=limits.command_time,
        sign_in=limits.auth_time,
        sign_in_under_pressure=limits.pressure_auth_time,
        handshake=limits.handshake_time,
        body_idle=limits.data_idle_time,
        body_grace=limits.data_rate_after,
        body_rate=limits.data_rate,
        session=limits.session_time,
    )


def header_limits(config: Config) -> HeaderLimits:
    """How large a header may be."""
    limits = config.limits
    return HeaderLimits(limits.header_size, limits.header_fields, limits.received_fields)


def mime_limits(config: Config) -> MimeLimits:
    """How a message may be built."""
    return MimeLimits(config.limits.mime_depth, config.limits.mime_parts)


def spool_settings(config: Config, courtesy: Courtesy) -> SpoolSettings:
    """The numbers of a shard."""
    return SpoolSettings(min_free=config.limits.min_free, courtesy=courtesy)


def retry_policy(config: Config) -> RetryPolicy:
    """When mail is tried again. A dead next hop is probed no more seldom than a recipient would be tried."""
    retry = config.retry
    defaults = RetryPolicy()
    probe_first = min(defaults.probe_first, retry.first)
    return RetryPolicy(
        first=retry.first,
        longest=retry.longest,
        expire=retry.expire,
        delay_notice=retry.delay_notice,
        probe_first=probe_first,
        probe_longest=max(probe_first, min(defaults.probe_longest, retry.longest)),
    )


def route_table(config: Config) -> RouteTable:
    """Which route takes which domain."""
    return RouteTable(Route(route.id, route.domains) for route in config.routes)


def hop_settings(config: Config, route: RouteConfig, password: str | None) -> RouteSettings:
    """A smarthost's settings for one of the workers, which share the route's connections."""
    security = Security(route.security)
    credentials = Credentials(route.username, password) if route.username and password is not None else None
    return RouteSettings(
        name=route.id,
        hosts=tuple(parse_host(str(host), security) for host in route.hosts),
        helo_name=config.server.name,
        security=security,
        credentials=credentials,
        ca_file=str(route.ca_file) if route.ca_file else None,
        source_address=route.source_address or None,
        connections=max(1, route.connections // max(1, worker_count(config))),
    )
