"""The PAM helper's place in the service: who starts it, and who may ask it."""

from __future__ import annotations

from sams.config.model import Config
from sams.config.sources import PamSource
from sams.identity.questions import Ends, questions_pair
from sams.identity.sources.pam.directory import orders_for, spawn_helper
from sams.service.helpers import Helper


def pam_sections(config: Config) -> tuple[PamSource, ...]:
    """The sources that need the helper."""
    return tuple(one for one in config.accounts.sources if isinstance(one, PamSource))


def open_pam(config: Config) -> Ends | None:
    """The helper's pair; None: no source needs one."""
    return questions_pair() if pam_sections(config) else None


def pam_helpers(config: Config, sockets: Ends | None, workers: int) -> tuple[Helper, ...]:
    """The helper, for a supervisor; none where no source needs it."""
    if sockets is None:
        return ()
    orders = orders_for(pam_sections(config), workers)
    return (Helper("pam", lambda: spawn_helper(orders, sockets.hearing), sockets.hearing.close),)


def start_pam_alone(config: Config, sockets: Ends | None) -> None:
    """Start a helper for this process, which has no supervisor: it restarts itself, and ends when this process does.

    As root before rights are given up.
    """
    if sockets is None:
        return
    spawn_helper(orders_for(pam_sections(config), 1, keep=True), sockets.hearing)
    sockets.hearing.close()
