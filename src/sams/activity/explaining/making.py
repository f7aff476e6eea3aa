"""How stages are made: facts are cleaned and cut here, and what is empty is left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sams.activity.explaining.stages import Fact, Stage
from sams.core.text import visible

LONGEST = 400
"""Characters of a fact."""
_MOST_REFERENCES = 5
_REPLY = re.compile(r"([1-5][0-9]{2})(?: ([245]\.[0-9]{1,3}\.[0-9]{1,3}))?(?: |\Z)")
_REFERENCE = re.compile(r" ?\(ref ([0-9A-Z]{4}-[0-9A-Z]{2})\)\Z")


@dataclass(frozen=True, slots=True)
class Said:
    """A reply as the journal has it, taken apart. All are empty where it is none; then `text` is all of it."""

    code: str
    status: str
    text: str
    reference: str

    @property
    def facts(self) -> dict[str, Fact]:
        """What anyone may see of it."""
        return {"code": self.code, "status": self.status, "reference": self.reference}

    @property
    def is_temporary(self) -> bool:
        """4yz."""
        return self.code.startswith("4")


def said(reply: str, reference: str = "") -> Said:
    """Take a reply apart. reference: where the journal has it beside the reply."""
    found = _REPLY.match(reply)
    code, status = (found[1], found[2] or "") if found else ("", "")
    text = reply[found.end() :] if found else reply
    end = _REFERENCE.search(text)
    if end is not None:
        reference, text = reference or end[1], text[: end.start()]
    return Said(code, status, text.rstrip(" ."), reference)


def stage(
    at: float,
    kind: str,
    facts: Mapping[str, Fact] | None = None,
    private: Mapping[str, Fact] | None = None,
    internal: Mapping[str, Fact] | None = None,
) -> Stage:
    """One stage, of facts as they come."""
    return Stage(at, kind, _cleaned(facts), _cleaned(private), _cleaned(internal))


def is_again(one: Stage, other: Stage) -> bool:
    """Whether the second tells no more than that the first came again, or is the reply to what the first tells."""
    if one.kind != other.kind:
        return False
    if one.kind.startswith("tls-failed-"):
        return True  # a handshake that failed, and the reply that says so
    return (
        bool(one.private)
        and one.private == other.private
        and one.facts.get("said") == other.facts.get("said")
    )


def again(one: Stage, other: Stage) -> Stage:
    """Both as one: how many they are, and the references of both."""
    facts = {**other.facts, **one.facts}
    if one.facts.get("code") == other.facts.get("code"):
        facts["times"] = int(one.facts.get("times", 1)) + 1
    references = [str(each.facts["reference"]) for each in (one, other) if "reference" in each.facts]
    if len(references) > 1 and references[0].count(",") < _MOST_REFERENCES - 1:
        facts["reference"] = ", ".join(references)
    return Stage(one.at, one.kind, facts, one.private, one.internal)


def _cleaned(facts: Mapping[str, Fact] | None) -> dict[str, Fact]:
    if not facts:
        return {}
    return {
        name: visible(value, LONGEST) if isinstance(value, str) else value
        for name, value in facts.items()
        if value != "" or name == "login"  # an empty one says that it is nobody's
    }
