"""What every source of accounts has, and what every one that asks somebody else."""

from __future__ import annotations

from typing import Annotated, Literal

from sams.config.key import DAY, HOUR, MINUTE, Key, Section
from sams.config.kinds import Choice, Many, Name, Text, Whole
from sams.config.places import Domain
from sams.config.quantities import Duration

Submission = Literal["any", "app-passwords-only"]
LoginForm = Literal["typed", "user", "address"]

LOGIN_FORMS = (
    "How it is told a login: `typed` as it came, `user` without a domain of `[accounts] domains` (a login in another "
    "domain is nobody there), `address` with one."
)
"""What a key of that kind means."""
SECRET = "Its first line is the secret; no other user may read it."  # noqa: S105 - a text about one
"""What there is to say of every file that holds one."""


class SourceSection(Section, frozen=True, kw_only=True):
    """What every source of accounts has."""

    name: Annotated[
        str,
        Key(
            Name(),
            "How the journal, the commands and app passwords call this source. App passwords keep to the name.",
            unset="its type",
            example='"staff"',
        ),
    ] = ""
    domains: Annotated[
        tuple[str, ...],
        Key(
            Many(Domain()),
            "It is asked only about logins in these domains; a login without one counts as in the first of "
            "`[accounts] domains`.",
            unset="every login",
            example='["example.ac.uk"]',
        ),
    ] = ()
    logins: Annotated[
        tuple[str, ...],
        Key(
            Many(Text(longest=100)),
            "It is asked only about logins that match one of these patterns, without their domain; `*` stands "
            "for any characters, and `!` before a pattern excludes.",
            unset="every login",
            example='["s*", "!sys-*"]',
        ),
    ] = ()
    submission: Annotated[
        Submission,
        Key(
            Choice(("any", "app-passwords-only")),
            "`app-passwords-only`: the members' own passwords are not taken for sending mail, only app passwords "
            "(`sams account app-password`). For organisations whose sign-in needs a second factor.",
        ),
    ] = "any"

    @property
    def id(self) -> str:
        """The name as configured, else the type."""
        return self.name or str(getattr(self, "type", ""))


class DirectorySection(SourceSection, frozen=True, kw_only=True):
    """What every source has that asks somebody else."""

    cache: Annotated[
        float,
        Key(
            Duration(0, DAY),
            "How long what it said is taken as true without asking again: a verified password, addresses, that the "
            "member still is one. A directory tells nobody of a changed password. `0 s` asks each time.",
        ),
    ] = 5 * MINUTE
    grace: Annotated[
        float,
        Key(
            Duration(0, 7 * DAY),
            "When it is down: how long after the last sign-in that it confirmed a member still gets in by that same "
            "password. All others are told to try again (454), never that the password is wrong.",
        ),
    ] = HOUR
    timeout: Annotated[
        float, Key(Duration(0.1, MINUTE), "How long one question to it may take; then it counts as down.")
    ] = 5.0
    connections: Annotated[
        int, Key(Whole(1, 1_000), "How many questions each worker asks it at once; others wait.")
    ] = 4
    addresses: Annotated[
        tuple[str, ...],
        Key(
            Many(Text(longest=300), most=100),
            "The addresses of a member where the source tells none: `{user}` is the member's login there before the "
            "`@`, `{domain}` what is behind it. Where nothing is, the first of the source's `domains`, or of "
            "`[accounts] domains`; what was typed is not looked at.",
            unset="the login at its domain",
            example='["{user}@example.ac.uk"]',
        ),
    ] = ()
