"""`sams version`."""

from __future__ import annotations

import json
import platform

import click

from sams import __version__
from sams.cli.options import json_option


@click.command()
@json_option
def version(*, as_json: bool) -> None:
    """Show the version of SAMS and of the Python that runs it."""
    if as_json:
        click.echo(json.dumps({"version": __version__, "python": platform.python_version()}))
    else:
        click.echo(f"sams {__version__} (Python {platform.python_version()})")
