"""`sams activity explain`: what went wrong, in the order in which it happened, and what to do about it."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click

from sams.activity.explaining.gathering import MOST_STORIES, stories
from sams.activity.explaining.stages import Stage, Story, Tone
from sams.activity.explaining.verdicts import verdict
from sams.activity.explaining.words import USUAL_PORTS, Ports, Told, told
from sams.activity.interface import Reader, Search
from sams.cli.failures import Failed
from sams.cli.journal import opened_journal, searches
from sams.cli.options import DurationType, config_option, json_option
from sams.cli.place import Place
from sams.cli.render import print_json, when
from sams.config.offered import best_port, outgoing_servers
from sams.config.problems import ConfigError
from sams.core.text import visible, wrapped

_MARKS = {Tone.GOOD: "✓", Tone.NOTE: "·", Tone.BAD: "✗", Tone.WAIT: "…"}
_COLOURS = {Tone.GOOD: "green", Tone.NOTE: None, Tone.BAD: "red", Tone.WAIT: "yellow"}
_WIDEST, _WIDE, _NARROWEST = 120, 100, 60
_UNREACHED = (
    "What never reached the service leaves no trace here: a port that is blocked on the way, or another server's "
    "name in the program. `sams probe HOST`, on the member's computer, tells which ports get through. "
)
_AS = {
    "message": "a message's id",
    "session": "a session's id",
    "reference": "a reference",
    "client": "a client's address",
    "login": "a login",
    "recipient": "a recipient",
}
Teller = Callable[[Stage], Told]


@click.command()
@click.argument("what", metavar="LOGIN|ADDRESS|MESSAGE-ID|REF")
@click.option("--since", type=DurationType(), metavar="TIME", help="Not longer ago than this, such as 2h.")
@click.option(
    "--limit",
    type=click.IntRange(1, MOST_STORIES),
    default=5,
    show_default=True,
    help="Connections at most, the latest first.",
)
@config_option
@json_option
def explain(*, what: str, since: float | None, limit: int, config_path: Path, as_json: bool) -> None:
    """Say what went wrong, stage by stage, and what to do: the latest first.

    For a login, a mail address (of an account or a recipient), a client's network address, a message's or session's
    id, or a reference such as K7Q2-4F. With --json: one document a line.
    """
    now, ports = time.time(), _ports(config_path)
    meant = list(searches(what, None if since is None else now - since))
    with opened_journal(config_path) as reader:
        found = _found(reader, meant, now, limit)
    for story in found:
        if as_json:
            print_json(_as_json(story, partial(told, ports=ports)))
        else:
            _print(story, partial(told, when=when, ports=ports))
    if not found and not as_json:
        raise Failed(_nothing(what, meant, since))


def _ports(config_path: Path) -> Ports:
    """What members set in their programs; the usual ports where the configuration cannot tell."""
    with contextlib.suppress(ConfigError, OSError):
        offered = outgoing_servers(Place(config_path).config)
        return Ports(best_port(offered, "implicit"), best_port(offered, "starttls"))
    return USUAL_PORTS


def _found(reader: Reader, meant: list[Search], now: float, limit: int) -> list[Story]:
    """The stories of all that the word may mean, each once; the one with more stages, where two searches find it."""
    by_key: dict[tuple[str, str, float], Story] = {}
    for search in meant:
        for story in stories(reader, search, now, limit, internal=True):
            key = (story.session, story.client, 0.0 if story.session else story.begun)
            known = by_key.get(key)
            if known is None or len(known.stages) < len(story.stages):
                by_key[key] = story
    return sorted(by_key.values(), key=lambda story: (story.begun, story.session), reverse=True)[:limit]


def _nothing(what: str, meant: list[Search], since: float | None) -> str:
    if not meant:
        return f"{visible(what, 200)} can be none of these: {', '.join(_AS.values())}"
    looked_for = [words for name, words in _AS.items() if any(getattr(search, name) for search in meant)]
    span = "in all that it keeps" if since is None else f"since {when(time.time() - since)}"
    return (
        f"the journal has nothing about {visible(what, 200)} {span} (looked for as {', '.join(looked_for)}). "
        f"{_UNREACHED if any(_is_of_somebody(search) for search in meant) else ''}"
        "`[activity]` says how long entries are kept"
    )


def _is_of_somebody(search: Search) -> bool:
    """Whether it may be that this one never reached the service; who has a reference or an id did."""
    return bool(search.login or search.client or search.recipient)


# --- for people


def _print(story: Story, tell: Teller) -> None:
    for line in _lines(story, tell):
        click.echo(line)
    click.echo()


def _lines(story: Story, tell: Teller) -> Iterator[str]:
    """The title, the verdict with what to do, then each stage with its time."""
    yield click.style(_title(story), bold=True)
    summary = tell(verdict(story))
    yield from _marked("  ", summary.tone, summary.sentence)
    if summary.remedy:
        yield from _indented("    What to do: ", summary.remedy)
    day = when(story.begun)[:10]
    for stage in story.stages:
        yield from _stage_lines(stage, day, summary, tell)
    if not story.ended:
        yield "    … it still lasts"


def _title(story: Story) -> str:
    where = f"from {story.client}" if story.client else "a message" if not story.session else "a connection"
    who = f" as {story.login}" if story.login else ""
    session = f", session {story.session}" if story.session else ""
    return visible(f"{when(story.begun)}  {where}{who}{session}")


def _stage_lines(stage: Stage, day: str, summary: Told, tell: Teller) -> Iterator[str]:
    words = tell(stage)
    at = when(stage.at)
    clock = at[-8:] if at.startswith(day) else at
    yield from _marked(f"    {clock}  ", words.tone, f"{words.sentence}{_numbers(stage)}")
    if words.remedy and words.remedy != summary.remedy and words.tone is Tone.BAD:
        yield from _indented("                What to do: ", words.remedy)
    for name, value in stage.internal.items():
        yield from _indented(f"                {name.replace('_', ' ')}: ", visible(str(value)))


def _numbers(stage: Stage) -> str:
    """Code, status and reference, for who looks them up, and how often it came."""
    facts = stage.facts
    code = " ".join(
        str(facts[name]) for name in ("code", "status") if name in facts and "first" not in stage.private
    )
    reference = f"ref {facts['reference']}" if "reference" in facts else ""
    times = f"{facts['times']} times" if "times" in facts else ""
    known = ", ".join(filter(None, (code, reference, times)))
    return f" ({known})" if known else ""


def _marked(first: str, tone: Tone, text: str) -> Iterator[str]:
    for line in _wrapped(f"{first}{_MARKS[tone]} ", text):
        colour = _COLOURS[tone]
        yield click.style(line, fg=colour) if colour else line


def _indented(first: str, text: str) -> Iterator[str]:
    yield from _wrapped(first, text)


def _wrapped(first: str, text: str) -> list[str]:
    return wrapped(text, _width(), first, " " * len(first))


def _width() -> int:
    if not sys.stdout.isatty():
        return _WIDE
    return max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size().columns))


# --- for programs


def _as_json(story: Story, tell: Teller) -> dict[str, Any]:
    """The story; see docs/admin/activity.md."""
    summary = tell(verdict(story))
    return {
        "session": story.session,
        "client": story.client,
        "login": story.login,
        "begun": story.begun,
        "ended": story.ended,
        "verdict": {"kind": verdict(story).kind, **_words_as_json(summary)},
        "stages": [
            {
                "at": stage.at,
                "kind": stage.kind,
                **_words_as_json(tell(stage)),
                "facts": {**stage.facts, **stage.private, **stage.internal},
            }
            for stage in story.stages
        ],
    }


def _words_as_json(words: Told) -> dict[str, str]:
    return {"tone": words.tone.value, "sentence": words.sentence, "remedy": words.remedy}
