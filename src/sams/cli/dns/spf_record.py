"""SPF records: reading them, and adding terms to them (RFC 7208 sections 4.5, 4.6 and 12)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sams.config.spf_terms import SpfTermError, Term, read_term

VERSION = "v=spf1"
_MOST_TERMS = 200
_ENDS = frozenset({"all", "redirect"})


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """The terms of a record in their order. problems: terms that are none, each with why; such a record is void."""

    terms: tuple[Term, ...]
    problems: tuple[str, ...] = ()

    @property
    def qualifier_of_all(self) -> str:
        """What holds for all hosts that no term names: `+`, `-`, `~`, `?`; empty where it has no `all`."""
        return next((term.qualifier for term in self.terms if term.name == "all"), "")

    @property
    def redirect(self) -> Term | None:
        """The record that counts where no term matches; it has no meaning beside `all`."""
        if self.qualifier_of_all:
            return None
        return next((term for term in self.terms if term.name == "redirect"), None)


def is_spf(text: str) -> bool:
    """Whether a TXT record is one of SPF."""
    return text.lower() == VERSION or text.lower().startswith(f"{VERSION} ")


def read_spf(text: str) -> SpfRecord:
    """The terms of any text that `is_spf`; it never raises."""
    terms: list[Term] = []
    problems: list[str] = []
    for word in text[len(VERSION) :].split(" ", _MOST_TERMS)[:_MOST_TERMS]:
        if not word:
            continue
        try:
            terms.append(read_term(word))
        except SpfTermError as error:
            problems.append(f"{word}: {error}")
    return SpfRecord(tuple(terms), tuple(problems))


def with_terms(text: str, added: Iterable[str]) -> str:
    """A record with terms before that which decides on the rest."""
    words = text.split()
    at = next((place for place, word in enumerate(words) if _name(word) in _ENDS), len(words))
    return " ".join((*words[:at], *added, *words[at:]))


def covers(term: Term, wanted: Term) -> bool:
    """Whether a term lets through at least those hosts that another one does, as far as the two texts tell."""
    if term.qualifier != "+" or (term.name != wanted.name and term.name not in {"ip4", "ip6"}):
        return False
    if term.network is not None and wanted.network is not None:
        return term.network.version == wanted.network.version and wanted.network.subnet_of(term.network)  # type: ignore[arg-type] # one version
    if term.name != wanted.name:
        return False
    return term.domain == wanted.domain and all(
        mine <= theirs for mine, theirs in zip(term.lengths, wanted.lengths, strict=True)
    )


def _name(word: str) -> str:
    try:
        return read_term(word).name
    except SpfTermError:
        return ""
