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

_CLASSIC, _NEW = translatable("Outlook (classic)"), translatable("Outlook (new)")
_KEPT_AT_MICROSOFT = translatable("keeps your password at Microsoft")
_IS_THERE = translatable("is on the device already")

_FOR_PEOPLE: tuple[Program, ...] = (
    Program("apple-mail-mac", "Apple Mail", Kind.DESKTOP, (MACOS,), Automatic.PROFILE, 5, _IS_THERE),
    Program("apple-mail-ios", "Apple Mail", Kind.PHONE, (IOS,), Automatic.PROFILE, 5, _IS_THERE),
    Program("thunderbird", "Thunderbird", Kind.DESKTOP, _EVERY_DESKTOP, Automatic.AUTOCONFIG, 10),
    Program("thunderbird-android", "Thunderbird", Kind.PHONE, (ANDROID,), Automatic.AUTOCONFIG, 10),
    Program("k9-mail", "K-9 Mail", Kind.PHONE, (ANDROID,), Automatic.AUTOCONFIG, 15),
    Program("evolution", "Evolution", Kind.DESKTOP, (LINUX,), Automatic.AUTOCONFIG, 20),
    Program("outlook-classic", _CLASSIC, Kind.DESKTOP, (WINDOWS,), Automatic.AUTODISCOVER, 20),
    Program("kmail", "KMail", Kind.DESKTOP, (LINUX,), Automatic.AUTOCONFIG, 25),
    Program("geary", "Geary", Kind.DESKTOP, (LINUX,), Automatic.AUTOCONFIG, 30),
    Program(
        "samsung-email",
        "Samsung Email",
        Kind.PHONE,
        (ANDROID,),
        rank=30,
        note=translatable("for Galaxy phones and tablets"),
    ),
    Program("em-client", "eM Client", Kind.DESKTOP, (WINDOWS, MACOS), Automatic.AUTODISCOVER, 35),
    Program("gmail-app", "Gmail", Kind.PHONE, (ANDROID, IOS), rank=40, note=translatable("the app")),
    Program("outlook-mac", translatable("Outlook for Mac"), Kind.DESKTOP, (MACOS,), rank=40),
    Program("outlook-new", _NEW, Kind.DESKTOP, (WINDOWS,), rank=45, note=_KEPT_AT_MICROSOFT),
    Program("outlook-mobile", "Outlook", Kind.PHONE, (IOS, ANDROID), rank=50, note=_KEPT_AT_MICROSOFT),
    Program("mailspring", "Mailspring", Kind.DESKTOP, _EVERY_DESKTOP, rank=60),
    Program("claws-mail", "Claws Mail", Kind.DESKTOP, (LINUX, WINDOWS), Automatic.SRV, 60),
    Program("the-bat", "The Bat!", Kind.DESKTOP, (WINDOWS,), rank=65),
    Program(
        "gmail-web",
        "Gmail",
        Kind.DESKTOP,
        _EVERY_DESKTOP,
        rank=90,
        note=translatable("in the browser: sends only, and keeps your password at Google"),
    ),
)

_FOR_MACHINES = (
    Program("alpine", "Alpine", Kind.TERMINAL, _EVERY_DESKTOP),
    Program("curl", "curl", Kind.TERMINAL, _EVERY_DESKTOP, note=translatable("for scripts and tests")),
    Program("git-send-email", "git send-email", Kind.TERMINAL, _EVERY_DESKTOP, note=translatable("patches")),
    Program("msmtp", "msmtp", Kind.TERMINAL, (LINUX, MACOS), note=translatable("in place of sendmail")),
    Program("mutt", translatable("Mutt and NeoMutt"), Kind.TERMINAL, (LINUX, MACOS)),
    Program("python", "Python", Kind.TERMINAL, _EVERY_DESKTOP, note=translatable("scripts with smtplib")),
    Program("exim", "Exim", Kind.SERVER, (LINUX,), note=translatable("passes on a server's own mail")),
    Program("postfix", "Postfix", Kind.SERVER, (LINUX,), note=translatable("passes on a server's own mail")),
    Program("devices", translatable("Printers and scanners"), Kind.DEVICE, ()),
)
_OLD = (
    Program("mulberry", "Mulberry", Kind.OLD, _EVERY_DESKTOP),
    Program("outlook-express", "Outlook 2000, Outlook Express", Kind.OLD, (WINDOWS,)),
    Program("seamonkey", "Netscape, SeaMonkey", Kind.OLD, _EVERY_DESKTOP),
)

PROGRAMS: tuple[Program, ...] = (*_FOR_PEOPLE, *_FOR_MACHINES, *_OLD)


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
