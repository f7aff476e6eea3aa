"""What the documents name is there: linked files, commands with their options, sections and keys."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import click
import pytest

from sams.app.inherited import KEYS_AT_START, SECTIONS_AT_START
from sams.cli.main import main
from sams.cli.sendmail.settings import Settings as SendmailSettings
from sams.config.definition import Table, members
from sams.config.key import Section
from sams.config.model import Config

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "SECURITY.md", *ROOT.joinpath("docs").rglob("*.md")])
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_SPAN = re.compile(r"`([^`\n]+)`")
_SECTION = re.compile(r"\[{1,2}([a-z.]+)\]{1,2}(?:\s+([a-z_]+))?")
_PROSE = {"COMMAND"}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def _blocks(page: Path) -> Iterator[str]:
    """The indented blocks of a page; the pages made from the code are held by a test of their own."""
    block: list[str] = []
    for line in chain(page.read_text().splitlines(), ("end",)):
        if line.startswith("    ") or (block and not line):
            block.append(line[4:])
        elif block:
            yield "\n".join(block)
            block = []


def _spans(page: Path) -> list[str]:
    return _SPAN.findall(page.read_text())


def _commands(page: Path) -> Iterator[list[str]]:
    """Each `sams ...` of a page as words, without comments."""
    lines = chain.from_iterable(block.splitlines() for block in _blocks(page))
    for text in chain(lines, _spans(page)):
        if text.startswith("sams "):
            yield shlex.split(text.replace("…", ""), comments=True)[1:]


def _problem(words: list[str]) -> str | None:
    """What is wrong with a command line; None: nothing."""
    command: click.Command = main
    context = click.Context(main)
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        if rest[0] in _PROSE:
            return None
        names = rest.pop(0).split("|")
        found = [command.get_command(context, name) for name in names]
        if None in found:
            return f"there is no command {'|'.join(names)}"
        assert found[0] is not None
        command = found[0]
    known = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    known |= {"--help", "-h"}
    options = {word.split("=")[0].rstrip(",.") for word in rest if word.startswith("--")}
    return f"{command.name} has no {sorted(options - known)}" if options - known else None


def _section(name: str) -> type[Section] | None:
    found: type[Section] = Config
    for part in name.split("."):
        member = members(found).get(part)
        if not isinstance(member, Table):
            return None
        found = member.section
    return found


def _unknown_keys(raw: dict[str, Any], section: type[Section], where: str) -> Iterator[str]:
    for name, value in raw.items():
        member = members(section).get(name)
        if member is None:
            yield f"{where}{name}"
        elif isinstance(member, Table):
            for one in value if isinstance(value, list) else [value]:
                inner = member.types.get(one.get("type"), member.section)
                yield from _unknown_keys(one, inner, f"{where}{name}.")


@each_page
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    targets = [link for link in _LINK.findall(page.read_text()) if "://" not in link]
    assert [link for link in targets if not (page.parent / link).exists()] == []


@each_page
def test_every_command_and_option_exists(page: Path) -> None:
    assert [(words, told) for words in _commands(page) if (told := _problem(words))] == []


@each_page
def test_every_section_and_key_named_in_a_span_exists(page: Path) -> None:
    wrong = []
    for span in _spans(page):
        named = _SECTION.match(span)
        if named is None:
            continue
        section = _section(named[1])
        if section is None or (named[2] and named[2] not in members(section)):
            wrong.append(span)
    assert wrong == []


@each_page
def test_every_block_of_configuration_has_only_keys_that_exist(page: Path) -> None:
    blocks = [block for block in _blocks(page) if re.search(r"^\[{1,2}[a-z.]+\]{1,2}$", block, re.MULTILINE)]
    assert list(chain.from_iterable(_unknown_keys(tomllib.loads(each), Config, "") for each in blocks)) == []


def test_the_page_of_sendmail_names_its_keys() -> None:
    (block,) = [block for block in _blocks(ROOT / "docs/admin/sendmail.md") if block.startswith("login")]
    keys = set(re.findall(r"^(?:# )?([a-z_]+) =", block, re.MULTILINE))
    assert keys == set(SendmailSettings.__struct_encode_fields__)


def test_the_page_of_the_set_up_names_all_that_is_read_at_start_only() -> None:
    (named,) = re.findall(
        r"read at start only \((.*?)\)", (ROOT / "docs/admin/install.md").read_text(), re.DOTALL
    )
    keys = {f"[{section}] {key}" for section, keys in KEYS_AT_START.items() for key in keys}
    assert set(_SPAN.findall(named)) == keys | {f"[{section}]" for section in SECTIONS_AT_START}


def test_every_page_of_the_documents_is_reached_from_the_first() -> None:
    seen: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        ahead += [
            (page.parent / link).resolve() for link in _LINK.findall(page.read_text()) if "://" not in link
        ]
    assert [page for page in PAGES if page not in seen and "decisions" not in page.parts] == []


def test_a_mistake_in_a_page_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("`[limits] recipient` `sams queue lost`\n\n    sams queue list --logins x   # comment\n")
    assert [words for words in _commands(page) if _problem(words)] == [
        ["queue", "list", "--logins", "x"],
        ["queue", "lost"],
    ]
    assert "recipient" not in members(_section("limits") or Config)
    assert list(_unknown_keys({"server": {"nme": 1}}, Config, "")) == ["server.nme"]
