"""`sams dns`: the records that the domains should have; `sams dns check`: whether they have them."""

from __future__ import annotations

import asyncio
import ipaddress
from pathlib import Path
from typing import Any

import click

from sams.cli.dns.finding import DnsFinding
from sams.cli.dns.proposal import proposal
from sams.cli.dns.record import Group, Record
from sams.cli.dns.zone_text import readable, zone_text
from sams.cli.doctor.finding import Level
from sams.cli.failures import Exit
from sams.cli.options import config_option, json_option
from sams.cli.place import read_config
from sams.cli.render import print_json
from sams.config.kinds import Unfit
from sams.config.model import Config
from sams.config.places import Domain, NextHop
from sams.core.text import visible

_GIVEN = click.core.ParameterSource.COMMANDLINE


_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}
_DNS_PORT = 53
_LINE = 20_000
"""Characters of a record; a part of it may come from DNS."""


class ResolverType(click.ParamType[tuple[str, int]]):
    """`192.0.2.53`, `192.0.2.53:5353`, `2001:db8::53` or `[2001:db8::53]:5353`: an address and a port."""

    name = "resolver"

    def convert(
        self, value: str | tuple[str, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Address and port."""
        if isinstance(value, tuple):
            return value
        try:
            return str(ipaddress.ip_address(value.strip("[]"))), _DNS_PORT
        except ValueError:
            pass
        try:
            return NextHop().read(value, Path())
        except Unfit:
            self.fail(
                f"{value!r} is no address such as 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:53",
                param,
                ctx,
            )


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


@dns.command()
@_domain_option
@click.option(
    "--resolver",
    type=ResolverType(),
    metavar="ADDRESS[:PORT]",
    help="Ask this name server, such as the one that has the zone, and not those of this machine.",
)
@click.option("--no-http", is_flag=True, help="Do not fetch the policy of MTA-STS.")
@config_option
@json_option
@click.pass_context
def check(
    ctx: click.Context,
    *,
    domain: str,
    resolver: tuple[str, int] | None,
    no_http: bool,
    config_path: Path,
    as_json: bool,
) -> None:
    """Compare DNS with what `sams dns` shows, and say what to do.

    Records are compared by what they mean. `ok`: it is there. `missing`: publish it. `wrong`: something else is
    there. `note`: worth knowing, or it cannot be told. Exit code 0 when nothing failed (warnings included), 1 when
    something did.

    With --json: {"worst": "ok"|"warn"|"fail", "findings": [{"domain", "subject", "kind":
    "ok"|"missing"|"wrong"|"note", "level": "ok"|"warn"|"fail", "what", "advice", "records": [as in `sams dns
    --json`]}]}.
    """
    config = read_config(config_path)
    findings = asyncio.run(_examine(config, chosen(config, domain), resolver, no_http=no_http))
    levels = {finding.level for finding in findings}
    worst = next(level for level in (Level.FAIL, Level.WARN, Level.OK) if level in levels)
    if as_json:
        print_json({"worst": worst.value, "findings": [_finding_as_json(finding) for finding in findings]})
    else:
        for finding in findings:
            _tell(finding)
    ctx.exit(Exit.FAILED if worst is Level.FAIL else Exit.OK)


async def _examine(
    config: Config, only: str, resolver: tuple[str, int] | None, *, no_http: bool
) -> list[DnsFinding]:
    from sams.cli.dns.check import examine  # noqa: PLC0415 - dnspython, for this command only
    from sams.cli.dns.checks.server import has_address  # noqa: PLC0415 - the same
    from sams.cli.dns.questions import Questions  # noqa: PLC0415 - the same

    questions = Questions([resolver] if resolver else [])
    fetch = None
    if config.dns.mta_sts != "none" and not no_http:
        from sams.cli.dns.policy_fetch import PolicyFetch  # noqa: PLC0415 - aiohttp, where there is a policy

        fetch = PolicyFetch(questions)
    try:
        return await examine(config, questions, only=only, fetch=fetch, is_here=has_address)
    finally:
        await questions.close()


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


def _tell(finding: DnsFinding) -> None:
    mark = click.style(f"{finding.kind.value:<7}", fg=_COLOURS[finding.level])
    where = f"{readable(finding.domain)} " if finding.domain else ""
    click.echo(f"{mark}  {where}{visible(finding.subject)}: {visible(finding.what)}")
    if finding.advice:
        click.echo(f"         do: {visible(finding.advice)}")
    for record in finding.records:
        click.echo(f"             {visible(record.line, _LINE)}")


def _finding_as_json(finding: DnsFinding) -> dict[str, object]:
    return {
        "domain": finding.domain,
        "subject": finding.subject,
        "kind": finding.kind.value,
        "level": finding.level.value,
        "what": finding.what,
        "advice": finding.advice,
        "records": [_record_as_json(record) for record in finding.records],
    }


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
