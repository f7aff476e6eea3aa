"""Texts that pages show in the reader's language."""

from __future__ import annotations


def translatable(text: str) -> str:
    """The text itself; the call marks it for the catalogues (`make translations` collects it)."""
    return text
