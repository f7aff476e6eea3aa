"""Re-encoding of a message for a next hop that takes less (RFC 6152 section 3, RFC 3030 section 3).

Theory of operation. Two passes over the body. The first is the `StructureScanner`'s; from the structure a `Plan`
is made: the new header and a list of edits, each a stretch of the body that is replaced or sent through a
`Transform`. The second pass applies them. Neither holds more of the message than a piece, so that a large one is
read twice from its file and never lies in memory. Every octet outside the edits goes on as it came.

What is done to a part whose content the hop does not take:

- text becomes quoted-printable, anything else base64; text with NUL or with ends of line that are not CRLF too;
- what is labelled quoted-printable or base64 and has other octets in it is repaired within that encoding;
- text before and behind the parts of a multipart, which nobody is shown, gets `?` for octets above 127;
- a part that is signed or encrypted, `message/partial`, `message/external-body`, a multipart without boundary,
  and what has an encoding unknown to us cannot be changed: `554 5.6.3`. The header of a part cannot be encoded
  either: with octets above 127 in it, `554 5.6.7`.

Lines of more than 998 octets (RFC 5321 section 4.5.3.1.6) are a reason to encode for every hop without
BINARYMIME, 8BITMIME or not: a server that breaks such lines up changes what the message says, and breaks its
signatures. Within what cannot be changed they are left as they are: most servers take them. In headers too.

Labels `8bit` and `binary` that the hop would not take become what is true then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sams.core.errors import PermanentFailure
from sams.core.reply import reply
from sams.message.header import Header, HeaderLimits, read_header
from sams.message.mime import IDENTITY, MimeLimits, Part, Structure, StructureScanner
from sams.message.transfer import Base64, Masked, QuotedPrintable, Repaired, Rewrapped, Transform

_ANY_HEADER = HeaderLimits(octets=1 << 30, fields=1 << 30, received=1 << 30, strict=False)
_ANY_STRUCTURE = MimeLimits(depth=10_000, parts=100_000, header=_ANY_HEADER)
"""What was accepted under the limits of that day is sent under any."""
_UNENCODABLE = frozenset({"message/partial", "message/external-body"})
_ENCODERS: dict[str, Callable[[], Transform]] = {
    "quoted-printable": QuotedPrintable,
    "base64": Base64,
}
_REPAIRS: dict[str, Callable[[], Transform]] = {"quoted-printable": Repaired, "base64": Rewrapped}


@dataclass(frozen=True, slots=True)
class Carries:
    """What a next hop takes: 8BITMIME, and BINARYMIME (which comes with CHUNKING)."""

    eight_bit: bool
    binary: bool


@dataclass(frozen=True, slots=True)
class Edit:
    """Octets `start` to `end` of the body: replaced by `octets`, or sent through what `transform` makes."""

    start: int
    end: int
    octets: bytes = b""
    transform: Callable[[], Transform] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How a message is written for a hop.

    head: the new header with the empty line behind it.
    edits: of the body, in order, none over another.
    has_8bit, is_binary: what BODY= has to declare of what is written; neither is 7BIT.
    """

    head: bytes
    edits: tuple[Edit, ...]
    has_8bit: bool
    is_binary: bool


def needs_encoding(*, has_8bit_body: bool, is_binary: bool, longest_line: int, carries: Carries) -> bool:
    """Whether a message with these facts (`Structure`) has to be planned anew for this hop."""
    if carries.binary:
        return False
    return is_binary or longest_line > 0 or (has_8bit_body and not carries.eight_bit)


class Planner:
    """The first pass.

    Args:
        head: the header with or without the empty line behind it.
    """

    def __init__(self, head: bytes, carries: Carries) -> None:
        self._carries = carries
        self._header = read_header(head, _ANY_HEADER)
        self._scanner = StructureScanner(self._header, _ANY_STRUCTURE, look_for_bare_newlines=True)

    def feed(self, chunk: bytes) -> None:
        """Take a piece of the body."""
        self._scanner.feed(chunk)

    def finish(self) -> Plan:
        """The body has ended.

        Raises:
            PermanentFailure: 554 5.6.3 or 5.6.7, the hop does not take it and it cannot be changed.
        """
        return _plan(self._header, self._scanner.finish(), self._carries)


