"""A map of senders as Postfix has it (`smtpd_sender_login_maps`), read as postmap(1) reads such a text.

    # address or @domain      logins
    office@example.ac.uk      alice, bob@example.ac.uk
                              carol
    @lab.example.ac.uk        dave

A line that begins with a blank continues the one before; empty lines and comments stand anywhere, also in between. Of
two lines for one address the first counts. `*@domain` is another way to write `@domain`.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from sams.core.address import AddressError, domain_key, parse_domain, parse_mailbox
from sams.core.text import visible

MAX_FILE = 8 * 2**20
"""Octets: some 150,000 lines. What is made of it, an address for each login, has to pass a worker's channel."""
MAX_ADDRESSES = 1_000
"""Of one login."""
MAX_LOGIN = 254
_TOO_LARGE = (
    f'its addresses are more than {MAX_FILE >> 20} MiB: name whole domains, or ask a database (type "sql")'
)
_BLANKS = " \t\r\v\f"
_QUOTED_KEY = re.compile(r'((?:"(?:\\.|[^"\\])*"|\\.|[^"\\\s])+)\s*(.*)')
_BETWEEN = re.compile(r"[,\s]+")


@dataclass(frozen=True, slots=True)
class Remark:
    """What is wrong on a line, or worth a warning; 0: of the whole file."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class SenderLines:
    """What a file says.

    lines: patterns in the form in which they are compared (`*@domain`, or a mailbox's key), with logins as written.
    mistakes: where it cannot be used. warnings: where it does not do what Postfix does, or what was meant.
    """

    lines: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    mistakes: list[Remark] = field(default_factory=list)
    warnings: list[Remark] = field(default_factory=list)


def read_senders(octets: bytes) -> SenderLines:
    """The whole text; what is wrong in it is told, not raised."""
    found = SenderLines()
    if len(octets) > MAX_FILE:
        found.mistakes.append(Remark(0, _TOO_LARGE))
        return found
    try:
        text = octets.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        found.mistakes.append(Remark(line, "it is no UTF-8 text"))
        return found
    numbers = _read(text, found)
    if sum(len(logins) * len(pattern) for pattern, logins in found.lines) > MAX_FILE:
        found.mistakes.append(Remark(0, _TOO_LARGE))
    _check_counts(found, numbers)
    _check_domains(found, numbers)
    return found


def _read(text: str, found: SenderLines) -> dict[str, int]:
    """Fill in lines; where each pattern stands."""
    numbers: dict[str, int] = {}
    for number, line in _logical(text):
        try:
            pattern, logins = _entry(line)
        except ValueError as error:
            found.mistakes.append(Remark(number, str(error)))
            continue
        if pattern in numbers:
            why = (
                f"{visible(pattern, 300)} stands on line {numbers[pattern]} already, and only that one counts"
            )
            found.warnings.append(Remark(number, why))
            continue
        numbers[pattern] = number
        found.lines.append((pattern, logins))
    return numbers


def _logical(text: str) -> Iterator[tuple[int, str]]:
    """Lines with those that continue them, by the number of their first; a lost continuation begins with a blank."""
    begun, gathered = 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        content = line.strip(_BLANKS)
        if not content or content[0] == "#":
            continue
        if line[0] in _BLANKS and gathered:
            gathered += f" {content}"
            continue
        if gathered:
            yield begun, gathered
        begun, gathered = number, content if line[0] not in _BLANKS else f" {content}"
    if gathered:
        yield begun, gathered


def _entry(line: str) -> tuple[str, tuple[str, ...]]:
    """Pattern and logins.

    Raises:
        ValueError: it is no such line; says why.
    """
    if line[0] == " ":
        raise ValueError("it begins with a blank and has no line before it to continue: write it at the left")
    key, *rest = _split_quoted(line) if '"' in line or "\\" in line else line.split(None, 1)
    pattern = _pattern(key)
    logins = tuple(filter(None, _BETWEEN.split(rest[0]))) if rest else ()
    if not logins:
        raise ValueError(f"no login stands behind {visible(key, 300)}")
    for login in logins:
        if len(login) > MAX_LOGIN:
            raise ValueError(f"{visible(login, 60)} is longer than a login can be")
    return pattern, logins


def _split_quoted(line: str) -> list[str]:
    """A local part may have blanks in its quotes; a login may have a backslash."""
    found = _QUOTED_KEY.match(line)
    return line.split(None, 1) if found is None else [found[1], found[2]]


def _pattern(key: str) -> str:
    try:
        if key.startswith(("@", "*@")):
            return f"*@{domain_key(parse_domain(key.removeprefix('*')[1:]))}"
        return parse_mailbox(key).key
    except AddressError as error:
        advice = ": write it with its domain" if "@" not in key else f": {error}"
        raise ValueError(f"{visible(key, 300)} is no address{advice}") from None


def _check_counts(found: SenderLines, numbers: dict[str, int]) -> None:
    counts = Counter(login.lower() for _, logins in found.lines for login in logins)
    too_many = {login for login, count in counts.items() if count > MAX_ADDRESSES}
    for pattern, logins in found.lines if too_many else ():
        for login in too_many.intersection(one.lower() for one in logins):
            too_many.remove(login)
            text = f"{visible(login, 100)} has {counts[login]} addresses, and {MAX_ADDRESSES} is the most: give it"
            found.mistakes.append(Remark(numbers[pattern], f"{text} whole domains (@example.org)"))


def _check_domains(found: SenderLines, numbers: dict[str, int]) -> None:
    """Postfix looks at `@domain` only for addresses without a line of their own; here lines add up."""
    wide = {
        pattern: frozenset(map(str.lower, logins)) for pattern, logins in found.lines if pattern[0] == "*"
    }
    more = Counter[str]()
    for pattern, logins in found.lines if wide else ():
        domain = f"*@{pattern.rpartition('@')[2]}"
        if domain in wide and not wide[domain] <= frozenset(map(str.lower, logins)):
            more[domain] += 1
    for domain, count in more.items():
        text = (
            f"who stands here may also send as the {count} addresses in {domain[2:]} that have lines of their own, "
            "which Postfix would refuse: name addresses in place of the domain if that is not meant"
        )
        found.warnings.append(Remark(numbers[domain], text))
