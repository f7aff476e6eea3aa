"""The MIME scanner and the encoder: cut anywhere, the same; seven-bit out, whatever came in."""

from __future__ import annotations

from dataclasses import astuple

from sams.core.errors import PermanentFailure
from sams.message.encoding import Carries, Planner, encode
from sams.message.header import HeaderLimits, read_header
from sams.message.mime import MimeLimits, Part, Structure, StructureScanner
from sams.message.scanning import scanner_for
from tests.fuzz.target import Target, pieces, split_head

LIMITS = MimeLimits(depth=4, parts=8, header=HeaderLimits(octets=300, fields=6, received=6, strict=False))
HEADS = (
    b"Content-Type: multipart/mixed; boundary=o\r\n",
    b"Content-Type: multipart/signed; boundary=o\r\n",
    b"Content-Type: message/rfc822\r\n",
    b"Content-Type: text/plain\r\n",
)
WORDS = (
    b"\r\n",
    b"\r\n--o\r\n",
    b"\r\n--o--\r\n",
    b"--o",
    b"\r\n--i\r\n",
    b"\r\n--i--\r\n",
    b"Content-Type: multipart/digest; boundary=i\r\n\r\n",
    b'Content-Type: multipart/mixed; boundary="i"\r\n\r\n',
    b"Content-Type: message/rfc822\r\n\r\n",
    b"Content-Type: multipart/mixed; boundary*=''i%0A.%0Ai\r\n\r\n",
    b"\r\n--i\n.\ni\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n",
    b"Content-Transfer-Encoding: binary\r\n",
    b"Content-Type: image/png\r\n\r\n",
    b"caf\xc3\xa9",
    b"\0",
    b"\r",
    b"=3D=\r\n",
    b"x" * 999,
)


def outcome(body: bytes, head: bytes, style: int, limits: MimeLimits = LIMITS) -> object:
    """What the scanner tells, or its refusal."""
    scanner = StructureScanner(read_header(head), limits, look_for_bare_newlines=True)
    try:
        for piece in pieces(body, style):
            scanner.feed(piece)
        return [astuple(part) for part in scanner.finish().parts]
    except PermanentFailure as failure:
        return str(failure.reply)


def run(data: bytes) -> None:
    """The first octet chooses the header, the second the cuts."""
    (choice, cuts), body = split_head(data, 2)
    head = HEADS[choice & 3]
    assert outcome(body, head, cuts) == outcome(body, head, 0), "the cut decided"
    whole = StructureScanner(read_header(head), look_for_bare_newlines=True)
    try:
        whole.feed(body)
        structure = whole.finish()
    except PermanentFailure:
        return
    _check_places(structure, body)
    if not structure.is_binary:
        _check_short_way(body, head, structure)
    _check_encoded(body, head)


def _check_places(structure: Structure, body: bytes) -> None:
    """Parts lie in their containers, and the measures tell of the octets."""
    parts = structure.parts
    for part in parts:
        assert 0 <= part.header_start <= part.header_end <= part.body_start <= part.body_end <= len(body)
        if part.parent is not None:
            assert _holds(parts[part.parent], part)
    assert structure.has_8bit_body == (not body.isascii())
    assert structure.is_binary == any(octet in body.replace(b"\r\n", b"") for octet in b"\r\n\0")


def _holds(container: Part, part: Part) -> bool:
    return container.body_start <= part.header_start <= part.body_end <= container.body_end


def _check_short_way(body: bytes, head: bytes, structure: Structure) -> None:
    scanner = scanner_for(read_header(head), MimeLimits(), binary=False)
    scanner.feed(body)
    measured = scanner.finish()
    assert measured.has_8bit_body == structure.has_8bit_body
    assert measured.longest_line == structure.longest_line


def _check_encoded(body: bytes, head: bytes) -> None:
    """For a hop without extensions: ASCII in lines that end in CRLF alone, and nothing to do twice."""
    carries = Carries(eight_bit=False, binary=False)
    try:
        sent = b"".join(encode(head, lambda: pieces(body, 2), carries))
    except PermanentFailure:
        return
    assert sent == rewritten(body, head, carries), "the cut decided"
    assert sent.isascii()
    assert b"\0" not in sent
    assert not any(octet in sent.replace(b"\r\n", b"") for octet in b"\r\n"), "a bare newline was sent on"
    sent_head, _, sent_body = sent.partition(b"\r\n\r\n")
    assert b"".join(encode(sent_head + b"\r\n", lambda: [sent_body], carries)) == sent


def rewritten(body: bytes, head: bytes, carries: Carries) -> bytes:
    """The message with the plan's edits, all of it at once."""
    planner = Planner(head, carries)
    planner.feed(body)
    plan, at = planner.finish(), 0
    message = plan.head
    for edit in plan.edits:
        assert at <= edit.start <= edit.end <= len(body), "edits in order, none over another"
        message += body[at : edit.start] + edit.octets
        if edit.transform is not None:
            transform = edit.transform()
            message += transform.feed(body[edit.start : edit.end]) + transform.finish()
        at = edit.end
    return message + body[at:]


TARGET = Target(run, WORDS, 1_500)
