"""What commands and the running service say to each other, as values; `sams.control.wire` writes them."""

from __future__ import annotations

import enum

import msgspec

MAX_PAGE = 500
"""The most that one page of a list holds, whatever was asked for."""
MAX_TRANSFERS = 1_000
"""Accounts that are taken over in one request."""


class Role(enum.Enum):
    """What a caller may do; ADMIN may do everything."""

    READ = "read"
    QUEUE = "queue"
    ACCOUNTS = "accounts"
    ADMIN = "admin"


class Trouble(enum.Enum):
    """Why a request was not carried out."""

    VERSION = "version"
    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    FORBIDDEN = "forbidden"
    BUSY = "busy"
    REFUSED = "refused"
    BUG = "bug"


class _Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """One request; the subclass's tag is its type on the wire. A field that is not known is a mistake."""


class _Answer(msgspec.Struct, frozen=True, tag_field="type"):
    """One answer. A service of the next version may say more, and who does not know it passes over it."""


# What waits in the queue ------------------------------------------------------------------------------------


class QueueSearch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which messages a person means. Fields that are None do not narrow.

    sender: the reverse path; an empty string means `<>`.
    arrived_before: UNIX seconds.
    """

    ids: tuple[str, ...] | None = None
    login: str | None = None
    sender: str | None = None
    recipient: str | None = None
    route: str | None = None
    held: bool | None = None
    arrived_before: float | None = None


class LastAttempt(msgspec.Struct, frozen=True):
    """What the last attempt at a recipient brought.

    result: `delivered`, `deferred` or `failed`.
    reply: code, status and text on one line, cleaned and cut to length.
    remote: whose reply it is, `host:port`; empty when it is our own.
    at: UNIX seconds.
    """

    result: str
    reply: str
    remote: str
    at: float


class RouteDown(msgspec.Struct, frozen=True):
    """A next hop that takes no mail: what is for it waits, and one message at a time tries whether it is back.

    since: UNIX seconds; None where the route has no next hop, as it is not in the configuration any more.
    reply: what was heard of it last, cleaned and cut to length; at: when, UNIX seconds.
    """

    since: float | None
    reply: str
    at: float


class SourceDown(msgspec.Struct, frozen=True):
    """A source of accounts that does not answer. since: UNIX seconds. why: what was tried last, and what happened."""

    since: float
    why: str


class RecipientEntry(msgspec.Struct, frozen=True):
    """One recipient that waits; due in UNIX seconds, attempts of its own."""

    number: int
    address: str
    route: str
    due: float
    attempts: int
    delay_told: bool
    last: LastAttempt | None = None


class QueueEntry(msgspec.Struct, frozen=True):
    """One message that waits.

    sender: the reverse path, empty for `<>`.
    size: octets. arrived: UNIX seconds.
    recipients: in lists the first ones only; `recipient_count` says how many there are.
    routes_down: those of its recipients' routes that are down, as the running service finds.
    """

    id: str
    login: str
    session: str
    sender: str
    arrived: float
    size: int
    held: bool
    smtputf8: bool
    envid: str | None
    recipient_count: int
    recipients: tuple[RecipientEntry, ...]
    routes_down: dict[str, RouteDown] = {}


class RouteEntry(msgspec.Struct, frozen=True):
    """How much waits for one route; oldest: when the oldest due recipient became due, UNIX seconds.

    down: None while it is up, and where no service runs.
    """

    route: str
    recipients: int
    due: int
    oldest: float | None
    down: RouteDown | None = None


class QueueList(_Request, frozen=True, tag="queue.list"):
    """Ask for a page of messages by rising id behind `after`."""

    search: QueueSearch = QueueSearch()
    after: str | None = None
    limit: int = 100


class QueuePage(_Answer, frozen=True, tag="queue.page"):
    """A page; `more`: another one may follow behind the last id."""

    entries: tuple[QueueEntry, ...]
    more: bool


class QueueShow(_Request, frozen=True, tag="queue.show"):
    """Ask for one message with its recipients numbered above `after`."""

    id: str
    after: int = -1


class QueueShown(_Answer, frozen=True, tag="queue.shown"):
    """One message, None where it is not here; `more`: recipients follow behind the last one."""

    entry: QueueEntry | None
    more: bool = False


class QueueHold(_Request, frozen=True, tag="queue.hold"):
    """Stop delivery of what matches until it is released."""

    search: QueueSearch


class QueueRelease(_Request, frozen=True, tag="queue.release"):
    """Let what matches go on."""

    search: QueueSearch


class QueueRetry(_Request, frozen=True, tag="queue.retry"):
    """Make what matches due now."""

    search: QueueSearch


class QueueDelete(_Request, frozen=True, tag="queue.delete"):
    """Remove what matches for good, without a report."""

    search: QueueSearch


class DamagedEntry(msgspec.Struct, frozen=True):
    """A message that was set aside because it could not be read, as far as it can be shown.

    found, arrived: UNIX seconds. body_file: where its body is, if it is a file.
    """

    id: str
    found: float
    reason: str
    login: str = ""
    sender: str = ""
    recipients: tuple[str, ...] = ()
    arrived: float | None = None
    size: int | None = None
    body_file: str = ""


class DamagedList(_Request, frozen=True, tag="damaged.list"):
    """Ask for a page of what was set aside, by rising id behind `after`."""

    after: str | None = None
    limit: int = 100


class DamagedPage(_Answer, frozen=True, tag="damaged.page"):
    """A page; `more`: another one may follow behind the last id."""

    entries: tuple[DamagedEntry, ...]
    more: bool


class DamagedRelease(_Request, frozen=True, tag="damaged.release"):
    """Let a message that was set aside wait in the queue again."""

    id: str


class DamagedDelete(_Request, frozen=True, tag="damaged.delete"):
    """Remove a message that was set aside, for good."""

    id: str


class QueueDepth(_Request, frozen=True, tag="queue.depth"):
    """Ask how much waits, by route."""


class Depth(_Answer, frozen=True, tag="depth"):
    """How much waits, by route."""

    routes: tuple[RouteEntry, ...]


class Changed(_Answer, frozen=True, tag="changed"):
    """How many messages, sessions or locks a request changed."""

    count: int


# Accounts ---------------------------------------------------------------------------------------------------


class DeviceEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a printer, a scanner or a monitor has besides what an account has.

    owner: the login of who answers for it.
    networks: from where alone it signs in; empty: from everywhere.
    recipients: to whom alone it writes; empty: to everybody.
    expires: UNIX seconds; None: never.
    """

    owner: str
    networks: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    expires: float | None = None


