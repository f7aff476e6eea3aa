"""What others need who send mail to the domains: MX (RFC 5321 section 5), MTA-STS (RFC 8461), TLSRPT (RFC 8460)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

import dns.rdtypes.ANY.MX

from sams.cli.dns.arriving import mx_records, sts_records, tlsrpt_records
from sams.cli.dns.checks.names import check_alias
from sams.cli.dns.finding import About, DnsFinding
from sams.cli.dns.questions import Answer, Questions, plain_name
from sams.cli.dns.record import Importance
from sams.cli.dns.tags import has_version, read_tags
from sams.cli.doctor.finding import Level
from sams.config.model import Config
from sams.config.sts_policy import policy_text
from sams.core.text import visible

Fetch = Callable[[str], Awaitable[str]]
"""The text of the policy of a domain (its name is given). Raises FetchError."""

_ID = re.compile(r"[A-Za-z0-9]{1,32}\Z")


class FetchError(Exception):
    """The policy cannot be had. The message says why, for the person who asked."""


async def check_arriving(
    config: Config, domain: str, questions: Questions, fetch: Fetch | None
) -> list[DnsFinding]:
    """All of this file. fetch: None: no policy is fetched."""
    groups = await asyncio.gather(
        _check_mx(config, domain, questions),
        _check_sts(config, domain, questions),
        _check_policy(config, domain, fetch),
        _check_tlsrpt(config, domain, questions),
    )
    return [finding for group in groups for finding in group]


async def _check_mx(config: Config, domain: str, questions: Questions) -> list[DnsFinding]:
    if not config.dns.mx:
        return []
    about = About(domain, "MX", Importance.NEEDED, tuple(mx_records(config, domain)))
    answer = await questions.ask(domain, "MX")
    if not answer.is_known:
        return [about.unknown(answer)]
    values = sorted(answer.of(dns.rdtypes.ANY.MX.MX), key=lambda each: each.preference)
    found = {plain_name(each.exchange): each.preference for each in reversed(values)}
    if not found:
        return [about.missing("no record: mail to the domain goes to its own address, if there is one")]
    if set(found) == {""}:
        return [about.wrong("says that the domain takes no mail at all (RFC 7505)")]
    return [_judge_mx(about, config.dns.mx, found)]


def _judge_mx(about: About, wanted: tuple[str, ...], found: dict[str, int]) -> DnsFinding:
    missing = [host for host in wanted if host not in found]
    strange = visible(", ".join(host or "." for host in found if host not in wanted), 300)
    if missing:
        instead = f", but {strange}" if strange else ""
        return about.wrong(f"does not name {', '.join(missing)}{instead}")
    if strange:
        what = f"also names {strange}, of which [dns] mx says nothing"
        return about.wrong(what, "remove that, or add it to [dns] mx", level=Level.WARN)
    order = [found[host] for host in wanted]
    if order != sorted(order):
        return about.wrong(
            "the order is another than that of [dns] mx; the lowest number is tried first", level=Level.WARN
        )
    return about.ok(", ".join(f"{found[host]} {host}" for host in wanted))


async def _check_sts(config: Config, domain: str, questions: Questions) -> list[DnsFinding]:
    records = sts_records(config, domain)
    about = About(domain, "MTA-STS", Importance.NEEDED, tuple(records[:1]))
    answer = await questions.ask(f"_mta-sts.{domain}", "TXT")
    found = [_judge_sts(about, answer)] if records else _judge_unwanted(about, answer)
    for record in records[1:]:
        alias = About(domain, "mta-sts (CNAME)", record.importance, (record,))
        found.append(await check_alias(questions, alias, record))
    return found


def _judge_unwanted(about: About, answer: Answer) -> list[DnsFinding]:
    if not any(has_version(text, "STSv1") for text in answer.texts):
        return []
    what = 'DNS says that there is a policy, and [dns] mta_sts is "none"'
    return [about.note(what, "say in [dns] which, or remove the record", level=Level.WARN)]


def _judge_sts(about: About, answer: Answer) -> DnsFinding:
    if not answer.is_known:
        return about.unknown(answer)
    texts = [text for text in answer.texts if has_version(text, "STSv1")]
    if not texts:
        return about.missing("no record: nobody looks for the policy")
    if len(texts) > 1:
        return about.wrong(
            f"{len(texts)} records, and one is allowed: nobody looks for the policy", "leave one:"
        )
    tags = read_tags(texts[0])
    if not _ID.match(tags.get("id")):
        return about.wrong("its id= is not 1 to 32 letters and digits")
    if tags.get("id") != read_tags(about.records[0].text).get("id"):
        what = "its id= is not that of the policy: who has the policy of before does not look again"
        return about.wrong(what, level=Level.WARN)
    return about.ok("the id is that of the policy")


async def _check_policy(config: Config, domain: str, fetch: Fetch | None) -> list[DnsFinding]:
    if config.dns.mta_sts == "none" or fetch is None:
        return []
    about = About(domain, "MTA-STS policy", Importance.NEEDED)
    url = f"https://mta-sts.{domain}/.well-known/mta-sts.txt"
    try:
        text = await fetch(domain)
    except FetchError as error:
        return [
            about.wrong(
                f"{url}: {error}", "make sure that it is served there, with a certificate for this name"
            )
        ]
    ours, theirs = (_policy(each) for each in (policy_text(config.dns.mta_sts, config.dns.mx), text))
    if theirs.get("version") != ["STSv1"]:
        return [about.wrong(f"{url} holds no policy", "see who answers there")]
    for key in ("mode", "mx"):
        if sorted(theirs.get(key, [])) != sorted(ours[key]):
            said = visible(", ".join(theirs.get(key, [])) or "nothing", 200)
            what = f"{url} says {said} for {key}; by [dns] it is {', '.join(ours[key])}"
            return [about.wrong(what, "`sams reload`, or correct the policy that stands there")]
    return [about.ok(f"{url} has the policy: {ours['mode'][0]}, {', '.join(ours['mx'])}")]


def _policy(text: str) -> dict[str, list[str]]:
    """The values of each key, in lower case but for the version (RFC 8461 section 3.2)."""
    found: dict[str, list[str]] = {}
    for line in text.split("\n", 1_000)[:1_000]:
        key, colon, value = line.partition(":")
        if colon:
            value = value.strip()
            found.setdefault(key.strip(), []).append(value if key.strip() == "version" else value.lower())
    return found


async def _check_tlsrpt(config: Config, domain: str, questions: Questions) -> list[DnsFinding]:
    records = tlsrpt_records(config, domain)
    if not records:
        return []
    about = About(domain, "TLSRPT", records[0].importance, tuple(records))
    answer = await questions.ask(records[0].name, "TXT")
    if not answer.is_known:
        return [about.unknown(answer)]
    texts = [text for text in answer.texts if has_version(text, "TLSRPTv1")]
    if not texts:
        return [about.missing("no record: nobody reports that TLS failed")]
    if len(texts) > 1:
        return [about.wrong(f"{len(texts)} records, and one is allowed: nobody reports", "leave one:")]
    return [_judge_tlsrpt(about, texts[0])]


def _judge_tlsrpt(about: About, text: str) -> DnsFinding:
    ours = read_tags(about.records[0].text).get("rua")
    uris = [uri.strip() for uri in read_tags(text).get("rua").split(",") if uri.strip()]
    if ours.lower() in {uri.lower() for uri in uris}:
        return about.ok(f"reports go to {ours}")
    where = visible(", ".join(uris), 200) if uris else "nobody"
    return about.wrong(f"reports go to {where} and not to [dns] reports", level=Level.WARN)
