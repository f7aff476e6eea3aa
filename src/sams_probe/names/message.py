"""DNS messages (RFC 1035 section 4): a question as octets, and the records of an answer.

Only what a probe needs: A, AAAA and SRV in class IN, with the CNAMEs that lead to them. What comes is believed only
where it answers the very question; every count is limited by the octets that are there, and every pointer leads back.
"""

from __future__ import annotations

import enum
import ipaddress
import struct
from typing import NamedTuple

from sams_probe.options import is_name

_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
_SRV = struct.Struct("!HHH")
_INTERNET = 1
_CNAME = 5
_ANSWER, _TRUNCATED, _RECURSION = 0x8000, 0x0200, 0x0100
_POINTER = 0xC0
_MOST_LABELS = 128
_MOST_RECORDS = 64
_LONGEST_CHAIN = 8


class Type(enum.IntEnum):
    """Types of records that can be asked for."""

    A = 1
    AAAA = 28
    SRV = 33


class Code(enum.IntEnum):
    """What a resolver says of a question (RCODE); of others, OTHER."""

    FOUND = 0
    SERVER_FAILED = 2
    NO_SUCH_NAME = 3
    REFUSED = 5
    OTHER = 255


class Service(NamedTuple):
    """An SRV record (RFC 2782). target: a host's name without a dot at its end; empty: the service is not there."""

    priority: int
    weight: int
    port: int
    target: str


class Answer(NamedTuple):
    """What a resolver told. addresses: as text; services: SRV records. truncated: to be asked again over TCP."""

    code: Code
    addresses: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()
    truncated: bool = False


class Garbled(Exception):
    """The octets are no answer to the question."""


def question(number: int, name: str, kind: Type) -> bytes:
    """A question, recursion desired. number: 0-65535. name: in ASCII letters, without a dot at its end.

    Raises:
        ValueError: the name has a label that DNS cannot carry.
    """
    return _HEADER.pack(number, _RECURSION, 1, 0, 0, 0) + _asked(name, kind)


def read(octets: bytes, number: int, name: str, kind: Type) -> Answer:
    """The answer to that question.

    Raises:
        Garbled: it is the answer to another one, or none.
    """
    try:
        return _read(octets, number, name, kind)
    except (struct.error, IndexError) as error:
        raise Garbled("the answer is cut off") from error


def _asked(name: str, kind: Type) -> bytes:
    labels = [label.encode("ascii") for label in name.split(".")]
    if not all(0 < len(label) < 64 for label in labels):
        raise ValueError(f"{name!r} has a label that is empty or longer than 63 octets")
    packed = b"".join(bytes([len(label)]) + label for label in labels)
    return packed + b"\0" + struct.pack("!HH", kind, _INTERNET)


def _read(octets: bytes, number: int, name: str, kind: Type) -> Answer:
    told, flags, questions, count, _, _ = _HEADER.unpack_from(octets)
    asked = _asked(name, kind)
    end = _HEADER.size + len(asked)
    same = questions == 1 and octets[_HEADER.size : end].lower() == asked.lower()
    if told != number or not flags & _ANSWER or not same:
        raise Garbled("it answers another question")
    known = {int(code): code for code in Code}
    code = known.get(flags & 0x0F, Code.OTHER)
    if flags & _TRUNCATED:
        return Answer(code, truncated=True)
    return _of_owner(code, _records(octets, end, min(count, _MOST_RECORDS)), name, kind, octets)


class _Record(NamedTuple):
    owner: str
    kind: int
    start: int
    end: int


def _records(octets: bytes, at: int, count: int) -> list[_Record]:
    records = []
    for _ in range(count):
        owner, at = _name(octets, at)
        kind, group, _, length = _RECORD.unpack_from(octets, at)
        start = at + _RECORD.size
        at = start + length
        if at > len(octets):
            raise Garbled("a record is longer than the answer")
        if group == _INTERNET:
            records.append(_Record(owner, kind, start, at))
    return records


def _of_owner(code: Code, records: list[_Record], name: str, kind: Type, octets: bytes) -> Answer:
    """Only the records of the name that was asked for, or of the one that its aliases lead to."""
    owner = name.lower()
    aliases = {one.owner: one for one in records if one.kind == _CNAME}
    for _ in range(_LONGEST_CHAIN):
        alias = aliases.get(owner)
        if alias is None:
            break
        owner = _name(octets, alias.start)[0]
    mine = [one for one in records if one.kind == kind and one.owner == owner]
    if kind is Type.SRV:
        found = (_service(octets, one) for one in mine)
        return Answer(code, services=tuple(sorted(one for one in found if _is_host(one.target))))
    return Answer(code, tuple(_address(octets[one.start : one.end], kind) for one in mine))


def _address(data: bytes, kind: Type) -> str:
    if len(data) != (4 if kind is Type.A else 16):
        raise Garbled("an address has a wrong length")
    return str(ipaddress.ip_address(data))


def _service(octets: bytes, record: _Record) -> Service:
    priority, weight, port = _SRV.unpack_from(octets, record.start)
    target, end = _name(octets, record.start + _SRV.size)
    if end > record.end:
        raise Garbled("a record ends within its name")
    return Service(priority, weight, port, target)


def _is_host(target: str) -> bool:
    """Whether it is a host's name, or empty. With a digit at the start of its last part it would be an address."""
    return not target or (is_name(target) and not target.rpartition(".")[2][0].isdigit())


def _name(octets: bytes, at: int) -> tuple[str, int]:
    """A name in lower case, and where the octets behind it begin (RFC 1035 section 4.1.4)."""
    labels: list[str] = []
    after, limit = -1, len(octets)
    for _ in range(_MOST_LABELS):
        length = octets[at]
        if length >= _POINTER:
            target = (length - _POINTER) << 8 | octets[at + 1]
            after = after if after >= 0 else at + 2
            if target >= min(limit, at):
                raise Garbled("a name points ahead of itself")
            at = limit = target
        elif length >= 64:
            raise Garbled("a label is longer than 63 octets")
        elif length:
            labels.append(octets[at + 1 : at + 1 + length].decode("ascii", "backslashreplace").lower())
            at += 1 + length
        else:
            return ".".join(labels), after if after >= 0 else at + 1
    raise Garbled("a name has too many parts")
