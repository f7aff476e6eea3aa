"""What the first octets of a peer are: a ClientHello with what it offers, or something that is no TLS at all.

Theory of operation
-------------------
OpenSSL says of a failed handshake what it did not like, and nothing of what the peer offered. So the first octets
are kept until a handshake is done, and where it fails they are read here: a ClientHello (RFC 8446 section 4.1.2,
RFC 5246 section 7.4.1.2), that of SSLv2 (RFC 5246 appendix E.2), a command or a request in clear. Nothing is decided
by what is found: it is told to people.

Any octets give an answer, and none raises. The octets may end anywhere: what stands before the end is told, and
`whole` is False; so it is where a length is a lie. Every octet is looked at a fixed number of times. Values of GREASE
(RFC 8701) and signals among the suites are left out: they offer nothing.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterator

import msgspec

from sams.protocol.tls_names import SIGNALS, SSL_2, SUITES, TLS_1_2, TLS_1_3

FIRST_OCTETS = 4_096
"""So many are worth keeping: a ClientHello with every extension has 3,000."""

_HANDSHAKE, _ALERT, _MAJOR, _CLIENT_HELLO = 0x16, 0x15, 3, 1
_TEXT = re.compile(rb"[\t\r\n\x20-\x7e]+")
_WORD = re.compile(rb"[A-Za-z]+(?=[ \r\n]|\Z)")
_LOOKED_AT = 64
"""Octets by which text is told from what is none."""
_SMTP = frozenset(b"EHLO HELO LHLO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY EXPN HELP QUIT".split())
_HTTP = frozenset(b"GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH PRI PROPFIND".split())
_GROUPS = frozenset({23, 24, 25, 29, 30, *range(0x0100, 0x0105), 0x11EB, 0x11EC, 0x11ED})
"""What a TLS library of today knows: NIST's curves, X25519 and X448, ffdhe, and the hybrids with ML-KEM."""
_OF_TLS_1_3 = frozenset({0x1301, 0x1302, 0x1303})
_MAX_NAME = 255


class Kind(enum.Enum):
    """What begins so."""

    NOTHING = "nothing"
    CLIENT_HELLO = "client hello"
    SSL2_HELLO = "SSLv2 hello"
    ALERT = "alert"
    SMTP = "SMTP"
    HTTP = "HTTP"
    TEXT = "text"
    UNKNOWN = "unknown"


class Obstacle(enum.Enum):
    """Why no TLS comes of it."""

    NOTHING = "nothing"
    """Nothing was said."""
    OLD_VERSION = "old version"
    """All versions that it offers are older than what is taken."""
    NO_COMMON_SUITE = "no common suite"
    NO_COMMON_GROUP = "no common group"
    """No group for the key exchange that a TLS library of today knows."""
    PLAIN_TEXT = "plain text"
    HTTP = "HTTP"
    NO_TLS = "no TLS"
    """Octets of something else."""


class First(msgspec.Struct, frozen=True, gc=False):
    """The first octets. All but `kind` and `whole` are of a hello, where nothing else stands.

    whole: it is all there and well formed.
    record_version, legacy_version: of the first record, and in the hello.
    versions: what is offered, the newest first. Where the hello names only its newest, that one.
    suites: in their order; of SSLv2 some have three octets.
    server_name: by SNI; raw but for its length and ASCII. alpn: the protocols' names, raw.
    groups, signatures: the numbers of groups and of signature algorithms, in their order.
    word: of SMTP and HTTP, the command or method in upper case; a known one, so that it is no secret.
    alert: of an alert, its number; -1: it is not there.
    """

    kind: Kind
    whole: bool = True
    record_version: int = 0
    legacy_version: int = 0
    versions: tuple[int, ...] = ()
    suites: tuple[int, ...] = ()
    server_name: str = ""
    alpn: tuple[bytes, ...] = ()
    groups: tuple[int, ...] = ()
    signatures: tuple[int, ...] = ()
    word: str = ""
    alert: int = -1

    @property
    def is_hello(self) -> bool:
        """Whether a TLS handshake begins so."""
        return self.kind is Kind.CLIENT_HELLO or self.kind is Kind.SSL2_HELLO


def read_first(octets: bytes) -> First:
    """What a stream that begins with these octets is."""
    if not octets:
        return First(Kind.NOTHING)
    if octets[0] == _HANDSHAKE and octets[1:2] in {b"", b"\x03"}:
        return _client_hello(octets)
    if octets[0] == _ALERT and octets[1:2] == b"\x03":
        return First(Kind.ALERT, len(octets) >= 7, alert=octets[6] if len(octets) > 6 else -1)
    if _is_ssl2(octets):
        return _ssl2_hello(octets)
    if _TEXT.fullmatch(octets[:_LOOKED_AT]) is None:
        return First(Kind.UNKNOWN)
    return _text(octets)