class AccountEntry(msgspec.Struct, frozen=True):
    """One account, without its password.

    login: prepared. addresses: `local@domain` or `*@domain`.
    suspended: the reason, empty where none was given; None while the account is active.
    may_send_as: addresses of others.
    created, changed: UNIX seconds.
    device: None: it is a person's, or a program's. app_passwords: how many it has.
    scram: whether it may sign in by SCRAM.
    """

    login: str
    addresses: tuple[str, ...]
    suspended: str | None = None
    may_send_as: tuple[str, ...] = ()
    recipients_per_hour: int | None = None
    recipients_per_day: int | None = None
    created: float | None = None
    changed: float | None = None
    device: DeviceEntry | None = None
    app_passwords: int = 0
    scram: bool = False


class AccountList(_Request, frozen=True, tag="account.list", omit_defaults=True):
    """Ask for a page of accounts by rising login behind `after`. devices: of devices only."""

    after: str | None = None
    limit: int = 100
    devices: bool = False


class AccountPage(_Answer, frozen=True, tag="account.page"):
    """A page of accounts; `more`: another one may follow."""

    accounts: tuple[AccountEntry, ...]
    more: bool


class AccountShow(_Request, frozen=True, tag="account.show"):
    """Ask for one account."""

    login: str


class AccountShown(_Answer, frozen=True, tag="account.shown"):
    """One account, None where there is none."""

    account: AccountEntry | None


class _WithPassword(_Request, frozen=True):
    """A request whose text form never shows the password."""

    login: str
    password: str

    def __repr__(self) -> str:
        return f"{type(self).__name__}(login={self.login!r}, password=…)"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("login", self.login)]


class AccountAdd(_WithPassword, frozen=True, tag="account.add", omit_defaults=True):
    """Make an account. The password is hashed by who owns the accounts. None: the service's limit."""

    addresses: tuple[str, ...] = ()
    may_send_as: tuple[str, ...] = ()
    recipients_per_hour: int | None = None
    recipients_per_day: int | None = None
    device: DeviceEntry | None = None


