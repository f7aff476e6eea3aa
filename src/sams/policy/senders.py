"""As whom a member may send (docs/security.md rule 5).

The reverse path and the one address of the one From field are the member's own, or of someone for whom the
member may send; then a Sender field with the member's own address is added. Three settings of `[senders]` say
how strict that is: `enforce` refuses, `warn` lets through and tells the journal, `off` does not look.

Who resends a message puts a block of Resent- fields above those that stand there (RFC 5322 section 3.6.6). So the
first block is what the member says: whatever From is, its one Resent-From is the member's own, and its Resent-Sender
if there is one. Older blocks tell what others did before, and are left alone. A block ends before the next
Resent-From, and before Received, with which a message begins that once came in (Return-Path is taken out by us). A
first block below a Received is history as well: where From is the member's own, it says nothing about who sends now.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

from sams.config.model import Senders
from sams.core.address import Mailbox
from sams.core.reply import Reply, reply
from sams.core.text import ascii_line
from sams.identity.interface import Identity
from sams.identity.patterns import covers
from sams.message.addresses import (
    AddressListError,
    HeaderAddress,
    first_addresses,
    foreign_address_in_display_name,
    plain_address,
)
from sams.message.header import Header

MOST_OCTETS = 4_096
"""Octets of one From, Sender, Resent-From or Resent-Sender field that are looked at; a longer one is refused."""
MOST_SHOWN = 5
"""How many of the member's addresses a refusal lists."""
_LINE = 400
"""Characters of a reply's text: with code and reference it stays below RFC 5321's 512 octets."""
_OTHER_SENDERS = frozenset({b"sender", b"resent-from", b"resent-sender"})


class Unreadable(Struct, frozen=True, gc=False):
    """An address field that the grammar does not know. why: in words for the person who wrote it."""

    why: str


class HeaderSenders(Struct, frozen=True, gc=False):
    """What a header says of who sends.

    from_fields, sender_fields: how many From and Sender fields there are.
    resent_fields, resent_sender_fields: how many Resent-From and Resent-Sender the first block of them has.
    authors, resent, resent_sender, sender: the addresses of the first From, of the Resent-From and the first
        Resent-Sender of that block, and of the first Sender; no more than two, which are too many; empty without one.
    is_resent_before: that block stands below a Received.
    """

    from_fields: int
    authors: tuple[HeaderAddress, ...] | Unreadable
    resent_fields: int = 0
    resent: tuple[HeaderAddress, ...] | Unreadable = ()
    sender: tuple[HeaderAddress, ...] | Unreadable = ()
    sender_fields: int = 0
    resent_sender: tuple[HeaderAddress, ...] | Unreadable = ()
    resent_sender_fields: int = 0
    is_resent_before: bool = False


class SenderVerdict(Struct, frozen=True, gc=False):
    """Whether the member may send as this.

    reply: the refusal, None: yes.
    add_sender: the address for a Sender field that replaces what stands there; None: leave Sender alone.
    warnings: what a stricter setting would refuse, for the journal.
    detail: why it cannot be told now, where that is the refusal; for the journal only.
    """

    reply: Reply | None = None
    add_sender: Mailbox | None = None
    warnings: tuple[str, ...] = ()
    detail: str = ""


_YES = SenderVerdict()


