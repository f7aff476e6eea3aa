"""Options that many commands share."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

DEFAULT_CONFIG = Path("/etc/sams/sams.toml")

_DAY = 86_400.0
_YEAR = 365.25 * _DAY
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_YEARS = re.compile(r"([0-9]{1,3}) ?(y|mon)(?:ears?|ths?)?")

Command = TypeVar("Command", bound=Callable[..., Any])


def config_option(command: Command) -> Command:
    """`--config FILE`, as the parameter `config_path`."""
    return click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="SAMS_CONFIG",
        default=DEFAULT_CONFIG,
        show_default=True,
        show_envvar=True,
        metavar="FILE",
        help="The configuration file.",
    )(command)


def json_option(command: Command) -> Command:
    """`--json`, as the parameter `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")(command)


class DurationType(click.ParamType[float]):
    """`2 h`, `90 s`, `1 h 30 min`, in seconds."""

    name = "duration"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        from sams.config.quantities import read_duration  # noqa: PLC0415 - only where it is used

        if isinstance(value, float):
            return value
        try:
            return read_duration(value)
        except ValueError as error:
            self.fail(f"{value!r} is no duration such as 2h, 90s or 5days: {error}", param, ctx)


class ExpiryType(click.ParamType[float]):
    """`1 year`, `6 months`, `90 days` from now, or the last day: `2027-12-31`, in UNIX seconds."""

    name = "expiry"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """UNIX seconds."""
        from sams.config.quantities import read_duration  # noqa: PLC0415 - only where it is used

        if isinstance(value, float):
            return value
        try:
            if _DATE.fullmatch(value):
                return datetime.fromisoformat(f"{value}T00:00:00+00:00").timestamp() + _DAY
            years = _YEARS.fullmatch(value)
            if years is not None:
                return time.time() + int(years[1]) * (_YEAR if years[2] == "y" else _YEAR / 12)
            return time.time() + read_duration(value)
        except (ValueError, OverflowError) as error:
            text = (
                f"{value!r} is neither a time such as 1year, 6months or 90days, nor a date such as 2027-12-31"
            )
            self.fail(f"{text}: {error}", param, ctx)


expires_option = click.option(
    "--expires",
    type=ExpiryType(),
    metavar="TIME",
    help="It ends by itself after this time, such as 1year or 90days, or after a day (UTC), such as 2027-12-31.",
)
network_option = click.option(
    "--network", "networks", multiple=True, metavar="N", help="Only from this network, such as 192.0.2.0/24."
)
