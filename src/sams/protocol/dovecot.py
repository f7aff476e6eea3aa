"""Dovecot's authentication protocol, as a client speaks it: octets in, answers out.

Source: "Dovecot Authentication Protocol", versions 1.1 (Dovecot 2.3) and 1.3 (2.4), and what is the same in both.

Theory of operation. Both sides say their version at once; only the major one has to fit. Everything is a line of
fields between TABs that ends in LF. A question has a number that comes back with its answer, so that many are asked
on one connection and answered in any order. There are two kinds of sockets: where passwords are checked (`AUTH`), and
where is asked who somebody is (`USER`, which Dovecot calls master or userdb).

Nothing that a member typed can end a field: TAB, LF, CR, NUL and the escape itself are escaped, a password goes as
base64.
"""

from __future__ import annotations

import base64
import enum
import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

MAX_LINE = 65_536
"""Octets of a line that is taken; Dovecot itself expects them to fit into 16,384."""
MAX_QUESTIONS = 2**32 - 1
"""Numbers of questions have 32 bits."""

_MAJOR = "1"
_OPENING = "VERSION\t1\t1\n"
_MEANINGS = {"0": "\0", "1": "\x01", "t": "\t", "r": "\r", "n": "\n"}
_ESCAPES = str.maketrans({character: f"\x01{letter}" for letter, character in _MEANINGS.items()})
_ESCAPED = re.compile("\x01(.?)", re.DOTALL)
_ANSWERS = frozenset({"OK", "FAIL", "CONT", "USER", "NOTFOUND"})
_MAX_NUMBER_DIGITS = 10


class DovecotError(ValueError):
    """What came is not this protocol, or of a version that is not spoken. The message says what, in our words."""


class Socket(enum.Enum):
    """The kinds of sockets; the value is the line that completes Dovecot's side of the handshake."""

    PASSWORDS = "DONE"
    USERS = "SPID"


class Answer(Struct, frozen=True):
    """What was answered to one question.

    number: of the question.
    verb: OK, FAIL, CONT, USER or NOTFOUND.
    user: of USER: whom the answer is about, as Dovecot writes them; else empty.
    fields: by name; a field without a value has an empty one. What comes first counts where a name comes again.
    """

    number: int
    verb: str
    user: str
    fields: Mapping[str, str]


class DovecotEngine:
    """One connection. `opening` goes out first; questions may be asked when `is_ready`."""

    __slots__ = ("_cpid", "_has_plain", "_kind", "_last", "_reader", "_saw_version", "failure", "is_ready")

    def __init__(self, kind: Socket, cpid: int) -> None:
        """A new connection. cpid: a number that no other open one has; Dovecot refuses a second with it."""
        self._kind = kind
        self._cpid = cpid
        self._reader = LineReader()
        self._last = 0
        self._saw_version = False
        self._has_plain = False
        self.is_ready = False
        self.failure = ""
        """Why the connection has to be left, in our words; empty: it need not."""

    def opening(self) -> bytes:
        """Our side of the handshake. Dovecot 2.4 says nothing before it has the version."""
        cpid = f"CPID\t{self._cpid}\n" if self._kind is Socket.PASSWORDS else ""
        return f"{_OPENING}{cpid}".encode()

    def ask(self, verb: str, *parameters: str) -> tuple[int, bytes]:
        """A question, and the number that its answer will have.

        Raises:
            DovecotError: so many were asked that the connection has to be left.
            UnicodeEncodeError: a parameter has a lone surrogate.
        """
        if self._last >= MAX_QUESTIONS:
            raise DovecotError("all numbers of questions are used up")
        self._last += 1
        line = "\t".join((verb, str(self._last), *(escape(one) for one in parameters)))
        return self._last, f"{line}\n".encode()

    def receive(self, octets: bytes) -> list[Answer]:
        """Take octets as they come: the answers that are whole by now. Behind a `failure` there are none."""
        answers = list[Answer]()
        if self.failure:
            return answers
        try:
            for line in self._reader.receive(octets):
                answer = self._take(line)
                if answer is not None:
                    answers.append(answer)
        except DovecotError as error:
            self.failure = str(error)
        return answers

    def _take(self, line: str) -> Answer | None:
        verb, *rest = line.split("\t")
        if not self._saw_version:
            self._check_version(verb, rest)
        elif verb in _ANSWERS:
            return self._answer(verb, rest)
        elif verb == "MECH":
            self._has_plain = self._has_plain or rest[:1] == ["PLAIN"]
        elif verb == self._kind.value:
            self._complete()
        return None  # what is not known is passed over: later versions add to the handshake

    def _check_version(self, verb: str, rest: list[str]) -> None:
        if verb != "VERSION" or not rest:
            raise DovecotError(
                "it does not begin with a version: is this the socket of Dovecot's auth service?"
            )
        if rest[0] != _MAJOR:
            raise DovecotError("another version of the protocol than 1")
        self._saw_version = True

    def _complete(self) -> None:
        if self._kind is Socket.PASSWORDS and not self._has_plain:
            raise DovecotError("PLAIN is not among its mechanisms: add it to auth_mechanisms")
        self.is_ready = True

    def _answer(self, verb: str, rest: list[str]) -> Answer:
        if not self.is_ready:
            raise DovecotError("an answer before the handshake was over")
        number = rest[0] if rest else ""
        if not number.isdigit() or len(number) > _MAX_NUMBER_DIGITS or not 0 < int(number) <= self._last:
            raise DovecotError("an answer to no question that was asked")
        if verb == "USER":
            return Answer(int(number), verb, unescape("".join(rest[1:2])), read_fields(rest[2:]))
        return Answer(int(number), verb, "", read_fields(rest[1:]))


class LineReader:
    """Makes lines of octets: they end in LF, and are text in UTF-8 (what is none is replaced)."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def receive(self, octets: bytes) -> Iterator[str]:
        """The lines that are whole by now, without their end.

        Raises:
            DovecotError: behind those that are none: a line of more than `MAX_LINE` octets.
        """
        *whole, self._rest = (self._rest + octets).split(b"\n")
        for line in whole:
            _check_length(line)
            yield line.decode("utf-8", "replace")
        _check_length(self._rest)


def plain_response(user: str, password: str) -> str:
    """The field with the initial response of PLAIN (RFC 4616). It has to be the last one.

    Raises:
        UnicodeEncodeError: there is a lone surrogate in it.
    """
    return "resp=" + base64.b64encode(f"\0{user}\0{password}".encode()).decode("ascii")


def escape(text: str) -> str:
    """A field as it goes out."""
    return text.translate(_ESCAPES)


def unescape(text: str) -> str:
    """A field as it was meant. What is escaped without need is itself; an escape at the end is nothing."""
    return _ESCAPED.sub(lambda match: _MEANINGS.get(match[1], match[1]), text)


def read_fields(parameters: list[str]) -> dict[str, str]:
    """`name=value` and bare names, by name; empty ones are none."""
    fields = dict[str, str]()
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if parameter:
            fields.setdefault(unescape(name), unescape(value))
    return fields


def _check_length(line: bytes) -> None:
    if len(line) > MAX_LINE:
        raise DovecotError(f"a line of more than {MAX_LINE} octets")
