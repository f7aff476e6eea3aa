"""Configurations for tests."""

from __future__ import annotations

from pathlib import Path

from sams.config.loading import Loaded, parse
from sams.config.problems import ConfigError

HERE = Path("/etc/sams/sams.toml")
MINIMAL = """\
[server]
name = "smtp-auth.example.ac.uk"

[tls]
certificate = "fullchain.pem"
private_key = "key.pem"

[[listener]]
port = 587

[accounts]
domains = ["example.ac.uk"]

[[route]]
domains = ["*"]
hosts = ["mailhub.example.ac.uk:25"]

[alarm]
mail = "postmaster@example.ac.uk"
"""


def loaded(text: str = MINIMAL) -> Loaded:
    return parse(text.encode(), HERE)


def problems(text: str) -> list[str]:
    """What is wrong with a configuration; an empty list: nothing."""
    try:
        parse(text.encode(), HERE)
    except ConfigError as error:
        return [problem.show("sams.toml") for problem in error.problems]
    return []


def warnings(text: str) -> list[str]:
    return [problem.show("sams.toml") for problem in loaded(text).warnings]