class AccountDevice(_Request, frozen=True, tag="account.device"):
    """Replace what a device has besides."""

    login: str
    device: DeviceEntry


class AccountTransfer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An account of another system; its text form does not show the secret.

    secret: the password's hash as that system's file has it, or `{PLAIN}` and the password itself.
    """

    login: str
    secret: str
    addresses: tuple[str, ...]
    may_send_as: tuple[str, ...] = ()
    recipients_per_hour: int | None = None
    recipients_per_day: int | None = None

    def __repr__(self) -> str:
        return f"AccountTransfer(login={self.login!r}, secret=…)"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("login", self.login)]


class AccountImport(_Request, frozen=True, tag="account.import", omit_defaults=True):
    """Take accounts of another system over, all that can be, in one step; at most `MAX_TRANSFERS`.

    update: those that are there get the password. dry_run: nothing is changed.
    """

    accounts: tuple[AccountTransfer, ...]
    update: bool = False
    dry_run: bool = False


class ImportOutcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of an account: `added`, `updated`, `unchanged`, `there already`, or `refused` and why."""

    login: str
    result: str
    why: str = ""


class AccountsImported(_Answer, frozen=True, tag="account.imported"):
    """What became of each account, in their order."""

    outcomes: tuple[ImportOutcome, ...]


class AccountTest(_Request, frozen=True, tag="account.test"):
    """Walk along the sources of accounts with a login, and tell what each says.

    password: None: only who the login is. Its text form never shows it.
    """

    login: str
    password: str | None = None

    def __repr__(self) -> str:
        return f"AccountTest(login={self.login!r}, password=…)"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("login", self.login)]


class SourceWord(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one source says of a login.

    finding: `right`, `wrong password`, `wrong password or no such login`, `no such login`, `source unavailable`,
    `found` where no password was tried, or `not asked`. detail: more of it, for administrators.
    login: what it calls the member; empty: it knows nobody. suspended: the reason; None: active.
    mapped, mapped_for: what maps of senders add to addresses and may_send_as. unmapped: which do not tell, and why.
    """

    source: str
    finding: str
    detail: str = ""
    seconds: float = 0.0
    login: str = ""
    addresses: tuple[str, ...] = ()
    may_send_as: tuple[str, ...] = ()
    suspended: str | None = None
    is_device: bool = False
    mapped: tuple[str, ...] = ()
    mapped_for: tuple[str, ...] = ()
    unmapped: str = ""


class AccountTested(_Answer, frozen=True, tag="account.tested"):
    """The words in the order of the sources, and how the login was understood (`Login.bare`)."""

    login: str
    words: tuple[SourceWord, ...]


class AccountPassword(_WithPassword, frozen=True, tag="account.password"):
    """Set another password; sessions and remembered passwords of the account end."""


class AccountAddresses(_Request, frozen=True, tag="account.addresses"):
    """Replace the addresses that it may send from, and those of others."""

    login: str
    addresses: tuple[str, ...]
    may_send_as: tuple[str, ...] = ()


class AccountLimits(_Request, frozen=True, tag="account.limits"):
    """Replace its own limits of recipients; None: the service's."""

    login: str
    recipients_per_hour: int | None = None
    recipients_per_day: int | None = None


class AccountSuspend(_Request, frozen=True, tag="account.suspend"):
    """Suspend an account; the reason is told to the member."""

    login: str
    reason: str = ""


class AccountResume(_Request, frozen=True, tag="account.resume"):
    """Let a suspended account work again."""

    login: str


class AccountRemove(_Request, frozen=True, tag="account.remove"):
    """Remove an account; what it has in the queue stays."""

    login: str


class AccountChanged(_Request, frozen=True, tag="account.changed"):
    """Tell a worker to end the sessions of this login that its account no longer allows."""

    login: str


class AppPasswordEntry(msgspec.Struct, frozen=True):
    """An app password, without its secret.

    source, login: whose it is. name: of the device or program.
    created, expires: UNIX seconds; expires None: never.
    networks: from where alone it may be used. senders: the addresses alone that it may send from.
    used_at, used_from, used_by: the last use, UNIX seconds, the client's address and the program; None: never used.
    """

    id: str
    source: str
    login: str
    name: str
    created: float
    expires: float | None = None
    networks: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    used_at: float | None = None
    used_from: str = ""
    used_by: str = ""


class AppPasswordAdd(_Request, frozen=True, tag="app-password.add", omit_defaults=True):
    """Make an app password. source: empty: the first one that knows the login."""

    login: str
    name: str
    source: str = ""
    expires: float | None = None
    networks: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()


class AppPasswordAdded(_Answer, frozen=True, tag="app-password.added"):
    """What was made; its text form does not show the password."""

    entry: AppPasswordEntry
    password: str

    def __repr__(self) -> str:
        return f"AppPasswordAdded(entry={self.entry!r}, password=…)"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("entry", self.entry)]


