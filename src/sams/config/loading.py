"""From a file to a configuration that can be used, or to all that is wrong with it at once."""

from __future__ import annotations

import codecs
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from sams.config.checks import check_values
from sams.config.definition import Setting, members, tables
from sams.config.findings import Findings
from sams.config.kinds import Unfit
from sams.config.model import Config, Server
from sams.config.positions import Positions
from sams.config.problems import ConfigError, Problem
from sams.config.reading import Reader, several
from sams.config.system_checks import check_system

MAX_FILE = 2**20
_TOML_LINE = re.compile(r"\s*\(at line (\d+), column \d+\)$")
_HEADER = re.compile(r"[ \t]*\[+[ \t]*([A-Za-z_.]+)")
_TWICE = ("Cannot declare ", "Cannot overwrite a value")
_TOML_ADVICE = {
    "Invalid value": '; texts stand in quotes ("…"), and so do times and sizes; true, false and numbers do not',
    "Expected newline or end of document after a statement": "; texts, times and sizes stand in quotes",
    "Unclosed array": "; a list ends with ]",
    "Cannot overwrite a value": "; this key stands here a second time",
    "Illegal character '\\n'": "; a text ends on its line, with a quote",
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A usable configuration, and what is worth a warning in it."""

    path: Path
    config: Config
    warnings: tuple[Problem, ...]


def load(path: Path) -> Loaded:
    """Read and check a configuration file, with the files and users that it names.

    Raises:
        ConfigError: something is wrong; all of it is named.
    """
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_FILE + 1)
    except OSError as error:
        raise ConfigError(path, [Problem("", f"cannot be read: {error.strerror}")]) from None
    return parse(octets, path, look_at_system=True)


def parse(octets: bytes, path: Path, *, look_at_system: bool = False) -> Loaded:
    """Check the text of a configuration file that is, or would be, at `path`.

    look_at_system: whether the files and users that it names have to be there.

    Raises:
        ConfigError: something is wrong; all of it is named.
    """
    text = _decode(octets, path)
    raw = _toml(text, path)
    positions = Positions(text)
    reader = Reader(path.absolute().parent, positions)
    config = reader.read(raw)
    if config is None:
        raise ConfigError(path, _in_order(reader.problems))
    config = _with_verified_secrets(config, raw)
    findings = Findings(positions)
    check_values(config, findings)
    if look_at_system:
        check_system(config, findings)
    if findings.problems:
        raise ConfigError(path, _in_order(findings.problems))
    return Loaded(path, config, tuple(_in_order(findings.warnings)))


def data_dir_beside_mistakes(octets: bytes, path: Path) -> Path | None:
    """What a file that cannot be used still says of `[server] data_dir`; None: that cannot be known."""
    try:
        server = _toml(_decode(octets, path), path).get("server")
    except ConfigError:
        return None
    known = members(Server)
    setting = known["data_dir"]
    assert isinstance(setting, Setting)
    if not isinstance(server, dict) or ("data_dir" not in server and server.keys() - known.keys()):
        return None  # it may stand there under a name that is mistyped
    try:
        found = setting.key.kind.read(server.get("data_dir", str(setting.default)), path.absolute().parent)
    except Unfit:
        return None
    assert isinstance(found, Path)
    return found


def _decode(octets: bytes, path: Path) -> str:
    if len(octets) > MAX_FILE:
        raise ConfigError(path, [Problem("", f"is larger than {MAX_FILE} octets")])
    try:
        return octets.removeprefix(codecs.BOM_UTF8).decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = octets[: error.start].count(b"\n") + 1
        raise ConfigError(path, [Problem("", "is no UTF-8 text", line)]) from None


def _toml(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(path, [_not_toml(str(error), text.split("\n"))]) from None
    except RecursionError:
        raise ConfigError(path, [Problem("", "lists or tables are nested too deeply")]) from None


def _not_toml(message: str, lines: list[str]) -> Problem:
    place = _TOML_LINE.search(message)
    line = int(place[1]) if place else None
    said = _TOML_LINE.sub("", message)
    header = _HEADER.match(lines[line - 1]) if line and said.startswith(_TWICE) else None
    if header is None:
        return Problem("", f"this is not TOML: {said}{_TOML_ADVICE.get(said, '')}", line)
    name = header[1]
    if not any(table.many and name == ".".join(path) for path, table in tables(Config)):
        return Problem(name, "this section stands here a second time", line)
    single = (at for at, text in enumerate(lines, 1) if text.replace(" ", "").startswith(f"[{name}]"))
    return Problem(name, several(name), next(single, line))


def _with_verified_secrets(config: Config, raw: dict[str, Any]) -> Config:
    """A route with a password whose `security` is not written gets `verified`."""
    routes = tuple(
        msgspec.structs.replace(route, security="verified")
        if route.username and "security" not in written
        else route
        for route, written in zip(config.routes, raw["route"], strict=True)
    )
    return msgspec.structs.replace(config, routes=routes)


def _in_order(problems: list[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: (problem.line or 0, problem.key))
