"""JSON from a service or a token, read so that all who read it read the same (RFC 8259, RFC 7515 section 10.12)."""

from __future__ import annotations

import json
from typing import Any, NoReturn

_MOST_DIGITS = 100
_MOST_OPENED = 1_000
"""Arrays and objects. How deep Python's own reader goes is another number in each version."""


def read_object(octets: bytes) -> dict[str, Any]:
    """The object that the octets are.

    Raises:
        ValueError: they are none: no UTF-8, no JSON, another value, a name twice, NaN, or too deep.
    """
    if octets.count(b"[") + octets.count(b"{") > _MOST_OPENED:
        raise ValueError("nested too deep")
    try:
        text = octets.decode()
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_whole)
    except RecursionError:
        raise ValueError("nested too deep") from None
    except UnicodeDecodeError:
        raise ValueError("no UTF-8") from None
    except json.JSONDecodeError:
        raise ValueError("no JSON") from None
    if not isinstance(found, dict):
        raise ValueError("no object")  # noqa: TRY004 - of what was read, no argument
    return found


def texts(value: object) -> tuple[str, ...]:
    """A text or a list of texts, as both are written for one thing; what else is there is left out."""
    if isinstance(value, str):
        return (value,)
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError("a number is too long")
    return int(digits)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
