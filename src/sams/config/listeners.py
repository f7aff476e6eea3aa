"""The sections that say where mail programs connect, and with which certificates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec

from sams.config.key import DAY, HOUR, Key, Section
from sams.config.kinds import Choice, File, Flag, Many, Name, Whole
from sams.config.places import Address, Domain, Network
from sams.config.quantities import Duration

ListenerSecurity = Literal["starttls", "implicit"]
TlsVersion = Literal["1.0", "1.1", "1.2", "1.3"]
BareNewlines = Literal["reject", "normalise"]
ClientIdentity = Literal["san-email", "san-upn", "subject-cn", "subject-email", "subject-uid"]
Mechanism = Literal[
    "PLAIN",
    "LOGIN",
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-256",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-1",
    "OAUTHBEARER",
    "XOAUTH2",
    "EXTERNAL",
    "GSSAPI",
]


class TlsHost(Section, frozen=True, kw_only=True):
    """A further server name, for clients that ask for it by SNI. All others get the pair of `[tls]`."""

    name: Annotated[str, Key(Domain(), "The exact name that clients ask for.", example='"mail.example.org"')]
    certificate: Annotated[
        tuple[Path, ...],
        Key(Many(File(), least=1, most=4, or_one=True), "As in `[tls]`.", example='"mail.example.org.pem"'),
    ]
    private_key: Annotated[
        tuple[Path, ...],
        Key(
            Many(File(), least=1, most=4, or_one=True), "As in `[tls]`.", example='"mail.example.org-key.pem"'
        ),
    ]


class Tls(Section, frozen=True, kw_only=True):
    """Certificates. They are read again on reload, and a broken pair leaves the old one in place."""

    certificate: Annotated[
        tuple[Path, ...],
        Key(
            Many(File(), least=1, most=4, or_one=True),
            "The certificate with its chain, as PEM. A list holds several for the same name, such as an "
            "ECDSA and an RSA chain; `private_key` then has a key for each, in the same order.",
            example='"fullchain.pem"',
        ),
    ]
    private_key: Annotated[
        tuple[Path, ...],
        Key(
            Many(File(), least=1, most=4, or_one=True),
            "The private key of each certificate, as PEM without a passphrase. It belongs to who starts the "
            "service, with mode 400; a group may read it, others may not.",
            example='"key.pem"',
        ),
    ]
    expiry_warnings: Annotated[
        tuple[float, ...],
        Key(
            Many(Duration(HOUR, 365 * DAY), most=10), "How long before a certificate ends an alarm is raised."
        ),
    ] = (21 * DAY, 7 * DAY, 1 * DAY)
    hosts: tuple[TlsHost, ...] = msgspec.field(default=(), name="host")


class Listener(Section, frozen=True, kw_only=True):
    """A port where mail programs connect. On every port mail is taken only inside TLS and after a sign-in."""

    address: Annotated[str, Key(Address(), "Where to listen; `::` is every address of both families.")] = "::"
    port: Annotated[
        int, Key(Whole(1, 65_535), "587 is the port for STARTTLS, 465 for TLS from the start.")
    ] = 587
    public_port: Annotated[
        int | None,
        Key(
            Whole(1, 65_535),
            "The port that members connect to, where a load balancer or a firewall forwards it to this one: it "
            "stands on the pages, in automatic set-up and in DNS.",
            unset="port",
            example="587",
        ),
    ] = None
    security: Annotated[
        ListenerSecurity,
        Key(
            Choice(("starttls", "implicit")),
            "`starttls` begins in clear and takes nothing but STARTTLS there (RFC 3207); `implicit` is TLS "
            "from the first octet (RFC 8314).",
        ),
    ] = "starttls"
    min_tls: Annotated[
        TlsVersion,
        Key(
            Choice(("1.0", "1.1", "1.2", "1.3")),
            "The oldest TLS version. Below `1.2` is for old scanners and printers only: give them a "
            "listener of their own in their own network. A warning is logged at start.",
        ),
    ] = "1.2"
    binarymime: Annotated[bool, Key(Flag(), "Whether BINARYMIME is offered (RFC 3030).")] = False
    auth_equals_line: Annotated[
        bool,
        Key(
            Flag(),
            "Whether EHLO also lists the pre-standard `AUTH=LOGIN PLAIN` that very old programs look for.",
        ),
    ] = False
    mechanisms: Annotated[
        tuple[Mechanism, ...],
        Key(
            Many(Choice(get_args(Mechanism))),
            "The ways to sign in that are offered here, of those that the sources of accounts can verify. "
            "`SCRAM-SHA-1` is offered only where it is named. So are those with `-PLUS`, which bind to "
            "`tls-server-end-point`: many programs know `tls-exporter` only, which Python cannot tell yet.",
            unset="all but SCRAM-SHA-1 and -PLUS",
            example='["PLAIN", "LOGIN"]',
        ),
    ] = ()
    client_ca: Annotated[
        Path | None,
        Key(
            File(),
            "The authority (PEM) whose client certificates are taken here: who shows one may sign in by "
            "EXTERNAL, without a password. Others sign in as everywhere; a program that shows a certificate of "
            "another authority cannot connect.",
            unset="no client certificates",
            example='"members-ca.pem"',
        ),
    ] = None
    client_crl: Annotated[
        Path | None,
        Key(
            File(),
            "Its revocation list (PEM), read at start and at each reload. Once it is out of date, no client "
            "certificate is taken.",
            unset="none is looked at",
            example='"members-ca.crl"',
        ),
    ] = None
    client_identity: Annotated[
        ClientIdentity,
        Key(
            Choice(get_args(ClientIdentity)),
            "Where a client certificate has the login: an e-mail address among its subject alternative names, "
            "its user principal name there, or its subject's CN, emailAddress or UID.",
        ),
    ] = "san-email"
    members: Annotated[
        Literal["all", "devices"],
        Key(
            Choice(("all", "devices")),
            "Who may sign in here: `devices` are those of `sams device` alone, such as printers and scanners. A "
            "listener for old TLS is best kept to them.",
        ),
    ] = "all"
    sources: Annotated[
        tuple[str, ...],
        Key(
            Many(Name()),
            "Only members of these sources of accounts may sign in here, by their names.",
            unset="those of every source",
            example='["staff"]',
        ),
    ] = ()
    bare_newlines: Annotated[
        BareNewlines,
        Key(
            Choice(("reject", "normalise")),
            "What becomes of a message with a bare CR or LF: `reject` refuses it with 550 5.6.11, "
            "`normalise` makes CRLF of each. A bare one never ends a message. NUL is always refused so.",
        ),
    ] = "reject"
    proxy_protocol: Annotated[
        bool,
        Key(
            Flag(),
            "Whether load balancers say by the PROXY protocol (version 1 or 2) who connects here. Each "
            "connection must then come from `proxy_from` and begin with that header, or it is closed; members "
            "cannot connect to this port directly.",
        ),
    ] = False
    proxy_from: Annotated[
        tuple[str, ...],
        Key(
            Many(Network()),
            "The load balancers, and nobody else: what they say of an address is believed.",
            example='["10.0.0.11", "10.0.0.12"]',
        ),
    ] = ()
