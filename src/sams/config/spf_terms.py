"""Terms of SPF records (RFC 7208 section 4.6.1): mechanisms such as `a:mailhub.example.org`, and modifiers."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MECHANISMS = frozenset({"all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"})
_DIRECTIVE = re.compile(r"([+?~-]?)([A-Za-z][A-Za-z0-9_.-]*+)(.*)", re.DOTALL)
_LENGTHS = re.compile(r"(?:/([0-9]{1,3}))?(?://([0-9]{1,3}))?\Z")
_DOMAIN_SPEC = re.compile(r"[\x21-\x7e]++\Z")


class SpfTermError(ValueError):
    """The text is no term of SPF. The message says why, in a few words."""


@dataclass(frozen=True, slots=True)
class Term:
    """One mechanism or modifier.

    text: as it was written. qualifier: `+`, `-`, `~` or `?`; of a modifier `+`.
    name: in lower case. domain: what it names, in lower case; empty: the domain of the record.
    network: of ip4 and ip6. lengths: of the prefixes that `a` and `mx` are widened to, IPv4 and IPv6.
    """

    text: str
    qualifier: str
    name: str
    domain: str = ""
    network: Network | None = None
    lengths: tuple[int, int] = (32, 128)

    @property
    def is_modifier(self) -> bool:
        """Whether it is `name=value`, which matches nothing."""
        return self.name not in MECHANISMS

    @property
    def has_macro(self) -> bool:
        """Whether its domain depends on the message that is looked at (RFC 7208 section 7)."""
        return "%" in self.domain


def read_term(text: str) -> Term:
    """One term.

    Raises:
        SpfTermError: it is none.
    """
    found = _DIRECTIVE.fullmatch(text)
    if found is None:
        raise SpfTermError("it is neither a mechanism nor name=value")
    qualifier, name, rest = found[1], found[2].lower(), found[3]
    if rest.startswith("="):
        return _modifier(text, qualifier, name, rest[1:])
    if name not in MECHANISMS:
        raise SpfTermError(f"SPF has no mechanism of this name, only {', '.join(sorted(MECHANISMS))}")
    return _mechanism(text, qualifier or "+", name, rest)


def _modifier(text: str, qualifier: str, name: str, value: str) -> Term:
    if qualifier or name in MECHANISMS:
        raise SpfTermError("a mechanism has : and no = before its value")
    if name in {"redirect", "exp"} and not _DOMAIN_SPEC.match(value):
        raise SpfTermError("it names no domain")
    return Term(text, "+", name, _plain(value))


def _mechanism(text: str, qualifier: str, name: str, rest: str) -> Term:
    if name == "all":
        if rest:
            raise SpfTermError("`all` has no value")
        return Term(text, qualifier, name)
    if name in {"ip4", "ip6"}:
        return Term(text, qualifier, name, network=_network(name, rest))
    lengths = (32, 128)
    if name in {"a", "mx"}:
        rest, lengths = _widened(rest)
    if rest and (not rest.startswith(":") or not _DOMAIN_SPEC.match(rest[1:])):
        raise SpfTermError("a domain stands behind a colon")
    if not rest and name in {"include", "exists"}:
        raise SpfTermError("it names no domain")
    return Term(text, qualifier, name, _plain(rest[1:]), lengths=lengths)


def _network(name: str, rest: str) -> Network:
    try:
        network = ipaddress.ip_network(rest.removeprefix(":"), strict=False)
    except ValueError:
        raise SpfTermError("no address or network stands behind it") from None
    if not rest.startswith(":") or network.version != int(name[-1]):
        raise SpfTermError(f"no IPv{name[-1]} address or network stands behind it")
    return network


def _widened(rest: str) -> tuple[str, tuple[int, int]]:
    found = _LENGTHS.search(rest)
    assert found is not None
    four, six = int(found[1] or 32), int(found[2] or 128)
    if four > 32 or six > 128:
        raise SpfTermError("a prefix is too long")
    return rest[: found.start()], (four, six)


def _plain(domain: str) -> str:
    return domain.lower().removesuffix(".")