class SenderPolicy:
    """The rules of one configuration. Holds no state."""

    __slots__ = ("_settings",)

    def __init__(self, settings: Senders) -> None:
        self._settings = settings

    def check_envelope(self, identity: Identity, reverse_path: Mailbox | None) -> SenderVerdict:
        """At MAIL FROM. None is `<>`, open to every member: read receipts need it."""
        if reverse_path is None or f"{reverse_path.local}@{reverse_path.domain}" in identity.addresses:
            return _YES  # nearly always: a key stands there as it is
        mode = self._settings.envelope
        if mode == "off" or _may_use(identity, reverse_path):
            return _YES
        text = f"You may not send as {reverse_path}{_yours(identity)}"
        if mode == "warn":
            return SenderVerdict(warnings=(f"envelope: {_line(text)}",))
        return _unknown(identity) or SenderVerdict(reply(553, "5.7.1", _line(text)))

    def check_null_sender(self, count: int) -> Reply | None:
        """At RCPT of mail from `<>`, which goes to few: `count` is how many there would be with this one."""
        most = self._settings.null_sender_recipients
        if count <= most:
            return None
        if most == 0:
            return reply(550, "5.7.1", "Mail with the sender <> is not taken here: give your own address")
        return reply(452, "4.5.3", f"Mail with the sender <> may go to {most} recipients at most")

    def check_header(self, identity: Identity, header: Header) -> SenderVerdict:
        """At the end of the data."""
        names = header.names
        if names.count(b"from") == 1 and _OTHER_SENDERS.isdisjoint(names):
            author = plain_address(header.first(b"from") or b"")
            if author is not None and author in identity.addresses:
                return _YES  # nearly always, and what `check_senders` would say
        return self.check_senders(identity, header_senders(header))

    def check_senders(self, identity: Identity, header: HeaderSenders) -> SenderVerdict:
        """The same of what a header says of who sends."""
        mode = self._settings.header
        if mode == "off":
            return _YES
        malformed = _author_problem(header)
        problem = malformed or self._foreign(identity, header) or _resent_problem(identity, header)
        if problem is not None and mode == "enforce":
            return _refused(problem) if malformed else _unknown(identity) or _refused(problem)
        warnings = () if problem is None else (f"header: {_line(problem)}",)
        return self._with_name_and_sender(identity, header, warnings)

    def _with_name_and_sender(
        self, identity: Identity, header: HeaderSenders, warnings: tuple[str, ...]
    ) -> SenderVerdict:
        name_problem = self._name_problem(identity, header)
        if name_problem is not None:
            if self._settings.display_name == "enforce":
                return _unknown(identity) or _refused(name_problem)
            warnings = (*warnings, f"display name: {_line(name_problem)}")
        return SenderVerdict(add_sender=self._sender(identity, header), warnings=warnings)

    def _foreign(self, identity: Identity, header: HeaderSenders) -> str | None:
        """Why there may not be this author; None: it is the member's, or that of a message that is resent."""
        author = _author(header)
        if author is None or _may_use(identity, author.mailbox):
            return None
        if not header.resent_fields:
            return f"You may not send with {author.mailbox} in From{_yours(identity)}"
        if self._settings.resent == "reject":
            return (
                f"Redirecting mail of others (Resent-From over a From of {author.mailbox}) is not allowed "
                "here: forward it instead"
            )
        return None

    def _name_problem(self, identity: Identity, header: HeaderSenders) -> str | None:
        author = _author(header)
        if self._settings.display_name == "off" or author is None or _is_plain(author.display_name):
            return None
        shown = _foreign_in_name(identity, author)
        if shown is None:
            return None
        return f"The name in From shows the address {shown}, which is not yours{_yours(identity)}"

    def _sender(self, identity: Identity, header: HeaderSenders) -> Mailbox | None:
        """The Sender to set: where the author is another (RFC 5322 section 3.6.2), or Sender is a foreign one."""
        author = _author(header)
        if author is None:
            return None
        for_another = not covers(identity.addresses, author.mailbox) and covers(
            identity.may_send_as, author.mailbox
        )
        is_one = header.sender_fields == 1 and _is_one_of(identity, header.sender)
        is_foreign = header.sender_fields > 0 and not is_one
        return identity.default_address if for_another or is_foreign else None


def header_senders(header: Header) -> HeaderSenders:
    """What the header says of who sends."""
    block = _first_resent_block(header)
    return HeaderSenders(
        from_fields=header.count(b"from"),
        authors=_addresses(header, b"from"),
        resent_fields=block.count(b"resent-from"),
        resent=_addresses(header, b"resent-from") if b"resent-from" in block else (),
        sender=_addresses(header, b"sender"),
        sender_fields=header.count(b"sender"),
        resent_sender=_addresses(header, b"resent-sender") if b"resent-sender" in block else (),
        resent_sender_fields=block.count(b"resent-sender"),
        is_resent_before=bool(block) and _is_history(header.names),
    )


def _is_history(names: Sequence[bytes]) -> bool:
    """Whether the first Resent field stands below a Received: what is resent now has its own above all."""
    for name in names:
        if name in {b"resent-from", b"resent-sender"}:
            return False
        if name == b"received":
            return True
    return False


