"""The header with which mechanisms of the GS2 family begin (RFC 5801 section 4): channel binding, and who to act as.

gs2-header  = gs2-cb-flag "," [gs2-authzid] ","
gs2-cb-flag = "p=" cb-name / "n" / "y"        ; binds / cannot / could, and believes that the server cannot
gs2-authzid = "a=" saslname
saslname    = 1*(UTF8-char-safe / "=2C" / "=3D")    ; UTF-8 but NUL, "," and "="
"""

from __future__ import annotations

import re

import msgspec

from sams.protocol.sasl.interface import decode_name

_FLAG = re.compile(rb"n|y|p=([A-Za-z0-9.-]{1,64})")
_SASLNAME = re.compile(rb"(?:[^\0,=]|=2C|=3D)+")


class Gs2Header(msgspec.Struct, frozen=True, gc=False):
    """The header.

    octets: as it was sent, with its last comma.
    binding: the channel binding's name, with `p` only.
    could_bind: the peer can bind, and believes that we cannot (`y`).
    authzid: empty when there is none.
    """

    octets: bytes
    binding: str | None
    could_bind: bool
    authzid: str


def read_header(message: bytes) -> tuple[Gs2Header, bytes] | None:
    """The header and what stands behind it; None: there is no such header."""
    parts = message.split(b",", 2)
    if len(parts) != 3:
        return None
    flag, authzid = _FLAG.fullmatch(parts[0]), _read_authzid(parts[1])
    if flag is None or authzid is None:
        return None
    name = flag[1]
    octets = message[: len(message) - len(parts[2])]
    binding = name.decode("ascii") if name is not None else None
    return Gs2Header(octets, binding, parts[0] == b"y", authzid), parts[2]


def read_saslname(octets: bytes) -> str | None:
    """A saslname as it was meant; None: it is none, or too long."""
    if _SASLNAME.fullmatch(octets) is None:
        return None
    return decode_name(octets.replace(b"=2C", b",").replace(b"=3D", b"="))


def _read_authzid(octets: bytes) -> str | None:
    if not octets:
        return ""
    return read_saslname(octets[2:]) if octets.startswith(b"a=") else None
