"""DKIM: is the key in DNS that by which mail is signed (RFC 6376 section 3.6.1)."""

from __future__ import annotations

import asyncio

from sams.cli.dns.finding import About, DnsFinding
from sams.cli.dns.questions import Questions
from sams.cli.dns.record import Importance
from sams.cli.dns.senders import dkim_name, dkim_proposal
from sams.cli.dns.tags import Tags, read_tags
from sams.config.model import Config, DkimKey
from sams.core.errors import OperatorError


async def check_dkim(config: Config, domain: str, questions: Questions) -> list[DnsFinding]:
    """Each key."""
    return await asyncio.gather(*(_check_key(key, domain, questions) for key in config.dns.dkim))


async def _check_key(key: DkimKey, domain: str, questions: Questions) -> DnsFinding:
    subject = f"DKIM {key.selector}"
    try:
        record = dkim_proposal(key, domain)
    except OperatorError as error:
        return About(domain, subject, Importance.NEEDED).wrong(str(error), "see [[dns.dkim]] public_key")
    about = About(domain, subject, Importance.NEEDED, (record,))
    answer = await questions.ask(dkim_name(key, domain), "TXT")
    if not answer.is_known:
        return about.unknown(answer)
    if not answer.texts:
        return about.missing("no key: signatures cannot be checked")
    if len(answer.texts) > 1:
        what = f"{len(answer.texts)} records: which of them counts is left to chance"
        return about.wrong(what, "leave only this one:")
    return _judge(about, read_tags(answer.texts[0]), read_tags(record.text))


def _judge(about: About, found: Tags, ours: Tags) -> DnsFinding:
    wrong = _what_is_wrong(found, ours)
    if wrong:
        return about.wrong(wrong)
    if "y" in found.get("t").replace(" ", "").lower().split(":"):
        return about.note(
            "the key is right; t=y says that it is tried only, and some do not count it", "remove t=y"
        )
    return about.ok(f"the key in DNS is ours ({_algorithm(ours)})")


def _what_is_wrong(found: Tags, ours: Tags) -> str:
    if found.get("v", "DKIM1") != "DKIM1":
        return "the record is none of DKIM"
    if "p" in found.values and not found.get("p"):
        return "the key is revoked (p= is empty): signatures by it count as false"
    if _key(found) != _key(ours):
        return "another key stands there: signatures by ours count as false"
    if _algorithm(found) != _algorithm(ours):
        return f"says that the key is one of {_algorithm(found)}; it is one of {_algorithm(ours)}"
    return f"the key is right, and the record has a mistake: {found.problems[0]}" if found.problems else ""


def _key(tags: Tags) -> str:
    return "".join(tags.get("p").split())


def _algorithm(tags: Tags) -> str:
    """RSA where it is not said. Only those that are known are told."""
    name = tags.get("k", "rsa").lower()
    return name if name in {"rsa", "ed25519"} else "another kind"
