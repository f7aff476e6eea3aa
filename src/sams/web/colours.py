"""The organisation's colour, made readable: dark enough on white, light enough on the dark background (WCAG 2.2)."""

from __future__ import annotations

from dataclasses import dataclass

WHITE, NIGHT = "#ffffff", "#14181d"
PAPER, DUSK = "#f4f6f8", "#1e242b"
"""The backgrounds of cards on the light and the dark pages, where it is hardest to read; `sams.css` has the same."""
READABLE = 4.5
"""The contrast that text of usual size must have (WCAG 2.2 success criterion 1.4.3)."""
_STEPS = 50


@dataclass(frozen=True, slots=True)
class Accents:
    """The colour on the light pages and on the dark ones, each with a colour for text on it."""

    light: str
    on_light: str
    dark: str
    on_dark: str


def accents(colour: str) -> Accents:
    """From the organisation's colour, `#rrggbb`."""
    light, dark = _towards(colour, "#000000", PAPER), _towards(colour, WHITE, DUSK)
    return Accents(light, _text_on(light), dark, _text_on(dark))


def contrast(one: str, other: str) -> float:
    """Of two colours: 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _towards(colour: str, end: str, background: str) -> str:
    """The colour, moved towards an end until it can be read on a background."""
    moved = (_mixed(colour, end, step / _STEPS) for step in range(_STEPS + 1))
    return next(one for one in moved if contrast(one, background) >= READABLE)


def _text_on(background: str) -> str:
    return max((WHITE, NIGHT), key=lambda text: contrast(text, background))


def _mixed(one: str, other: str, part: float) -> str:
    pairs = zip(_channels(one), _channels(other), strict=True)
    return "#" + "".join(f"{round(first + (second - first) * part):02x}" for first, second in pairs)


def _channels(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5))


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = (channel / 255 for channel in _channels(colour))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
