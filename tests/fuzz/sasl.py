"""PLAIN and LOGIN against what RFC 4616 and the LOGIN draft say, whatever the peer answers."""

from __future__ import annotations

from sams.protocol.sasl.interface import Challenge, Channel, Malformed, PasswordClaim, Step, Verify
from sams.protocol.sasl.registry import all_mechanisms
from tests.fuzz.target import Target, split_head

MOST = 1_024
BETWEEN = b"\xff\xff"
WORDS = (b"\0", BETWEEN, b"\0\0", b"alice\0sesame", b"\xc3\xa9", b"\xed\xa0\x80", b"a" * 64)


def _text(octets: bytes, *, may_be_empty: bool = False) -> str | None:
    if b"\0" in octets or len(octets) > MOST or not (octets or may_be_empty):
        return None
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return None


def plain(message: bytes) -> PasswordClaim | None:
    """Authzid NUL authcid NUL passwd."""
    parts = message.split(b"\0")
    if len(parts) != 3:
        return None
    authzid, authcid, password = _text(parts[0], may_be_empty=True), _text(parts[1]), _text(parts[2])
    return (
        None
        if None in {authzid, authcid, password}
        else PasswordClaim(*map(str, (authzid, authcid, password)))
    )


def login(answers: list[bytes]) -> PasswordClaim | None:
    """User name, then password, each perhaps with a NUL behind."""
    name, password = (_text(answer.removesuffix(b"\0")) for answer in answers)
    return None if name is None or password is None else PasswordClaim("", name, password)


def run(data: bytes) -> None:
    """The first octet chooses the mechanism and whether there is an initial response."""
    (choice,), stream = split_head(data, 1)
    name = "LOGIN" if choice & 1 else "PLAIN"
    answers = stream.split(BETWEEN)[:3]
    mechanism = all_mechanisms().create(name, Channel())
    said: list[bytes] = []
    step: Step = mechanism.start(None if choice & 2 else answers[0])
    if not choice & 2 and (name == "PLAIN" or answers[0]):
        said.append(answers.pop(0))
    elif not choice & 2:
        answers.pop(0)
    while isinstance(step, Challenge) and answers:
        said.append(answers.pop(0))
        assert len(said) <= 2, "an exchange without end"
        step = mechanism.respond(said[-1])
    _judge(name, said, step)


def _judge(name: str, said: list[bytes], step: Step) -> None:
    if isinstance(step, Challenge):
        assert len(said) < (2 if name == "LOGIN" else 1)
        return
    expected = plain(said[0]) if name == "PLAIN" else login(said) if len(said) == 2 else None
    if expected is None:
        assert isinstance(step, Malformed), step
        assert step.text.isascii()
        assert step.text.isprintable()
        assert len(step.text) < 200
    else:
        assert step == Verify(expected)
        other = PasswordClaim(expected.authzid, expected.authcid, "another")
        assert repr(step) == repr(Verify(other)), "the password shows"


TARGET = Target(run, WORDS, 200)
