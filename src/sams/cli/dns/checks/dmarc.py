"""DMARC: there is one record that receivers understand, and reports can arrive (RFC 9989, RFC 9990)."""

from __future__ import annotations

import asyncio

from sams.cli.dns.finding import About, DnsFinding
from sams.cli.dns.questions import Answer, Questions
from sams.cli.dns.record import Importance
from sams.cli.dns.senders import dmarc_proposal, report_permission
from sams.cli.dns.tags import Tags, has_version, read_tags
from sams.cli.doctor.finding import Level
from sams.config.model import Config
from sams.core.text import visible

_VERSION = "DMARC1"
_STRICTNESS = ("none", "quarantine", "reject")
_MOST_STEPS = 8
"""Of the walk towards the root (RFC 9989)."""


async def check_dmarc(config: Config, domain: str, questions: Questions) -> list[DnsFinding]:
    """The record, and the permission for reports."""
    record, permission = await asyncio.gather(
        _check_record(config, domain, questions), _check_permission(config, domain, questions)
    )
    return [*record, *permission]


async def _check_record(config: Config, domain: str, questions: Questions) -> list[DnsFinding]:
    about = About(domain, "DMARC", Importance.ADVISED, (dmarc_proposal(config, domain),))
    answer = await questions.ask(f"_dmarc.{domain}", "TXT")
    if not answer.is_known:
        return [about.unknown(answer)]
    texts = _records(answer)
    if not texts:
        return [await _judge_none(about, domain, questions)]
    if len(texts) > 1:
        what = f"{len(texts)} records, and one is allowed: receivers look at none of them"
        return [about.wrong(what, "leave one:")]
    tags = read_tags(texts[0])
    return _judge(about, config, tags) or [about.ok(visible(texts[0], 300))]


async def _judge_none(about: About, domain: str, questions: Questions) -> DnsFinding:
    """The nearest domain above that has a record speaks for this one as well."""
    labels = domain.split(".")
    for start in range(max(1, len(labels) - _MOST_STEPS), len(labels) - 1):
        above = ".".join(labels[start:])
        texts = _records(await questions.ask(f"_dmarc.{above}", "TXT"))
        if len(texts) == 1:
            tags = read_tags(texts[0])
            policy = visible(tags.get("sp") or tags.get("p") or "none", 20)
            return about.note(f"no record of its own: that of {above} counts ({policy})")
    return about.missing("no record: everybody judges forgeries of the domain as they like")


def _judge(about: About, config: Config, tags: Tags) -> list[DnsFinding]:
    found = [about.wrong(f"the record has a mistake: {problem}") for problem in tags.problems]
    policy = tags.get("p").lower()
    if policy not in _STRICTNESS:
        said = f'"{visible(tags.get("p"), 40)}"' if policy else "none"
        return [
            *found,
            about.wrong(f"its policy is {said}, and none, quarantine or reject has to stand there"),
        ]
    if policy != config.dns.dmarc:
        weaker = _STRICTNESS.index(policy) < _STRICTNESS.index(config.dns.dmarc)
        what = f"its policy is {policy}, which is {'weaker' if weaker else 'stricter'} than [dns] dmarc"
        found.append(about.note(what, "let both say the same", level=Level.WARN if weaker else Level.OK))
    if tags.get("t").lower() == "y" and policy != "none":
        found.append(about.note("t=y says that the policy is tried only", "remove t=y once all is well"))
    if "pct" in tags.values:
        found.append(about.note("pct= means nothing any more (RFC 9989)", "leave it out"))
    return [*found, *_judge_reports(about, config, tags)]


def _judge_reports(about: About, config: Config, tags: Tags) -> list[DnsFinding]:
    uris = [part.strip() for part in tags.get("rua").split(",") if part.strip()]
    if any(":" not in uri for uri in uris):
        return [about.wrong("rua= lacks the mailto: before an address, so that no report is sent")]
    ours = read_tags(about.records[0].text).get("rua")
    if ours and ours.lower() not in {uri.lower().partition("!")[0] for uri in uris}:
        where = visible(", ".join(uris), 200) if uris else "nobody"
        what = f"reports go to {where} and not to [dns] reports ({config.dns.reports})"
        return [about.note(what, "add it to rua=, or correct [dns] reports", level=Level.WARN)]
    return []


async def _check_permission(config: Config, domain: str, questions: Questions) -> list[DnsFinding]:
    record = report_permission(config, domain)
    if record is None:
        return []
    about = About(domain, "DMARC reports", record.importance, (record,))
    answer = await questions.ask(record.name, "TXT")
    if not answer.is_known:
        return [about.unknown(answer)]
    if not _records(answer):
        return [
            about.missing("the other domain does not say that it takes reports on this one: none are sent")
        ]
    return [about.ok("the other domain takes reports on this one")]


def _records(answer: Answer) -> list[str]:
    return [text for text in answer.texts if has_version(text, _VERSION)]
