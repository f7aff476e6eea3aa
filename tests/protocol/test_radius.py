"""RADIUS packets: the vectors of the RFCs, and whatever who is on the way may make of an answer."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.protocol.radius import (
    NAS_PORT_VIRTUAL,
    Code,
    RadiusError,
    Request,
    Type,
    access_request,
    attribute,
    hidden_password,
    read_response,
    response_authenticator,
)

SECRET = b"xyzzy5461"
OURS = b"a-secret-of-ours"
AUTHENTICATOR = bytes(range(16))
REQUEST = access_request(7, AUTHENTICATOR, b"alice", b"secret", OURS)
SIGNATURE_AT = 22


def md5(octets: bytes) -> bytes:
    return hashlib.md5(octets, usedforsecurity=False).digest()


def answer(
    code: int,
    attributes: bytes = b"",
    *,
    request: Request = REQUEST,
    secret: bytes = OURS,
    signed: bool = True,
    identifier: int | None = None,
) -> bytes:
    """As a server makes it."""
    if signed:
        attributes = attribute(Type.MESSAGE_AUTHENTICATOR, bytes(16)) + attributes
    number = request.identifier if identifier is None else identifier
    head = bytes((code, number)) + (20 + len(attributes)).to_bytes(2, "big")
    if signed:
        signature = hmac.digest(secret, head + request.authenticator + attributes, "md5")
        attributes = attributes[:2] + signature + attributes[18:]
    return head + md5(head + request.authenticator + attributes + secret) + attributes


# --- the vectors of RFC 2865 section 7.1 and RFC 5997 section 6


def test_a_password_is_hidden_as_in_rfc_2865() -> None:
    authenticator = bytes.fromhex("0f403f9473978057bd83d5cb98f4227a")
    assert hidden_password(b"arctangent", SECRET, authenticator).hex() == "0dbe708d93d413ce3196e43f782a0aee"


@pytest.mark.parametrize(
    ("packet", "authenticator"),
    [
        (
            "0200002686fe220e7624ba2a1005f6bf9b55e0b20606000000010f06000000000e06c0a80103",
            "0f403f9473978057bd83d5cb98f4227a",
        ),
        ("02da0014ef0d552a4bf2d693ec2b6fe8b5411d66", "8a54f4686fb394c52866e302185d0623"),
    ],
)
def test_the_authenticators_of_answers_are_those_of_rfc_2865_and_5997(
    packet: str, authenticator: str
) -> None:
    octets = bytes.fromhex(packet)
    assert response_authenticator(octets, bytes.fromhex(authenticator), SECRET) == octets[4:20]


def test_a_message_authenticator_is_made_as_in_rfc_5997() -> None:
    packet = bytes.fromhex("0cda00268a54f4686fb394c52866e302185d062350125a665e2e1e8411f3e243822097c84fa3")
    signed = packet[:SIGNATURE_AT] + bytes(16)
    assert hmac.digest(SECRET, signed, "md5") == packet[SIGNATURE_AT:]


# --- requests


def test_a_request_has_its_message_authenticator_before_all_else() -> None:
    further = [(Type.NAS_IDENTIFIER, b"sams"), (Type.NAS_PORT_TYPE, NAS_PORT_VIRTUAL)]
    octets = access_request(7, AUTHENTICATOR, b"alice", b"secret", OURS, further=further).octets
    assert octets[:4] == bytes((Code.ACCESS_REQUEST, 7)) + len(octets).to_bytes(2, "big")
    assert octets[4:20] == AUTHENTICATOR
    assert octets[20:22] == bytes((80, 18))
    unsigned = octets[:SIGNATURE_AT] + bytes(16) + octets[SIGNATURE_AT + 16 :]
    assert octets[SIGNATURE_AT : SIGNATURE_AT + 16] == hmac.digest(OURS, unsigned, "md5")
    assert octets[38:45] == b"\x01\x07alice"
    assert octets.endswith(b"\x20\x06sams\x3d\x06\x00\x00\x00\x05")
    assert b"secret" not in octets


def test_a_request_is_shown_without_what_it_holds() -> None:
    assert repr(REQUEST) == "Request(7)"


@pytest.mark.parametrize(
    ("authenticator", "user", "password"),
    [
        (b"short", b"alice", b"x"),
        (AUTHENTICATOR, b"", b"x"),
        (AUTHENTICATOR, b"a" * 254, b"x"),
        (AUTHENTICATOR, b"alice", b""),
        (AUTHENTICATOR, b"alice", b"p" * 129),
    ],
)
def test_what_fits_into_no_attribute_is_refused(authenticator: bytes, user: bytes, password: bytes) -> None:
    with pytest.raises(ValueError, match="octets"):
        access_request(7, authenticator, user, password, OURS)


def test_a_packet_has_an_end() -> None:
    with pytest.raises(ValueError, match="4096"):
        access_request(7, AUTHENTICATOR, b"a", b"x", OURS, further=[(Type.NAS_IDENTIFIER, b"x" * 253)] * 17)


@given(st.binary(min_size=1, max_size=128), st.binary(min_size=16, max_size=16))
def test_a_hidden_password_can_be_had_back_with_the_secret(password: bytes, authenticator: bytes) -> None:
    hidden = hidden_password(password, OURS, authenticator)
    assert len(hidden) % 16 == 0
    shown, last = b"", authenticator
    for at in range(0, len(hidden), 16):
        key = md5(OURS + last)
        last = hidden[at : at + 16]
        shown += bytes(a ^ b for a, b in zip(last, key, strict=True))
    assert shown == password + bytes(len(hidden) - len(password))


# --- answers


@pytest.mark.parametrize("code", [Code.ACCESS_ACCEPT, Code.ACCESS_REJECT, Code.ACCESS_CHALLENGE])
def test_a_signed_answer_is_believed(code: Code) -> None:
    response = read_response(
        answer(code, attribute(Type.CLASS, b"a") + attribute(Type.CLASS, b"b")), REQUEST, OURS
    )
    assert response.code is code
    assert response.values(Type.CLASS) == [b"a", b"b"]
    assert response.values(Type.FILTER_ID) == []


def test_octets_behind_the_packet_are_padding() -> None:
    assert read_response(answer(2) + b"padding", REQUEST, OURS).code is Code.ACCESS_ACCEPT


def with_authenticator(packet: bytes, request: Request = REQUEST, secret: bytes = OURS) -> bytes:
    """Whoever has the secret, or a collision (CVE-2024-3596), makes this one right."""
    return packet[:4] + response_authenticator(packet, request.authenticator, secret) + packet[20:]


SIGNED = answer(2, attribute(Type.CLASS, b"staff"))
TWICE = attribute(Type.MESSAGE_AUTHENTICATOR, bytes(16))
FORGED = {
    "nothing": b"",
    "too short": SIGNED[:19],
    "cut": SIGNED[:-1],
    "no length": SIGNED[:2] + b"\0\0" + SIGNED[4:],
    "a length of less than a head": SIGNED[:2] + b"\0\x13" + SIGNED[4:],
    "a huge one": answer(2, attribute(Type.CLASS, b"x" * 253) * 17),
    "another number": answer(2, identifier=8),
    "another kind": answer(5),
    "a request": REQUEST.octets,
    "another secret": answer(2, secret=b"another"),
    "to another request": answer(2, request=access_request(7, bytes(16), b"a", b"b", OURS)),
    "no Message-Authenticator": answer(2, signed=False),
    "Blast-RADIUS": answer(2, attribute(Type.CLASS, b"x" * 200), signed=False),
    "a wrong Message-Authenticator": with_authenticator(SIGNED[:22] + bytes(16) + SIGNED[38:]),
    "that of another packet": with_authenticator(answer(3)[:1] + answer(2, attribute(Type.CLASS, b"x"))[1:]),
    "a Reject made an Accept": with_authenticator(b"\x02" + answer(3)[1:]),
    "two of them": answer(2, TWICE),
    "one that is short": answer(2, attribute(Type.MESSAGE_AUTHENTICATOR, b"x"), signed=False),
    "an attribute without a length": with_authenticator(
        SIGNED[:3] + bytes((len(SIGNED) + 1,)) + SIGNED[4:] + b"\x19"
    ),
    "an attribute of length 0": answer(2, b"\x19\x00"),
    "an attribute of length 1": answer(2, b"\x19\x01"),
    "an attribute that is too long": answer(2, b"\x19\x09x"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_or_broken_answer_is_not_believed(name: str) -> None:
    with pytest.raises(RadiusError):
        read_response(FORGED[name], REQUEST, OURS)


@given(st.integers(0, len(SIGNED) - 1), st.integers(1, 255))
def test_no_octet_of_an_answer_can_be_changed(at: int, change: int) -> None:
    changed = SIGNED[:at] + bytes((SIGNED[at] ^ change,)) + SIGNED[at + 1 :]
    with pytest.raises(RadiusError):
        read_response(changed, REQUEST, OURS)
    if at >= 20:
        with pytest.raises(RadiusError):
            read_response(with_authenticator(changed), REQUEST, OURS)


@given(st.binary(max_size=200))
def test_whatever_comes_is_no_answer(octets: bytes) -> None:
    with pytest.raises(RadiusError):
        read_response(octets, REQUEST, OURS)


@given(st.binary(max_size=100))
def test_whatever_attributes_a_server_signs_are_read_or_refused(attributes: bytes) -> None:
    try:
        response = read_response(answer(2, attributes), REQUEST, OURS)
    except RadiusError:
        return
    assert (
        b"".join(bytes((kind, len(value) + 2)) + value for kind, value in response.attributes[1:])
        == attributes
    )