def _first_resent_block(header: Header) -> list[bytes]:
    """The names of its Resent-From and Resent-Sender fields; the first ones of the header are the block's."""
    block: list[bytes] = []
    for name in header.names:
        if block and (name == b"received" or (name == b"resent-from" and name in block)):
            break
        if name in {b"resent-from", b"resent-sender"}:
            block.append(name)
    return block


def _addresses(header: Header, name: bytes) -> tuple[HeaderAddress, ...] | Unreadable:
    value = header.first(name)
    if value is None:
        return ()
    if len(value) > MOST_OCTETS:
        return Unreadable(f"it has more than {MOST_OCTETS} octets")
    try:
        return first_addresses(value, 2)
    except AddressListError as error:
        return Unreadable(str(error))


def _author(header: HeaderSenders) -> HeaderAddress | None:
    """The one author; None where there is not exactly one."""
    authors = header.authors
    return None if isinstance(authors, Unreadable) or len(authors) != 1 else authors[0]


def _author_problem(header: HeaderSenders) -> str | None:
    """Why there is not one author; None: there is."""
    if header.from_fields == 0:
        return "The message has no From field: put your address there"
    if header.from_fields > 1:
        return f"The message has {header.from_fields} From fields: only one is allowed"
    if isinstance(header.authors, Unreadable):
        return f"The From field cannot be read: {header.authors.why}"
    if len(header.authors) != 1:
        return f"From has {'several' if header.authors else 'no'} addresses: it must be one"
    return None


def _resent_problem(identity: Identity, header: HeaderSenders) -> str | None:
    """Why the member may not have resent it so; None: it is not resent, or may be."""
    if not header.resent_fields and not header.resent_sender_fields:
        return None
    author = _author(header)
    if header.is_resent_before and author is not None and _may_use(identity, author.mailbox):
        return None  # a member's own message, as a list had sent it on
    if isinstance(header.resent, Unreadable):
        return f"The Resent-From field cannot be read: {header.resent.why}"
    if not _is_one_of(identity, header.resent):
        return f"Resent-From must be one address of yours{_yours(identity)}"
    if header.resent_sender_fields and not (
        header.resent_sender_fields == 1 and _is_one_of(identity, header.resent_sender)
    ):
        return f"Resent-Sender must be one address of yours{_yours(identity)}"
    return None


def _is_one_of(identity: Identity, addresses: tuple[HeaderAddress, ...] | Unreadable) -> bool:
    return (
        not isinstance(addresses, Unreadable)
        and len(addresses) == 1
        and _may_use(identity, addresses[0].mailbox)
    )


def _may_use(identity: Identity, mailbox: Mailbox) -> bool:
    return covers(identity.addresses, mailbox) or covers(identity.may_send_as, mailbox)


def _foreign_in_name(identity: Identity, author: HeaderAddress) -> Mailbox | None:
    def is_own(shown: Mailbox) -> bool:
        return _may_use(identity, shown) or shown.key == author.mailbox.key

    return foreign_address_in_display_name(author.display_name, is_own)


def _is_plain(name: str) -> bool:
    """Whether a name is what it looks like, and has no @ in it: nearly all are."""
    return name.isascii() and "@" not in name and "=?" not in name


def _line(text: str) -> str:
    """The text as a reply can carry it; what is too long ends in dots."""
    line = ascii_line(text)
    return line if len(line) <= _LINE else f"{line[: _LINE - 3]}..."


def _refused(problem: str) -> SenderVerdict:
    return SenderVerdict(reply(550, "5.7.1", _line(problem)))


def _unknown(identity: Identity) -> SenderVerdict | None:
    """Where a map of senders could not be asked, who is refused by the rest may be in it; None: all is known.

    RFC 3463 section 3.5: X.4.3, directory server failure.
    """
    if identity.grant is None or not identity.grant.missing:
        return None
    text = "It cannot be told at the moment whether you may send as this address: try again later"
    return SenderVerdict(reply(451, "4.4.3", text), detail=identity.grant.missing)


def _yours(identity: Identity) -> str:
    """The addresses that the member may use, as the end of a sentence."""
    patterns: Collection[str] = (*identity.addresses, *identity.may_send_as)
    listed = ", ".join(tuple(patterns)[:MOST_SHOWN])
    more = f" and {len(patterns) - MOST_SHOWN} more" if len(patterns) > MOST_SHOWN else ""
    return f"; you may use {listed}{more}"
