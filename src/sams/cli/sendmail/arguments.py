"""The command line of sendmail(8), as cron, PHP, mailx and others use it. What has no meaning here is ignored."""

from __future__ import annotations

import getopt
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sams.cli.sendmail.failure import SendmailError, SysExit

_SHORT = "A:B:b:C:d:e:F:f:Gh:iL:mN:nO:o:p:R:r:tUV:vX:x"
_LONG = ("account=", "password-file=")
_NOTIFY = frozenset({"never", "success", "failure", "delay"})
_RETURN = {"full": "FULL", "hdrs": "HDRS"}


@dataclass(slots=True)
class Arguments:
    """What was asked for.

    sender: -f or -r; None: the settings' address. name: -F, for a From field that has to be added.
    dot_ends: a line with a single dot ends the message (without -i).
    notify, ret, envid: as in RFC 3461, None where not asked for.
    idle: nothing is to be done (-q, -bi): sendmail programs are called so, to no effect here.
    """

    recipients: list[str] = field(default_factory=list)
    from_header: bool = False
    dot_ends: bool = True
    sender: str | None = None
    name: str = ""
    notify: str | None = None
    ret: str | None = None
    envid: str | None = None
    settings: Path | None = None
    account: str | None = None
    password_file: Path | None = None
    idle: bool = False


def parse(words: Sequence[str]) -> Arguments:
    """Read the command line.

    Raises:
        SendmailError: USAGE, it has something unknown, or a mode that there is not.
    """
    if any(word.startswith("-q") for word in words):
        return Arguments(idle=True)
    try:
        options, rest = getopt.gnu_getopt(list(words), _SHORT, _LONG)
    except getopt.GetoptError as error:
        raise SendmailError(SysExit.USAGE, f"{error}: see `sams sendmail --help`") from None
    found = Arguments(recipients=[address for word in rest for address in word.split(",") if address.strip()])
    for option, value in options:
        _take(found, option, value)
    if not (found.recipients or found.from_header or found.idle):
        raise SendmailError(
            SysExit.USAGE, "no recipients: name them, or use -t to take them from the message"
        )
    return found


def _take(found: Arguments, option: str, value: str) -> None:  # noqa: C901 - a table of the options, one line each
    match option:
        case "-t":
            found.from_header = True
        case "-i":
            found.dot_ends = False
        case "-o" if value == "i":
            found.dot_ends = False
        case "-f" | "-r":
            found.sender = value
        case "-F":
            found.name = value
        case "-N":
            found.notify = _notify(value)
        case "-R":
            found.ret = _ret(value)
        case "-V":
            found.envid = value
        case "-C":
            found.settings = Path(value)
        case "--account":
            found.account = value
        case "--password-file":
            found.password_file = Path(value)
        case "-b":
            _mode(found, value)


def _mode(found: Arguments, value: str) -> None:
    if value == "i":
        found.idle = True
    elif value == "p":
        raise SendmailError(SysExit.USAGE, "-bp is not here: see `sams queue list`")
    elif value != "m":
        raise SendmailError(SysExit.USAGE, f"there is no mode -b{value}: only -bm, to send a message")


def _notify(value: str) -> str:
    words = [word.strip().lower() for word in value.split(",")]
    if not set(words) <= _NOTIFY or ("never" in words and len(words) > 1):
        text = f"-N takes never, or a list of success, failure and delay, not {value!r}"
        raise SendmailError(SysExit.USAGE, text)
    return ",".join(word.upper() for word in words)


def _ret(value: str) -> str:
    try:
        return _RETURN[value.lower()]
    except KeyError:
        raise SendmailError(SysExit.USAGE, f"-R takes full or hdrs, not {value!r}") from None
