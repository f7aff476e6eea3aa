"""SCRAM, OAUTHBEARER and XOAUTH2 against readers that go by RFC 5802, 7628 and 6750, piece by piece."""

from __future__ import annotations

import base64
import hashlib
import hmac
import string
from functools import cache

from sams.protocol.sasl.interface import (
    Challenge,
    Channel,
    Malformed,
    NeedKeys,
    ProofClaim,
    ScramKey,
    ScramKeys,
    Step,
    TokenClaim,
    Verify,
)
from sams.protocol.sasl.registry import all_mechanisms
from sams.protocol.sasl.scram import Scram, make_scram_key
from tests.fuzz.target import Target, split_head

BETWEEN = b"\xff\xff"
PROOF = b"PROOF"
"""Stands in an input for the proof that is right."""
MOST_OF_A_NAME, MOST_OF_A_MESSAGE, MOST_OF_A_TOKEN = 1_024, 8_192, 8_192
END_POINT = 32 * b"e"
OFFERED = ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256")
CHANNEL = Channel(offered=OFFERED, end_points=frozenset({END_POINT}))
SALT, COUNT, OURS = b"salt", 4, "0urs"
WORDS = (
    BETWEEN,
    b"n,,n=alice,r=abc",
    b"p=tls-server-end-point,,",
    b"c=biws,r=abc0urs,p=PROOF",
    b"=2C",
    b"=3D",
    b",m=",
    b"a=bob",
    b"n,,\x01auth=Bearer abc\x01\x01",
    b"user=alice\x01auth=Bearer abc\x01\x01",
)

First = tuple[bytes, str, str, bytes, bytes]
"""What client-first says: header, channel binding (or its flag), authzid, user name, bare message."""


@cache
def keys() -> ScramKeys:
    return ScramKeys(SALT, COUNT, (ScramKey("main", *make_scram_key("sesame", SALT, COUNT, "sha256")),))


def name_of(octets: bytes) -> str | None:
    """A saslname: an octet, `=2C` or `=3D` at a time."""
    found, at = bytearray(), 0
    while at < len(octets):
        if octets[at : at + 1] == b"=":
            escape = {b"=2C": b",", b"=3D": b"="}.get(octets[at : at + 3])
            if escape is None:
                return None
            found += escape
            at += 3
        else:
            found += octets[at : at + 1]
            at += 1
    return text_of(bytes(found))


def text_of(octets: bytes) -> str | None:
    if not 0 < len(octets) <= MOST_OF_A_NAME or 0 in octets:
        return None
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return None


def is_printable(octets: bytes, most: int) -> bool:
    return 0 < len(octets) <= most and all(0x21 <= one <= 0x7E for one in octets)


def are_extensions(parts: list[bytes]) -> bool:
    """`x=…`, of a letter that stands for nothing."""
    for part in parts:
        letter, value = part[:1], part[2:]
        if part[1:2] != b"=" or not value or 0 in value or not letter.isalpha() or letter in b"amnrcsipve":
            return False
        try:
            value.decode("utf-8")
        except UnicodeDecodeError:
            return False
    return True


def header_of(message: bytes) -> tuple[str, str, list[bytes]] | None:
    """Flag or binding, authzid, and the pieces behind."""
    parts = message.split(b",")
    if len(parts) < 3:
        return None
    flag, authzid = parts[0], parts[1]
    allowed = string.ascii_letters + string.digits + ".-"
    if flag.startswith(b"p="):
        binding = flag[2:].decode("latin-1")
        if not 0 < len(binding) <= 64 or any(one not in allowed for one in binding):
            return None
    elif flag not in {b"n", b"y"}:
        return None
    who: str | None = ""
    if authzid:
        who = name_of(authzid[2:]) if authzid.startswith(b"a=") else None
    return None if who is None else (flag.decode("ascii"), who, parts[2:])


def client_first(message: bytes) -> First | None:
    """RFC 5802 section 7."""
    if len(message) > MOST_OF_A_MESSAGE:
        return None
    header = header_of(message)
    if header is None:
        return None
    flag, authzid, parts = header
    if len(parts) < 2 or not parts[0].startswith(b"n=") or not parts[1].startswith(b"r="):
        return None
    name = name_of(parts[0][2:])
    if name is None or not is_printable(parts[1][2:], 512) or not are_extensions(parts[2:]):
        return None
    bare = b",".join(parts)
    return message[: len(message) - len(bare)], flag, authzid, name.encode(), bare


def is_refused(name: str, flag: str) -> bool:
    """RFC 5802 section 6."""
    if flag == "y":
        return f"{name}-PLUS" in OFFERED or name.endswith("-PLUS")
    if name.endswith("-PLUS"):
        return flag != "p=tls-server-end-point"
    return flag != "n"


def base64_of(octets: bytes) -> bytes | None:
    alphabet = (string.ascii_letters + string.digits + "+/").encode()
    body = octets.rstrip(b"=")
    if not body or len(octets) % 4 or len(octets) - len(body) > 2 or any(one not in alphabet for one in body):
        return None
    decoded = base64.b64decode(octets)
    return decoded if base64.b64encode(decoded) == octets else None  # no bit beyond the last octet


