from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sams.config.pictures import LARGEST, read_picture
from sams.core.errors import OperatorError

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.mark.parametrize(
    ("octets", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a comment -->\n<svg\n width='1'/>", "image/svg+xml"),
        (b"\n <svg>", "image/svg+xml"),
    ],
)
def test_a_picture_is_what_it_holds_whatever_it_is_called(
    octets: bytes, media_type: str, tmp_path: Path
) -> None:
    file = tmp_path / "logo.txt"
    file.write_bytes(octets)
    assert read_picture(file) == (media_type, octets)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"GIF89a",
        b"<html><svgs>",
        b"hello <svg>",
        b"RIFF\x24\x00\x00\x00WAVE",
        PNG[1:],
        b"\0" * 5_000 + b"<svg>",
    ],
)
def test_what_not_every_browser_shows_is_refused(octets: bytes, tmp_path: Path) -> None:
    file = tmp_path / "logo.png"
    file.write_bytes(octets)
    with pytest.raises(OperatorError, match="is no PNG, SVG, WebP or JPEG picture"):
        read_picture(file)


def test_the_largest_picture_is_taken_and_no_larger_one(tmp_path: Path) -> None:
    file = tmp_path / "logo.png"
    file.write_bytes(PNG.ljust(LARGEST, b"\0"))
    assert len(read_picture(file)[1]) == LARGEST
    file.write_bytes(PNG.ljust(LARGEST + 1, b"\0"))
    with pytest.raises(OperatorError, match="more than 256 KiB"):
        read_picture(file)


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="cannot be read: No such file"):
        read_picture(tmp_path / "gone.png")
    with pytest.raises(OperatorError, match="cannot be read: Is a directory"):
        read_picture(tmp_path)


def test_a_picture_that_this_user_may_not_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "logo.png"
    file.write_bytes(PNG)
    file.chmod(0)
    with _without_rights(), pytest.raises(OperatorError, match="may not be read by this user"):
        read_picture(file)


@contextlib.contextmanager
def _without_rights() -> Iterator[None]:
    """Root may read everything: be nobody meanwhile."""
    me = os.geteuid()
    if me == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(me)
