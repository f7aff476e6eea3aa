"""`sams doctor`: all checks, as a report."""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Iterator
from pathlib import Path

import click

from sams.cli.doctor import (
    certificate,
    clock,
    configuration,
    folders,
    names,
    next_hops,
    pages,
    ports,
    service,
    sources,
)
from sams.cli.doctor.finding import Finding, Level, fail
from sams.cli.failures import Exit
from sams.cli.options import config_option, json_option
from sams.cli.place import Place, read_config
from sams.cli.render import print_json
from sams.config.model import Config
from sams.config.problems import ConfigError
from sams.control.client import is_running
from sams.core.errors import OperatorError
from sams.core.text import visible

_MARKS = {Level.OK: ("ok  ", "green"), Level.WARN: ("warn", "yellow"), Level.FAIL: ("FAIL", "red")}


@click.command()
@click.option("--offline", is_flag=True, help="Leave out DNS, the next hops and directories.")
@config_option
@json_option
@click.pass_context
def doctor(ctx: click.Context, *, offline: bool, config_path: Path, as_json: bool) -> None:
    """Check this server, and say what each finding means and what to do.

    Configuration, data folder, disk, ports, pages, certificates, clock, DNS, next hops and sources of accounts. Run
    it as root: keys and folders are closed to others. Exit code 0 when nothing failed (warnings included), 1 when
    something did.

    With --json: {"worst": "ok"|"warn"|"fail", "findings": [{"subject", "level", "what", "advice"}]}.
    """
    findings: list[Finding] = []
    for finding in examine(config_path, offline=offline):
        findings.append(finding)
        if not as_json:
            _tell(finding)
    levels = {finding.level for finding in findings}
    worst = next(level for level in (Level.FAIL, Level.WARN, Level.OK) if level in levels)
    if as_json:
        print_json({"worst": worst.value, "findings": [_as_json(finding) for finding in findings]})
    ctx.exit(Exit.FAILED if worst is Level.FAIL else Exit.OK)


def examine(path: Path, *, offline: bool) -> Iterator[Finding]:
    """Every finding, as soon as it is known. A check that cannot be made is a finding as well."""
    yield from configuration.check(path)
    try:
        config = read_config(path)
    except ConfigError:
        return
    except OSError as error:
        yield fail(configuration.SUBJECT, f"{path}: {error.strerror}", "run `sams doctor` as root")
        return
    yield from folders.check(config, service_uid(config))
    yield from _check_ports(config)
    yield from certificate.check(config, time.time())
    yield from clock.check(clock.kernel_state)
    if not offline:
        yield from names.check(config.server.name, names.system_lookup)
        yield from next_hops.check(config)
        yield from _check_sources(path)


def service_uid(config: Config) -> int:
    """Whom the service runs as, by the configuration, or as we would start it."""
    try:
        return pwd.getpwnam(config.server.user).pw_uid if config.server.user else os.geteuid()
    except KeyError:
        return os.geteuid()


def _check_ports(config: Config) -> Iterator[Finding]:
    try:
        running = is_running(config.server.data_dir)
    except OperatorError as error:
        yield fail("service", str(error), "run `sams doctor` as root")
        return
    yield from ports.check(config, running=running)
    yield from pages.check(config, running=running)
    if running:
        yield from service.check(config.server.data_dir)


def _check_sources(path: Path) -> Iterator[Finding]:
    """Last, for what is asked without the service is asked as its user."""
    try:
        found = Place(path).sources
    except OperatorError as error:
        yield fail("sources of accounts", str(error), "run `sams doctor` as root")
        return
    yield from sources.check(found)


def _as_json(finding: Finding) -> dict[str, str]:
    return {
        "subject": finding.subject,
        "level": finding.level.value,
        "what": finding.what,
        "advice": finding.advice,
    }


def _tell(finding: Finding) -> None:
    mark, colour = _MARKS[finding.level]
    click.echo(f"{click.style(mark, fg=colour)}  {visible(finding.subject)}: {visible(finding.what)}")
    if finding.advice:
        click.echo(f"      do: {visible(finding.advice)}")
