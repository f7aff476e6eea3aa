"""What a bad next hop may do, a row each, and what must come of it for the recipients (R6, R9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tests.support.next_hop import EXTENSIONS, Answer, Do, Flood, NextHop

WAYS = {"alone": (), "pipelining": EXTENSIONS, "groups": (*EXTENSIONS, "CHUNKING")}
"""How transactions are said, by what the hop offers."""
ALONE, PIPELINING, GROUPS = WAYS
EXPIRED = "5.4.7"
DELIVERED = "delivered"
OFTEN = 99
MANY = 100_000_000

Told: TypeAlias = Mapping[str, str] | str
"""Of each recipient (`a` and `b` of one message, `c` of one without a reverse path, `d` of one more), or of all."""
Making: TypeAlias = Callable[..., NextHop]


@dataclass(frozen=True)
class Row:
    """What a hop does, and what must come of it.

    first: how what the first attempt told begins.
    ends: DELIVERED, or the status in the one report.
    had: how often a recipient may have been given all of the message.
    hop, route: more settings of both. make: another kind of hop.
    """

    answers: Mapping[str, Answer]
    first: Told
    ends: Told = EXPIRED
    had: int = 1
    ways: tuple[str, ...] = (PIPELINING,)
    hop: dict[str, Any] = field(default_factory=dict)
    route: dict[str, Any] = field(default_factory=dict)
    make: Making = NextHop


def of(told: Told, name: str) -> str:
    """What is told of one recipient."""
    return told if isinstance(told, str) else told[name]


def too_slow(stage: str) -> str:
    return f"deferred 451 4.4.2 The next hop was too slow at {stage}"


def gone(stage: str) -> str:
    return f"deferred 451 4.4.2 The connection to the next hop was lost at {stage}"


def broke(stage: str) -> str:
    return f"deferred 451 4.5.0 The next hop broke the protocol at {stage}: "


def but(other: str, **some: str) -> dict[str, str]:
    """Of some this, of all others that."""
    return {**dict.fromkeys("abcd", other), **some}


NO_REPLY = "deferred 451 4.5.0 The next hop broke the protocol"
TAKEN = "delivered 250 2.0.0 taken"
NASTY = (
    "\x1b]0;owned\x07\x1b[2J\x00\x08 \u202egnp.exe\u2066 \u2028From: boss@example.ac.uk \u2029\u0085 "
    "\u200b\ufeff \ud7ff \ue000 \U000e0041 \x9b31m \r<script>alert(1)</script> %s{0} " + "A" * 3_000
).encode()
BAD_UTF8 = b"\xff\xfe\xc3\x28\xed\xa0\x80\xf5"

STAGES = {
    "CONNECT": "the greeting",
    "EHLO": "EHLO",
    "MAIL": "MAIL",
    "RCPT": "RCPT",
    "DATA": "DATA",
    "END": "the end of the message",
}


def _stages() -> dict[str, Row]:
    """Whatever can go wrong everywhere, at each stage."""
    rows: dict[str, Row] = {}
    for verb, stage in STAGES.items():
        had = OFTEN if verb == "END" else 1
        ways = (ALONE, PIPELINING) if verb == "DATA" else tuple(WAYS)
        lost = gone("" if verb in {"RCPT", "DATA", "END"} else stage)  # a reset may take replies with it
        closing: Answer = ("421 4.3.2 closing", Do.DROP)
        rows |= {
            f"says nothing at {stage}": Row({verb: Do.HANG}, too_slow(stage), had=had, ways=ways),
            f"closes the connection at {stage}": Row({verb: Do.DROP}, gone(stage), had=had, ways=ways),
            f"resets the connection at {stage}": Row({verb: Do.RESET}, lost, had=had),
            f"says 421 at {stage}": Row({verb: closing}, "deferred 421 4.3.2 closing", had=had, ways=ways),
            f"says 4yz at {stage}": Row({verb: "450 4.3.2 later"}, "deferred 450 4.3.2 later", had=had),
            f"says 250 and 550 at {stage}": Row(
                {verb: b"250 ok\r\n550 5.1.1 no\r\n"}, NO_REPLY, had=had, ways=(ALONE,)
            ),
        }
    rows[f"says 250 and 550 at {stage}"] = Row(
        {"END": b"250 ok\r\n550 no\r\n"}, "delivered 250 ok", DELIVERED
    )
    return rows


_REFUSED = {
    "refuses at the greeting": Row({"CONNECT": "554 5.3.2 no"}, "deferred 554 5.3.2 no"),
    "refuses EHLO and HELO": Row({"EHLO": "550 no", "HELO": "550 no"}, "deferred 550 no"),
    "knows HELO only": Row({"EHLO": "500 what?"}, TAKEN, DELIVERED),
    "greets with 250": Row({"CONNECT": "250 hello"}, broke("the greeting")),
    "answers EHLO with 354": Row({"EHLO": "354 go on"}, broke("EHLO")),
    "refuses the sender": Row({"MAIL": "550 5.7.1 no"}, "failed 550 5.7.1 no", "5.7.1", ways=tuple(WAYS)),
    "asks to sign in at MAIL": Row({"MAIL": "530 5.7.0 who?"}, "deferred 530 5.7.0 who?", ways=tuple(WAYS)),
    "asks to sign in at RCPT": Row({"RCPT": "530 5.7.0 who?"}, "deferred 530 5.7.0 who?"),
    "answers MAIL with 354": Row({"MAIL": "354 go on"}, broke("MAIL"), ways=(ALONE, PIPELINING)),
    "refuses a recipient": Row(
        {"RCPT:a@x.example": "550 5.1.1 no"},
        but(TAKEN, a="failed 550 5.1.1 no"),
        but(DELIVERED, a="5.1.1"),
        ways=tuple(WAYS),
    ),
    "puts a recipient off": Row(
        {"RCPT:a@x.example": "450 4.2.1 later"},
        but(TAKEN, a="deferred 450 4.2.1 later"),
        but(DELIVERED, a=EXPIRED),
        ways=tuple(WAYS),
    ),
    "says that a recipient is one too many, each time": Row(
        {"RCPT:b@x.example": "452 4.5.3 too many"},
        but(TAKEN, b="deferred 452 4.5.3 too many"),
        but(DELIVERED, b=EXPIRED),
        ways=tuple(WAYS),
    ),
    "says that of all but the first in the words of old": Row(
        {"RCPT:b@x.example": ["552 too many", None]}, TAKEN, DELIVERED, ways=tuple(WAYS)
    ),
    "answers RCPT with 354": Row({"RCPT": "354 go on"}, broke("RCPT")),
    "says 421 at the second recipient": Row(
        {"RCPT:b@x.example": ("421 4.3.2 closing", Do.DROP)},
        but(TAKEN, a="deferred 421 4.3.2", b="deferred 421 4.3.2"),
        but(DELIVERED, a=EXPIRED, b=EXPIRED),
        ways=tuple(WAYS),
    ),
    "answers for fewer recipients than it was told": Row(
        {"RCPT:b@x.example": ""},
        but(TAKEN, a=broke("RCPT"), b=broke("RCPT")),
        but(DELIVERED, a=EXPIRED, b=EXPIRED),
    ),
    "refuses DATA": Row({"DATA": "554 5.6.0 no"}, "failed 554 5.6.0 no", "5.6.0", ways=(ALONE, PIPELINING)),
    "answers DATA with 250": Row({"DATA": "250 2.0.0 fine"}, broke("DATA"), ways=(ALONE, PIPELINING)),
    "refuses the message": Row({"END": "554 5.7.1 spam"}, "failed 554 5.7.1 spam", "5.7.1", ways=tuple(WAYS)),
    "answers the message with 354": Row({"END": "354 more"}, broke("the end of the message"), had=OFTEN),
    "closes without a word to QUIT": Row({"QUIT": Do.DROP}, TAKEN, DELIVERED),
    "hangs at QUIT": Row({"QUIT": Do.HANG}, TAKEN, DELIVERED),
    "refuses QUIT": Row({"QUIT": "500 stay"}, TAKEN, DELIVERED),
    "closes after each message": Row(
        {"END": ("250 2.0.0 taken", Do.DROP)}, TAKEN, DELIVERED, ways=tuple(WAYS)
    ),
}

_TALK = {
    "injects a reply behind the greeting": Row({"CONNECT": b"220 ok\r\n250 ok\r\n"}, NO_REPLY),
    "answers EHLO before it is said": Row({"CONNECT": b"220 ok\r\n250-x\r\n250 PIPELINING\r\n"}, NO_REPLY),
    "answers all of a transaction at MAIL": Row(
        {"MAIL": b"250 ok\r\n" * 3 + b"354 go\r\n250 ok\r\n", "RCPT": "", "DATA": ""}, "deferred 451 4.5.0"
    ),
    "says each octet by itself": Row({}, TAKEN, DELIVERED, hop={"dribble": 0.0}, ways=tuple(WAYS)),
    "says an octet a second": Row({}, TAKEN, DELIVERED, hop={"dribble": 1.0}),
    "says an octet every 20 seconds": Row({}, too_slow("the greeting"), hop={"dribble": 20.0}),
    "is sure of itself with a wrong class": Row(
        {"RCPT:a@x.example": "550 4.2.1 odd", "RCPT:b@x.example": "450 5.1.1 odd"},
        but(TAKEN, a="failed 550 4.2.1 odd", b="deferred 450 5.1.1 odd"),
        but(DELIVERED, a="5.0.0", b=EXPIRED),
        ways=tuple(WAYS),
    ),
    "says 250 2.1.5 with a status of failure": Row(
        {"END": "250 5.7.1 taken?"}, "delivered 250 5.7.1", DELIVERED
    ),
}
for _name, _line in {
    "999": b"999 x\r\n",
    "2x0": b"2x0 ok\r\n",
    "a hyphen": b"-\r\n",
    "an empty line": b"\r\n",
    "LF for a line end": b"250 ok\n",
    "CR for a line end": b"250 ok\r250 ok\r\n\r\n",
    "two digits": b"25 ok\r\n",
    "1yz": b"120 wait\r\n",
    "6yz": b"650 5.1.1 x\r\n",
    "two codes in one reply": b"250-ok\r\n550 5.1.1 no\r\n",
    "rubbish": BAD_UTF8 + b"\r\n",
}.items():
    _TALK[f"answers the greeting with {_name}"] = Row({"CONNECT": _line}, NO_REPLY)
    _TALK[f"answers a recipient with {_name}"] = Row({"RCPT": _line}, NO_REPLY, ways=(ALONE,))

_FLOODS = {
    f"floods {stage} with {what}": Row({verb: Flood(unit, MANY, first)}, NO_REPLY, had=had)
    for verb, stage, had in (
        ("CONNECT", "the greeting", 1),
        ("EHLO", "EHLO", 1),
        ("RCPT", "RCPT", 1),
        ("END", "the end of the message", OFTEN),
    )
    for what, unit, first in (
        ("one endless line", b"x" * 8_192, b"250 "),
        ("endless continuation lines", b"250-hello\r\n" * 500, b""),
        ("endless replies", b"250 hello\r\n" * 500, b""),
    )
}
_FLOODS["floods the end of the message with endless replies"] = Row(
    {"END": ("250 hello", Flood(b"250 hello\r\n" * 500, MANY))}, "delivered 250 hello", DELIVERED
)
_FLOODS["floods the greeting with one endless line"] = Row(
    {"CONNECT": Flood(b"x" * 8_192, MANY, b"220 ")}, NO_REPLY
)

_NASTY = {
    "greets with what harms a terminal": Row(
        {"CONNECT": b"554-" + NASTY + b"\r\n554 5.3.2 " + BAD_UTF8 + b"\r\n"}, "deferred 554 5.3.2"
    ),
    "is called by what harms a terminal": Row(
        {"EHLO": b"250-" + NASTY[:900] + b"\r\n250 " + BAD_UTF8 + b"\r\n"}, TAKEN, DELIVERED
    ),
    "refuses a recipient with what harms a terminal": Row(
        {
            "RCPT:a@x.example": b"550 5.1.1 " + NASTY + b"\r\n",
            "RCPT:b@x.example": b"450 " + BAD_UTF8 + NASTY + b"\r\n",
        },
        but(TAKEN, a="failed 550 5.1.1", b="deferred 450"),
        but(DELIVERED, a="5.1.1", b=EXPIRED),
        ways=tuple(WAYS),
    ),
    "takes a message with what harms a terminal": Row(
        {"END": b"250 2.0.0 " + NASTY + b"\r\n"}, "delivered 250 2.0.0", DELIVERED, ways=tuple(WAYS)
    ),
    "ends with what harms a terminal": Row(
        {"MAIL": (b"421 4.3.2 " + NASTY + b"\r\n", Do.DROP)}, "deferred 421 4.3.2", ways=tuple(WAYS)
    ),
}


class Liar(NextHop):
    """Refuses commands that have a parameter of these."""

    unknown: tuple[bytes, ...] = ()
    code = "555 5.5.4 I do not know that"

    def answer(self, verb: str, address: bytes | None = None) -> Answer:
        if verb in {"MAIL", "RCPT"} and any(each in self.commands[-1] for each in self.unknown):
            return self.code
        return super().answer(verb, address)


def liar(*unknown: bytes, code: str = Liar.code) -> Making:
    """A kind of liar."""
    return type("Lying", (Liar,), {"unknown": unknown, "code": code})


_LIES = {
    "offers SIZE and refuses it": Row({}, TAKEN, DELIVERED, make=liar(b"SIZE="), ways=tuple(WAYS)),
    "offers SIZE and calls it not implemented": Row(
        {}, TAKEN, DELIVERED, make=liar(b"SIZE=", code="504 5.5.4 no"), ways=tuple(WAYS)
    ),
    "offers CHUNKING and does not know BDAT": Row(
        {"BDAT": "500 5.5.1 what?"}, TAKEN, DELIVERED, ways=(GROUPS,)
    ),
    "offers CHUNKING and refuses it": Row({"BDAT": "502 5.5.1 no"}, TAKEN, DELIVERED, ways=(GROUPS,)),
    "offers SIZE 0": Row({}, TAKEN, DELIVERED, hop={"extensions": ("SIZE 0",)}),
    "offers SIZE garbage": Row({}, TAKEN, DELIVERED, hop={"extensions": ("SIZE -1 x\x7f", "SIZE=")}),
    "offers SIZE beyond all numbers": Row({}, TAKEN, DELIVERED, hop={"extensions": ("SIZE " + "9" * 400,)}),
    "takes next to nothing": Row({}, "failed 552 5.3.4", "5.3.4", hop={"extensions": ("SIZE 1",)}),
    "has LIMITS beyond all numbers": Row(
        {}, TAKEN, DELIVERED, hop={"extensions": (f"LIMITS RCPTMAX={'9' * 19} MAILMAX={'9' * 300} X=",)}
    ),
    "has LIMITS of nothing": Row({}, TAKEN, DELIVERED, hop={"extensions": ("LIMITS RCPTMAX=0 MAILMAX=0",)}),
    "has LIMITS of one": Row(
        {}, TAKEN, DELIVERED, hop={"extensions": (*EXTENSIONS, "LIMITS RCPTMAX=1 MAILMAX=1 RCPTDOMAINMAX=1")}
    ),
    "offers the same a hundred times": Row({}, TAKEN, DELIVERED, hop={"extensions": EXTENSIONS * 16}),
    "offers PIPELINING and refuses it": Row(
        {"RCPT": "503 5.5.0 improper pipelining"}, "failed 503 5.5.0", "5.5.0"
    ),
    "refuses RSET": Row(
        {"END": ["554 5.7.1 spam", None], "RSET": "502 5.5.1 what?"},
        but(TAKEN, a="failed 554 5.7.1", b="failed 554 5.7.1"),
        but(DELIVERED, a="5.7.1", b="5.7.1"),
        route={"connections": 1},
        ways=tuple(WAYS),
    ),
    "keeps a transaction open behind a refused RSET": Row(
        {"DATA": ["451 4.3.0 later", None], "RSET": "502 5.5.1 what?"},
        but(TAKEN, a="deferred 451 4.3.0", b="deferred 451 4.3.0"),
        DELIVERED,
        route={"connections": 1},
        ways=(ALONE, PIPELINING),
    ),
    "puts off at RSET": Row(
        {"END": ["554 5.7.1 spam", None], "RSET": "450 4.3.2 later"},
        but(TAKEN, a="failed 554 5.7.1", b="failed 554 5.7.1"),
        but(DELIVERED, a="5.7.1", b="5.7.1"),
        route={"connections": 1},
    ),
    "hangs at RSET": Row(
        {"END": ["554 5.7.1 spam", None], "RSET": [Do.HANG, None]},
        but(TAKEN, a="failed 554 5.7.1", b="failed 554 5.7.1"),
        but(DELIVERED, a="5.7.1", b="5.7.1"),
        route={"connections": 1},
    ),
}

ROWS: dict[str, Row] = {**_stages(), **_REFUSED, **_TALK, **_FLOODS, **_NASTY, **_LIES}
