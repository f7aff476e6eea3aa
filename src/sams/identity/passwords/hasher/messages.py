"""What workers and the hasher say to each other (`identity/questions.py`)."""

from __future__ import annotations

import msgspec


class Question(msgspec.Struct, frozen=True):
    """What `Hashes.compare` is asked; the answer is what it returns. Not shown by repr."""

    stored: str | None
    typed: str

    def __repr__(self) -> str:
        return "Question()"
