"""Records as the text of a zone file (RFC 1035 section 5), with comments for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import idna

from sams.cli.dns.record import Group, Record
from sams.core.text import visible, wrapped

_WIDTH = 100
_HEAD = (
    "Records for the DNS of these domains, by the configuration of SAMS. needed: something does not work without it; "
    "advised: it works worse, or not for all; optional: it does no harm and helps a little. What is there already "
    "and is not named here stays as it is. `sams dns check` compares."
)


def zone_text(groups: Iterable[Group]) -> str:
    """The text; each name in it is absolute, so that any part of it may be copied."""
    return "\n".join([*_comment(_HEAD), *(line for group in groups for line in _group(group))]) + "\n"


def readable(name: str) -> str:
    """A name with its internationalised form behind it, where it has one."""
    try:
        shown = idna.decode(name) if "xn--" in name else name
    except idna.IDNAError:
        shown = name
    return name if shown == name else f"{name} ({visible(shown)})"


def _group(group: Group) -> Iterator[str]:
    title = group.title.replace(group.domain, readable(group.domain)) if group.domain else group.title
    yield ""
    yield f"; ---- {title} ----"
    said = ""
    for record in group.records:
        about = _about(record)
        if about != said:
            yield ""
            yield from _comment(about)
            said = about
        yield record.line
    for hint in group.hints:
        yield ""
        yield from _comment(hint.text)
        if hint.line:
            yield f"; {hint.line}"


def _about(record: Record) -> str:
    return f"{record.importance.value}: {record.why}"


def _comment(text: str) -> list[str]:
    return wrapped(visible(text), _WIDTH, "; ", "; ")
