"""SCRAM (RFC 5802) with SHA-1 or SHA-256 (RFC 7677), with and without channel binding.

    client-first = gs2-header "n=" saslname ",r=" nonce ["," extensions]
    server-first = "r=" nonce ",s=" salt ",i=" count
    client-final = "c=" base64(gs2-header channel-data) ",r=" nonce ["," extensions] ",p=" base64(proof)
    server-final = "v=" base64(signature)

The password never comes: the proof shows that the peer can make the key whose hash is kept, the signature shows
the same of us. A wrong proof says nothing more than that it is wrong, and costs what a right one costs; so does that
of an unknown login, whose salt `identity` makes up.

Channel binding (`-PLUS`) makes the proof one of this TLS connection: whoever stands between the two with a
certificate of their own cannot hand it on. `tls-server-end-point` is known of each of our certificates (RFC 5929
section 4), `tls-exporter` where the TLS library tells it (RFC 9266). A peer that says that it could bind, had we
offered it, was shown another list than ours: somebody cut it on its way, and the exchange ends.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from functools import partial

from sams.protocol.sasl.gs2 import Gs2Header, read_header, read_saslname
from sams.protocol.sasl.interface import (
    Challenge,
    Channel,
    Malformed,
    NeedKeys,
    ProofClaim,
    ScramKey,
    ScramKeys,
    Step,
    Verify,
)
from sams.protocol.sasl.saslprep import saslprep

HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-1": "sha1"}
"""The hash of each mechanism, `-PLUS` apart."""
MAX_MESSAGE_OCTETS = 8_192
"""Two names of the most octets that a name may have, each escaped, and the rest."""
_NONCE_OCTETS = 18

_FIRST = re.compile(rb"n=([^,]*),r=([\x21-\x2b\x2d-\x7e]{1,512})((?:,[^,]*)*)")
_FINAL = re.compile(rb"c=([^,]*),r=([\x21-\x2b\x2d-\x7e]{1,600})((?:,[^,]*)*),p=([^,]*)")
_EXTENSION = re.compile(rb"[A-Za-z]=[^\0,]+")
_RESERVED = frozenset(b"anmrcsipve")
"""Letters with a meaning and a place of their own; `m` stands for what must be understood, and is not."""

_NOT_FIRST = Malformed("SCRAM begins with channel binding, user name and nonce (RFC 5802 section 7)")
_NOT_FINAL = Malformed("SCRAM ends with channel binding, nonce and proof (RFC 5802 section 7)")
_BAD_NAME = Malformed("the user name is missing, too long, or not UTF-8")
_NEEDS_BINDING = Malformed("this mechanism needs channel binding: use the one without -PLUS, or bind")
_NO_BINDING = Malformed("this mechanism has no channel binding: use the one with -PLUS, or do not bind")
_UNKNOWN_BINDING = Malformed("this channel binding is not known here; there is tls-server-end-point")
_DOWNGRADE = Malformed(
    "channel binding is offered here, and your mail program was told that it is not: "
    "somebody may stand between it and this service; tell your administrator"
)
_OTHER_CHANNEL = Malformed(
    "your mail program is bound to another TLS connection than this one: "
    "somebody may stand between it and this service; tell your administrator"
)
_OTHER_NONCE = Malformed("the nonce is not the one that was sent")

_NOBODY = ScramKey("", b"", b"")
"""No proof fits it. Is tried where a login has fewer keys than a round has."""
_ROUND = 8
"""Keys are tried in so many at once: a login that nobody has costs what one with up to so many passwords costs."""


class Scram:
    """One exchange of SCRAM.

    name: the mechanism's, with `-PLUS` where it binds.
    make_nonce: gives our part of the nonce, printable and without a comma.
    """

    __slots__ = (
        "_bare",
        "_channel",
        "_hash",
        "_header",
        "_keys",
        "_make_nonce",
        "_name",
        "_needs_binding",
        "_nonce",
        "_server_first",
        "_who",
    )

    def __init__(self, name: str, channel: Channel, make_nonce: Callable[[], str] | None = None) -> None:
        base = name.removesuffix("-PLUS")
        self._name = name
        self._needs_binding = base != name
        self._hash = HASHES[base]
        self._channel = channel
        self._make_nonce = make_nonce or partial(secrets.token_urlsafe, _NONCE_OCTETS)
        self._header = Gs2Header(b"", None, could_bind=False, authzid="")
        self._bare = self._nonce = self._server_first = b""
        self._who = ""
        self._keys: ScramKeys | None = None

    def start(self, initial: bytes | None) -> Step:
        """Take client-first, or ask for it."""
        return Challenge(b"") if initial is None else self.respond(initial)

    def respond(self, data: bytes) -> Step:
        """Take client-first, then client-final."""
        if len(data) > MAX_MESSAGE_OCTETS:
            return Malformed("the message is too long")
        return self._take_first(data) if self._keys is None else self._take_final(data, self._keys)

    def resume(self, keys: ScramKeys) -> Step:
        """Send server-first: salt and count of the login's keys."""
        self._keys = keys
        salt = binascii.b2a_base64(keys.salt, newline=False)
        self._server_first = b"r=%b,s=%b,i=%d" % (self._nonce, salt, keys.iterations)
        return Challenge(self._server_first)

    def _take_first(self, message: bytes) -> Step:
        found = read_header(message)
        if found is None:
            return _NOT_FIRST
        self._header, self._bare = found
        parts = _FIRST.fullmatch(self._bare)
        if parts is None or not _are_extensions(parts[3]):
            return _NOT_FIRST
        who = read_saslname(parts[1])
        if who is None:
            return _BAD_NAME
        self._who = who
        self._nonce = parts[2] + self._make_nonce().encode("ascii")
        return self._refuse_binding(self._header) or NeedKeys(who, self._hash)

    def _refuse_binding(self, header: Gs2Header) -> Malformed | None:
        if header.could_bind and f"{self._name}-PLUS" in self._channel.offered:
            return _DOWNGRADE
        if (header.binding is not None) != self._needs_binding:
            return _NEEDS_BINDING if self._needs_binding else _NO_BINDING
        if header.binding is not None and not self._channel_data(header.binding):
            return _UNKNOWN_BINDING
        return None

    def _channel_data(self, binding: str | None) -> Sequence[bytes]:
        """What may stand behind the header in `c=`: one of these."""
        channel = self._channel
        match binding:
            case None:
                return (b"",)
            case "tls-server-end-point":
                return tuple(channel.end_points)
            case "tls-exporter" if channel.exporter is not None:
                return (channel.exporter,)
            case _:
                return ()

    def _take_final(self, message: bytes, keys: ScramKeys) -> Step:
        parts = _FINAL.fullmatch(message)
        if parts is None or not _are_extensions(parts[3]):
            return _NOT_FINAL
        bound, proof = _from_base64(parts[1]), _from_base64(parts[4])
        if bound is None or proof is None:
            return _NOT_FINAL
        if bound not in {self._header.octets + data for data in self._channel_data(self._header.binding)}:
            return _OTHER_CHANNEL if self._needs_binding else _NOT_FINAL
        if parts[2] != self._nonce:
            return _OTHER_NONCE
        without_proof = message[: parts.start(4) - len(b",p=")]
        return self._judge(proof, b",".join((self._bare, self._server_first, without_proof)), keys)

    def _judge(self, proof: bytes, auth_message: bytes, keys: ScramKeys) -> Step:
        right: ScramKey | None = None
        for key in _whole_rounds(keys.keys):  # all of them: which is right, no time tells
            if _is_right(proof, auth_message, key.stored_key, self._hash):
                right = key
        claim = ProofClaim(self._header.authzid, self._who, right.id if right is not None else None)
        if right is None:
            return Verify(claim)
        signature = hmac.digest(right.server_key, auth_message, self._hash)
        return Verify(claim, on_success=b"v=" + binascii.b2a_base64(signature, newline=False))


