"""Errors that say who is to blame, with what the peer may read apart from what only we may."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a command's help needs errors, and no struct of a reply
    from sams.core.reply import Reply


class SamsError(Exception):
    """An expected failure.

    reply: what the peer is told.
    detail: what the log and the journal are told besides; never a secret.
    """

    def __init__(self, reply: Reply, detail: str = "") -> None:
        super().__init__(detail or str(reply))
        self.reply = reply
        self.detail = detail


class PeerFault(SamsError):
    """The peer did what the protocol or our limits forbid."""


class TemporaryFailure(SamsError):
    """It did not work now and may work later: 4yz."""


class PermanentFailure(SamsError):
    """It will not work as asked: 5yz."""


class OperatorError(Exception):
    """A command or configuration of the administrator is wrong; the message says what to do instead."""
