from __future__ import annotations

import importlib.util

import click
import pytest

from tools.make_reference import FOLDER, commands_page, stale


@click.group()
def sample() -> None:
    """A sample."""


@sample.group()
def queue() -> None:
    """What waits."""


@queue.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_queue(*, as_json: bool) -> None:
    """List what waits."""


@sample.command(hidden=True)
def secret() -> None:
    """Not shown."""


def test_each_command_has_its_help_on_the_page() -> None:
    page = commands_page(sample)
    assert "## sams queue list\n" in page
    assert "For programs." in page
    assert "secret" not in page


@pytest.mark.skipif(importlib.util.find_spec("sams.cli.main") is None, reason="this build has no commands")
def test_the_written_pages_are_what_the_code_says() -> None:
    assert stale(FOLDER) == [], "run: make docs"