class AppPasswordList(_Request, frozen=True, tag="app-password.list", omit_defaults=True):
    """Ask for a page by rising login and id, behind `after` (login, id). login: of this one; None: of all."""

    login: str | None = None
    after: tuple[str, str] = ("", "")
    limit: int = 100


class AppPasswordPage(_Answer, frozen=True, tag="app-password.page"):
    """A page; `more`: another one may follow."""

    entries: tuple[AppPasswordEntry, ...]
    more: bool


class AppPasswordRevoke(_Request, frozen=True, tag="app-password.revoke", omit_defaults=True):
    """End the app password of this name of a login, or all of it; of this source only, or of all sources.

    login None: all of the source, which is named then.
    """

    login: str | None
    name: str | None = None
    source: str = ""


# The guard against guessing -----------------------------------------------------------------------------------


class GuardEntry(msgspec.Struct, frozen=True):
    """A lock in force.

    id: in hexadecimal digits. level: `pair`, `address`, `network` or `login`.
    login: empty for an address or a network. place: an address, an IPv6 /64, a network, or empty.
    since, until: UNIX seconds. guesses: how many wrong passwords led to it.
    """

    id: str
    level: str
    login: str
    place: str
    since: float
    until: float
    guesses: int


class GuardList(_Request, frozen=True, tag="guard.list"):
    """Ask for a page of locks by rising id behind `after`."""

    after: str | None = None
    limit: int = 100


class GuardPage(_Answer, frozen=True, tag="guard.page"):
    """A page of locks; `more`: another one may follow behind the last id."""

    locks: tuple[GuardEntry, ...]
    more: bool


class GuardRelease(_Request, frozen=True, tag="guard.release"):
    """End the locks of a login, an address or a network; None: all."""

    target: str | None = None


# The service ------------------------------------------------------------------------------------------------


class HealthQuery(_Request, frozen=True, tag="health.query"):
    """Ask how it is: the service answers `ServiceHealth` (by its first worker), a worker `WorkerHealth`."""


class WorkerState(msgspec.Struct, frozen=True):
    """A worker that there should be, as the status board has it; restarts since the service started."""

    number: int
    pid: int = 0
    ready: bool = True
    restarts: int = 0


class ServiceHealth(_Answer, frozen=True, tag="health.service"):
    """The service as its status board has it.

    started: UNIX seconds. problems: one line each, for people; empty when all is well.
    """

    name: str
    version: str
    pid: int
    started: float
    ready: bool
    workers: tuple[WorkerState, ...] = ()
    problems: tuple[str, ...] = ()


class FailedShard(msgspec.Struct, frozen=True):
    """A shard that is not written any more, and that still matters.

    since: UNIX seconds. waiting: messages that are still read from it (at most 10,000 are counted).
    trouble: what stands in the way of mail going on without it; empty where nothing does. folder: where it is.
    set_aside: damaged messages of which a part may be there alone.
    """

    shard: int
    since: float
    reason: str
    waiting: int
    trouble: str
    folder: str
    set_aside: int = 0


class WorkerHealth(_Answer, frozen=True, tag="health.worker"):
    """A worker as it sees itself.

    connections: open now; signed_in: how many of them are. queued, due: recipients.
    oldest: when the oldest due recipient became due, UNIX seconds.
    failed_shards: of this worker. set_aside: messages that cannot be read.
    routes_down, sources_down: by name, as this worker finds.
    """

    number: int
    pid: int
    ready: bool
    connections: int = 0
    signed_in: int = 0
    queued: int = 0
    due: int = 0
    oldest: float | None = None
    problems: tuple[str, ...] = ()
    failed_shards: tuple[FailedShard, ...] = ()
    set_aside: int = 0
    routes_down: dict[str, RouteDown] = {}
    sources_down: dict[str, SourceDown] = {}


