"""The SPF record of a domain: there is one, it lets the senders through, and receivers can evaluate it (RFC 7208)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from sams.cli.dns.finding import About, DnsFinding
from sams.cli.dns.questions import Questions
from sams.cli.dns.record import Importance, Record, txt
from sams.cli.dns.senders import spf_record, spf_terms
from sams.cli.dns.spf_record import VERSION, SpfRecord, is_spf, read_spf, with_terms
from sams.cli.dns.spf_tree import MOST_LOOK_UPS, MOST_VOID, SpfTree, Verdict, read_tree
from sams.cli.doctor.finding import Level
from sams.config.model import Config
from sams.config.spf_terms import Term, read_term
from sams.core.text import visible

_SUBJECT = "SPF"
_MERGED = "One record that lets the senders through, made of what stands there."


async def check_spf(config: Config, domain: str, questions: Questions) -> list[DnsFinding]:
    """All that is to be said of it."""
    wanted = spf_record(config, domain)
    about = About(domain, _SUBJECT, Importance.NEEDED, (wanted,) if wanted else ())
    answer = await questions.ask(domain, "TXT")
    if not answer.is_known:
        return [about.unknown(answer)]
    texts = [text for text in answer.texts if is_spf(text)]
    if not texts:
        return [_judge_none(about)]
    terms = [read_term(text) for text in spf_terms(config)]
    if len(texts) > 1:
        return [_judge_many(about, texts, terms)]
    record = read_spf(texts[0])
    tree = await read_tree(questions, domain, record)
    found = [*_judge_grammar(about, record), *_judge_tree(about, tree), *_judge_all(about, record)]
    for term in terms:
        found += await _judge_sender(about, questions, term)
    verdicts = {term: await _verdict(questions, domain, tree, term) for term in terms}
    found += _judge_senders(about, texts[0], verdicts, tree)
    return found or [about.ok(visible(texts[0], 300) + f" ({_look_ups(tree.look_ups)})")]


def _judge_none(about: About) -> DnsFinding:
    if about.records:
        return about.missing("no record: receivers cannot tell the domain's mail from forgeries")
    advice = "name the hosts that send the domain's mail in [dns] spf; `sams dns` then shows the record"
    return About(about.domain, about.subject, Importance.ADVISED).note("no record", advice, level=Level.WARN)


def _judge_many(about: About, texts: Sequence[str], terms: Sequence[Term]) -> DnsFinding:
    words = [word for text in texts for word in text[len(VERSION) :].split() if _stays(word)]
    merged = " ".join(dict.fromkeys((VERSION, *words, *(term.text for term in terms), "~all")))
    what = f"{len(texts)} records, and one is allowed: receivers take that for an error and look at none"
    return about.wrong(what, "publish one in their place:", _record(about, merged))


def _judge_grammar(about: About, record: SpfRecord) -> list[DnsFinding]:
    found = [
        about.wrong(f"a mistake makes the record void: {visible(problem, 200)}", "correct it")
        for problem in record.problems[:5]
    ]
    names = [term.name for term in record.terms]
    if "all" in names and any(not term.is_modifier for term in record.terms[names.index("all") + 1 :]):
        found.append(_soft(about, "terms stand behind `all`, where nobody looks", "put `all` at the end"))
    if "ptr" in names:
        found.append(
            _soft(about, "`ptr` is slow and must not be used any more", "name hosts or networks in its place")
        )
    return found


def _judge_tree(about: About, tree: SpfTree) -> list[DnsFinding]:
    found = []
    if tree.look_ups > MOST_LOOK_UPS:
        more = " or more" if tree.was_cut else ""
        what = (
            f"takes {tree.look_ups} look-ups{more} with all that it includes, and {MOST_LOOK_UPS} are allowed"
        )
        advice = (
            "leave out what sends nothing any more, or name networks (ip4:, ip6:) in place of a: and include:"
        )
        found.append(about.wrong(f"{what}: receivers give up with an error", advice))
    if tree.void > MOST_VOID:
        what = f"{tree.void} of its look-ups find nothing, and {MOST_VOID} are allowed"
        found.append(
            about.wrong(f"{what}: receivers give up with an error", "leave out the names that are gone")
        )
    found += [
        about.wrong(
            visible(f"{problem}: receivers take the whole record for an error", 300), "correct that term"
        )
        for problem in tree.problems[:5]
    ]
    if tree.unknown:
        names = visible(", ".join(dict.fromkeys(tree.unknown)), 200)
        found.append(
            about.note(f"DNS gives no answer on {names}, to which it leads", "ask again", level=Level.WARN)
        )
    return found


def _judge_all(about: About, record: SpfRecord) -> list[DnsFinding]:
    if record.qualifier_of_all == "+":
        what = "`+all` lets everybody send as the domain: it protects nothing"
        return [about.wrong(what, "end it with `~all` or `-all`")]
    if record.qualifier_of_all == "?" or (not record.qualifier_of_all and record.redirect is None):
        return [_soft(about, "says nothing of hosts that it does not name", "end it with `~all` or `-all`")]
    return []


def _judge_senders(about: About, text: str, verdicts: dict[Term, Verdict], tree: SpfTree) -> list[DnsFinding]:
    """Whether those who send are let through."""
    open_ones = [term.text for term, verdict in verdicts.items() if verdict == "unknown"]
    lacking = [term.text for term, verdict in verdicts.items() if verdict == "other"]
    if lacking and (tree.unknown or tree.was_cut):
        open_ones, lacking = [*open_ones, *lacking], []
    found = []
    if open_ones:
        what = f"it cannot be told from here whether it lets {visible(', '.join(open_ones), 200)} send"
        found.append(_soft(about, what, "look at what it includes"))
    if lacking:
        what = f"does not let {visible(', '.join(lacking), 200)} send"
        merged = _record(about, with_terms(text, lacking))
        found.append(about.wrong(what, "a domain has one SPF record; publish in its place:", merged))
    return found


async def _judge_sender(about: About, questions: Questions, term: Term) -> list[DnsFinding]:
    """Whether a host that sends has an address which the world can see."""
    if term.name != "a":
        return []
    host = term.domain or about.domain
    addresses, answer = await questions.addresses(host)
    if not answer.is_known or any(ipaddress.ip_address(address).is_global for address in addresses):
        return []
    found = f"leads to {', '.join(sorted(addresses))} only" if addresses else "leads to no address"
    what = f"{host} {found}: the world sees mail come from another address"
    return [_soft(about, what, "name in [dns] spf the hosts from which the domain's mail reaches the world")]


async def _verdict(questions: Questions, domain: str, tree: SpfTree, wanted: Term) -> Verdict:
    """Whether what a term stands for passes; where that cannot be told, whether the term stands there."""
    addresses: set[str] = set()
    if wanted.network is not None and wanted.network.num_addresses == 1:
        addresses = {str(wanted.network.network_address)}
    elif wanted.name == "a" and wanted.lengths == (32, 128):
        addresses, _ = await questions.addresses(wanted.domain or domain)
    verdicts = {tree.root.verdict(ipaddress.ip_address(address)) for address in addresses}
    if "other" in verdicts:
        return "other"
    if verdicts == {"pass"} or tree.root.holds(wanted):
        return "pass"
    return "unknown" if verdicts else "other"


def _stays(word: str) -> bool:
    return word.lstrip("+-~?").lower() != "all" and not word.lower().startswith("redirect=")


def _record(about: About, text: str) -> Record:
    return txt(about.domain, text, _MERGED, Importance.NEEDED)


def _soft(about: About, what: str, advice: str) -> DnsFinding:
    return about.note(what, advice, level=Level.WARN)


def _look_ups(number: int) -> str:
    return f"{number} of {MOST_LOOK_UPS} look-ups"
