"""All targets by their names."""

from __future__ import annotations

from collections.abc import Mapping

from tests.fuzz import (
    client,
    dovecot,
    header,
    ldap,
    member,
    mime,
    proofs,
    proxy,
    radius,
    relay,
    replies,
    sasl,
    server,
    tls_hello,
)
from tests.fuzz.target import Target

TARGETS: Mapping[str, Target] = {
    "server": server.TARGET,
    "client": client.TARGET,
    "dovecot": dovecot.TARGET,
    "header": header.TARGET,
    "ldap": ldap.TARGET,
    "member": member.TARGET,
    "mime": mime.TARGET,
    "proofs": proofs.TARGET,
    "proxy": proxy.TARGET,
    "radius": radius.TARGET,
    "relay": relay.TARGET,
    "replies": replies.TARGET,
    "sasl": sasl.TARGET,
    "tls_hello": tls_hello.TARGET,
}