class Rewriter:
    """The second pass: the body goes in once more, and comes out as the plan says."""

    def __init__(self, plan: Plan) -> None:
        self._edits = iter(plan.edits)
        self._edit = next(self._edits, None)
        self._transform: Transform | None = None
        self._at = 0

    def feed(self, chunk: bytes) -> bytes:
        """Take a piece of the body, give what is ready."""
        done: list[bytes] = []
        taken = 0
        while taken < len(chunk) and (edit := self._edit) is not None:
            place = self._at + taken
            if place < edit.start:
                upto = min(len(chunk), edit.start - self._at)
                done.append(chunk[taken:upto])
            else:
                if place == edit.start:
                    self._begin(edit, done)
                upto = min(len(chunk), edit.end - self._at)
                if self._transform is not None:
                    done.append(self._transform.feed(chunk[taken:upto]))
                if self._at + upto == edit.end:
                    self._end(done)
            taken = upto
        done.append(chunk[taken:])
        self._at += len(chunk)
        return b"".join(done)

    def finish(self) -> bytes:
        """The body has ended: give the rest."""
        done: list[bytes] = []
        while self._edit is not None:
            if self._at <= self._edit.start:
                self._begin(self._edit, done)
            self._end(done)
        return b"".join(done)

    def _begin(self, edit: Edit, done: list[bytes]) -> None:
        done.append(edit.octets)
        self._transform = edit.transform() if edit.transform is not None else None

    def _end(self, done: list[bytes]) -> None:
        if self._transform is not None:
            done.append(self._transform.finish())
        self._transform = None
        self._edit = next(self._edits, None)


def encode(head: bytes, body: Callable[[], Iterable[bytes]], carries: Carries) -> Iterator[bytes]:
    """Both passes: the message in pieces as the hop takes it.

    Args:
        head: the header with or without the empty line behind it.
        body: gives the pieces of the body; called twice.
        carries: what the hop takes.

    Raises:
        PermanentFailure: as `Planner.finish` does, before the first piece.
    """
    planner = Planner(head, carries)
    for chunk in body():
        planner.feed(chunk)
    plan = planner.finish()
    return _written(plan, body)


def _written(plan: Plan, body: Callable[[], Iterable[bytes]]) -> Iterator[bytes]:
    yield plan.head
    rewriter = Rewriter(plan)
    for chunk in body():
        yield rewriter.feed(chunk)
    yield rewriter.finish()


def _plan(header: Header, structure: Structure, carries: Carries) -> Plan:
    editor = _Editor(structure, carries)
    labels = [editor.treat(place) for place in range(len(structure.parts))]
    label_edits = [
        _label_edit(part, label)
        for part, label in zip(structure.parts, labels, strict=True)
        if label is not None and part.parent is not None
    ]
    edits = sorted(editor.edits + label_edits, key=lambda edit: (edit.start, edit.end))
    return Plan(
        head=_new_head(header, structure.parts[0], labels[0]),
        edits=tuple(edits),
        has_8bit=structure.has_8bit_body and (carries.eight_bit or carries.binary),
        is_binary=structure.is_binary and carries.binary,
    )


