"""`sams sendmail`."""

from __future__ import annotations

import os
import sys

import click

from sams.cli.sendmail.arguments import parse
from sams.cli.sendmail.failure import SendmailError, SysExit
from sams.cli.sendmail.message import compose, read
from sams.cli.sendmail.settings import load
from sams.cli.sendmail.submit import submit


@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
    options_metavar="[-t] [-i] [-f ADDRESS] [-F NAME] [-N NOTIFY] [-R full|hdrs] [-V ENVID] [-C FILE]"
    " [--account LOGIN] [--password-file FILE]",
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[RECIPIENT]...")
@click.pass_context
def sendmail(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Send a message from standard input, for cron and scripts that call sendmail.

    It signs in to the service over verified TLS like any member: there is no relaying without a password. The login
    and the file with its password are named in /etc/sams/sendmail.toml, ~/.config/sams/sendmail.toml, the file of
    -C or the one in the environment variable SAMS_SENDMAIL; --account and --password-file come first.

    Other options of sendmail(8) are taken and ignored. Exit codes are those of sysexits.h: 0 sent, 64 wrong use,
    65 no message or address, 67 a recipient was refused, 69 refused, 75 try again later, 77 sign-in refused,
    78 settings.
    """
    try:
        arguments = parse(words)
        if not arguments.idle:
            settings = load(arguments, os.environ)
            raw = read(sys.stdin.buffer, dot_ends=arguments.dot_ends)
            submit(compose(raw, arguments, settings), arguments, settings)
    except SendmailError as error:
        click.echo(f"sendmail: {error}", err=True)
        ctx.exit(error.code)
    ctx.exit(SysExit.OK)
