"""The probe as one file, for download: a zip that Python runs (PEP 441), with the same octets wherever it is made.

Nothing is compressed, for zlib's output differs from version to version; times and rights are fixed.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from importlib import resources
from typing import Any

NAME = "sams-probe.pyz"
_PACKAGE = "sams_probe"
_FIRST_LINE = b"#!/usr/bin/env python3\n"
_BEGINNING = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_RIGHTS = 0o100644 << 16
_MAIN = """\
import sys

if sys.version_info < (3, 9):
    sys.exit("sams-probe needs Python 3.9 or newer, and this is %d.%d." % sys.version_info[:2])

from sams_probe.command import main

sys.exit(main())
"""


def pyz() -> bytes:
    """The file's octets, made of the package that runs, be it installed or such a file itself."""
    octets = io.BytesIO()
    octets.write(_FIRST_LINE)
    with zipfile.ZipFile(octets, "a", zipfile.ZIP_STORED) as archive:
        _add(archive, "__main__.py", _MAIN.encode())
        for name, source in sources():
            _add(archive, name, source)
    return octets.getvalue()


def sources() -> Iterator[tuple[str, bytes]]:
    """The modules by their path in the file, sorted."""
    yield from sorted(_below(resources.files(_PACKAGE), _PACKAGE))


def _below(folder: Any, path: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.name.endswith(".py"):
            yield f"{path}/{entry.name}", entry.read_bytes().replace(b"\r\n", b"\n")
        elif entry.is_dir() and entry.name != "__pycache__":
            yield from _below(entry, f"{path}/{entry.name}")


def _add(archive: zipfile.ZipFile, name: str, octets: bytes) -> None:
    info = zipfile.ZipInfo(name, _BEGINNING)
    info.create_system = _UNIX
    info.external_attr = _RIGHTS
    archive.writestr(info, octets)