class _Editor:
    """Says what is to be done to each part."""

    def __init__(self, structure: Structure, carries: Carries) -> None:
        self.edits: list[Edit] = []
        self._structure = structure
        self._parts = structure.parts
        self._binary = carries.binary
        self._eight_bit = carries.eight_bit or carries.binary
        self._parts_of: dict[int, list[Part]] = {}
        for part in structure.parts[1:]:
            self._parts_of.setdefault(part.parent or 0, []).append(part)
        if structure.has_8bit_part_header and not self._eight_bit:
            raise _refused("5.6.7", "the header of a part has characters that are not ASCII")
        if structure.has_binary_part_header and not carries.binary:
            raise _refused("5.6.3", "the header of a part has a NUL, or a CR or LF that stands alone")

    def treat(self, place: int) -> str | None:
        """Note the edits of a part's body. The result is its new label, None where the old one stays."""
        part = self._parts[place]
        is_bad = self._has_bad_octets(part)
        if is_bad and part.is_sealed:
            raise _refused("5.6.3", "the message is signed or encrypted, so nothing in it may be changed")
        if part.is_container:
            if is_bad:
                self._mask_gaps(part, self._parts_of.get(place, []))
            return self._honest_label(part)
        if is_bad or (part.longest_line and not self._binary and not part.is_sealed):
            return self._encode(part, must=is_bad)
        return self._honest_label(part)

    def _has_bad_octets(self, part: Part) -> bool:
        return (part.has_8bit and not self._eight_bit) or (_is_binary(part) and not self._binary)

    def _honest_label(self, part: Part) -> str | None:
        taken = {"8bit": self._eight_bit, "binary": self._binary}
        in_sealed = part.parent is not None and self._parts[part.parent].is_sealed
        if in_sealed or taken.get(part.encoding, True):
            return None
        return "8bit" if self._eight_bit else "7bit"

    def _encode(self, part: Part, *, must: bool) -> str | None:
        """A label of a transfer encoding, or None where the part keeps the one that it has."""
        name = part.content_type.name
        if part.encoding in _REPAIRS:
            return self._send_through(part, _REPAIRS[part.encoding], None)
        if part.encoding in IDENTITY and part.content_type.kind != "multipart" and name not in _UNENCODABLE:
            is_text = part.content_type.kind in {"text", "message"} and not _is_binary(part)
            label = "quoted-printable" if is_text else "base64"
            return self._send_through(part, _ENCODERS[label], label)
        if must:
            raise _refused("5.6.3", f"a part of the type {name} cannot be converted")
        return self._honest_label(part)

    def _send_through(self, part: Part, transform: Callable[[], Transform], label: str | None) -> str | None:
        self.edits.append(Edit(part.body_start, part.body_end, transform=transform))
        end = self._parts[0].body_end
        if part.body_end == end and transform in {Base64, Rewrapped}:
            self.edits.append(Edit(end, end, b"\r\n"))
        return label

    def _mask_gaps(self, container: Part, parts: list[Part]) -> None:
        """Before, between and behind a multipart's parts."""
        if container.has_bare_newline:
            raise _refused("5.6.3", "the text before or behind a multipart's parts is binary")
        at = container.body_start
        for part in parts:
            self.edits.append(Edit(at, max(at, part.header_start), transform=Masked))
            at = max(part.body_end, part.header_end)
        self.edits.append(Edit(at, max(at, container.body_end), transform=Masked))


def _is_binary(part: Part) -> bool:
    return part.has_nul or part.has_bare_newline


def _label_edit(part: Part, label: str) -> Edit:
    octets = b"Content-Transfer-Encoding: " + label.encode() + b"\r\n"
    if part.encoding_field is not None:
        return Edit(*part.encoding_field, octets)
    return Edit(part.header_end, part.header_end, octets if part.has_empty_line else octets + b"\r\n")


def _new_head(header: Header, root: Part, label: str | None) -> bytes:
    if label is None:
        return header.raw + b"\r\n"
    field = b"Content-Transfer-Encoding: " + label.encode() + b"\r\n"
    start, end = root.encoding_field or (len(header.raw), len(header.raw))
    added = b""
    if b"mime-version" not in header.names:
        added += b"MIME-Version: 1.0\r\n"
    if b"content-type" not in header.names:
        added += b"Content-Type: text/plain; charset=unknown-8bit\r\n"  # RFC 1428 section 3
    return header.raw[:start] + field + header.raw[end:] + added + b"\r\n"


def _refused(status: str, why: str) -> PermanentFailure:
    return PermanentFailure(reply(554, status, f"the next mail server cannot take this message: {why}"))
