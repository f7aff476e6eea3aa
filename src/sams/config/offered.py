"""Which servers members are told of, by pages, by programs that set themselves up and by DNS: one place decides."""

from __future__ import annotations

from typing import Literal

import msgspec

from sams.config.model import Config, Listener
from sams.config.web import Incoming, UserName

Kind = Literal["smtp", "imap", "pop3"]
Security = Literal["implicit", "starttls"]

_PORTS: dict[tuple[Kind, Security], int] = {
    ("imap", "implicit"): 993,
    ("imap", "starttls"): 143,
    ("pop3", "implicit"): 995,
    ("pop3", "starttls"): 110,
}


class MailServer(msgspec.Struct, frozen=True):
    """One way to a server.

    host: an A-label name. security: TLS from the start, or by STARTTLS (STLS for POP3).
    user_name: what members type there as user name (`[web] user_name`).
    """

    kind: Kind
    host: str
    port: int
    security: Security
    user_name: UserName = "address"


def outgoing_servers(config: Config) -> tuple[MailServer, ...]:
    """The ways to this service, the best first: TLS from the start, on the usual ports (RFC 8314 section 3.3).

    Listeners of devices, of load balancers' own ports and of the loopback alone are nothing for members' programs,
    and neither are those that take TLS of old.
    """
    user_name = config.web.user_name if config.web is not None else "address"
    ways = {
        (listener.security, listener.public_port or listener.port)
        for listener in config.listeners
        if _is_for_members(listener)
    }
    ordered = sorted(ways, key=lambda way: (way[0] != "implicit", way[1] not in {465, 587}, way[1]))
    return tuple(
        MailServer("smtp", config.server.name, port, security, user_name) for security, port in ordered
    )


def best_port(servers: tuple[MailServer, ...], security: Security) -> int | None:
    """The port of the best way to submit with this kind of TLS; None: none of these has it."""
    return next((one.port for one in servers if one.security == security), None)


def incoming_servers(config: Config) -> tuple[MailServer, ...]:
    """The server that `[incoming]` names; empty where it names none."""
    if config.incoming is None:
        return ()
    section = config.incoming
    user_name = section.user_name or (config.web.user_name if config.web is not None else "address")
    return (MailServer(section.type, section.host, port_of(section), section.security, user_name),)


def port_of(incoming: Incoming) -> int:
    """The port that is meant."""
    return incoming.port or _PORTS[incoming.type, incoming.security]


def usual_security(port: int | None) -> tuple[Kind, Security] | None:
    """Which protocol, and which kind of TLS, a port of a mailbox server is for everywhere; None: for none of them."""
    return next((what for what, usual in _PORTS.items() if usual == port), None)


def _is_for_members(listener: Listener) -> bool:
    return not (
        listener.members == "devices"
        or listener.min_tls in {"1.0", "1.1"}
        or (listener.public_port or listener.port) == 25
    )
