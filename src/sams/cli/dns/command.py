"""`sams dns`: the records that the domains should have; `sams dns check`: whether they have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sams.cli.dns.proposal import proposal
from sams.cli.dns.record import Group, Record
from sams.cli.dns.zone_text import zone_text
from sams.cli.options import config_option, json_option
from sams.cli.place import read_config
from sams.cli.render import print_json
from sams.config.kinds import Unfit
from sams.config.model import Config
from sams.config.places import Domain

_GIVEN = click.core.ParameterSource.COMMANDLINE


def _domain_option(command: Any) -> Any:
    return click.option(
        "--domain", metavar="DOMAIN", default="", help="Only this one of the domains of [accounts]."
    )(command)


@click.group(invoke_without_command=True)
@_domain_option
@config_option
@json_option
@click.pass_context
def dns(ctx: click.Context, *, domain: str, config_path: Path, as_json: bool) -> None:
    """Show the DNS records that the domains of [accounts] should have, as the text of a zone file.

    They follow from the configuration; [dns] names what cannot be known from the rest. Comments say what each record
    is for.

    With --json: {"groups": [{"domain", "zone", "title", "records": [{"name", "type", "ttl", "data", "text", "why",
    "importance": "needed"|"advised"|"optional"}], "hints": [{"text", "line"}]}]}; `text` is that of a TXT record
    without quotes.
    """
    if ctx.invoked_subcommand is not None:
        given = [name for name in ctx.params if ctx.get_parameter_source(name) is _GIVEN]
        if given:
            raise click.UsageError(f"options stand behind `{ctx.invoked_subcommand}`")
        return
    config = read_config(config_path)
    groups = proposal(config, chosen(config, domain))
    if as_json:
        print_json({"groups": [_group_as_json(group) for group in groups]})
    else:
        click.echo(zone_text(groups), nl=False)


def chosen(config: Config, domain: str) -> str:
    """The domain that is meant, as A-labels; empty: all.

    Raises:
        click.UsageError: it is none of ours.
    """
    if not domain:
        return ""
    try:
        found = Domain().read(domain.removesuffix("."), Path())
    except Unfit as error:
        raise click.UsageError(f"--domain {domain}: {error}") from None
    if found not in config.accounts.domains:
        ours = ", ".join(config.accounts.domains)
        raise click.UsageError(f"--domain {domain}: it is none of [accounts] domains: {ours}")
    return found


def _group_as_json(group: Group) -> dict[str, object]:
    return {
        "domain": group.domain,
        "zone": group.zone,
        "title": group.title,
        "records": [_record_as_json(record) for record in group.records],
        "hints": [{"text": hint.text, "line": hint.line} for hint in group.hints],
    }


def _record_as_json(record: Record) -> dict[str, object]:
    return {
        "name": record.name,
        "type": record.type,
        "ttl": record.ttl,
        "data": record.data,
        "text": record.text,
        "why": record.why,
        "importance": record.importance.value,
    }
