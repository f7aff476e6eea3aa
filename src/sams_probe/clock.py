"""What this computer's clock says, and what others say of the time.

TLS depends on the clock, and nothing in TLS tells another one: since TLS 1.3 its random octets hold no time. Some
servers (Exim, Exchange, sendmail) write the time into their greeting, and a time server can be named. Both come in
clear, so that anybody between can write another time: they make a clock doubtful, and prove nothing of a certificate.
A clock that is before the day this program was made is wrong without asking anybody, and a time that others tell is.
"""

from __future__ import annotations

import datetime as dt
import re
import socket
import struct
import time
from email.utils import parsedate_to_datetime
from typing import NamedTuple

MADE = 1_793_491_200.0
"""The day of this version, 2026-11-01, in UNIX seconds."""
MUCH = 300.0
"""Seconds by which a clock may differ before it is told."""
_DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), +[0-9]{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [0-9]{4} "
    r"[0-9]{2}:[0-9]{2}:[0-9]{2} (?:[+-][0-9]{4}|GMT|UTC)",
    re.ASCII,
)
_NTP_PORT = 123
_NTP = struct.Struct("!B39xII")
_NTP_LENGTH = 48
_CLIENT, _SERVER_MODE = 0x23, 4
_SINCE_1900 = 2_208_988_800


class Clock(NamedTuple):
    """local: UNIX seconds by this computer. offset: so many seconds later is it by `source`; None: nobody told."""

    local: float
    offset: float | None = None
    source: str = ""

    @property
    def wrong(self) -> bool:
        """Whether it is known to be wrong by much."""
        return self.local < MADE if self.offset is None else abs(self.offset) > MUCH


def told_time(text: str) -> float | None:
    """The time that a greeting holds (RFC 5322 section 3.3), in UNIX seconds; None: it holds none."""
    found = _DATE.search(text[:1_000])
    try:
        told = parsedate_to_datetime(found[0]) if found else None
    except (ValueError, TypeError):
        return None
    # `-0000` gives a time without a zone, and means UTC.
    return told.replace(tzinfo=told.tzinfo or dt.timezone.utc).timestamp() if told else None


def ask_time(server: str, timeout: float, port: int = _NTP_PORT) -> float | None:
    """By how many seconds the server's clock is later than ours (SNTP, RFC 4330); None: no answer to believe."""
    try:
        family, kind, _, _, place = socket.getaddrinfo(server, port, 0, socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as link:
            link.settimeout(timeout)
            link.connect(place)
            sent = time.time()
            link.send(struct.pack("!B47x", _CLIENT))
            answer = link.recv(_NTP_LENGTH)
    except (OSError, IndexError):
        return None
    return read_time(answer, sent, time.time())


def read_time(answer: bytes, sent: float, heard: float) -> float | None:
    """The offset, of the server's time when it sent the answer and the middle of ours; None: no valid answer."""
    if len(answer) < _NTP_LENGTH or answer[0] & 7 != _SERVER_MODE or answer[1] == 0 or answer[0] >> 6 == 3:
        return None
    _, seconds, fraction = _NTP.unpack(answer)
    if not seconds:
        return None
    era = 0 if seconds & 0x80000000 else 1 << 32  # RFC 4330 section 3: the upper bit says which
    return float(seconds + era - _SINCE_1900 + fraction / 2**32 - (sent + heard) / 2)
