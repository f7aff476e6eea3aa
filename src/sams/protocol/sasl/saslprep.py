"""SASLprep (RFC 4013): the form of a password of which SCRAM keys are made (RFC 5802 section 2.2, `Normalize`)."""

from __future__ import annotations

import stringprep
import unicodedata
from collections.abc import Callable

_PROHIBITED: tuple[Callable[[str], bool], ...] = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


def saslprep(text: str) -> str | None:
    """The text, prepared as a stored string (RFC 3454 section 7); None where the profile does not allow it."""
    if text.isascii() and text.isprintable():
        return text
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", "".join([_mapped(one) for one in text]))
    if any(is_in(one) for one in prepared for is_in in _PROHIBITED) or not _has_one_direction(prepared):
        return None
    return prepared


def _mapped(character: str) -> str:
    if stringprep.in_table_c12(character):
        return " "
    return "" if stringprep.in_table_b1(character) else character


def _has_one_direction(text: str) -> bool:
    """RFC 3454 section 6."""
    if not any(stringprep.in_table_d1(one) for one in text):
        return True
    ends_right = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    return ends_right and not any(stringprep.in_table_d2(one) for one in text)
