"""What one connection may still do: counters that outlive STARTTLS (docs/security.md rule 2)."""

from __future__ import annotations

from sams.protocol.smtp.settings import ServerSettings


class Allowance:
    """Counts against the limits of the settings. Each method tells what is used up, or None."""

    __slots__ = (
        "_commands",
        "_discarded",
        "_errors",
        "_failed_signins",
        "_idle",
        "_refusals",
        "_settings",
        "_transactions",
    )

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._commands = 0
        self._discarded = 0
        self._errors = 0
        self._failed_signins = 0
        self._idle = 0
        self._refusals = 0
        self._transactions = 0

    def command_before_auth(self) -> str | None:
        """A command of someone who has not signed in; the one above the limit is not carried out."""
        self._commands += 1
        return (
            "too many commands before AUTH" if self._commands > self._settings.commands_before_auth else None
        )

    def idle_command(self) -> str | None:
        """A command that brings no message nearer; the one above the limit is not carried out."""
        self._idle += 1
        return "too many commands without a message" if self._idle > self._settings.idle_commands else None

    def transaction(self) -> str | None:
        """A MAIL; the one above the limit is not carried out."""
        self._transactions += 1
        most = self._settings.max_transactions
        return None if most is None or self._transactions <= most else "too many messages in one connection"

    def error(self) -> str | None:
        """A mistake of syntax or sequence, answered already."""
        self._errors += 1
        return "too many errors" if self._errors >= self._settings.errors else None

    def refusal(self) -> str | None:
        """A refusal that is no mistake of the protocol, answered already."""
        self._refusals += 1
        return "too many refused commands" if self._refusals >= self._settings.refusals else None

    def discarded(self, octets: int) -> str | None:
        """Octets that a refused BDAT announces; those above the limit are not read."""
        self._discarded += octets
        most = self._settings.message_size + self._settings.discard
        return "too many octets behind a refusal" if self._discarded > most else None

    def failed_signin(self) -> str | None:
        """A sign-in that was refused, for now (4yz) or for good: a try that cost no less."""
        self._failed_signins += 1
        return "too many failed sign-ins" if self._failed_signins >= self._settings.failed_signins else None

    def message_accepted(self) -> None:
        """The peer did what it came for."""
        self._idle = 0
