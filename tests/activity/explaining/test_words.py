"""Every kind that is made has words, and words use what the kind has."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from sams.activity.explaining import refusals, sign_ins
from sams.activity.explaining.stages import Stage, Tone, for_member, for_strangers
from sams.activity.explaining.verdicts import verdict
from sams.activity.explaining.words import PORTS, UNKNOWN, WORDS, Ports, filled, in_utc, told
from tests.activity.explaining.examples import all_stages, all_stories

SOURCE = Path(refusals.__file__).parents[2]
_NAME = re.compile(r"\{([a-z_]+)\}")
_PART = re.compile(r"\[[^\[\]]*\]")


@cache
def stages_by_kind() -> dict[str, list[Stage]]:
    found: dict[str, list[Stage]] = {}
    for stage in all_stages():
        found.setdefault(stage.kind, []).append(stage)
    return found


def test_what_is_made_and_what_has_words_is_the_same() -> None:
    assert set(stages_by_kind()) ^ set(WORDS) == set()


@pytest.mark.parametrize("kind", WORDS)
def test_the_facts_that_a_sentence_needs_are_always_there(kind: str) -> None:
    words = WORDS[kind]
    for stage in stages_by_kind()[kind]:
        facts = stage.facts | stage.private
        for name in _NAME.findall(_PART.sub("", words.sentence)):
            assert facts.get(name) not in {None, ""}, (name, stage)
        for name in _NAME.findall(_PART.sub("", (words.anonymous or words.sentence) + words.remedy)):
            assert stage.facts.get(name) not in {None, ""}, (name, stage)


@pytest.mark.parametrize("kind", WORDS)
def test_every_fact_that_a_text_names_comes_with_the_kind(kind: str) -> None:
    words = WORDS[kind]
    facts = {name for stage in stages_by_kind()[kind] for name in (*stage.facts, *stage.private)}
    public = {name for stage in stages_by_kind()[kind] for name in stage.facts}
    assert set(_NAME.findall(words.sentence)) <= facts
    assert set(_NAME.findall(words.anonymous)) <= public
    assert set(_NAME.findall(words.remedy)) <= public | PORTS
    assert not PORTS & set(_NAME.findall(_PART.sub("", words.remedy)))
    if not words.anonymous:
        assert set(_NAME.findall(words.sentence)) <= public


@pytest.mark.parametrize("kind", WORDS)
def test_what_went_wrong_comes_with_what_to_do(kind: str) -> None:
    words = WORDS[kind]
    assert words.remedy or words.tone not in {Tone.BAD, Tone.WAIT} or kind == "verdict-going-on"
    for text in (words.sentence, words.remedy, words.anonymous):
        assert not text or text.endswith((".", ".]"))
        assert text.count("[") == text.count("]")


def test_no_sentence_of_any_story_has_a_hole() -> None:
    for story in all_stories():
        for anonymous, seen in (
            (False, story),
            (True, for_strangers(story)),
            (False, for_strangers(story)),
            (False, for_member(story, "somebody else")),
        ):
            for stage in (*seen.stages, verdict(seen)):
                words = told(stage, anonymous=anonymous)
                assert not set("{}[]?") & set(words.sentence + words.remedy), (stage, words)
                assert ".." not in words.sentence


def test_a_stranger_reads_nothing_private() -> None:
    for story in all_stories():
        for stage in story.stages:
            assert "ann" not in re.findall(r"[a-z]+", told(stage, anonymous=True).sentence)


def test_texts_are_marked_where_they_stand() -> None:
    """Else they would not come into the catalogues."""
    marked: set[str] = set()
    for path in (SOURCE / "activity" / "explaining").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "translatable":
                (text,) = node.args
                assert isinstance(text, ast.Constant), ast.dump(text)
                marked.add(str(text.value))
    texts = {
        text
        for words in (*WORDS.values(), UNKNOWN)
        for text in (words.sentence, words.remedy, words.anonymous)
    }
    assert texts - {""} == marked


def test_the_words_by_which_replies_are_told_apart_stand_in_the_replies() -> None:
    texts = " ".join(
        str(node.value)
        for path in sorted(SOURCE.rglob("*.py"))
        if "explaining" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    looked_for = {words.lstrip("…") for rule in refusals._RULES for words in rule.begins}
    looked_for |= {words for words, _ in sign_ins._BY_REPLY}
    assert {words for words in looked_for if words not in texts} == set()


# --- how a text is filled


@pytest.mark.parametrize(
    ("text", "facts", "filled_in"),
    [
        ("a {b} c", {"b": "x"}, "a x c"),
        ("a {b} c", {}, "a ? c"),
        ("a[ ({b})].", {"b": "x"}, "a (x)."),
        ("a[ ({b})].", {"b": ""}, "a."),
        ("a[ ({b}{c})].", {"b": "x"}, "a."),
        ("a {b}", {"b": "{c} [d]", "c": "no"}, "a {c} [d]"),
        ("a[ {b}]", {"b": "{c}", "c": "no"}, "a {c}"),
        ("{b.__class__} {0} {} {b!r} {b:x}", {"b": "x"}, "{b.__class__} {0} {} {b!r} {b:x}"),
        ("[[{b}]] ]", {"b": "x"}, "[x] ]"),
    ],
)
def test_a_text_is_filled_in_one_pass(text: str, facts: dict[str, str], filled_in: str) -> None:
    assert filled(text, facts) == filled_in


def test_times_and_sizes_are_shown_for_people() -> None:
    locked = Stage(0.0, "sign-in-locked", {"until": 1_700_000_000.0}, {"login": "ann"})
    assert "until 22:13 UTC" in told(locked).sentence
    assert "until then" in told(locked, when=lambda _: "then").sentence
    accepted = Stage(0.0, "accepted", {"size": 2_048, "recipients": 1}, {"message": "M"})
    assert "2.0 KiB" in told(accepted).sentence
    assert in_utc(float("inf")) == "?"


def test_texts_are_translated_before_they_are_filled() -> None:
    german = {WORDS["signed-in"].sentence: "Als {login} angemeldet ({mechanism})."}
    stage = Stage(0.0, "signed-in", {"mechanism": "PLAIN"}, {"login": "ann"})
    assert (
        told(stage, translate=lambda text: german.get(text, text)).sentence == "Als ann angemeldet (PLAIN)."
    )


@pytest.mark.parametrize("kind", sorted(WORDS))
def test_what_to_set_are_the_ports_of_the_service(kind: str) -> None:
    for made in stages_by_kind().get(kind, [Stage(0.0, kind)]):
        usual, other = told(made), told(made, ports=Ports(4465, 2525))
        assert usual.sentence == other.sentence, "where it connected is told as it was"
        assert other.remedy == usual.remedy.replace("465", "4465").replace("587", "2525")


@pytest.mark.parametrize("ports", [Ports(4465, None), Ports(None, 2525), Ports(None, None)])
@pytest.mark.parametrize("kind", sorted(WORDS))
def test_a_way_that_the_service_does_not_have_is_in_no_advice(kind: str, ports: Ports) -> None:
    for made in stages_by_kind().get(kind, [Stage(0.0, kind)]):
        remedy = told(made, ports=ports).remedy
        assert "?" not in remedy
        assert not re.search(r"\b(?:465|587)\b|port None", remedy)
        assert remedy[:1].isupper() or not remedy
        assert not re.search(r"[.,:] ?[.,:]|  ", remedy), remedy


def test_a_kind_of_another_version_is_said_to_be_one() -> None:
    assert "tls-new" in told(Stage(0.0, "tls-new")).sentence


def test_nothing_raw_reaches_who_reads_it() -> None:
    stage = Stage(0.0, "signed-in", {"mechanism": "PLAIN\x1b[2J"}, {"login": "a\u202enn\n" * 500})
    sentence = told(stage).sentence
    assert sentence.isprintable()
    assert len(sentence) < 1_500
