"""What the system tells of processes."""

from __future__ import annotations

from pathlib import Path


def children(pid: int) -> list[int]:
    """Whom a process started, by its first thread, and who has not ended."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
