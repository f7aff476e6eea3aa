"""What systemd is told (sd_notify(3)): nothing where no systemd asked."""

from __future__ import annotations

import socket
from dataclasses import dataclass

_LONGEST_STATUS = 500


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """The service manager's socket, `NOTIFY_SOCKET`; empty: there is none.

    watchdog: within how many seconds it wants to hear from us; None: never.
    """

    path: str = ""
    watchdog: float | None = None

    @classmethod
    def from_environment(cls, environment: dict[str, str]) -> ServiceManager:
        """Read NOTIFY_SOCKET and WATCHDOG_USEC."""
        microseconds = environment.get("WATCHDOG_USEC", "")
        watchdog = int(microseconds) / 1_000_000 if microseconds.isdigit() else None
        return cls(environment.get("NOTIFY_SOCKET", ""), watchdog)

    def ready(self, status: str = "") -> None:
        """Every listener accepts, or a reload is over; status: what `systemctl status` shows, on one line."""
        self._tell("READY=1" + _status(status))

    def reloading(self, monotonic: float) -> None:
        """A reload began (Type=notify-reload wants the monotonic time, here in seconds)."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={int(monotonic * 1_000_000)}")

    def stopping(self) -> None:
        """The service is about to end."""
        self._tell("STOPPING=1")

    def alive(self) -> None:
        """For the watchdog."""
        self._tell("WATCHDOG=1")

    def _tell(self, message: str) -> None:
        if not self.path:
            return
        address = "\0" + self.path[1:] if self.path.startswith("@") else self.path
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            try:
                sender.sendto(message.encode(), address)
            except OSError:
                return  # a service manager that went away must not take the service with it


def _status(text: str) -> str:
    """A line of its own; a line end in it would begin another variable."""
    return f"\nSTATUS={' '.join(text.split())[:_LONGEST_STATUS]}" if text else ""
