"""Dovecot's authentication protocol: cut anywhere, the same; and as a reader line by line takes it."""

from __future__ import annotations

import re

from sams.protocol.dovecot import MAX_LINE, Answer, DovecotEngine, Socket, escape, unescape
from tests.fuzz.target import Target, pieces, split_head

ASKED = 3
HELLO = {
    Socket.PASSWORDS: b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCOOKIE\t0\nDONE\n",
    Socket.USERS: b"VERSION\t1\t1\nSPID\t1\n",
}
WORDS = (
    *HELLO.values(),
    b"VERSION\t1\t3\n",
    b"VERSION\t2\t0\n",
    b"MECH\tPLAIN\n",
    b"DONE\n",
    b"SPID\t1\n",
    b"OK\t1\tuser=alice\n",
    b"FAIL\t2\tuser=bob\tcode=temp_fail\n",
    b"CONT\t3\t\n",
    b"USER\t1\talice\tuid=1\t\temail=a@b\n",
    b"NOTFOUND\t3\n",
    b"\x01t",
    b"\x01",
    b"\t",
    b"\n",
    b"=",
    b"\xc3\xbc",
)
_ANSWER = re.compile(r"(OK|FAIL|CONT|USER|NOTFOUND)\t([0-9]{1,10})(?:\t(.*))?\Z", re.DOTALL)

Told = tuple[list[Answer], str, bool]


def told(stream: bytes, kind: Socket, style: int) -> Told:
    """The answers, the failure, and whether the handshake is over. The questions were asked in any case."""
    engine = DovecotEngine(kind, 1)
    for _ in range(ASKED):
        engine.ask("AUTH")
    answers = [answer for piece in pieces(stream, style) for answer in engine.receive(piece)]
    return answers, engine.failure, engine.is_ready


def reference(stream: bytes, kind: Socket) -> tuple[list[tuple[int, str, dict[str, str]]], bool]:
    """Number, verb and fields of each answer, and whether something was wrong."""
    answers = list[tuple[int, str, dict[str, str]]]()
    state = "new"
    mechanisms = set[str]()
    *lines, rest = stream.split(b"\n")
    for octets in lines:
        line = octets.decode("utf-8", "replace")
        first, *words = line.split("\t")
        if len(octets) > MAX_LINE or (state == "new" and (first != "VERSION" or words[:1] != ["1"])):
            return answers, True
        if state == "new":
            state = "hello"
        elif first in {"OK", "FAIL", "CONT", "USER", "NOTFOUND"}:
            match = _ANSWER.match(line)
            if state != "ready" or match is None or not 1 <= int(match[2]) <= ASKED:
                return answers, True
            parts = (match[3] or "").split("\t")[1 if first == "USER" else 0 :]
            pairs = [(part + "=").split("=", 1) for part in parts if part]
            fields = {unescape(name): unescape(value.removesuffix("=")) for name, value in reversed(pairs)}
            answers.append((int(match[2]), first, fields))
        elif first == "MECH":
            mechanisms |= set(words[:1])
        elif first == kind.value:
            if kind is Socket.PASSWORDS and "PLAIN" not in mechanisms:
                return answers, True
            state = "ready"
    return answers, len(rest) > MAX_LINE


def run(data: bytes) -> None:
    """The first octet chooses cuts and kind, the second whether the handshake is done."""
    (choice, begin), stream = split_head(data, 2)
    kind = Socket.USERS if choice & 4 else Socket.PASSWORDS
    stream = (HELLO[kind] if begin % 2 else b"") + stream
    outcome = told(stream, kind, choice)
    assert outcome == told(stream, kind, 0), "the cut decided"
    answers, failure, _ = outcome
    expected, is_wrong = reference(stream, kind)
    assert [(answer.number, answer.verb, dict(answer.fields)) for answer in answers] == expected
    assert bool(failure) == is_wrong
    assert failure.isascii()
    text = stream.decode("utf-8", "replace")
    assert unescape(escape(text)) == text
    assert not set(escape(text)) & set("\0\t\r\n")


TARGET = Target(run, WORDS, 400)
