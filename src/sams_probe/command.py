"""The command line: `sams-probe HOST`, `python -m sams_probe HOST`, `sams probe HOST`."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

from sams_probe import __version__
from sams_probe.bundle import NAME, pyz
from sams_probe.options import (
    DEFAULT_TIMEOUT,
    MOST_PORTS,
    Options,
    read_host,
    read_port,
    read_server,
    read_timeout,
)
from sams_probe.probing import probe_with
from sams_probe.report.colours import paint_for
from sams_probe.report.document import document
from sams_probe.report.people import text_of, width_of_terminal
from sams_probe.smtp.sign_in import LONGEST
from sams_probe.verdicts.judging import judge
from sams_probe.verdicts.kinds import Exit
from sams_probe.wire.contexts import Contexts, make_contexts

T = TypeVar("T")
INTERRUPTED, UNHEARD = 130, 141
"""As shells have it for SIGINT and SIGPIPE."""
DESCRIPTION = (
    "Find out from here, the member's side, why a mail program cannot send: names, ports, what stands between, TLS, "
    "certificate, sign-in. Ends with a verdict in plain words and what to do."
)
EXIT_CODES = (
    "Exit codes: 0 all well, 1 mail can be sent and something is wrong, 2 wrong use, 10 the name leads nowhere, "
    "11 no port is reached, 12 something between changes, reads or cuts what is said, 13 TLS or certificate, "
    "14 no server for members' mail, 15 the sign-in, 16 the clock."
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(Exit.WRONG_USE, f"{self.prog}: {message}\nSee {self.prog} --help.\n")


def main(arguments: Sequence[str] | None = None, program: str = "sams-probe") -> int:
    """Run the command. Gives the exit code."""
    parsed = _parser(program).parse_args(arguments)
    _make_output_safe()
    try:
        if parsed.save is not None:
            return save(Path(parsed.save))
        if parsed.host is None:
            return _wrong_use(program, "name the server, such as smtp.example.org")
        options = _options(parsed)
        contexts = make_contexts(options.ca_file)
    except (OSError, ValueError) as error:
        return _wrong_use(program, str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    return _run(options, contexts, as_json=parsed.as_json)


def save(path: Path) -> int:
    """Write the single file. An existing one is not touched.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("xb") as file:
        file.write(pyz())
    path.chmod(0o755)
    sys.stdout.write(f"{path}: run it by `python3 {path.name} HOST`, on Windows `py {path.name} HOST`.\n")
    return Exit.WELL


def _wrong_use(program: str, message: str) -> int:
    sys.stderr.write(f"{program}: {message}\n")
    return Exit.WRONG_USE


def _make_output_safe() -> None:
    """What the terminal's character set lacks is escaped; it must not end the program."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def _run(options: Options, contexts: Contexts, *, as_json: bool) -> int:
    try:
        return _look_and_tell(options, contexts, as_json=as_json)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # who reads has gone; nothing more may be written, also not at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNHEARD


def _look_and_tell(options: Options, contexts: Contexts, *, as_json: bool) -> int:
    if sys.stderr.isatty() and not as_json:
        sys.stderr.write("Looking; this takes up to a minute or two where something does not answer …\n")
    report = probe_with(options, contexts)
    judgement = judge(report)
    if as_json:
        sys.stdout.write(document(report, judgement) + "\n")
    else:
        sys.stdout.write(text_of(report, judgement, paint_for(sys.stdout), width_of_terminal()))
    sys.stdout.flush()
    return int(judgement.exit_code)


def _options(parsed: argparse.Namespace) -> Options:
    if len(parsed.ports) > MOST_PORTS:
        raise ValueError(f"name {MOST_PORTS} ports at most")
    families = (
        (4,) if parsed.ipv4 and not parsed.ipv6 else (6,) if parsed.ipv6 and not parsed.ipv4 else (4, 6)
    )
    login = _secret_free(parsed.login) if parsed.login is not None else None
    return Options(
        read_host(parsed.host),
        tuple(dict.fromkeys(parsed.ports)),
        parsed.timeout,
        families,
        parsed.ca_file,
        tuple(parsed.servers),
        read_host(parsed.time_server) if parsed.time_server else "",
        login,
        _password(from_input=parsed.password_stdin) if login is not None else None,
        not parsed.quick,
    )


def _secret_free(login: str) -> str:
    if not login or "\0" in login or len(login.encode()) > LONGEST:
        raise ValueError("the user name is empty, or too long")
    return login


def _password(*, from_input: bool) -> str:
    password = sys.stdin.readline(LONGEST + 2).rstrip("\r\n") if from_input else getpass.getpass("Password: ")
    if not password or "\0" in password or len(password.encode()) > LONGEST:
        raise ValueError(f"the password is empty, or longer than {LONGEST} octets")
    return password


def _checked(read: Callable[[str], T]) -> Callable[[str], T]:
    """A reader that says to argparse what was wrong, in its own words."""

    def convert(text: str) -> T:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def _parser(program: str) -> argparse.ArgumentParser:
    parser = _Parser(prog=program, description=DESCRIPTION, epilog=EXIT_CODES)
    add = parser.add_argument
    add(
        "host",
        nargs="?",
        metavar="HOST",
        help="the outgoing server, such as smtp.example.org, or a mail domain",
    )
    add(
        "--port",
        dest="ports",
        action="append",
        default=[],
        type=_checked(read_port),
        metavar="PORT[/KIND]",
        help="look at this port in place of 465, 587 and 25; KIND is tls, starttls or relay; may be repeated",
    )
    add(
        "--timeout",
        type=_checked(read_timeout),
        default=DEFAULT_TIMEOUT,
        metavar="SECONDS",
        help="for each single wait (default %(default)g)",
    )
    add("--ipv4", action="store_true", help="IPv4 only")
    add("--ipv6", action="store_true", help="IPv6 only")
    add(
        "--login",
        metavar="NAME",
        help="sign in as well, once, inside verified TLS; the password is asked for",
    )
    add(
        "--password-stdin",
        action="store_true",
        help="read the password from the first line of standard input",
    )
    add(
        "--ca-file", default="", metavar="FILE", help="trust these authorities (PEM) in place of the system's"
    )
    add(
        "--resolver",
        dest="servers",
        action="append",
        default=[],
        type=_checked(read_server),
        metavar="ADDRESS[:PORT]",
        help="ask this resolver in place of the system's; may be repeated",
    )
    add("--time-server", default="", metavar="HOST", help="compare the clock with this time server (NTP)")
    add(
        "--quick",
        action="store_true",
        help="do not try each version of TLS: four connections less for each port",
    )
    add("--json", dest="as_json", action="store_true", help="write JSON, for programs")
    add("--save", metavar="FILE", help=f"write this program as one file, such as {NAME}, and do nothing else")
    add("--version", action="version", version=f"%(prog)s {__version__}")
    return parser
