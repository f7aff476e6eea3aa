"""`sams metrics`: the running service's counters and gauges, as Prometheus reads them."""

from __future__ import annotations

from pathlib import Path

import click

from sams.cli.options import config_option
from sams.cli.place import Place


@click.command()
@config_option
def metrics(*, config_path: Path) -> None:
    """Show all counters and gauges of the running service, in Prometheus' text form.

    They are counted since the service was started, over all workers. What each one counts stands in the reference,
    and in the HELP lines.
    """
    click.echo(Place(config_path).service.metrics(), nl=False)