def make_scram_key(password: str, salt: bytes, iterations: int, hash_name: str) -> tuple[bytes, bytes]:
    """StoredKey and ServerKey of a password (RFC 5802 section 3). A thousand iterations take half a millisecond.

    password: as `identity` prepares it. Of one that SASLprep does not allow, keys are made as it is: programs that
        send such a one do the same.
    hash_name: `sha256` or `sha1`.
    """
    prepared = saslprep(password)
    octets = (password if prepared is None else prepared).encode()
    salted = hashlib.pbkdf2_hmac(hash_name, octets, salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", hash_name)
    stored_key = hashlib.new(hash_name, client_key).digest()
    return stored_key, hmac.digest(salted, b"Server Key", hash_name)


def _whole_rounds(keys: tuple[ScramKey, ...]) -> tuple[ScramKey, ...]:
    """As many keys as make one round or more."""
    return keys + (_NOBODY,) * (-len(keys) % _ROUND if keys else _ROUND)


def _is_right(proof: bytes, auth_message: bytes, stored_key: bytes, hash_name: str) -> bool:
    """Whether the proof is a key XOR the signature, with a key whose hash is the stored one."""
    signature = hmac.digest(stored_key, auth_message, hash_name)
    if len(proof) != len(signature):
        return False
    client_key = (int.from_bytes(proof) ^ int.from_bytes(signature)).to_bytes(len(proof))
    return hmac.compare_digest(hashlib.new(hash_name, client_key).digest(), stored_key)


def _are_extensions(octets: bytes) -> bool:
    """`,` attr-val …: what may be passed over when it is not understood."""
    return all(
        _EXTENSION.fullmatch(one) is not None and one[0] not in _RESERVED and _is_utf_8(one)
        for one in octets.split(b",")[1:]
    )


def _is_utf_8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True


def _from_base64(octets: bytes) -> bytes | None:
    """Decoded; None where it is empty or not written in the one way that RFC 4648 section 4 has for it."""
    try:
        decoded = binascii.a2b_base64(octets, strict_mode=True)
    except binascii.Error:
        return None
    return decoded if decoded and binascii.b2a_base64(decoded, newline=False) == octets else None
