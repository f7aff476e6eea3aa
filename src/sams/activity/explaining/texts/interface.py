"""What the texts of one kind of stage are."""

from __future__ import annotations

from dataclasses import dataclass

from sams.activity.explaining.stages import Tone


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one kind; `words.py` says what braces and brackets mean.

    remedy: what to do; empty: nothing. Of public facts alone.
    anonymous: the sentence for who may not know what is private; empty: the other one names nothing private.
    """

    tone: Tone
    sentence: str
    remedy: str = ""
    anonymous: str = ""
