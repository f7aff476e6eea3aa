"""`sams config`: is the configuration right, and what is in force."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from sams.cli.failures import Exit
from sams.cli.options import config_option, json_option
from sams.cli.place import read_config
from sams.cli.render import print_json
from sams.config.loading import Loaded, load
from sams.config.problems import ConfigError, Problem, key_path
from sams.config.reference import example_file
from sams.config.showing import effective
from sams.config.showing import show as show_text
from sams.config.system_checks import files
from sams.core.errors import OperatorError
from sams.core.text import visible


@click.group()
def config() -> None:
    """Check and show the configuration."""


@config.command()
@config_option
@json_option
@click.pass_context
def check(ctx: click.Context, *, config_path: Path, as_json: bool) -> None:
    """Tell all that is wrong with the configuration. The files that it names are looked at, too.

    Exit code 0 when it can be used, warnings included, and 1 when it cannot.
    """
    warnings: tuple[Problem, ...] = ()
    problems: tuple[Problem, ...] = ()
    try:
        loaded = load(config_path)
        warnings = (*loaded.warnings, *_closed_to_user(loaded))
        problems = _unusable_pairs(config_path)
    except ConfigError as error:
        problems = error.problems
    if as_json:
        print_json(
            {
                "file": str(config_path),
                "usable": not problems,
                "problems": [_as_json(problem) for problem in problems],
                "warnings": [_as_json(warning) for warning in warnings],
            }
        )
    else:
        _tell(config_path, problems, warnings)
    ctx.exit(Exit.FAILED if problems else Exit.OK)


@config.command()
@config_option
@json_option
def show(*, config_path: Path, as_json: bool) -> None:
    """Print the configuration with every default filled in."""
    loaded = read_config(config_path)
    if as_json:
        print_json(effective(loaded))
    else:
        click.echo(show_text(loaded), nl=False)


@config.command()
def example() -> None:
    """Print a configuration with every key explained, to begin with."""
    click.echo(example_file(), nl=False)


def _unusable_pairs(path: Path) -> tuple[Problem, ...]:
    """Whether TLS takes the certificates with their keys, as `sams serve` would find out."""
    from sams.service.material import read_material  # noqa: PLC0415 - TLS, for this command only
    from sams.service.tls_contexts import ListenerTls  # noqa: PLC0415 - the same

    try:
        material = read_material(path)
        for place, listener in enumerate(material.config.listeners):
            ListenerTls(material.hosts, listener.min_tls, material.clients_of(place))
    except OperatorError as error:
        return (Problem("tls", str(error)),)
    return ()


def _closed_to_user(loaded: Loaded) -> Iterator[Problem]:
    """Asked as root: what the service's own user may not read, which a service that root starts reads before."""
    from sams.service.privileges import may_read, service_user  # noqa: PLC0415 - for this command only

    user = service_user(loaded.config.server.user)
    if user is None:
        return
    for path, file, _ in (((), loaded.path.absolute(), False), *files(loaded.config)):
        if not may_read(user, file):
            what = f"{user.name} may not read {file}, and the systemd unit starts the service as that user"
            do = f"chown {user.name} {shlex.quote(str(file))}, or hand it a copy that it may read"
            yield Problem(key_path(path), f"{what}; do: {do}")


def _as_json(problem: Problem) -> dict[str, object]:
    return {"key": problem.key, "line": problem.line, "text": problem.text}


def _tell(path: Path, problems: tuple[Problem, ...], warnings: tuple[Problem, ...]) -> None:
    for problem in problems:
        click.echo(visible(problem.show(path)))
    for warning in warnings:
        click.echo(f"warning: {visible(warning.show(path))}")
    if not problems:
        click.echo(f"{path}: can be used")
