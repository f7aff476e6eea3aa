"""The programs that the pages tell of, in one table; each has a template of its slug in `templates/programs/`."""

from __future__ import annotations

from collections.abc import Iterable

from sams.core.translatable import translatable
from sams.web.programs.program import Automatic, Kind, Program
from sams.web.visitor import System

WINDOWS, MACOS, IOS, ANDROID, LINUX = (
    System.WINDOWS,
    System.MACOS,
    System.IOS,
    System.ANDROID,
    System.LINUX,
)
_EVERY_DESKTOP = (WINDOWS, MACOS, LINUX)

PROGRAMS: tuple[Program, ...] = (
    Program("thunderbird", "Thunderbird", Kind.DESKTOP, _EVERY_DESKTOP, Automatic.AUTOCONFIG, 10),
)


def by_slug(slug: str) -> Program | None:
    """The program at an address."""
    return next((program for program in PROGRAMS if program.slug == slug), None)


def for_system(system: System) -> tuple[Program, ...]:
    """The programs of a system for people, the best choice first."""
    meant = (one for one in PROGRAMS if system in one.systems and one.kind in {Kind.DESKTOP, Kind.PHONE})
    return tuple(sorted(meant, key=lambda program: (program.rank, program.name)))


def of_kinds(kinds: Iterable[Kind]) -> tuple[Program, ...]:
    """All programs of some kinds, by name."""
    wanted = frozenset(kinds)
    return tuple(sorted((one for one in PROGRAMS if one.kind in wanted), key=lambda one: one.name.lower()))


SYSTEM_NAMES = {
    WINDOWS: "Windows",
    MACOS: "macOS",
    IOS: translatable("iPhone and iPad"),
    ANDROID: "Android",
    LINUX: "Linux",
}
