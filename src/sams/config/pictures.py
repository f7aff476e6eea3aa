"""Pictures that the configuration names: what kind they are, told by what they hold and not by their names."""

from __future__ import annotations

import re
from pathlib import Path

from sams.core.errors import OperatorError

LARGEST = 256 * 1024
"""Octets."""
_BEGINNINGS = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
)
_SVG = re.compile(rb"<svg[\s>]")
_LOOKED_AT = 4_096
"""How far into a file the root element of SVG is looked for, behind a prologue and comments."""


def read_picture(path: Path) -> tuple[str, bytes]:
    """A picture for the pages: its media type, and its octets.

    Raises:
        OperatorError: it cannot be read, is too large, or is of none of the kinds that every browser shows.
    """
    try:
        with path.open("rb") as file:
            octets = file.read(LARGEST + 1)
    except PermissionError:
        raise OperatorError(
            f"{path} may not be read by this user; check as root, or as the service's user"
        ) from None
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror}") from None
    if len(octets) > LARGEST:
        raise OperatorError(
            f"{path} has more than {LARGEST // 1024} KiB: every visitor loads it; make it smaller"
        )
    media_type = _media_type(octets)
    if media_type is None:
        raise OperatorError(f"{path} is no PNG, SVG, WebP or JPEG picture")
    return media_type, octets


def _media_type(octets: bytes) -> str | None:
    for begin, media_type in _BEGINNINGS:
        if begin.match(octets):
            return media_type
    head = octets.removeprefix(b"\xef\xbb\xbf").lstrip()[:_LOOKED_AT]
    return "image/svg+xml" if head.startswith(b"<") and _SVG.search(head) else None
