"""`sams probe`: the probe that members have as one file, `sams_probe`, as a command of ours."""

from __future__ import annotations

from pathlib import Path

import click

from sams_probe import command
from sams_probe.options import DEFAULT_TIMEOUT


@click.command(epilog=command.EXIT_CODES)
@click.argument("host", required=False, default="")
@click.option(
    "--port",
    "ports",
    multiple=True,
    metavar="PORT[/KIND]",
    help="Look at this port in place of 465, 587 and 25; KIND is tls, starttls or relay. May be repeated.",
)
@click.option(
    "--timeout",
    default=f"{DEFAULT_TIMEOUT:g}",
    show_default=True,
    metavar="SECONDS",
    help="For each single wait, 0.5 to 120.",
)
@click.option("--ipv4", is_flag=True, help="IPv4 only.")
@click.option("--ipv6", is_flag=True, help="IPv6 only.")
@click.option(
    "--login",
    metavar="NAME",
    help="Sign in as well, once, inside verified TLS; the password is asked for.",
)
@click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of standard input."
)
@click.option("--ca-file", metavar="FILE", help="Trust these authorities (PEM) in place of the system's.")
@click.option(
    "--resolver",
    "servers",
    multiple=True,
    metavar="ADDRESS[:PORT]",
    help="Ask this resolver in place of the system's. May be repeated.",
)
@click.option("--time-server", metavar="HOST", help="Compare the clock with this time server (NTP).")
@click.option("--quick", is_flag=True, help="Do not try each version of TLS.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")
@click.option(
    "--save",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the probe as one file for members, such as sams-probe.pyz, and do nothing else.",
)
@click.pass_context
def probe(ctx: click.Context, /, **given: object) -> None:
    """Find out from here, as a member's mail program sees it, what stands between it and the server HOST.

    Name, ports 465, 587 and 25 over IPv4 and IPv6, greeting, STARTTLS, versions of TLS, certificate, sign-in; then a
    verdict in plain words, and what to do. HOST may be a mail domain that announces its servers by SRV records.
    Members run the same without SAMS: `--save` writes it as one file that needs Python 3.9 or later and nothing else.

    With --json: {"form": 1, "exit_code", "verdicts": [{"kind", "sentence", "advice", "exit_code", "port"}], "notes",
    "settings": {"host", "port", "security"}, "names", "ports", "clock", "sign_in"}.
    """
    ctx.exit(command.main(arguments_of(given), program="sams probe"))


def arguments_of(given: dict[str, object]) -> list[str]:
    """The options as the probe's own command line takes them."""
    names = {"ports": "--port", "servers": "--resolver", "as_json": "--json"}
    arguments: list[str] = []
    for name, value in given.items():
        option = names.get(name, "--" + name.replace("_", "-"))
        if name == "host" or value is None or value is False:
            continue
        if value is True:
            arguments.append(option)
        else:
            values = value if isinstance(value, tuple) else (value,)
            arguments += [f"{option}={one}" for one in values]
    host = str(given["host"])
    return [*arguments, "--", host] if host else arguments
