"""`sams serve`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sams.cli.options import config_option


@click.command()
@config_option
def serve(config_path: Path) -> None:
    """Run the service in the foreground.

    It writes `ready` to its log when every listener accepts. SIGTERM ends it when what is under way is
    finished, SIGHUP makes it read its configuration and certificates again.
    """
    from sams.app.serve import run  # noqa: PLC0415 - all of the service, only to run it

    sys.exit(run(config_path))
