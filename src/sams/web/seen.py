"""What a look at the service brings, as the doctor's pages show it."""

from __future__ import annotations

from dataclasses import dataclass

from sams.activity.explaining.stages import Story
from sams.web.watching import Watching, Whose

SLACK = 5.0
"""Seconds before the begin of a watch that count as well: who is quick may be there first."""


@dataclass(frozen=True, slots=True)
class SeenStory:
    """One story. is_own: it is the signed-in member's, so that all of it may be shown."""

    story: Story
    is_own: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """The stories since a watch began, the latest first.

    login_ended: somebody was signed in, and is not any more.
    """

    stories: tuple[SeenStory, ...] = ()
    login_ended: bool = False


async def look(watching: Watching, whose: Whose, since: float) -> Seen:
    """Look once. A member's own stories are shown whole, others of the same address as strangers may see them.

    Raises:
        ServiceUnreachable: the service does not answer.
    """
    own = await watching.of_member(whose.ticket) if whose.ticket else None
    mine = [one for one in own.stories if _is_new(one, since)] if own is not None else []
    known = {(one.client, one.begun) for one in mine}
    strangers = (await watching.of_address(whose.address)).stories if whose.address else ()
    others = [one for one in strangers if _is_new(one, since) and (one.client, one.begun) not in known]
    found = [*(SeenStory(one, True) for one in mine), *(SeenStory(one, False) for one in others)]
    found.sort(key=lambda one: -one.story.begun)
    return Seen(tuple(found), login_ended=own is not None and not own.known)


def _is_new(story: Story, since: float) -> bool:
    """Whether something of it happened since the watch began."""
    return max(story.begun, *(stage.at for stage in story.stages)) >= since - SLACK
