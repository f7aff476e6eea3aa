"""What commands and the running service say to each other, as values; `sams.control.wire` writes them."""

from __future__ import annotations

from sams.control.messages.accounts import (
    AccountAdd,
    AccountAddresses,
    AccountChanged,
    AccountDevice,
    AccountEntry,
    AccountLimits,
    AccountList,
    AccountPage,
    AccountPassword,
    AccountRemove,
    AccountResume,
    AccountShow,
    AccountShown,
    AccountSuspend,
    DeviceEntry,
)
from sams.control.messages.app_passwords import (
    AppPasswordAdd,
    AppPasswordAdded,
    AppPasswordEntry,
    AppPasswordList,
    AppPasswordPage,
    AppPasswordRevoke,
)
from sams.control.messages.base import (
    MAX_PAGE,
    Changed,
    Done,
    Failure,
    Role,
    Trouble,
)
from sams.control.messages.guard import (
    GuardEntry,
    GuardList,
    GuardPage,
    GuardRelease,
)
from sams.control.messages.pages import (
    MAX_STORIES,
    PagesSignedIn,
    PagesSignIn,
    PagesSignOut,
    Stories,
    StoriesOfAddress,
    StoriesOfMember,
)
from sams.control.messages.queue import (
    DamagedDelete,
    DamagedEntry,
    DamagedList,
    DamagedPage,
    DamagedRelease,
    Depth,
    LastAttempt,
    QueueDelete,
    QueueDepth,
    QueueEntry,
    QueueHold,
    QueueList,
    QueuePage,
    QueueRelease,
    QueueRetry,
    QueueSearch,
    QueueShow,
    QueueShown,
    RecipientEntry,
    RouteDown,
    RouteEntry,
)
from sams.control.messages.service import (
    BackedUp,
    Backup,
    FailedShard,
    HealthQuery,
    Metrics,
    MetricsQuery,
    Reload,
    Reloaded,
    ServiceHealth,
    WorkerHealth,
    WorkerState,
)
from sams.control.messages.sources import (
    AccountTest,
    AccountTested,
    SourceDown,
    SourceWord,
)
from sams.control.messages.transfers import (
    MAX_TRANSFERS,
    AccountImport,
    AccountsImported,
    AccountTransfer,
    ImportOutcome,
)

__all__ = [
    "MAX_PAGE",
    "MAX_STORIES",
    "MAX_TRANSFERS",
    "ROLE_FOR",
    "AccountAdd",
    "AccountAddresses",
    "AccountChanged",
    "AccountDevice",
    "AccountEntry",
    "AccountImport",
    "AccountLimits",
    "AccountList",
    "AccountPage",
    "AccountPassword",
    "AccountRemove",
    "AccountResume",
    "AccountShow",
    "AccountShown",
    "AccountSuspend",
    "AccountTest",
    "AccountTested",
    "AccountTransfer",
    "AccountsImported",
    "AppPasswordAdd",
    "AppPasswordAdded",
    "AppPasswordEntry",
    "AppPasswordList",
    "AppPasswordPage",
    "AppPasswordRevoke",
    "BackedUp",
    "Backup",
    "Changed",
    "DamagedDelete",
    "DamagedEntry",
    "DamagedList",
    "DamagedPage",
    "DamagedRelease",
    "Depth",
    "DeviceEntry",
    "Done",
    "FailedShard",
    "Failure",
    "GuardEntry",
    "GuardList",
    "GuardPage",
    "GuardRelease",
    "HealthQuery",
    "ImportOutcome",
    "LastAttempt",
    "Metrics",
    "MetricsQuery",
    "PagesSignIn",
    "PagesSignOut",
    "PagesSignedIn",
    "QueueDelete",
    "QueueDepth",
    "QueueEntry",
    "QueueHold",
    "QueueList",
    "QueuePage",
    "QueueRelease",
    "QueueRetry",
    "QueueSearch",
    "QueueShow",
    "QueueShown",
    "RecipientEntry",
    "Reload",
    "Reloaded",
    "Request",
    "Response",
    "Role",
    "RouteDown",
    "RouteEntry",
    "ServiceHealth",
    "SourceDown",
    "SourceWord",
    "Stories",
    "StoriesOfAddress",
    "StoriesOfMember",
    "Trouble",
    "WorkerHealth",
    "WorkerState",
]

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
    | PagesSignIn
    | PagesSignOut
    | StoriesOfAddress
    | StoriesOfMember
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
    | PagesSignedIn
    | Stories
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
    PagesSignIn: Role.PAGES,
    PagesSignOut: Role.PAGES,
    StoriesOfAddress: Role.PAGES,
    StoriesOfMember: Role.PAGES,
}
"""The one place that says who may ask what."""
