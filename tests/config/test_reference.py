from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from sams.config.definition import Setting, members, settings, tables
from sams.config.loading import parse
from sams.config.model import Config
from sams.config.reference import configuration_page, example_file
from sams.config.showing import effective, is_unset, show
from tests.config.samples import HERE, MINIMAL, loaded

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
EVERY_SETTING = [(path, setting) for path, table in tables(Config) for setting in settings(table.section)]


@pytest.mark.parametrize(
    ("name", "text"), [("configuration.md", configuration_page), ("sams.example.toml", example_file)]
)
def test_the_page_is_what_the_code_says(name: str, text: Callable[[], str]) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == text(), "stale: run make docs"


@pytest.mark.parametrize(("path", "setting"), EVERY_SETTING)
def test_each_key_is_documented_and_its_default_is_a_value_that_may_be_written(
    path: tuple[str, ...], setting: Setting
) -> None:
    assert setting.key.doc.endswith((".", "`"))
    if setting.required:
        assert setting.key.example
    elif is_unset(setting, setting.default):
        assert setting.key.unset
        assert setting.key.example
    else:
        (value,) = _toml(f"x = {setting.key.kind.write(setting.default)}").values()
        assert setting.key.kind.read(value, HERE.parent) == setting.default


@pytest.mark.parametrize(("path", "setting"), EVERY_SETTING)
def test_each_example_is_a_value_of_its_kind(path: tuple[str, ...], setting: Setting) -> None:
    if setting.key.example:
        (value,) = _toml(f"x = {setting.key.example}").values()
        setting.key.kind.read(value, HERE.parent)


def test_the_example_file_loads_and_is_the_default_configuration() -> None:
    example = parse(example_file().encode(), HERE).config
    for name, member in members(Config).items():
        if not member.required:
            assert (
                getattr(example, member.attribute) == getattr(loaded().config, member.attribute)
                or name == "alarm"
            )


def test_the_example_file_names_every_key() -> None:
    for path, setting in EVERY_SETTING:
        assert re.search(rf"(?m)^(#: )?{setting.name} = ", example_file()), path


def test_what_is_shown_loads_again_and_is_the_same() -> None:
    config = loaded(MINIMAL + '[web]\nport = 8026\n[[accounts.source]]\ntype = "builtin"\n').config
    assert parse(show(config).encode(), HERE).config == config


def test_a_webhook_is_not_shown_for_its_address_may_be_a_secret() -> None:
    config = loaded(MINIMAL.replace("mail =", 'webhook = "https://a.example/T0KEN"\nmail =')).config
    assert "T0KEN" not in show(config)
    assert "T0KEN" not in str(effective(config))
    assert "# webhook: set, but not shown" in show(config)


def test_programs_get_plain_values() -> None:
    shown = effective(loaded().config)
    assert shown["limits"]["message_size"] == 50 * 2**20
    assert shown["retry"]["expire"] == 432_000.0
    assert shown["route"][0]["hosts"] == ["mailhub.example.ac.uk:25"]
    assert shown["tls"]["certificate"] == ["/etc/sams/fullchain.pem"]
    assert shown["web"] is None


def _toml(text: str) -> dict[str, object]:
    return tomllib.loads(text)