class MetricsQuery(_Request, frozen=True, tag="metrics.query"):
    """Ask for the counters of the whole service."""


class Metrics(_Answer, frozen=True, tag="metrics"):
    """All counters and gauges, in Prometheus' text form."""

    text: str


class Reload(_Request, frozen=True, tag="reload"):
    """Read configuration and certificates again, as SIGHUP does."""


class Reloaded(_Answer, frozen=True, tag="reloaded"):
    """The new configuration is in force; the notes say what it needs besides."""

    notes: tuple[str, ...] = ()


class Backup(_Request, frozen=True, tag="backup"):
    """Write consistent copies into an existing folder.

    The first worker writes `accounts.db`, for the service; each worker writes one new folder `spool/N` for each
    shard that it has open.
    """

    target: str


class BackedUp(_Answer, frozen=True, tag="backed-up"):
    """What was written, by paths below the target."""

    paths: tuple[str, ...]


class Done(_Answer, frozen=True, tag="done"):
    """It was done."""


class Failure(_Answer, frozen=True, tag="failure"):
    """It was not done; the text is for the person who asked."""

    trouble: Trouble
    text: str


Request = (
    QueueList
    | QueueShow
    | QueueHold
    | QueueRelease
    | QueueRetry
    | QueueDelete
    | QueueDepth
    | AccountList
    | AccountShow
    | AccountAdd
    | AccountDevice
    | AppPasswordAdd
    | AppPasswordList
    | AppPasswordRevoke
    | AccountImport
    | AccountPassword
    | AccountTest
    | AccountAddresses
    | AccountLimits
    | AccountSuspend
    | AccountResume
    | AccountRemove
    | AccountChanged
    | GuardList
    | GuardRelease
    | HealthQuery
    | MetricsQuery
    | DamagedList
    | DamagedRelease
    | DamagedDelete
    | Reload
    | Backup
)
Response = (
    QueuePage
    | QueueShown
    | Depth
    | Changed
    | AccountPage
    | AccountShown
    | AccountTested
    | AppPasswordAdded
    | AppPasswordPage
    | AccountsImported
    | GuardPage
    | ServiceHealth
    | WorkerHealth
    | Metrics
    | DamagedPage
    | Reloaded
    | BackedUp
    | Done
    | Failure
)

ROLE_FOR: dict[type[Request], Role] = {
    QueueList: Role.READ,
    QueueShow: Role.READ,
    QueueDepth: Role.READ,
    QueueHold: Role.QUEUE,
    QueueRelease: Role.QUEUE,
    QueueRetry: Role.QUEUE,
    QueueDelete: Role.QUEUE,
    AccountList: Role.ACCOUNTS,
    AccountShow: Role.ACCOUNTS,
    AccountAdd: Role.ACCOUNTS,
    AccountDevice: Role.ACCOUNTS,
    AppPasswordAdd: Role.ACCOUNTS,
    AppPasswordList: Role.ACCOUNTS,
    AppPasswordRevoke: Role.ACCOUNTS,
    AccountImport: Role.ACCOUNTS,
    AccountPassword: Role.ACCOUNTS,
    AccountTest: Role.ACCOUNTS,
    AccountAddresses: Role.ACCOUNTS,
    AccountLimits: Role.ACCOUNTS,
    AccountSuspend: Role.ACCOUNTS,
    AccountResume: Role.ACCOUNTS,
    AccountRemove: Role.ACCOUNTS,
    AccountChanged: Role.ACCOUNTS,
    GuardList: Role.READ,
    GuardRelease: Role.ACCOUNTS,
    HealthQuery: Role.READ,
    MetricsQuery: Role.READ,
    DamagedList: Role.READ,
    DamagedRelease: Role.QUEUE,
    DamagedDelete: Role.QUEUE,
    Reload: Role.ADMIN,
    Backup: Role.ADMIN,
}
"""The one place that says who may ask what."""
