"""Telling a stage in words: what happened in a plain sentence, and what to do about it.

The texts stand in `texts/`, by what they are about. A text may hold names of facts in braces, `{port}`. A part in
brackets, `[It offered {offered}.]`, is left out as a whole where one of its facts is not known or empty. Every remedy
may name the ports of the service (`Ports`). Nothing else is special, so that a translation can do no harm.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sams.activity.explaining.stages import Fact, Stage, Tone
from sams.activity.explaining.texts.connecting import CONNECTING
from sams.activity.explaining.texts.delivering import DELIVERING
from sams.activity.explaining.texts.interface import Words
from sams.activity.explaining.texts.sending import SENDING
from sams.activity.explaining.texts.signing_in import SIGNING_IN
from sams.core.text import visible
from sams.core.translatable import translatable

UNKNOWN = Words(
    Tone.NOTE,
    translatable("Something happened that this version has no words for: {kind}."),
)
"""For a kind that another version made."""

WORDS: Mapping[str, Words] = {**CONNECTING, **SIGNING_IN, **SENDING, **DELIVERING}

TIMES = frozenset({"until"})
"""Facts that are UNIX seconds."""
SIZES = frozenset({"size"})
"""Facts that are numbers of octets."""
_LONGEST_FACT = 500
_PART = re.compile(r"\[([^\[\]]*)\]")
_NAME = re.compile(r"\{([a-z_]+)\}")
_UNITS = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


@dataclass(frozen=True, slots=True)
class Ports:
    """Where members connect: for TLS from the start, and for STARTTLS; None: the service does not have it."""

    implicit: int | None = 465
    starttls: int | None = 587

    def facts(self) -> dict[str, Fact]:
        """As remedies name them."""
        named = {"tls_port": self.implicit, "starttls_port": self.starttls}
        return {name: port for name, port in named.items() if port is not None}


USUAL_PORTS = Ports()
PORTS = frozenset(USUAL_PORTS.facts())
"""Facts that every remedy may use, in a part in brackets: a service may not have both."""


@dataclass(frozen=True, slots=True)
class Told:
    """A stage in words, cleaned. remedy: what to do; empty: nothing."""

    tone: Tone
    sentence: str
    remedy: str = ""


def in_utc(at: float) -> str:
    """UNIX seconds as a time of the day, for who reads it anywhere: `14:05 UTC`."""
    try:
        return time.strftime("%H:%M UTC", time.gmtime(at))
    except (OverflowError, ValueError, OSError):
        return "?"


def told(
    stage: Stage,
    *,
    translate: Callable[[str], str] = str,
    anonymous: bool = False,
    when: Callable[[float], str] = in_utc,
    ports: Ports = USUAL_PORTS,
) -> Told:
    """A stage in words.

    translate: gives a text of the table in the reader's language. anonymous: for a reader who may not know what is
    private; the facts of `Stage.private` are not used. when: shows a time of a fact. ports: what to set in a program.
    """
    words = WORDS.get(stage.kind, UNKNOWN)
    facts: dict[str, Fact] = {"kind": stage.kind, **ports.facts(), **stage.facts}
    if not anonymous:
        facts |= stage.private
    shown = {name: _shown(name, value, when) for name, value in facts.items()}
    sentence = words.sentence
    if words.anonymous and (anonymous or not _has_all(sentence, shown)):
        sentence = words.anonymous  # of a stage that was cut to what its reader may see
    remedy = filled(translate(words.remedy), shown) if words.remedy else ""
    return Told(words.tone, filled(translate(sentence), shown), remedy)


def filled(text: str, facts: Mapping[str, str]) -> str:
    """The text with its facts; a part in brackets goes where one of its own is missing or empty."""
    return _with_facts(_PART.sub(lambda part: _part(part[1], facts), text), facts)


def _part(text: str, facts: Mapping[str, str]) -> str:
    return text if all(facts.get(name) for name in _NAME.findall(text)) else ""


def _has_all(text: str, facts: Mapping[str, str]) -> bool:
    """Whether all facts are known that are not in brackets."""
    return all(name in facts for name in _NAME.findall(_PART.sub("", text)))


def _with_facts(text: str, facts: Mapping[str, str]) -> str:
    """In one pass over the text: what a fact holds is never looked at for names."""
    return " ".join(_NAME.sub(lambda name: facts.get(name[1], "?"), text).split())


def _shown(name: str, value: Fact, when: Callable[[float], str]) -> str:
    if isinstance(value, str):
        return visible(value, _LONGEST_FACT)
    if name in TIMES:
        return when(float(value))
    return _size(value) if name in SIZES else f"{value:g}" if isinstance(value, float) else str(value)


def _size(octets: float) -> str:
    for unit, name in _UNITS:
        if octets >= unit:
            return f"{octets / unit:.1f} {name}"
    return f"{octets:g} B"
