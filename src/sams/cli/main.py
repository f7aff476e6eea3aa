"""The `sams` command itself: which commands there are, and what happens to their errors."""

from __future__ import annotations

import os
from typing import Any

import click

from sams import __version__
from sams.cli.failures import failure_of
from sams.cli.lazy import Lazy, LazyGroup
from sams.core.errors import OperatorError

COMMANDS = {
    "serve": Lazy("serve:serve", "Run the service in the foreground."),
    "account": Lazy("account:account", "Manage accounts and app passwords; test sign-ins."),
    "device": Lazy("device:device", "Manage devices that send mail: printers, scanners, monitoring."),
    "guard": Lazy("guard:guard", "See and end the locks against guessing passwords."),
    "queue": Lazy("queue:queue", "Look at what waits, and change it."),
    "activity": Lazy("activity:activity", "See what happened to sessions and messages."),
    "config": Lazy("config:config", "Check and show the configuration."),
    "reload": Lazy("reload:reload", "Have the running service read its configuration again."),
    "health": Lazy("health:health", "Ask the running service whether it is well."),
    "metrics": Lazy("metrics:metrics", "Show the running service's counters, for Prometheus."),
    "doctor": Lazy("doctor.command:doctor", "Check this server and say what to do."),
    "dns": Lazy("dns.command:dns", "Show the DNS records that the domains should have; compare with DNS."),
    "probe": Lazy("probe:probe", "Find out from a member's side why a mail program cannot send."),
    "backup": Lazy("backup:backup", "Write a consistent backup, also while the service runs."),
    "restore": Lazy("restore:restore", "Bring a backup back into an empty data folder."),
    "sendmail": Lazy(
        "sendmail.command:sendmail", "Send a message from standard input, for cron and scripts."
    ),
    "version": Lazy("version:version", "Show the version."),
}

_EPILOG = (
    "Exit codes: 0 done, 1 failed or something found, 2 wrong use, 3 the service does not run, "
    "4 not permitted. The environment variable SAMS_CONFIG names the configuration where --config is not given; "
    "SAMS_DATA_DIR names the data folder of a running service whose configuration cannot be read just now."
)


class Root(LazyGroup):
    """Turns expected errors into one line and an exit code; a bug keeps its trace."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was named."""
        if os.environ.get("NO_COLOR"):
            ctx.color = False
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except (OperatorError, OSError) as error:
            raise failure_of(error) from error


@click.group(
    cls=Root, table=COMMANDS, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="sams", message="%(prog)s %(version)s")
def main() -> None:
    """SAMS, a message submission server: members send mail from any network with their password."""