def right_proof(auth_message: bytes) -> bytes:
    """By RFC 5802 section 3 and the standard library."""
    salted = hashlib.pbkdf2_hmac("sha256", b"sesame", SALT, COUNT)
    client_key = hmac.new(salted, b"Client Key", "sha256").digest()
    signature = hmac.new(hashlib.sha256(client_key).digest(), auth_message, "sha256").digest()
    return bytes(one ^ other for one, other in zip(client_key, signature, strict=True))


def client_final(message: bytes, first: First, nonce: bytes) -> bytes | None:
    """The proof; None: this is no client-final for this exchange."""
    parts = message.split(b",")
    bound = first[0] + (END_POINT if first[1].startswith("p=") else b"")
    if len(message) > MOST_OF_A_MESSAGE or len(parts) < 3 or not parts[-1].startswith(b"p="):
        return None
    if parts[1] != b"r=" + nonce or not are_extensions(parts[2:-1]):
        return None
    if not parts[0].startswith(b"c=") or base64_of(parts[0][2:]) != bound:
        return None
    return base64_of(parts[-1][2:])


def scram(name: str, stream: bytes) -> None:
    """client-first, BETWEEN, client-final."""
    message, _, answer = stream.partition(BETWEEN)
    mechanism = Scram(name, CHANNEL, lambda: OURS)
    first, step = client_first(message), mechanism.start(message)
    if first is None or is_refused(name, first[1]):
        _is_malformed(step)
        return
    assert step == NeedKeys(first[3].decode(), "sha256"), step
    challenge = mechanism.resume(keys())
    assert isinstance(challenge, Challenge)
    nonce = first[4].split(b",")[1][2:] + OURS.encode()
    assert challenge.data == b"r=%b,s=%b,i=%d" % (nonce, base64.b64encode(SALT), COUNT)
    _finish(mechanism, first, challenge.data, nonce, answer)


def _finish(mechanism: Scram, first: First, server_first: bytes, nonce: bytes, answer: bytes) -> None:
    without = answer.rpartition(b",p=")[0]
    auth_message = b",".join((first[4], server_first, without))
    right = right_proof(auth_message)
    if answer == without + b",p=" + PROOF:
        answer = without + b",p=" + base64.b64encode(right)
    proof, step = client_final(answer, first, nonce), mechanism.respond(answer)
    if proof is None:
        _is_malformed(step)
        return
    expected = "main" if proof == right else None
    assert isinstance(step, Verify)
    assert step.claim == ProofClaim(first[2], first[3].decode(), expected)
    assert (step.on_success is not None) == (expected is not None), "a wrong proof is told our signature"


def token_of(auth: bytes) -> str | None:
    """`Bearer`, spaces, and a token of RFC 6750."""
    scheme, _, rest = auth.partition(b" ")
    token = rest.lstrip(b" ")
    allowed = (string.ascii_letters + string.digits + "-._~+/").encode()
    body = token.rstrip(b"=")
    if scheme.lower() != b"bearer" or not body or len(token) > MOST_OF_A_TOKEN:
        return None
    return token.decode("ascii") if all(one in allowed for one in body) else None


def oauthbearer(message: bytes) -> TokenClaim | str | None:
    """RFC 7628 section 3.1; `discovery` for who brings no token."""
    header = header_of(message)
    if header is None or header[0].startswith("p="):
        return None
    rest = b",".join(header[2])
    if not (rest.startswith(b"\x01") and rest.endswith(b"\x01\x01")) or len(rest) < 2:
        return None
    found: dict[bytes, bytes] = {}
    for pair in rest[1:-2].split(b"\x01") if len(rest) > 2 else []:
        key, equals, value = pair.partition(b"=")
        key = key.lower()
        if not equals or not key.isalpha() or key in found:
            return None
        if any(not (0x20 <= one <= 0x7E or one in b"\t\r\n") for one in value):
            return None
        found[key] = value
    if not found.get(b"auth"):
        return "discovery"
    token = token_of(found[b"auth"])
    return None if token is None else TokenClaim(header[1], token)


def xoauth2(message: bytes) -> TokenClaim | None:
    """What Google and Microsoft write of it."""
    if not message.endswith(b"\x01\x01") or message.count(b"\x01") != 3:
        return None
    user, auth = message[:-2].split(b"\x01")
    if not user.startswith(b"user=") or not auth.startswith(b"auth="):
        return None
    name, token = text_of(user[5:]), token_of(auth[5:])
    return None if name is None or token is None else TokenClaim(name, token)


def run(data: bytes) -> None:
    """The first octet chooses the mechanism."""
    (choice,), stream = split_head(data, 1)
    match choice % 4:
        case 0 | 1:
            scram(OFFERED[choice % 2], stream)
        case 2:
            _judge(all_mechanisms().create("OAUTHBEARER", CHANNEL).start(stream), oauthbearer(stream))
        case _:
            _judge(all_mechanisms().create("XOAUTH2", CHANNEL).start(stream), xoauth2(stream))


def _judge(step: Step, expected: TokenClaim | str | None) -> None:
    if expected is None:
        _is_malformed(step)
    elif isinstance(expected, str):
        assert step == Challenge(CHANNEL.token_refusal), step
    else:
        assert step == Verify(expected, on_failure=CHANNEL.token_refusal), step
        another = TokenClaim(expected.authzid, "another")
        assert repr(step) == repr(Verify(another)), "the token shows"


def _is_malformed(step: Step) -> None:
    assert isinstance(step, Malformed), step
    assert step.text.isascii()
    assert step.text.isprintable()
    assert len(step.text) < 200


TARGET = Target(run, WORDS, 400)
