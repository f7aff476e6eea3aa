"""The hasher's place in the service: who starts it, and who may ask it."""

from __future__ import annotations

from sams.app.parts import checks_at_once
from sams.app.settings import worker_count
from sams.config.model import Config
from sams.core.rights import ServiceUser
from sams.identity.passwords.hasher.starting import Orders, spawn_hasher
from sams.identity.passwords.hashes import HashCost
from sams.identity.questions import Ends, questions_pair
from sams.service.helpers import Helper


def open_hasher(config: Config) -> Ends | None:
    """The hasher's pair; None: one process does all, and hashes on threads."""
    return questions_pair() if worker_count(config) else None


def hashers(config: Config, ends: Ends | None, user: ServiceUser | None) -> tuple[Helper, ...]:
    """The hasher, for a supervisor. user: whom it becomes; None: it stays who we are."""
    if ends is None:
        return ()
    orders, hearing = Orders(checks_at_once(config), HashCost(), user), ends.hearing
    return (Helper("hasher", lambda: spawn_hasher(orders, hearing), hearing.close),)
