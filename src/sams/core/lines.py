"""Lines of one length, which encoded attachments are made of: passed over by one slice."""

from __future__ import annotations


def even_lines(text: bytes, start: int, longest: int) -> int:
    """How far, from the start of a line, it is sure that no line is longer than `longest` octets with its LF.

    All lines are taken to be as long as the first; one slice shows whether an LF stands at each of those places.
    Where the first is too long or the others differ, the answer is `start`, and who asks has to look for himself.
    """
    first = text.find(b"\n", start, start + longest)
    if first < 0:
        return start
    length = first + 1 - start
    ends = text[first::length]
    return first + 1 + length * (len(ends) - 1) if ends.count(b"\n") == len(ends) else start
