"""On which line of a TOML file a key stands; tomllib does not tell.

The text has passed tomllib, so it is well formed: the scan only has to tell statements from what is inside
strings, comments and brackets. It is linear. Keys inside inline tables have no line of their own: the line of
the statement around them stands for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

KeyPath = tuple[str | int, ...]

_TOKEN = re.compile(
    r'"""(?:\\[\s\S]|[^\\])*?"{3,5}(?!")|' + r"'''[\s\S]*?'{3,5}(?!')|"
    r'"(?:\\.|[^"\\\n])*"|'
    r"'[^'\n]*'|#[^\n]*|\n|[\[{]|[\]}]|[^\"'#\n\[\]{}]+"
)
_PART = re.compile(r"""\s*(?:"((?:\\.|[^"\\])*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*""")


class Positions:
    """The lines of one text."""

    def __init__(self, text: str) -> None:
        self._lines: dict[KeyPath, int] = {}
        self._arrays: dict[KeyPath, int] = {}
        table: KeyPath = ()
        for line, statement in _statements(text):
            if statement.startswith("["):
                table = self._enter(statement, line)
            else:
                self._note((*table, *_parts(statement)), line)

    def line(self, path: KeyPath) -> int | None:
        """The line of a key, or else of the nearest thing around it that has one."""
        for end in range(len(path), 0, -1):
            if path[:end] in self._lines:
                return self._lines[path[:end]]
        return None

    def _enter(self, header: str, line: int) -> KeyPath:
        is_array = header.startswith("[[")
        names = _parts(header[2:] if is_array else header[1:])
        path: KeyPath = ()
        for name in names[:-1]:
            path = self._inside((*path, name))
        path = (*path, names[-1])
        if is_array:
            self._arrays[path] = self._arrays.get(path, -1) + 1
        path = self._inside(path)
        self._note(path, line)
        return path

    def _inside(self, path: KeyPath) -> KeyPath:
        return (*path, self._arrays[path]) if path in self._arrays else path

    def _note(self, path: KeyPath, line: int) -> None:
        self._lines.setdefault(path, line)
        if path and isinstance(path[-1], int):
            self._lines.setdefault(path[:-1], line)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each statement with the number of its first line. A value's own text is cut where a bracket opens."""
    line, depth, begun = 1, 0, 1
    pieces: list[str] = []
    for match in _TOKEN.finditer(text):
        piece = match[0]
        if piece == "\n" and not depth:
            yield from _complete(begun, pieces)
            begun, pieces = line + 1, []
        elif piece[0] != "#":
            depth += (piece in "[{") - (piece in "]}")
            pieces.append(piece)
        line += piece.count("\n")
    yield from _complete(begun, pieces)


def _complete(line: int, pieces: list[str]) -> Iterator[tuple[int, str]]:
    statement = "".join(pieces).strip()
    if statement:
        yield line, statement


def _parts(text: str) -> tuple[str, ...]:
    """The parts of a dotted key at the start of a text."""
    parts: list[str] = []
    end = 0
    while match := _PART.match(text, end):
        basic, literal, bare = match.groups()
        parts.append(next(part for part in (basic, literal, bare) if part is not None))
        end = match.end()
        if text[end : end + 1] != ".":
            break
        end += 1
    return tuple(parts)
