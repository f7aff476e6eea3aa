"""A story: one connection, and what became of the messages that it brought, as stages that a person can follow.

A stage is a kind and facts; its words stand in `words.py`, so that pages can tell them in another language. Facts are
of three sorts. `facts` tell of the connection itself, and anyone may see them who connects from the same address.
`private` ones tell who somebody is and whom they write to: they are for the member. `internal` ones tell what no
reply may tell, such as why a directory did not answer: they are for administrators.
"""

from __future__ import annotations

import enum

import msgspec

Fact = str | int | float


class Tone(enum.Enum):
    """How a stage is meant: it went well, it is worth knowing, it went wrong, it is not over yet."""

    GOOD = "good"
    NOTE = "note"
    BAD = "bad"
    WAIT = "wait"


class Stage(msgspec.Struct, frozen=True):
    """One thing that happened.

    at: UNIX seconds. kind: a key of `words.WORDS`. facts, private, internal: see the module; texts in them are
    cleaned and cut. A private fact `login` says whose the private facts of this stage are, where that need not be
    the story's.
    """

    at: float
    kind: str
    facts: dict[str, Fact] = {}
    private: dict[str, Fact] = {}
    internal: dict[str, Fact] = {}


class Story(msgspec.Struct, frozen=True):
    """One connection from its begin, or what befell one message where its connection is no longer known.

    session: its id; empty where it is not known, or not for the reader. client: the peer's address; empty where it
    is not known.
    begun: UNIX seconds. ended: False while it lasts. login: who signed in or tried to; empty where nobody did, or
    where it is not for the reader.
    stages: in the order of time; at least one.
    """

    session: str
    client: str
    begun: float
    ended: bool
    login: str = ""
    stages: tuple[Stage, ...] = ()


_FOR_STRANGERS = {
    "sign-in-unknown": "sign-in-wrong",
    "sign-in-previous-password": "sign-in-wrong",
}
"""What the reply does not tell apart, as a wrong password and a login that nobody has, is one kind to a stranger."""


def for_strangers(story: Story) -> Story:
    """The story as someone may see it who connects from the same address and has not signed in."""
    stages = tuple(_for_strangers(stage) for stage in story.stages)
    return Story("", story.client, story.begun, story.ended, "", stages)


def for_member(story: Story, login: str) -> Story:
    """The story as the member of this login may see it: what is private of other logins is left out.

    A connection may be found by a login that was only tried in it; who signed in there then is somebody else.
    """
    own = login.lower()
    stages = tuple(
        Stage(stage.at, stage.kind, stage.facts, stage.private)
        if _whose(story, stage) == own
        else _for_strangers(stage)
        for stage in story.stages
    )
    is_own = story.login.lower() == own
    session, named = (story.session, story.login) if is_own else ("", "")
    return Story(session, story.client, story.begun, story.ended, named, stages)


def _for_strangers(stage: Stage) -> Stage:
    return Stage(stage.at, _FOR_STRANGERS.get(stage.kind, stage.kind), stage.facts)


def _whose(story: Story, stage: Stage) -> str:
    """Logins of two members differ in lower case, as they are prepared, and may fold to one: `weiß` and `weiss`."""
    return str(stage.private.get("login", story.login)).lower()


def concerns(story: Story, login: str, source: str) -> bool:
    """Whether it is a story of this member, who is known to that source; empty: to the built-in accounts.

    The journal finds more by a login: those of another that folds to the same letters, and of a member of the same
    name whom another source knows. The story is one with what is internal.
    """
    own = login.lower()
    mine = [stage for stage in story.stages if stage.private.get("login", "") and _whose(story, stage) == own]
    sources = {stage.internal.get("source", "") for stage in mine if stage.kind.startswith("signed-in")}
    return source in sources if sources else bool(mine) or story.login.lower() == own
