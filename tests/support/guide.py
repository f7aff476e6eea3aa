"""Listings out of the administrators' pages, so that tests try what people copy."""

from __future__ import annotations

import re
from pathlib import Path


def block(page: Path, beginning: str) -> str:
    """The block of the page that begins so, as it stands there."""
    found = re.search(rf"^    {re.escape(beginning)}$(\n(    .*)?)*", page.read_text(), re.MULTILINE)
    assert found is not None, beginning
    return re.sub("^    ", "", found[0], flags=re.MULTILINE)


def changed(text: str, changes: dict[str, str]) -> str:
    """With other addresses, ports and files, each of which stands there."""
    for before, after in changes.items():
        assert before in text, before
        text = text.replace(before, after)
    return text