def modern(suite: int) -> bool:
    """Whether it has forward secrecy and AEAD: of TLS 1.2 ECDHE with GCM or ChaCha20, of TLS 1.3 the same two."""
    name = SUITES.get(suite, "")
    return suite in _OF_TLS_1_3 or ("_ECDHE_" in name and ("_GCM_" in name or "_CHACHA20_" in name))


def forward_secret(suite: int) -> bool:
    """Those, and ECDHE with AES: what a listener takes that is told to take TLS 1.0 or 1.1."""
    return modern(suite) or ("_ECDHE_" in (name := SUITES.get(suite, "")) and "_AES_" in name)


def why_not(
    first: First, minimum: int = TLS_1_2, taken: Callable[[int], bool] | None = None
) -> Obstacle | None:
    """Why a listener can make no TLS of it, as far as these octets tell; None: they tell of no obstacle.

    minimum: the oldest version that it takes. taken: which suites; None: what goes with that version.
    """
    if not first.is_hello:
        return _NO_HELLO.get(first.kind, Obstacle.NO_TLS)
    if not first.versions:
        return None
    newest = max(first.versions)
    if newest < minimum:
        return Obstacle.OLD_VERSION
    taken = taken or (modern if minimum >= TLS_1_2 else forward_secret)
    usable = (one for one in first.suites if newest >= TLS_1_3 or one >> 8 != 0x13)
    if first.whole and not any(map(taken, usable)):
        return Obstacle.NO_COMMON_SUITE
    if first.groups and _GROUPS.isdisjoint(first.groups):
        return Obstacle.NO_COMMON_GROUP
    return None


_NO_HELLO = {
    Kind.NOTHING: Obstacle.NOTHING,
    Kind.SMTP: Obstacle.PLAIN_TEXT,
    Kind.TEXT: Obstacle.PLAIN_TEXT,
    Kind.HTTP: Obstacle.HTTP,
}


def _text(octets: bytes) -> First:
    match = _WORD.match(octets, 0, _LOOKED_AT)
    word = match[0].upper() if match is not None else b""
    if word in _HTTP:
        return First(Kind.HTTP, word=word.decode())
    if word in _SMTP:
        return First(Kind.SMTP, word=word.decode())
    return First(Kind.TEXT)


# --- a ClientHello of SSLv3 and later


class _Cut(Exception):
    """The octets end before what was to be read."""


class _Reader:
    """Reads octets one after another."""

    __slots__ = ("at", "octets")

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.at = 0

    def number(self, width: int) -> int:
        """An unsigned number of so many octets."""
        return int.from_bytes(self.take(width), "big")

    def take(self, count: int) -> bytes:
        """The next octets, all of them."""
        taken = self.octets[self.at : self.at + count]
        if len(taken) < count:
            raise _Cut
        self.at += count
        return taken

    def vector(self, width: int) -> bytes:
        """A vector whose length stands before it, as a number of so many octets."""
        return self.take(self.number(width))

    def begun_vector(self, width: int) -> tuple[bytes, bool]:
        """The same, or what there is of it; and whether that is all."""
        count = self.number(width)
        taken = self.octets[self.at : self.at + count]
        self.at += len(taken)
        return taken, len(taken) == count

    @property
    def is_used_up(self) -> bool:
        """Whether nothing is left."""
        return self.at >= len(self.octets)


class _Found(msgspec.Struct):
    """What of a hello has been read."""

    record_version: int
    legacy_version: int = 0
    offered: tuple[int, ...] = ()
    suites: tuple[int, ...] = ()
    server_name: str = ""
    alpn: tuple[bytes, ...] = ()
    groups: tuple[int, ...] = ()
    signatures: tuple[int, ...] = ()

    def first(self, *, whole: bool) -> First:
        return First(
            Kind.CLIENT_HELLO,
            whole,
            self.record_version,
            self.legacy_version,
            self._versions(whole=whole),
            self.suites,
            self.server_name,
            self.alpn,
            self.groups,
            self.signatures,
        )

    def _versions(self, *, whole: bool) -> tuple[int, ...]:
        if self.offered:
            return tuple(sorted(set(self.offered), reverse=True))
        named = (self.legacy_version,) if self.legacy_version else ()
        # The list of versions may stand in what is not there; who has the suites of TLS 1.3 offers it.
        is_newer = not whole and any(suite >> 8 == 0x13 for suite in self.suites)
        return (TLS_1_3, *named) if is_newer else named


def _client_hello(octets: bytes) -> First:
    message = _first_message(octets)
    if message[:1] not in {b"", b"\x01"}:
        return First(Kind.UNKNOWN)
    found = _Found(int.from_bytes(octets[1:3], "big") if len(octets) > 2 else 0)
    try:
        whole = _read_hello(message, found)
    except _Cut:
        whole = False
    return found.first(whole=whole)


