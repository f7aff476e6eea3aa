"""SCRAM: the examples of RFC 5802 and 7677, an independent client, and everything that has to be refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import unicodedata
from functools import cache
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scramp import ScramClient

from sams.protocol.sasl import scram
from sams.protocol.sasl.interface import (
    Channel,
    Malformed,
    NeedKeys,
    ProofClaim,
    ScramKey,
    ScramKeys,
    Step,
    Verify,
)
from sams.protocol.sasl.registry import all_mechanisms
from sams.protocol.sasl.saslprep import saslprep
from sams.protocol.sasl.scram import MAX_MESSAGE_OCTETS, Scram, make_scram_key
from tests.protocol.sasl.steps import challenge_of, needed, refusal_of, verified

END_POINT, OTHER_END_POINT = hashlib.sha256(b"ours").digest(), hashlib.sha256(b"our other one").digest()
EXPORTED = 32 * b"e"
BOUND = Channel(
    offered=("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"),
    end_points=frozenset({END_POINT, OTHER_END_POINT}),
    exporter=EXPORTED,
)
SALT = b"0123456789abcdef"
ITERATIONS = 4_096
ALL = ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"]


@cache
def keys_of(*passwords: str, hash_name: str = "sha256") -> ScramKeys:
    made = [make_scram_key(password, SALT, ITERATIONS, hash_name) for password in passwords]
    return ScramKeys(SALT, ITERATIONS, tuple(ScramKey(f"key-{at}", *key) for at, key in enumerate(made)))


def hash_of(name: str) -> str:
    return "sha1" if "SHA-1" in name else "sha256"


# --- the examples of the standards


class Example(NamedTuple):
    """An exchange of `user` with the password `pencil`."""

    name: str
    salt: str
    nonce: str
    first: str
    challenge: str
    final: str
    last: str


_NONCE = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
EXAMPLES = [
    Example(
        "SCRAM-SHA-1",
        "QSXCR+Q6sek8bf92",
        "3rfcNHYJY1ZVvWVs7j",
        "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
        "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
        "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    ),
    Example(
        "SCRAM-SHA-256",
        "W22ZaJ0SNY7soEsUEjb6gQ==",
        "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        f"r={_NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        f"c=biws,r={_NONCE},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    ),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_the_examples_of_rfc_5802_and_rfc_7677(example: Example) -> None:
    name, salt = example.name, base64.b64decode(example.salt)
    mechanism = Scram(name, Channel(), lambda: example.nonce)
    assert mechanism.start(example.first.encode()) == NeedKeys("user", hash_of(name))
    key = ScramKey("main", *make_scram_key("pencil", salt, 4_096, hash_of(name)))
    assert challenge_of(mechanism.resume(ScramKeys(salt, 4_096, (key,)))) == example.challenge.encode()
    assert mechanism.respond(example.final.encode()) == Verify(
        ProofClaim("", "user", "main"), on_success=example.last.encode()
    )


# --- an independent client


def converse(mechanism: Scram, client: ScramClient, keys: ScramKeys) -> Step:
    """Up to the verdict."""
    step = mechanism.start(client.get_client_first().encode())
    if isinstance(step, Malformed):
        return step
    needed(step)
    client.set_server_first(challenge_of(mechanism.resume(keys)).decode())
    return mechanism.respond(client.get_client_final().encode())


def client_of(name: str, password: str, binding: tuple[str, bytes] | None = None) -> ScramClient:
    if name.endswith("-PLUS") and binding is None:
        binding = ("tls-server-end-point", END_POINT)
    return ScramClient([name], "alice", password, channel_binding=binding)


@pytest.mark.parametrize("name", ALL)
def test_an_independent_client_signs_in_and_believes_us(name: str) -> None:
    client = client_of(name, "sesame")
    done = verified(converse(Scram(name, BOUND), client, keys_of("sesame", hash_name=hash_of(name))))
    assert done.claim == ProofClaim("", "alice", "key-0")
    assert done.on_success is not None
    client.set_server_final(done.on_success.decode())  # raises for a signature that is not right


@pytest.mark.parametrize("name", ALL)
def test_a_wrong_password_is_a_claim_without_a_proof_and_nothing_is_said_besides(name: str) -> None:
    done = converse(Scram(name, BOUND), client_of(name, "wrong"), keys_of("sesame", hash_name=hash_of(name)))
    assert done == Verify(ProofClaim("", "alice", None))


def test_each_of_a_logins_passwords_is_tried() -> None:
    keys = keys_of("sesame", "printer-password", "phone-password")
    for at, password in enumerate(("sesame", "printer-password", "phone-password")):
        client = client_of("SCRAM-SHA-256", password)
        done = verified(converse(Scram("SCRAM-SHA-256", Channel()), client, keys))
        assert done.claim == ProofClaim("", "alice", f"key-{at}")
        client.set_server_final((done.on_success or b"").decode())


@pytest.mark.parametrize(("passwords", "tried"), [(0, 8), (1, 8), (8, 8), (9, 16)])
def test_a_login_that_nobody_has_costs_what_one_with_some_passwords_costs(
    passwords: int, tried: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = list[bytes]()

    def counting(proof: bytes, auth_message: bytes, stored_key: bytes, hash_name: str) -> bool:
        compared.append(stored_key)
        return is_right(proof, auth_message, stored_key, hash_name)

    is_right = scram._is_right
    monkeypatch.setattr(scram, "_is_right", counting)
    keys = ScramKeys(SALT, ITERATIONS, (keys_of("sesame").keys * 9)[:passwords])
    converse(Scram("SCRAM-SHA-256", Channel()), client_of("SCRAM-SHA-256", "guess"), keys)
    assert len(compared) == tried


def test_an_unknown_login_goes_the_same_way_to_its_end() -> None:
    done = converse(
        Scram("SCRAM-SHA-256", Channel()),
        client_of("SCRAM-SHA-256", "sesame"),
        ScramKeys(SALT, ITERATIONS, ()),
    )
    assert done == Verify(ProofClaim("", "alice", None))


# --- channel binding


@pytest.mark.parametrize(
    "binding",
    [
        ("tls-server-end-point", END_POINT),
        ("tls-server-end-point", OTHER_END_POINT),
        ("tls-exporter", EXPORTED),
    ],
)
def test_what_binds_to_this_connection_is_taken(binding: tuple[str, bytes]) -> None:
    assert proves_with(binding, BOUND) == "key-0"


@pytest.mark.parametrize(
    ("binding", "channel", "told"),
    [
        (("tls-server-end-point", 32 * b"x"), BOUND, "bound to another TLS connection"),
        (("tls-server-end-point", EXPORTED), BOUND, "bound to another TLS connection"),
        (("tls-exporter", END_POINT), BOUND, "bound to another TLS connection"),
        (("tls-exporter", EXPORTED), Channel(end_points=frozenset({END_POINT})), "not known here"),
        (("tls-unique", EXPORTED), BOUND, "not known here"),
        (("tls-server-end-point", END_POINT), Channel(), "not known here"),
    ],
)
def test_what_binds_elsewhere_is_refused(binding: tuple[str, bytes], channel: Channel, told: str) -> None:
    assert told in str(proves_with(binding, channel))


def proves_with(binding: tuple[str, bytes], channel: Channel) -> str | None:
    """Which key a peer proves that binds so; or what it is told. Made by hand: the client knows one binding only."""
    step = ask_for_keys(f"p={binding[0]},,".encode(), b"n=alice,r=abc", channel, "SCRAM-SHA-256-PLUS")
    if isinstance(step, Malformed):
        return refusal_of(step)
    mechanism, first = step
    done = mechanism.respond(final_of("sesame", first, f"p={binding[0]},,".encode() + binding[1]))
    if isinstance(done, Malformed):
        return refusal_of(done)
    claim = verified(done).claim
    assert isinstance(claim, ProofClaim)
    return claim.password_id


def ask_for_keys(
    header: bytes,
    bare: bytes,
    channel: Channel,
    name: str = "SCRAM-SHA-256",
    passwords: tuple[str, ...] = ("sesame",),
) -> Malformed | tuple[Scram, tuple[bytes, bytes]]:
    """The mechanism after server-first, with client-first-bare and server-first."""
    mechanism = Scram(name, channel, lambda: "XYZ")
    step = mechanism.start(header + bare)
    if isinstance(step, Malformed):
        return step
    needed(step)
    return mechanism, (bare, challenge_of(mechanism.resume(keys_of(*passwords))))


@cache
def salted_password(password: str) -> bytes:
    """By the standard library alone."""
    return hashlib.pbkdf2_hmac("sha256", password.encode(), SALT, ITERATIONS)


def final_of(
    password: str,
    said: tuple[bytes, bytes],
    bound: bytes,
    *,
    nonce: bytes = b"abcXYZ",
    extensions: bytes = b"",
) -> bytes:
    """client-final, computed by RFC 5802 section 3 and nothing of ours."""
    client_key = hmac.new(salted_password(password), b"Client Key", "sha256").digest()
    without = b"c=" + base64.b64encode(bound) + b",r=" + nonce + extensions
    message = b",".join((*said, without))
    signature = hmac.new(hashlib.sha256(client_key).digest(), message, "sha256").digest()
    proof = bytes(one ^ other for one, other in zip(client_key, signature, strict=True))
    return without + b",p=" + base64.b64encode(proof)


def test_a_peer_that_was_not_shown_our_channel_binding_is_turned_away() -> None:
    """RFC 5802 section 6: `y` while -PLUS is offered is a downgrade by somebody between."""
    step = Scram("SCRAM-SHA-256", BOUND).start(b"y,,n=alice,r=abc")
    assert "somebody may stand between" in refusal_of(step)
    only_the_other = Channel(offered=("SCRAM-SHA-256", "SCRAM-SHA-1-PLUS"))
    for channel in (Channel(), only_the_other):
        needed(Scram("SCRAM-SHA-256", channel).start(b"y,,n=alice,r=abc"))
    needed(Scram("SCRAM-SHA-256", BOUND).start(b"n,,n=alice,r=abc"))  # it cannot bind at all


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("SCRAM-SHA-256", b"p=tls-server-end-point,,n=alice,r=abc"),
        ("SCRAM-SHA-256-PLUS", b"n,,n=alice,r=abc"),
        ("SCRAM-SHA-256-PLUS", b"y,,n=alice,r=abc"),
    ],
)
def test_the_name_with_plus_binds_and_the_other_does_not(name: str, first: bytes) -> None:
    assert "channel binding" in refusal_of(Scram(name, BOUND).start(first))


# --- the grammar


@pytest.mark.parametrize(
    ("first", "authzid", "authcid"),
    [
        (b"n,,n=alice,r=abc", "", "alice"),
        (b"y,,n=alice,r=abc", "", "alice"),
        (b"n,a=bob,n=alice,r=abc", "bob", "alice"),
        (b"n,a=b=2Cb,n=a=3D=2C,r=abc", "b,b", "a=,"),
        ("n,,n=jürgen,r=abc".encode(), "", "jürgen"),
        (b"n,,n=" + 1_024 * b"a" + b",r=abc", "", 1_024 * "a"),
        (b"n,,n=" + 1_024 * b"=2C" + b",r=abc", "", 1_024 * ","),
        (b"n,,n=a,r=abc,x=an extension,y=a=b", "", "a"),
        (b"n,,n=a,r=!\"#$%&'()*+-./09:;<=>?@AZ[\\]^_`az{|}~", "", "a"),
    ],
)
def test_a_first_message_by_the_grammar(first: bytes, authzid: str, authcid: str) -> None:
    mechanism = Scram("SCRAM-SHA-256", Channel(), lambda: "XYZ")
    assert needed(mechanism.start(first)).authcid == authcid
    server_first = challenge_of(mechanism.resume(keys_of("sesame")))
    header, bare = first[: first.index(b"n=", 3)], first[first.index(b"n=", 3) :]
    nonce = server_first[2 : server_first.index(b",s=")]
    done = mechanism.respond(final_of("sesame", (bare, server_first), header, nonce=nonce))
    assert verified(done).claim == ProofClaim(authzid, authcid, "key-0")


NOT_FIRST = "SCRAM begins with channel binding, user name and nonce (RFC 5802 section 7)"
BAD_NAME = "the user name is missing, too long, or not UTF-8"


@pytest.mark.parametrize(
    ("first", "told"),
    [
        (b"", NOT_FIRST),
        (b"n,", NOT_FIRST),
        (b"n=alice,r=abc", NOT_FIRST),
        (b"x,,n=alice,r=abc", NOT_FIRST),
        (b"N,,n=alice,r=abc", NOT_FIRST),
        (b"p=,,n=alice,r=abc", NOT_FIRST),
        (b"p=a_b,,n=alice,r=abc", NOT_FIRST),
        (b"p=" + 65 * b"a" + b",,n=alice,r=abc", NOT_FIRST),
        (b"n,bob,n=alice,r=abc", NOT_FIRST),
        (b"n,a=,n=alice,r=abc", NOT_FIRST),
        (b"n,a=b=2c,n=alice,r=abc", NOT_FIRST),
        (b"n,,m=must,n=alice,r=abc", NOT_FIRST),
        (b"n,,n=alice,r=abc,m=must", NOT_FIRST),
        (b"n,,n=alice,r=abc,n=bob", NOT_FIRST),
        (b"n,,n=alice,r=abc,x", NOT_FIRST),
        (b"n,,n=alice,r=abc,x=", NOT_FIRST),
        (b"n,,n=alice,r=abc,", NOT_FIRST),
        (b"n,,n=alice,r=abc,x=\xff", NOT_FIRST),
        (b"n,,n=alice,r=abc,x=a\0b", NOT_FIRST),
        (b"n,,r=abc,n=alice", NOT_FIRST),
        (b"n,,n=alice", NOT_FIRST),
        (b"n,,n=alice,r=", NOT_FIRST),
        (b"n,,n=alice,r=a b", NOT_FIRST),
        (b"n,,n=alice,r=a\x7f", NOT_FIRST),
        ("n,,n=alice,r=ä".encode(), NOT_FIRST),
        (b"n,,n=alice,r=" + 513 * b"a", NOT_FIRST),
        (b"n,,n=,r=abc", BAD_NAME),
        (b"n,,n=a=b,r=abc", BAD_NAME),
        (b"n,,n=a=2c,r=abc", BAD_NAME),
        (b"n,,n=a=,r=abc", BAD_NAME),
        (b"n,,n=\xff,r=abc", BAD_NAME),
        (b"n,,n=a\0b,r=abc", BAD_NAME),
        (b"n,,n=" + 1_025 * b"a" + b",r=abc", BAD_NAME),
        (b"n,,n=" + MAX_MESSAGE_OCTETS * b"a" + b",r=abc", "the message is too long"),
    ],
)
def test_what_is_no_first_message_is_refused_before_keys_are_asked_for(first: bytes, told: str) -> None:
    assert refusal_of(Scram("SCRAM-SHA-256", Channel()).start(first)) == told


def test_without_an_initial_response_the_challenge_is_empty() -> None:
    mechanism = Scram("SCRAM-SHA-256", Channel())
    assert challenge_of(mechanism.start(None)) == b""
    assert needed(mechanism.respond(b"n,,n=alice,r=abc")).authcid == "alice"


NOT_FINAL = "SCRAM ends with channel binding, nonce and proof (RFC 5802 section 7)"
OTHER_NONCE = "the nonce is not the one that was sent"
PROOF = base64.b64encode(bytes(32))


@pytest.mark.parametrize(
    ("final", "told"),
    [
        (b"", NOT_FINAL),
        (b"c=biws,r=abcXYZ", NOT_FINAL),
        (b"c=biws,r=abcXYZ,p=", NOT_FINAL),
        (b"c=biws,p=" + PROOF + b",r=abcXYZ", NOT_FINAL),
        (b"r=abcXYZ,c=biws,p=" + PROOF, NOT_FINAL),
        (b"c=,r=abcXYZ,p=" + PROOF, NOT_FINAL),
        (b"c=bi ws,r=abcXYZ,p=" + PROOF, NOT_FINAL),
        (b"c=eSws,r=abcXYZ,p=" + PROOF, NOT_FINAL),  # `y,,`: not the header that began
        (b"c=biwsYQ==,r=abcXYZ,p=" + PROOF, NOT_FINAL),
        (b"c=biws,r=abcXYZ,p=not*base64", NOT_FINAL),
        (b"c=biws,r=abcXYZ,p=YWJj=", NOT_FINAL),
        (b"c=biws,r=abcXYZ,p=YWJ=", NOT_FINAL),
        (b"c=biws,r=abcXYZ,p=" + PROOF[:-1], NOT_FINAL),
        (b"c=biws,r=abcXYZ,p=" + PROOF + b",x=y", NOT_FINAL),
        (b"c=biws,r=abcXYZ,m=must,p=" + PROOF, NOT_FINAL),
        (b"c=biws,r=abcXYZ,p=" + PROOF + b",p=" + PROOF, NOT_FINAL),
        (b"c=biws,r=abcXYZ,r=abcXYZ,p=" + PROOF, NOT_FINAL),
        (b"c=biws,r=abc,p=" + PROOF, OTHER_NONCE),
        (b"c=biws,r=abcXYZA,p=" + PROOF, OTHER_NONCE),
        (b"c=biws,r=XYZ,p=" + PROOF, OTHER_NONCE),
        (MAX_MESSAGE_OCTETS * b"c=", "the message is too long"),
    ],
)
def test_what_is_no_final_message_is_refused(final: bytes, told: str) -> None:
    begun = ask_for_keys(b"n,,", b"n=alice,r=abc", Channel())
    assert not isinstance(begun, Malformed)
    assert refusal_of(begun[0].respond(final)) == told


def test_a_right_proof_for_another_nonce_signs_nobody_in() -> None:
    """Of an exchange that was overheard, or that somebody else began."""
    begun = ask_for_keys(b"n,,", b"n=alice,r=abc", Channel())
    assert not isinstance(begun, Malformed)
    mechanism, said = begun
    assert refusal_of(mechanism.respond(final_of("sesame", said, b"n,,", nonce=b"abcOLD"))) == OTHER_NONCE


def test_extensions_of_the_final_message_are_passed_over_and_proved() -> None:
    begun = ask_for_keys(b"n,,", b"n=alice,r=abc", Channel())
    assert not isinstance(begun, Malformed)
    mechanism, said = begun
    done = mechanism.respond(final_of("sesame", said, b"n,,", extensions=b",x=y=z"))
    assert verified(done).claim == ProofClaim("", "alice", "key-0")


@pytest.mark.parametrize("octets", [0, 1, 20, 31, 33, 64])
def test_a_proof_of_another_length_is_wrong(octets: int) -> None:
    begun = ask_for_keys(b"n,,", b"n=alice,r=abc", Channel())
    assert not isinstance(begun, Malformed)
    proof = base64.b64encode(octets * b"x")
    step = begun[0].respond(b"c=biws,r=abcXYZ,p=" + proof)
    if octets:
        assert step == Verify(ProofClaim("", "alice", None))
    else:
        assert refusal_of(step) == NOT_FINAL


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_garbage_signs_nobody_in(first: bytes, final: bytes) -> None:
    mechanism = Scram("SCRAM-SHA-256", Channel())
    step = mechanism.start(first)
    if isinstance(step, NeedKeys):
        step = mechanism.resume(keys_of("sesame"))
        step = mechanism.respond(final)
    if isinstance(step, Verify):
        assert isinstance(step.claim, ProofClaim)
        assert step.claim.password_id is None
    else:
        refusal_of(step)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)


@given(authzid=st.just("") | NAMES, authcid=NAMES)
def test_names_come_as_they_were_meant(authzid: str, authcid: str) -> None:
    def escape(name: str) -> str:
        return name.replace("=", "=3D").replace(",", "=2C")

    header = f"n,{'a=' + escape(authzid) if authzid else ''},".encode()
    begun = ask_for_keys(header, f"n={escape(authcid)},r=abc".encode(), Channel())
    assert not isinstance(begun, Malformed)
    mechanism, said = begun
    done = verified(mechanism.respond(final_of("sesame", said, header)))
    assert done.claim == ProofClaim(authzid, authcid, "key-0")


def test_nonces_are_never_the_same() -> None:
    nonces = set()
    for _ in range(100):
        mechanism = all_mechanisms().create("SCRAM-SHA-256", Channel())
        assert isinstance(mechanism, Scram)
        mechanism.start(b"n,,n=alice,r=abc")
        nonces.add(challenge_of(mechanism.resume(keys_of())).split(b",")[0])
    assert len(nonces) == 100
    assert all(len(nonce) >= len(b"r=abc") + 22 for nonce in nonces)  # 128 bits and more, as base64


def test_keys_are_not_shown() -> None:
    key = ScramKey("main", b"stored-secret", b"server-secret")
    assert "secret" not in repr(ScramKeys(SALT, 1, (key,)))


# --- SASLprep


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("user", "user"),
        ("USER", "USER"),
        ("I\xadX", "IX"),
        ("\xaa", "a"),
        ("Ⅸ", "IX"),
        ("\x07", None),
        ("\u06271", None),
        ("\u0627a\u0627", None),
        ("\u0627\u0628", "\u0627\u0628"),
        ("a\xa0b", "a b"),
        ("\u0221", None),  # assigned after Unicode 3.2
        ("tab\t", None),
        ("\ue000", None),
    ],
)
def test_saslprep_by_the_examples_of_rfc_4013(text: str, prepared: str | None) -> None:
    assert saslprep(text) == prepared


@given(st.text(max_size=20))
def test_saslprep_is_the_same_when_it_is_done_twice(text: str) -> None:
    once = saslprep(text)
    assert once is None or saslprep(once) == once


def test_of_a_password_that_saslprep_does_not_allow_keys_are_made_as_it_is() -> None:
    """So do the programs that take it: there is no other octets that both could mean."""
    newer = unicodedata.lookup("THINKING FACE")
    assert saslprep(newer) is None
    begun = ask_for_keys(b"n,,", b"n=alice,r=abc", Channel(), passwords=(newer,))
    assert not isinstance(begun, Malformed)
    mechanism, said = begun
    assert verified(mechanism.respond(final_of(newer, said, b"n,,"))).claim == ProofClaim(
        "", "alice", "key-0"
    )
