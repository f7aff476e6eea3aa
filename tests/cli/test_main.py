from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from sams.cli.failures import Exit, failure_of
from sams.cli.lazy import LazyGroup
from sams.cli.main import COMMANDS, main
from sams.control.operations import NotPermitted, NotRunning
from sams.core.errors import OperatorError
from tests.cli.desk import Desk

_HEAVY = [
    "apsw",
    "uvloop",
    "rich",
    "msgspec",
    "asyncio",
    "cryptography",
    "dns",
    "argon2",
    "sams.app",
    "sams.config.model",
]


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from click.testing import CliRunner; from sams.cli.main import main; import click;"
        "print(main.get_help(click.Context(main, info_name='sams')));"
        f"print([name for name in {_HEAVY} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"
    assert "sendmail" in ran.stdout


def test_every_command_of_the_table_is_there_and_has_help() -> None:
    context = click.Context(main, info_name="sams")
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        assert command.get_short_help_str(200)
        assert CliRunner().invoke(main, [name, "--help"]).exit_code == 0


@pytest.mark.parametrize(("no_color", "styled"), [("", True), ("1", False)])
def test_no_color_means_no_styles_at_all(desk: Desk, no_color: str, *, styled: bool) -> None:
    desk.add_account("ann", "ann@example.org")
    command = ["account", "show", "ann", "--config", str(desk.server.config)]
    shown = CliRunner().invoke(main, command, color=True, env={"NO_COLOR": no_color})
    assert ("\x1b[" in shown.stdout) == styled


def test_an_unknown_command_is_wrong_use() -> None:
    assert CliRunner().invoke(main, ["burn"]).exit_code == Exit.USAGE


@pytest.mark.parametrize(
    ("written", "meant"), [(["que"], "'queue'"), (["quue", "list"], "'queue'"), (["queue", "lst"], "'list'")]
)
def test_a_command_that_is_nearly_there_is_suggested(written: list[str], meant: str) -> None:
    ran = CliRunner().invoke(main, written)
    assert ran.exit_code == Exit.USAGE
    assert f"Did you mean {meant}?" in ran.stderr


def test_a_group_lists_its_table_in_its_order() -> None:
    assert isinstance(main, LazyGroup)
    help_text = CliRunner().invoke(main, ["--help"]).stdout
    places = [help_text.index(f"\n  {name} ") for name in COMMANDS]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotRunning("x"), Exit.NOT_RUNNING),
        (NotPermitted("x"), Exit.NOT_PERMITTED),
        (PermissionError(13, "denied", "/file"), Exit.NOT_PERMITTED),
        (OperatorError("x"), Exit.FAILED),
        (OSError(28, "full"), Exit.FAILED),
    ],
)
def test_each_kind_of_failure_has_its_exit_code(error: OperatorError | OSError, code: Exit) -> None:
    assert failure_of(error).exit_code == code


def test_a_failure_is_one_line_on_standard_error(desk: Desk) -> None:
    result = desk.sams("health", code=Exit.NOT_RUNNING)
    assert result.stdout == ""
    assert result.stderr.startswith("sams: no service runs on ")
    assert "sams serve" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_missing_configuration_says_how_to_name_one(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["queue", "list", "--config", str(tmp_path / "none.toml")])
    assert result.exit_code == Exit.FAILED
    assert "SAMS_CONFIG" in result.stderr


def test_the_program_itself_runs(desk: Desk) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "sams", "queue", "list", "--json"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SAMS_CONFIG": str(desk.server.config)},
    )
    assert (ran.returncode, ran.stdout) == (0, '{"messages": [], "next": null}\n')


def test_the_version_is_told(desk: Desk) -> None:
    assert desk.json("version")["version"]
    assert desk.sams("version").stdout.startswith("sams ")
