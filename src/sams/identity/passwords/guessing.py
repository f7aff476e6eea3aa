"""How soon a guesser comes to a password: the cheapest way to put it together from what guessers try.

Guessers take common passwords and names, words that belong to the member and the organisation, years, dates, keys
in a row and repetitions, put a capital first and a sign last, and write 3 for e. Each such piece has a number of
guesses; what is left over is guessed character by character. The sum of their logarithms is least for one way to cut
the password up, and that is found in time linear in its length.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from math import log10

MAX_LOOKED_AT = 64
"""Characters of a password: what follows makes it no weaker."""
_LONGEST_WORD = 24
_SHORTEST_WORD = 3
_SHORTEST_ROW = 3
_OWN = 0.3
_DISGUISED = 0.5
_REVERSED = 0.4
_CAPITAL = 0.3
_MOST_CAPITALS = 4
_LIKE_LETTERS = tuple(
    str.maketrans("@4380$5!179|", "aaebossi" + rest) for rest in ("itgi", "ltgl")
)  # 1 and | stand for two letters
_ROWS = (
    "qwertyuiop",
    "qwertzuiopu",
    "azertyuiop",
    "asdfghjkl",
    "yxcvbnm",
    "zxcvbnm",
    "12345678901",
    "1q2w3e4r5t6z7u",
)
_NEIGHBOURS = frozenset(
    pair for row in _ROWS for way in (row, row[::-1]) for pair in map("".join, pairwise(way))
)
_YEAR = re.compile(r"19[3-9][0-9]|20[0-4][0-9]")
_DATE = re.compile(
    r"(?:0?[1-9]|[12][0-9]|3[01])[./-]?(?:0?[1-9]|[12][0-9]|3[01])[./-]?(?:19|20)?[0-9]{2}"
    r"|(?:19|20)?[0-9]{2}[./-]?(?:0[1-9]|1[0-2])[./-]?(?:0[1-9]|[12][0-9]|3[01])"
)

COMMON = "a common password, word or name"
OWN = "words of the login, the addresses or the organisation"
YEAR = "a year"
DATE = "a date"
ROW = "keys or letters in a row"
REPEATED = "repetitions"
OTHERS = "a few other characters"


@dataclass(frozen=True, slots=True)
class Estimate:
    """guesses: their decimal logarithm. pieces: what it is made of, in words that show nothing of it."""

    guesses: float
    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    length: int
    guesses: float
    kind: str


def common_words() -> Mapping[str, float]:
    """What is guessed first, with the decimal logarithm of its place. Takes some megabytes: keep it or let it go."""
    text = resources.files("sams.identity.passwords").joinpath("common_words.txt").read_text("utf-8")
    lines = (line for line in text.split("\n") if line and not line.startswith("#"))
    return {word: log10(place + 2) for place, word in enumerate(lines)}


def estimate(password: str, own: Iterable[str], common: Mapping[str, float]) -> Estimate:
    """own: names of the member and the organisation; they are split into words. common: `common_words()`."""
    text = fold(password[:MAX_LOOKED_AT])[:MAX_LOOKED_AT]
    block, times = _block(text)
    found = _cheapest(block, {word for name in own for word in words_of(name)}, common)
    guesses = found.guesses + _capitals(password) + log10(times)
    return Estimate(guesses, found.pieces if times == 1 else (*found.pieces, REPEATED))


def fold(text: str) -> str:
    """Small letters without marks: `Müller` and `muller` are one guess."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(one for one in decomposed if not unicodedata.combining(one)).casefold()


def words_of(name: str) -> Iterator[str]:
    """A login, an address or a domain as it stands, and its parts."""
    folded = fold(name[:320])
    parts = re.split(r"[\W_]+", folded)
    for word in {folded, "".join(parts), folded.partition("@")[0], *parts}:
        if len(word) >= _SHORTEST_WORD:
            yield word


def _block(text: str) -> tuple[str, int]:
    """What the text repeats, and how often."""
    length = (text + text).find(text, 1) if text else 0
    return (text[:length], len(text) // length) if 0 < length < len(text) else (text, 1)


def _cheapest(text: str, own: set[str], common: Mapping[str, float]) -> Estimate:
    ways: list[tuple[float, tuple[str, ...]]] = [(0.0, ())]
    ways += [(float("inf"), ())] * len(text)
    texts = tuple(dict.fromkeys((text, *(text.translate(table) for table in _LIKE_LETTERS))))
    for start in range(len(text)):
        guesses, pieces = ways[start]
        for piece in _pieces(texts, start, own, common):
            end = start + piece.length
            if guesses + piece.guesses < ways[end][0]:
                kinds = pieces if piece.kind in pieces else (*pieces, piece.kind)
                ways[end] = guesses + piece.guesses, kinds
    return Estimate(*ways[-1])


def _pieces(
    texts: tuple[str, ...], start: int, own: set[str], common: Mapping[str, float]
) -> Iterator[_Piece]:
    text = texts[0]
    yield _Piece(1, _of_character(text[start]), OTHERS)
    yield from _in_a_row(text, start)
    for pattern, guesses, kind in ((_YEAR, 1.9, YEAR), (_DATE, 4.0, DATE)):
        if found := pattern.match(text, start):
            yield _Piece(len(found[0]), guesses, kind)
    for number, version in enumerate(texts):
        disguise = _DISGUISED if number else 0.0
        for end in range(start + _SHORTEST_WORD, min(start + _LONGEST_WORD, len(text)) + 1):
            yield from _word(version[start:end], own, common, disguise)


def _word(word: str, own: set[str], common: Mapping[str, float], disguise: float) -> Iterator[_Piece]:
    for spelling, more in ((word, disguise), (word[::-1], disguise + _REVERSED)):
        if spelling in own:
            yield _Piece(len(word), _OWN + more, OWN)
        elif (place := common.get(spelling)) is not None:
            yield _Piece(len(word), place + more, COMMON)


def _in_a_row(text: str, start: int) -> Iterator[_Piece]:
    """One character again and again, letters or digits that follow one another, keys side by side."""
    for length in _lengths(text, start, str.__eq__):
        yield _Piece(length, _of_character(text[start]) + log10(length), REPEATED)
    for follows in (_is_next, _is_before, _is_beside):
        for length in _lengths(text, start, follows):
            if length >= _SHORTEST_ROW:
                yield _Piece(length, 1.3 + log10(length), ROW)


def _lengths(text: str, start: int, follows: Callable[[str, str], bool]) -> Iterator[int]:
    end = start + 1
    while end < len(text) and follows(text[end - 1], text[end]):
        end += 1
        yield end - start


def _is_next(one: str, other: str) -> bool:
    return ord(other) - ord(one) == 1


def _is_before(one: str, other: str) -> bool:
    return ord(other) - ord(one) == -1


def _is_beside(one: str, other: str) -> bool:
    return one + other in _NEIGHBOURS


def _of_character(one: str) -> float:
    """The decimal logarithm of how many there are to try."""
    if one in " -_.":
        return 0.6
    if one in "!?":
        return 0.7
    if one.isdigit():
        return 0.95
    return 1.4 if "a" <= one <= "z" else 1.7


def _capitals(password: str) -> float:
    count = sum(1 for one in password[:MAX_LOOKED_AT] if one.isupper())
    if not count or count == len(password):
        return _CAPITAL if count else 0.0
    return _CAPITAL * min(count, _MOST_CAPITALS)
