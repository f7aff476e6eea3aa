"""Whatever the journal holds, there is a story of it, in words, and a stranger learns nothing from it."""

from __future__ import annotations

import typing
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sams.activity import events as e
from sams.activity.explaining.gathering import MOST_STAGES
from sams.activity.explaining.stages import for_member, for_strangers
from sams.activity.explaining.verdicts import verdict
from sams.activity.explaining.words import WORDS, told
from sams.activity.interface import Entry, Step
from sams.core.text import is_visible
from tests.activity.explaining import examples
from tests.activity.explaining.examples import MESSAGE, OTHER_SESSION, REFUSALS, SECURE, SESSION, SIGN_INS

_REPLIES = [reply for _, reply, _ in REFUSALS] + [reply for _, reply, *_ in SIGN_INS]
_TEXTS = st.one_of(
    st.sampled_from(
        ["", "ann", "eve", "quit", "lost", "timeout", "protocol", "DATA", "AUTH", "hold", SESSION]
    ),
    st.sampled_from(_REPLIES),
    st.sampled_from(
        [MESSAGE, OTHER_SESSION, "delivered", "failed", "deferred", "XXXXXXXX", "\x1b[2J{x}[y]\u202e"]
    ),
    st.text(max_size=20),
)
_RESULTS = st.builds(e.RecipientResult, recipient=_TEXTS, result=_TEXTS, reply=_TEXTS)
_BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    str: _TEXTS,
    int: st.integers(0, 10_000),
    bool: st.booleans(),
    float: st.one_of(st.floats(0, 1e9), st.sampled_from([float("inf"), float("nan"), 1e300])),
}


def _events() -> st.SearchStrategy[Any]:
    kinds = []
    for kind in typing.get_args(e.AnyEvent):
        hints = {
            name: hint for name, hint in typing.get_type_hints(kind).items() if name in kind.__struct_fields__
        }
        fields = {
            name: _BY_TYPE.get(hint, st.lists(_RESULTS, max_size=3).map(tuple))
            for name, hint in hints.items()
        }
        kinds.append(st.builds(kind, **fields))
    return st.one_of(kinds)


_STEPS: st.SearchStrategy[list[Any]] = st.lists(st.one_of(_events(), st.sampled_from(SECURE)), max_size=12)


@st.composite
def _entries(draw: st.DrawFn) -> tuple[Entry, ...]:
    made = []
    for number in range(draw(st.integers(0, 6))):
        steps = tuple(Step(1_000.0 + place, event) for place, event in enumerate(draw(_STEPS)))
        what = draw(st.sampled_from(["session", "session", "attempt", "report", "guard_locked", "new"]))
        session = draw(st.sampled_from([SESSION, OTHER_SESSION, "", "no id"])) if what == "session" else ""
        made.append(Entry(0, number, what, session, draw(_TEXTS), draw(_TEXTS), draw(st.booleans()), steps))
    return tuple(made)


@given(_entries())
def test_any_rows_make_stories_in_words(entries: tuple[Entry, ...]) -> None:
    for story in examples.told(*entries):
        assert 0 < len(story.stages) <= MOST_STAGES + 2
        for seen in (story, for_strangers(story), for_member(story, "ann")):
            for stage in (*seen.stages, verdict(seen)):
                assert stage.kind in WORDS
                words = told(stage)
                assert is_visible(words.sentence)
                assert len(words.sentence) < 5_000


@given(_entries())
def test_a_stranger_sees_no_private_fact_of_any_story(entries: tuple[Entry, ...]) -> None:
    for story in examples.told(*entries):
        seen = for_strangers(story)
        assert (seen.session, seen.login) == ("", "")
        assert len(seen.stages) == len(story.stages)
        assert not any(stage.private or stage.internal for stage in seen.stages)
        names = {name for stage in seen.stages for name in stage.facts}
        assert names.isdisjoint({"login", "reply", "message", "first", "sender", "name", "remote", "report"})
        assert {"sign-in-unknown", "sign-in-previous-password"}.isdisjoint(
            stage.kind for stage in seen.stages
        )


@given(
    st.text(max_size=30), st.lists(st.sampled_from(SIGN_INS), max_size=4), st.text(min_size=1, max_size=30)
)
def test_what_a_stranger_reads_does_not_depend_on_who_it_was(
    login: str, refused: list[tuple[str, str, str, str, str]], other: str
) -> None:
    def told_of(who: str) -> list[str]:
        steps = [
            e.SignInRefused(who, mechanism, why, reply, "K7Q2-4F", text)
            for why, reply, mechanism, text, _ in refused
        ]
        seen = for_strangers(
            examples.story(*SECURE, *steps, e.SignedIn(who, "PLAIN"), e.Greeted("EHLO", who))
        )
        return [told(stage, anonymous=True).sentence for stage in seen.stages]

    assert told_of(login) == told_of(other)
