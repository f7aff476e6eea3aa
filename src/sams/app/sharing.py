"""Tells an administrator that all members seem to be at one place (`policy/shared_address.py`)."""

from __future__ import annotations

from structlog.typing import FilteringBoundLogger


class SharingWatch:
    """Warns in the log once for each finding, and knows it for as long as it lasts."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._addresses: tuple[str, ...] = ()

    def look(self, addresses: tuple[str, ...]) -> None:
        """Take the addresses that all members share now; cheap to call each second."""
        if addresses == self._addresses:
            return
        self._addresses = addresses
        for problem in self.problems():
            self._log.warning("members share an address", note=problem)

    def problems(self) -> tuple[str, ...]:
        """What is wrong and what to do, if it is."""
        if not self._addresses:
            return ()
        places = " and ".join(self._addresses)
        problem = (
            f"all members come from {places}, so that guard, connection limits and journal cannot tell them apart: "
            "have the load balancer there say who connects ([[listener]] proxy_protocol), or name it in "
            "[guard] allow if that is as it should be"
        )
        return (problem,)
