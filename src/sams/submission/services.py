"""What a session needs of the house, as one value: a reload swaps it for new sessions as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from sams.activity.interface import Activity
from sams.core.clock import Clock
from sams.core.ids import IdMaker
from sams.core.turns import Share
from sams.identity.interface import Authenticator, Identity
from sams.message.header import HeaderLimits
from sams.message.mime import MimeLimits
from sams.policy.admission import Admission
from sams.policy.quota import Quota
from sams.policy.senders import SenderPolicy
from sams.protocol.sasl.registry import Registry
from sams.spool.interface import Spool, Work
from sams.submission.composition import Composer


@dataclass(frozen=True, slots=True)
class Services:
    """The parts that sessions use.

    route_of: the route for a recipient's domain, or None.
    sign_ins: how many of them a round of the worker's loop decides.
    submit: takes what was accepted, in memory still, to delivery.
    room_for: asked with a login before each message: None, or what it has to wait for before it begins.
    notice: writes to a member.
    alarm: told of what an administrator should see: the kind, the text, the login it is about.
    note_use: told of each use of an app password: its id, the client's address, the program's name if it gave one.
    """

    name: str
    authenticator: Authenticator
    sign_ins: Share
    mechanisms: Registry
    admission: Admission
    senders: SenderPolicy
    quota: Quota
    spool: Spool
    route_of: Callable[[str], str | None]
    submit: Callable[[tuple[Work, ...]], None]
    room_for: Callable[[str], asyncio.Future[None] | None]
    activity: Activity
    log: FilteringBoundLogger
    clock: Clock
    session_ids: IdMaker
    header_limits: HeaderLimits
    mime_limits: MimeLimits
    composer: Composer
    reference: Callable[[], str]
    notice: Callable[[Identity, str], None]
    alarm: Callable[[str, str, str], None]
    note_use: Callable[[str, str, str], None]
