"""A story: one connection, and what became of the messages that it brought, as stages that a person can follow.

A stage is a kind and facts; its words stand in `words.py`, so that pages can tell them in another language. Facts are
of two sorts. `facts` tell of the connection itself, and anyone may see them who connects from the same address.
`private` ones tell who somebody is and whom they write to: they are for the member and for administrators.
"""

from __future__ import annotations

import enum

import msgspec

Fact = str | int | float


class Tone(enum.Enum):
    """How a stage is meant."""

    GOOD = "good"
    NOTE = "note"
    BAD = "bad"
    WAIT = "wait"


class Stage(msgspec.Struct, frozen=True):
    """One thing that happened.

    at: UNIX seconds. kind: a key of `words.WORDS`. facts, private: see the module; texts in them are cleaned.
    """

    at: float
    kind: str
    facts: dict[str, Fact] = {}
    private: dict[str, Fact] = {}


class Story(msgspec.Struct, frozen=True):
    """One connection from its begin, or what befell one message where its connection is no longer known.

    session: its id; empty where it is not known, or not for the reader. client: the peer's address.
    begun: UNIX seconds. ended: False while it lasts. login: who signed in or tried to; empty where nobody did, or
    where it is not for the reader.
    stages: in the order of time.
    """

    session: str
    client: str
    begun: float
    ended: bool
    login: str = ""
    stages: tuple[Stage, ...] = ()


def for_strangers(story: Story) -> Story:
    """The story as someone may see it who connects from the same address and has not signed in."""
    stages = tuple(Stage(stage.at, stage.kind, stage.facts) for stage in story.stages)
    return Story("", story.client, story.begun, story.ended, "", stages)
