"""The reader of a next hop's replies against a plain one."""

from __future__ import annotations

import re

from sams.core.reply import Reply
from sams.protocol.smtp.remote_reply import ReplyError, ReplyLimits, ReplyReader
from tests.fuzz.target import Target, pieces, split_head

LIMITS = ReplyLimits(line=60, kept=20, lines=5, total=120, total_kept=50)
WORDS = (
    b"220 hi\r\n",
    b"250-",
    b"250 ",
    b"250\r\n",
    b"550 5.1.1 no such user\r\n",
    b"250-2.1.0 a\r\n250 2.1.0 b\r\n",
    b"421 4.3.2 \r\n",
    b"354 go\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
)
_LINE = re.compile(r"([2-5][0-9][0-9])(?:([ -])(.*))?\r\n\Z", re.DOTALL)
_STATUS = re.compile(r"([245])\.\d{1,3}\.\d{1,3}(?=[ \t]|\Z)", re.ASCII)

Heard = list[tuple[int, str | None, tuple[str, ...]]]


def reference(data: bytes, wanted: int, limits: ReplyLimits) -> tuple[Heard, bool]:
    """The replies as (code, status, text), and whether a fault follows them."""
    replies: Heard = []
    texts: list[str] = []
    under_way, octets, kept = "", 0, 0
    while data:
        line, end, data = data.partition(b"\n")
        line += end
        if len(line) > limits.line:
            return replies, True
        if not end:
            return replies, False
        match = _LINE.match(line.decode("latin-1"))
        octets += len(line)
        if match is None or len(replies) >= wanted or under_way not in {"", match[1]}:
            return replies, True
        if octets > limits.total or len(texts) >= limits.lines:
            return replies, True
        text = (match[3] or "")[: min(limits.kept, limits.total_kept - kept)]
        texts, under_way, kept = [*texts, text], match[1], kept + len(text)
        if match[2] != "-":
            replies.append(_reply(int(under_way), texts))
            texts, under_way, octets, kept = [], "", 0, 0
    return replies, False


def _reply(code: int, texts: list[str]) -> tuple[int, str | None, tuple[str, ...]]:
    found = _STATUS.match(texts[-1])
    status = found[0] if found and int(found[1]) == code // 100 else None
    if status is not None:
        texts = [
            text[len(status) :].lstrip(" \t") if (own := _STATUS.match(text)) and own[0] == status else text
            for text in texts
        ]
    plain = str(status and ".".join(str(int(part)) for part in status.split("."))) if status else None
    return code, plain, tuple(_readable(text) for text in texts)


def _readable(text: str) -> str:
    return text.encode("latin-1").decode("utf-8", "backslashreplace")


def run(data: bytes) -> None:
    """The first octet chooses the cuts, the second how many replies are wanted."""
    (cuts, count), stream = split_head(data, 2)
    wanted = count % 8
    expected, is_fault = reference(stream, wanted, LIMITS)
    reader = ReplyReader(LIMITS)
    for piece in pieces(stream, cuts):
        reader.feed(piece, wanted)
    all_fine = reader.ready == wanted and not reader.lacks(wanted)
    heard, ended_in_fault = _taken(reader)
    assert ended_in_fault == is_fault
    assert (reader.error is not None) == is_fault
    assert [(r.code, str(r.status) if r.status else None, r.lines) for r in heard] == expected
    assert len(heard) <= wanted
    assert all_fine <= (len(heard) == wanted)


def _taken(reader: ReplyReader) -> tuple[list[Reply], bool]:
    """All replies, and whether a fault stands behind them."""
    heard: list[Reply] = []
    try:
        while (reply := reader.take()) is not None:
            heard.append(reply)
    except ReplyError:
        return heard, True
    return heard, False


TARGET = Target(run, WORDS, 400)
