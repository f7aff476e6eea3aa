"""`sams reload`: configuration and certificates, read again by the running service."""

from __future__ import annotations

from pathlib import Path

import click

from sams.cli.options import config_option, json_option
from sams.cli.place import Place, read_config
from sams.cli.render import print_json
from sams.core.text import visible


@click.command()
@config_option
@json_option
def reload(*, config_path: Path, as_json: bool) -> None:
    """Have the running service read its configuration and certificates again, and say what came of it.

    All of it is checked first. Exit code 0 when it is in force in every worker, with a line for each change that
    waits for a restart; 1 when something is wrong (it is named), and the old configuration and certificates go on.
    """
    read_config(config_path)
    notes = Place(config_path).service.reload()
    if as_json:
        print_json({"notes": list(notes)})
        return
    click.echo("reloaded")
    for note in notes:
        click.echo(f"note: {visible(note)}")
