"""The configuration: every key with its type, default, range and meaning.

Large sections stand in files of their own: `listeners.py`, `routes.py`, `limits.py`, `sender_maps.py`, `web.py`,
`sources/`.

A section is a frozen struct; its docstring is the section's text on the reference page. A key is an
annotated field: `Key` says of what kind its values are and what it means. A field without a default must
be in the file.
Times are seconds, sizes are octets, paths are absolute, domains are lower-case A-labels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from sams.config.key import DAY, GIB, HOUR, MIB, MINUTE, TIB, Key, Section
from sams.config.kinds import Choice, File, Flag, Many, Name, Text, Whole
from sams.config.limits import Guard, Limits
from sams.config.listeners import Listener, Tls
from sams.config.places import Domain, MailAddress, Url
from sams.config.quantities import Duration, Size
from sams.config.routes import Retry, Route
from sams.config.sender_maps import SenderMap
from sams.config.sources import AccountSource, BuiltinSource
from sams.config.web import DkimKey, Dns, Incoming, Link, Organisation, Web

__all__ = [
    "AccountSource",
    "Accounts",
    "ActivityTimes",
    "Alarm",
    "BuiltinSource",
    "Config",
    "Control",
    "DkimKey",
    "Dns",
    "Guard",
    "Incoming",
    "Limits",
    "Link",
    "Listener",
    "Log",
    "LogFormat",
    "LogLevel",
    "Organisation",
    "Retry",
    "Route",
    "SenderMap",
    "Senders",
    "Server",
    "Strictness",
    "Tls",
    "Trace",
    "Web",
]

Strictness = Literal["enforce", "warn", "off"]
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
    organisation: Organisation = Organisation()
    incoming: Incoming | None = None
    dns: Dns = Dns()
    control: Control = Control()
    activity: ActivityTimes = ActivityTimes()
    log: Log = Log()
    trace: Trace = Trace()
