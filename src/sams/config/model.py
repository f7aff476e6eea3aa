"""The configuration: every key with its type, default, range and meaning, in this one place.

A section is a frozen struct; its docstring is the section's text on the reference page. A key is an
annotated field: `Key` says of what kind its values are and what it means. A field without a default must
be in the file.
Times are seconds, sizes are octets, paths are absolute, domains are lower-case A-labels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec

from sams.config.key import DAY, GIB, HOUR, MIB, MINUTE, TIB, Key, Section
from sams.config.kinds import Choice, File, Flag, Many, Name, SecretFile, Text, Whole
from sams.config.limits import Guard, Limits
from sams.config.places import Address, Domain, DomainPattern, HostPort, MailAddress, Network, NextHop, Url
from sams.config.quantities import Duration, Size
from sams.config.sender_maps import SenderMap
from sams.config.sources import AccountSource, BuiltinSource

__all__ = [
    "AccountSource",
    "Accounts",
    "ActivityTimes",
    "Alarm",
    "BareNewlines",
    "BuiltinSource",
    "ClientIdentity",
    "Config",
    "Control",
    "Guard",
    "Limits",
    "Listener",
    "ListenerSecurity",
    "Log",
    "LogFormat",
    "LogLevel",
    "Mechanism",
    "Retry",
    "Route",
    "RouteSecurity",
    "RouteType",
    "SenderMap",
    "Senders",
    "Server",
    "Strictness",
    "Tls",
    "TlsHost",
    "TlsVersion",
    "Trace",
    "Web",
]

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
Strictness = Literal["enforce", "warn", "off"]
RouteType = Literal["smarthost", "maildir"]
RouteSecurity = Literal["none", "opportunistic", "required", "verified", "implicit"]
LogFormat = Literal["auto", "json", "text"]
LogLevel = Literal["debug", "info", "warning", "error"]

STRICTNESS = Choice(("enforce", "warn", "off"))


class Server(Section, frozen=True, kw_only=True):
    """The machine as its members see it, and how the service runs on it."""

    name: Annotated[
        str,
        Key(
            Domain(),
            "The full host name that members put into their mail programs. It stands in the greeting, the "
            "EHLO reply and the Received field, and the certificate must be for it.",
            example='"smtp-auth.example.ac.uk"',
        ),
    ]
    data_dir: Annotated[
        Path,
        Key(
            File(),
            "The folder that holds everything SAMS keeps: the spool, accounts and the activity journal.",
        ),
    ] = Path("/var/lib/sams")
    workers: Annotated[
        int | None,
        Key(
            Whole(0, 64),
            "How many processes receive and send. `0` runs everything in one process. Needs a restart.",
            unset="one per core",
            example="2",
        ),
    ] = None
    user: Annotated[
        str,
        Key(
            Name(),
            "The system user to become after the ports are bound and the keys are read, when started as "
            "root.",
            unset="stay who started it",
            example='"sams"',
        ),
    ] = ""
    grace: Annotated[
        float,
        Key(
            Duration(0, 10 * MINUTE),
            "How long SIGTERM waits for sessions and deliveries under way to finish.",
        ),
    ] = 30.0


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


class Accounts(Section, frozen=True, kw_only=True):
    """Who the members are."""

    domains: Annotated[
        tuple[str, ...],
        Key(
            Many(Domain(), least=1),
            "The organisation's mail domains. An account's addresses are in one of them.",
            example='["example.ac.uk"]',
        ),
    ]
    remember: Annotated[
        float,
        Key(
            Duration(0, HOUR),
            "How long a verified password is remembered, as a keyed tag in memory. A new password or a "
            "suspension ends it at once. `0 s` verifies at every sign-in.",
        ),
    ] = 5 * MINUTE
    windows_domains: Annotated[
        tuple[str, ...],
        Key(
            Many(Name(), most=100),
            "Names that members may type before their login with a backslash (`EXAMPLE\\alice`); they mean nothing. "
            "The first label of each domain is taken as well.",
            example='["EXAMPLE"]',
        ),
    ] = ()
    breached_passwords: Annotated[
        Path | None,
        Key(
            File(),
            "A list of breached passwords: lines of `HASH:COUNT` with SHA-1 hashes in rising order, as the Pwned "
            "Passwords list ordered by hash has them. What is in it is refused as a new password. It is looked up "
            "in the file, whatever its size, and nothing is asked over the network.",
            unset="none; common and guessable passwords are refused all the same",
            example='"/var/lib/sams-breached/pwned-passwords-sha1-ordered-by-hash.txt"',
        ),
    ] = None
    sources: tuple[AccountSource, ...] = msgspec.field(default=(BuiltinSource(),), name="source")


class Senders(Section, frozen=True, kw_only=True):
    """As whom members may send. `enforce` refuses, `warn` only writes to the journal, `off` does not look."""

    envelope: Annotated[
        Strictness, Key(STRICTNESS, "The reverse path (MAIL FROM) belongs to the account.")
    ] = "enforce"
    header: Annotated[
        Strictness, Key(STRICTNESS, "The address in the From field belongs to the account.")
    ] = "enforce"
    display_name: Annotated[
        Strictness,
        Key(STRICTNESS, "The name beside the From address does not show an address of someone else."),
    ] = "warn"
    resent: Annotated[
        Literal["reject", "allow"],
        Key(
            Choice(("reject", "allow")),
            "Whether a member may redirect a message: Resent-From is the member's, From is someone else's.",
        ),
    ] = "reject"
    null_sender_recipients: Annotated[
        int,
        Key(
            Whole(0, 1_000),
            "To how many recipients at once a message with the null reverse path `<>` may go. Read receipts "
            "need it; `0` refuses them.",
        ),
    ] = 5
    maps: tuple[SenderMap, ...] = msgspec.field(default=(), name="map")


class Route(Section, frozen=True, kw_only=True):
    """Where mail goes next. The first route whose domains match a recipient takes it."""

    domains: Annotated[
        tuple[str, ...],
        Key(Many(DomainPattern(), least=1), "The recipient domains of this route.", example='["*"]'),
    ]
    type: Annotated[
        RouteType,
        Key(
            Choice(("smarthost", "maildir")),
            "`smarthost` relays by SMTP to `hosts`; `maildir` delivers into the Maildir at `path`.",
        ),
    ] = "smarthost"
    name: Annotated[
        str,
        Key(
            Name(),
            "How the queue, the logs and the commands call this route. Mail that waits keeps to the name.",
            unset="the hosts, or the path",
            example='"hub"',
        ),
    ] = ""
    hosts: Annotated[
        tuple[HostPort, ...],
        Key(
            Many(NextHop(), most=20),
            "For a smarthost: the next hops, tried in this order.",
            example='["mailhub.example.ac.uk:25"]',
            usual=True,
        ),
    ] = ()
    security: Annotated[
        RouteSecurity,
        Key(
            Choice(("none", "opportunistic", "required", "verified", "implicit")),
            "TLS towards the next hop: `none` never, `opportunistic` where STARTTLS is offered, `required` "
            "always, `verified` always and with a certificate for the host's name, `implicit` from the "
            "first octet and verified. With a `username` the default is `verified`, and less is refused.",
        ),
    ] = "opportunistic"
    username: Annotated[
        str, Key(Text(longest=255), "The user name for the next hop.", unset="no sign-in", example='"relay"')
    ] = ""
    password_file: Annotated[
        Path | None,
        Key(
            SecretFile(),
            "The file whose first line is the password for the next hop. No other user may read it.",
            unset="no sign-in",
            example='"hub-password"',
        ),
    ] = None
    ca_file: Annotated[
        Path | None,
        Key(
            File(),
            "The authorities that the next hop's certificate is checked against, as PEM.",
            unset="the system's",
            example='"hub-ca.pem"',
        ),
    ] = None
    connections: Annotated[
        int, Key(Whole(1, 10_000), "The most connections to this route at once, over all workers.")
    ] = 20
    source_address: Annotated[
        str,
        Key(
            Address(),
            "The local address to connect from.",
            unset="the system chooses",
            example='"192.0.2.25"',
        ),
    ] = ""
    path: Annotated[
        Path | None,
        Key(
            File(), "For a Maildir: its folder; it is made where missing.", unset="none", example='"Maildir"'
        ),
    ] = None

    @property
    def id(self) -> str:
        """The name under which mail waits: as configured, else the hosts or the Maildir's path.

        It does not depend on the route's place in the file, so that mail which waits finds its route again
        after an edit.
        """
        return self.name or ",".join(map(str, self.hosts)) or f"maildir:{self.path}"


class Retry(Section, frozen=True, kw_only=True):
    """When mail that could not be delivered is tried again, and when its sender hears of it."""

    first: Annotated[
        float, Key(Duration(1, DAY), "The wait after the first failure; it grows, with jitter.")
    ] = MINUTE
    longest: Annotated[float, Key(Duration(1, DAY), "The longest wait between two attempts.")] = HOUR
    expire: Annotated[
        float, Key(Duration(MINUTE, 60 * DAY), "After this time mail goes back to its sender with a report.")
    ] = 5 * DAY
    delay_notice: Annotated[
        float,
        Key(
            Duration(0, 60 * DAY), "After this time the sender is told once that mail is late; `0 s`: never."
        ),
    ] = 4 * HOUR


class Alarm(Section, frozen=True, kw_only=True):
    """Who is told when the service needs someone. Each way may be set, or none."""

    mail: Annotated[
        str,
        Key(
            MailAddress(), "Alarms go to this address.", unset="no mail", example='"postmaster@example.ac.uk"'
        ),
    ] = ""
    command: Annotated[
        tuple[str, ...],
        Key(
            Many(Text(longest=4_096), most=100),
            "A program with its arguments, started without a shell; the facts come on its standard input as "
            "JSON.",
            example='["/usr/local/bin/page-someone", "--quiet"]',
        ),
    ] = ()
    webhook: Annotated[
        str,
        Key(
            Url(),
            "The facts are sent here with POST as JSON.",
            unset="no webhook",
            example='"https://alerts.example.ac.uk/sams"',
            confidential=True,
        ),
    ] = ""
    interval: Annotated[
        float,
        Key(
            Duration(1, DAY), "One alarm of a kind in this time; what came meanwhile follows as one summary."
        ),
    ] = 15 * MINUTE


class Web(Section, frozen=True, kw_only=True):
    """Where the pages are served. Left out: there are none."""

    address: Annotated[str, Key(Address(), "Where to listen.")] = "127.0.0.1"
    port: Annotated[int, Key(Whole(1, 65_535), "The port.")] = 8025


class Control(Section, frozen=True, kw_only=True):
    """Who may command the running service, besides root and the service's own user: system users and groups.

    A name is a user, a name with `@` before it is a group.
    """

    read: Annotated[
        tuple[str, ...], Key(Many(Name()), "Who may look at everything.", example='["@adm"]')
    ] = ()
    queue: Annotated[
        tuple[str, ...], Key(Many(Name()), "Who may also change the queue.", example='["@mailadmin"]')
    ] = ()
    accounts: Annotated[
        tuple[str, ...], Key(Many(Name()), "Who may also change accounts.", example='["@helpdesk"]')
    ] = ()
    admin: Annotated[tuple[str, ...], Key(Many(Name()), "Who may do everything.", example='["alice"]')] = ()


class ActivityTimes(Section, frozen=True, kw_only=True):
    """How long the activity journal keeps what happened, by kind. It holds addresses and logins of people."""

    sessions: Annotated[float, Key(Duration(HOUR, 3_650 * DAY), "Sessions in which someone signed in.")] = (
        30 * DAY
    )
    strangers: Annotated[float, Key(Duration(HOUR, 3_650 * DAY), "Sessions in which nobody did.")] = 7 * DAY
    deliveries: Annotated[float, Key(Duration(HOUR, 3_650 * DAY), "Delivery attempts and reports.")] = (
        30 * DAY
    )
    service: Annotated[
        float, Key(Duration(HOUR, 3_650 * DAY), "Alarms, suspensions, starts and reloads.")
    ] = 90 * DAY
    size: Annotated[
        int,
        Key(
            Size(16 * MIB, 16 * TIB),
            "The most that the journal of one worker may take; beyond it the oldest entries go, those of "
            "strangers first.",
        ),
    ] = 2 * GIB


class Log(Section, frozen=True, kw_only=True):
    """The log on standard error: one line for a session, one for a delivery attempt; never a secret."""

    format: Annotated[
        LogFormat,
        Key(Choice(("auto", "json", "text")), "`auto` is text on a terminal and JSON otherwise."),
    ] = "auto"
    level: Annotated[
        LogLevel, Key(Choice(("debug", "info", "warning", "error")), "The least level written.")
    ] = "info"


class Trace(Section, frozen=True, kw_only=True):
    """What the Received field tells the world about the member. The journal knows it in any case."""

    client_address: Annotated[bool, Key(Flag(), "Whether it shows the member's network address.")] = False
    login: Annotated[bool, Key(Flag(), "Whether it shows the member's login.")] = False


class Config(Section, frozen=True, kw_only=True):
    """The whole configuration. In the file, `listeners` is `[[listener]]` and `routes` is `[[route]]`."""

    server: Server
    tls: Tls
    listeners: tuple[Listener, ...] = msgspec.field(name="listener")
    accounts: Accounts
    routes: tuple[Route, ...] = msgspec.field(name="route")
    senders: Senders = Senders()
    limits: Limits = Limits()
    guard: Guard = Guard()
    retry: Retry = Retry()
    alarm: Alarm = Alarm()
    web: Web | None = None
    control: Control = Control()
    activity: ActivityTimes = ActivityTimes()
    log: Log = Log()
    trace: Trace = Trace()