def _first_message(octets: bytes) -> bytes:
    """The first handshake message, as far as it is there: it may be spread over records (RFC 8446 section 5.1)."""
    pieces, gathered, at, wanted = [], 0, 0, 4
    while gathered < wanted and octets[at : at + 2] == b"\x16\x03" and len(octets) - at > 5:
        length = int.from_bytes(octets[at + 3 : at + 5], "big")
        piece = octets[at + 5 : at + 5 + length]
        pieces.append(piece)
        gathered += len(piece)
        at += 5 + length
        if wanted == 4 and gathered >= 4:
            pieces = [b"".join(pieces)]
            wanted = 4 + int.from_bytes(pieces[0][1:4], "big")
    return b"".join(pieces)[:wanted]


def _read_hello(message: bytes, found: _Found) -> bool:
    """Whether all of it is there and in order."""
    reader = _Reader(message)
    reader.number(1)
    body, is_whole = reader.begun_vector(3)
    reader = _Reader(body)
    found.legacy_version = reader.number(2)
    reader.take(32)
    reader.vector(1)
    suites, has_all_suites = reader.begun_vector(2)
    found.suites = tuple(one for one in _numbers(suites) if one not in SIGNALS)
    if not has_all_suites:
        return False
    reader.vector(1)
    if reader.is_used_up:
        return is_whole
    extensions, has_all = reader.begun_vector(2)
    _read_extensions(_Reader(extensions), found)
    return is_whole and has_all and reader.is_used_up


def _read_extensions(reader: _Reader, found: _Found) -> None:
    while not reader.is_used_up:
        kind = reader.number(2)
        content = reader.vector(2)
        read = _EXTENSIONS.get(kind)
        if read is not None:
            read(_Reader(content), found)


def _server_name(reader: _Reader, found: _Found) -> None:
    """RFC 6066 section 3."""
    names = _Reader(reader.vector(2))
    while not names.is_used_up:
        kind, name = names.number(1), names.vector(2)
        if not kind:
            found.server_name = name[:_MAX_NAME].decode("ascii", "backslashreplace")
            return


def _alpn(reader: _Reader, found: _Found) -> None:
    """RFC 7301 section 3.1."""
    names, listed = _Reader(reader.vector(2)), []
    while not names.is_used_up:
        name = names.vector(1)
        if not (len(name) == 2 and _is_grease(int.from_bytes(name, "big"))):
            listed.append(name)
    found.alpn = tuple(listed)


def _groups(reader: _Reader, found: _Found) -> None:
    found.groups = tuple(_numbers(reader.vector(2)))


def _signatures(reader: _Reader, found: _Found) -> None:
    found.signatures = tuple(_numbers(reader.vector(2)))


def _versions(reader: _Reader, found: _Found) -> None:
    found.offered = tuple(_numbers(reader.vector(1)))


_EXTENSIONS: dict[int, Callable[[_Reader, _Found], None]] = {
    0: _server_name,
    10: _groups,
    13: _signatures,
    16: _alpn,
    43: _versions,
}


def _numbers(octets: bytes) -> Iterator[int]:
    """The numbers of two octets each, but for those that are there to be passed over."""
    for at in range(0, len(octets) - 1, 2):
        number = octets[at] << 8 | octets[at + 1]
        if not _is_grease(number):
            yield number


def _is_grease(number: int) -> bool:
    return number & 0x0F0F == 0x0A0A and number >> 8 == number & 0xFF


# --- that of SSLv2, in which programs of before 2005 offer TLS as well


def _is_ssl2(octets: bytes) -> bool:
    if len(octets) < 5 or not octets[0] & 0x80 or octets[2] != _CLIENT_HELLO:
        return False
    version = octets[3] << 8 | octets[4]
    return version == SSL_2 or octets[3] == _MAJOR


def _ssl2_hello(octets: bytes) -> First:
    reader = _Reader(octets)
    length = reader.number(2) & 0x7FFF
    reader.number(1)
    version = reader.number(2)
    try:
        count, session, challenge = reader.number(2), reader.number(2), reader.number(2)
    except _Cut:
        return First(Kind.SSL2_HELLO, False, version, version, (version,))
    listed = octets[reader.at : reader.at + count]
    numbers = (int.from_bytes(listed[at : at + 3], "big") for at in range(0, len(listed) - 2, 3))
    suites = tuple(one for one in numbers if one not in SIGNALS and not _is_grease(one))
    is_whole = length == 9 + count + session + challenge and len(octets) >= 2 + length
    return First(Kind.SSL2_HELLO, is_whole, version, version, (version,), suites)
