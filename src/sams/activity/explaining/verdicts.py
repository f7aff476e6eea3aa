"""The one thing to say of a whole story."""

from __future__ import annotations

from sams.activity.explaining.stages import Stage, Story, Tone
from sams.activity.explaining.words import WORDS

_FAILED_LATER = frozenset({"delivery-refused", "queue-delete", "queue-hold"})
"""What befell a message after it was accepted, and is worth more than all that went well."""
_WAITS = frozenset({"waiting", "waiting-again"})
_TELLING = frozenset({"left-at-once", "nothing-sent", "signed-in-page"})
_ENDS = ("closed-", "timeout-")


def verdict(story: Story) -> Stage:
    """What failed first since it last went well, with what to do; or that all is well, or not over yet.

    A stage of the story, or one of a kind `verdict-…`, for `words.told`. It is the same for a story cut by
    `for_strangers` or `for_member`.
    """
    stages = story.stages
    if not stages:
        return Stage(story.begun, "verdict-nothing")
    kinds = {stage.kind for stage in stages}
    for place, stage in reversed(list(enumerate(stages))):
        if stage.kind in _FAILED_LATER and not _was_released(stage, stages[place:]):
            return stage
    failed = _first_failure(stages, "accepted" in kinds)
    if failed is not None:
        return failed
    return _without_failure(story, kinds)


def _was_released(stage: Stage, rest: tuple[Stage, ...]) -> bool:
    return stage.kind == "queue-hold" and any(one.kind == "queue-release" for one in rest)


def _without_failure(story: Story, kinds: set[str]) -> Stage:
    at = story.stages[-1].at
    if kinds & _WAITS:
        return Stage(at, "verdict-on-its-way")
    for kind in ("delivered", "accepted"):
        if kind in kinds:
            return Stage(at, f"verdict-{kind}")
    if not story.ended:
        return Stage(at, "verdict-going-on")
    telling = [stage for stage in story.stages if stage.kind in _TELLING or len(story.stages) == 1]
    return telling[-1] if telling else Stage(at, "verdict-nothing")


def _first_failure(stages: tuple[Stage, ...], accepted: bool) -> Stage | None:  # noqa: FBT001 - private, no order
    """The first after the last stage of the conversation that went well; how it ended only where that is all."""
    since = max((number for number, stage in enumerate(stages) if _went_well(stage)), default=-1)
    failures = [stage for stage in stages[since + 1 :] if _is_failure(stage)]
    reasons = [stage for stage in failures if not stage.kind.startswith(_ENDS)]
    return next(iter(reasons if reasons or accepted else failures), None)


def _went_well(stage: Stage) -> bool:
    """Delivery goes on beside the conversation, and says nothing of the next message in it."""
    return _tone(stage) is Tone.GOOD and stage.kind != "delivered"


def _is_failure(stage: Stage) -> bool:
    tone = _tone(stage)
    if tone is Tone.WAIT:
        return not stage.kind.startswith(("waiting", "deferred", "queue-"))
    return tone is Tone.BAD


def _tone(stage: Stage) -> Tone:
    words = WORDS.get(stage.kind)
    return words.tone if words is not None else Tone.NOTE
