"""A whole message of a member: cut anywhere, the same is stored, and any other program sees the same senders."""

from __future__ import annotations

import email
import email.utils
import re

from sams.config.model import Senders
from sams.config.model import Trace as TraceSettings
from sams.core.address import Mailbox
from sams.core.envelope import Body, Recipient
from sams.core.errors import PermanentFailure
from sams.identity.interface import Identity
from sams.message.header import HeaderLimits
from sams.message.mime import MimeLimits
from sams.policy.senders import SenderPolicy
from sams.protocol.smtp.events import Mail, MailParameters
from sams.spool.interface import NewMessage, NewRecipient, StoredBody
from sams.spool.stored_body import MemoryBody
from sams.submission.composition import Arrival, Composer
from sams.submission.transaction import Transaction
from tests.fuzz import header, mime
from tests.fuzz.target import Target, pieces, split_head
from tests.message.references import name_of, read_message

ALICE = Identity("alice", ("alice@example.org",), ("boss@example.org",), Mailbox("alice", "example.org"), 1)
_SPACE_BEFORE_COLON = re.compile(rb"(?m)^([!-9;-~]+)[ \t]+:")
_TAG = re.compile(r"\+[^@]*@")
"""What stands behind the name in an address that is one's own as well."""
HERS = {"alice@example.org", "boss@example.org"}
COMPOSER = Composer("s.example.org", SenderPolicy(Senders()), TraceSettings())
ARRIVAL = Arrival("S1", "h", "192.0.2.1", extended=True, tls=None, at=0.0)
WORDS = (
    *header.WORDS,
    *mime.WORDS,
    b"From: alice@example.org\r\n",
    b"From: Boss <boss@example.org>\r\n",
    b"alice@example.org",
    b"<alice@example.org>",
    b"<ceo@example.org>",
    b"Resent-From: ",
    b"Resent-Sender: ",
    b"Sender: x:;\r\n",
    b"Sender: <ceo@example.org>\r\n",
    b"Content-Type: multipart/mixed; boundary*=''o%0A.%0Ao\r\n\r\n--o\n.\no\r\n",
    b"Content-Type: multipart/mixed; boundary=o\r\n\r\n",
)


class Kept:
    """A body writer that keeps the pieces."""

    is_congested = False

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, chunk: bytes) -> None:
        """One more piece."""
        self.pieces.append(chunk)

    def finish(self) -> StoredBody:
        """All of it."""
        return MemoryBody(b"".join(self.pieces))

    def discard(self) -> None:
        """None of it."""
        self.pieces.clear()


def composed(content: bytes, style: int, body: Body) -> NewMessage | str:
    """What is stored, or the refusal."""
    transaction = Transaction(Mail(ALICE.default_address, MailParameters(body=body)))
    transaction.recipients.append(NewRecipient(Recipient(Mailbox("b", "example.net")), "hub"))
    limits = HeaderLimits(octets=600, fields=12, received=3), MimeLimits(depth=4, parts=8)
    transaction.begin("ID", Kept(), *limits)  # type: ignore[arg-type]  # as much of a BodyWriter as is needed
    for piece in pieces(content, style):
        transaction.feed(piece)
    try:
        stored = transaction.finish()
        assert isinstance(stored, MemoryBody)
        return COMPOSER.compose(ARRIVAL, ALICE, transaction, stored).message
    except PermanentFailure as failure:
        return str(failure.reply)


def run(data: bytes) -> None:
    """The first octet chooses the cuts, and whether it came as BINARYMIME."""
    (choice,), content = split_head(data, 1)
    is_sound = not any(octet in content.replace(b"\r\n", b"") for octet in b"\r\n\0")
    if not is_sound and not choice & 4:
        return  # the engine refuses it
    declared = Body.BINARY_MIME if choice & 4 else Body.SEVEN_BIT
    outcome = composed(content, choice, declared)
    whole = composed(content, 0, declared)
    if isinstance(outcome, str) or isinstance(whole, str):
        assert outcome == whole, "the cut decided"
        return
    assert (outcome.head, outcome.body.in_memory(), outcome.facts) == (
        whole.head,
        whole.body.in_memory(),
        whole.facts,
    ), "the cut decided"
    _check(outcome, content, is_sound=is_sound)


def _check(message: NewMessage, content: bytes, *, is_sound: bool) -> None:
    body = message.body.in_memory()
    assert body is not None
    facts = message.facts
    assert facts.has_8bit_body == (not body.isascii())
    assert facts.has_8bit_header == (not message.head.isascii())
    assert facts.is_binary == any(octet in body.replace(b"\r\n", b"") for octet in b"\r\n\0")
    fields, rest = read_message(message.head)
    assert rest == b""
    names = [name_of(field) for field in fields]
    assert names[0] == b"received"
    assert {b"bcc", b"resent-bcc", b"return-path"}.isdisjoint(names)
    assert names.count(b"from") == 1 <= min(names.count(b"date"), names.count(b"message-id"))
    if is_sound:
        assert body == read_message(content)[1]
        longest = max(map(len, body.split(b"\r\n")))
        assert facts.longest_line == (longest if longest > 998 else 0)
    _check_author(message.head)


def _check_author(head: bytes) -> None:
    """Who Python's own parser sees as the sender is alice, or the boss for whom she may; then Sender says so."""
    seen = email.message_from_bytes(_SPACE_BEFORE_COLON.sub(rb"\1:", head))  # which it does not know
    if _is_odd_to_python(seen):
        return
    (author,) = _addresses(seen, "From")
    assert author in HERS, author
    if author != "alice@example.org":
        assert seen.get_all("Sender") == ["alice@example.org"]
    senders = _addresses(seen, "Sender")
    assert len(senders) <= 1
    assert HERS.issuperset(senders), senders
    if _tells_what_came_before(seen):
        return
    resent = _addresses(seen, "Resent-From")
    assert HERS.issuperset(resent[:1]), resent
    if "Resent-Sender" in seen:
        assert resent, "who resent it is not told"


def _is_odd_to_python(seen: email.message.Message) -> bool:
    """Whether its parser gives up on a field, as it does on a comma in a comment: then it sees nobody there."""
    values = [str(value) for name in ("From", "Sender", "Resent-From") for value in seen.get_all(name, [])]
    return any("," in value and email.utils.getaddresses([value]) == [("", "")] for value in values)


def _tells_what_came_before(seen: email.message.Message) -> bool:
    """Whether a Received besides ours, which is the first field, stands above all that says who resent it."""
    names = [name.lower() for name in seen][1:]
    resent = [number for number, name in enumerate(names) if name in {"resent-from", "resent-sender"}]
    return bool(resent) and "received" in names[: resent[0]]


def _addresses(seen: email.message.Message, name: str) -> list[str]:
    """One address of each field of this name."""
    values = [str(value).replace("\r\n", "") for value in seen.get_all(name, [])]
    found = [email.utils.getaddresses([value]) for value in values]
    if name.startswith("Resent"):
        found = found[:1]  # the others tell what came before
    addresses = [address.replace('"', "").lower() for one in found for _, address in one if address]
    assert len(addresses) == len(found), (values, addresses)
    return [_TAG.sub("@", address) for address in addresses]


TARGET = Target(run, WORDS, 900)
