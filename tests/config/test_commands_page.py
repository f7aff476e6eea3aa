from __future__ import annotations

import subprocess
import sys

import click

from tools.make_reference import FOLDER, commands_page


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


def test_the_written_pages_are_what_the_code_says() -> None:
    """In a process of its own: click keeps what it made of a command's help for the tests that ran before."""
    script = FOLDER.parent.parent / "tools" / "make_reference.py"
    ran = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    assert ran.returncode == 0
