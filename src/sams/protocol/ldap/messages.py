"""The messages that a client which signs in and searches sends and gets (RFC 4511 section 4).

Theory of operation. Every message has a number; answers come back with that of their question, so that several may
be under way. A search is answered by any number of entries and references and one result, all else by one result.
Referrals and references are told to whoever asked and never followed: the configuration names the servers.

`Inbox` cuts what comes over a connection into messages; it takes none larger than its limit, and looks at each octet
once however they are cut.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from msgspec import Struct

from sams.protocol.ldap import ber
from sams.protocol.ldap.ber import BerError, Reader

MAX_MESSAGE = 1024 * 1024
"""Octets of a message that is taken: an entry in some thousands of groups is smaller."""

BASE, ONE_LEVEL, SUBTREE = 0, 1, 2
"""Scopes of a search."""
NO_ATTRIBUTES = "1.1"
START_TLS = "1.3.6.1.4.1.1466.20037"
PASSWORD_POLICY = "1.3.6.1.4.1.42.2.27.8.5.1"  # noqa: S105 - the name of a control (draft-behera-ldap-password-policy)

_VERSION = 3
_BIND, _BIND_RESPONSE, _UNBIND = 0x60, 0x61, 0x42
_SEARCH, _ENTRY, _DONE, _REFERENCE = 0x63, 0x64, 0x65, 0x73
_EXTENDED, _EXTENDED_RESPONSE = 0x77, 0x78
_SIMPLE, _CONTROLS, _EXTENDED_NAME = 0x80, 0xA0, 0x80
_RESULTS = frozenset({_BIND_RESPONSE, _DONE, _EXTENDED_RESPONSE})


class LdapError(ValueError):
    """What came is no message of this protocol, or too large. The message says why, in words of our own."""


class Entry(Struct, frozen=True):
    """An entry that a search found.

    name: its distinguished name, as the server writes it.
    attributes: the values by the attribute's name in lower case, without options (`;lang-en`).
    """

    name: str
    attributes: dict[str, tuple[bytes, ...]]

    def texts(self, name: str) -> tuple[str, ...]:
        """The values of an attribute that are texts."""
        return tuple(text for value in self.attributes.get(name.lower(), ()) if (text := _decoded(value)))


class Reference(Struct, frozen=True):
    """Somewhere else a search could go on. It is not followed."""


class Result(Struct, frozen=True):
    """How a question ended.

    code: RFC 4511 appendix A. diagnostic: the server's words; not to be trusted with more than being shown.
    controls: by name, what the server added.
    """

    code: int
    diagnostic: str = ""
    controls: dict[str, bytes] = {}


Answer: TypeAlias = Entry | Reference | Result


class Message(Struct, frozen=True):
    """What came from the server. number: of the question; 0: the server speaks unasked."""

    number: int
    answer: Answer


class Search(Struct, frozen=True):
    """A question for entries.

    query: a filter, encoded (`filters`). size: entries at most; 0: as many as the server gives.
    attributes: which are told; none named: all.
    """

    base: str
    query: bytes
    attributes: tuple[str, ...]
    scope: int = SUBTREE
    size: int = 0


def bind(number: int, name: str, password: str, controls: Iterable[str] = ()) -> bytes:
    """A question whether the password is right; the connection acts as `name` after it (RFC 4511 section 4.2).

    Raises:
        ValueError: the name or the password is empty. Servers answer such a bind with success, without having looked
            at any password (RFC 4513 sections 5.1.1 and 5.1.2); to be nobody, no bind is needed.
    """
    if not name or not password:
        raise ValueError("a bind without a name or without a password proves nothing")
    content = (ber.integer(_VERSION), ber.octets(name), ber.octets(password, _SIMPLE))
    return _message(number, ber.constructed(_BIND, *content), controls)


def search(number: int, question: Search) -> bytes:
    """A question for entries (RFC 4511 section 4.5.1). Aliases are not followed."""
    content = (
        ber.octets(question.base),
        ber.integer(question.scope, ber.ENUMERATED),
        ber.integer(0, ber.ENUMERATED),
        ber.integer(question.size),
        ber.integer(0),
        ber.boolean(False),
        question.query,
        ber.constructed(ber.SEQUENCE, *map(ber.octets, question.attributes)),
    )
    return _message(number, ber.constructed(_SEARCH, *content))


def start_tls(number: int) -> bytes:
    """The question whether to begin TLS (RFC 4511 section 4.14)."""
    return _message(number, ber.constructed(_EXTENDED, ber.octets(START_TLS, _EXTENDED_NAME)))


def unbind(number: int) -> bytes:
    """The end of a connection (RFC 4511 section 4.3)."""
    return _message(number, ber.element(_UNBIND, b""))


def _message(number: int, operation: bytes, controls: Iterable[str] = ()) -> bytes:
    named = [ber.constructed(ber.SEQUENCE, ber.octets(name)) for name in controls]
    added = (ber.constructed(_CONTROLS, *named),) if named else ()
    return ber.constructed(ber.SEQUENCE, ber.integer(number), operation, *added)


class Inbox:
    """Cuts what comes over one connection into messages."""

    __slots__ = ("_longest", "_octets")

    def __init__(self, longest: int = MAX_MESSAGE) -> None:
        self._octets = bytearray()
        self._longest = longest

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits for its rest."""
        return not self._octets

    def receive(self, octets: bytes) -> list[Message]:
        """The messages that are whole now.

        Raises:
            LdapError: what came can be no message, or is too large.
        """
        self._octets += octets
        messages, at = [], 0
        try:
            while (size := self._size(at)) is not None and at + size <= len(self._octets):
                messages.append(_read(bytes(self._octets[at : at + size])))
                at += size
        except BerError as error:
            raise LdapError(f"it sent what is no LDAP: {error}") from None
        del self._octets[:at]
        return messages

    def _size(self, at: int) -> int | None:
        head = self._octets[at : at + 6]
        if head and head[0] != ber.SEQUENCE:
            raise LdapError("it does not speak LDAP")
        size = ber.whole_size(head)
        if size is not None and size > self._longest:
            raise LdapError(f"it sent a message of more than {self._longest} octets")
        return size


def _read(octets: bytes) -> Message:
    whole = Reader(Reader(octets).take(ber.SEQUENCE))
    number, tag = whole.integer(), whole.tag
    content = Reader(whole.take())
    if tag == _ENTRY:
        return Message(number, _entry(content))
    if tag == _REFERENCE:
        return Message(number, Reference())
    if tag in _RESULTS:
        controls = _controls(Reader(whole.take())) if whole.tag == _CONTROLS else {}
        return Message(number, _result(content, controls))
    raise BerError(f"a message of a kind that no client gets ({tag})")


def _entry(content: Reader) -> Entry:
    name, attributes = content.text(), Reader(content.take(ber.SEQUENCE))
    found: dict[str, list[bytes]] = {}
    while attributes.tag is not None:
        one = Reader(attributes.take(ber.SEQUENCE))
        described, values = one.text(), Reader(one.take(ber.SET))
        found.setdefault(described.partition(";")[0].lower(), []).extend(_all(values))
    return Entry(name, {key: tuple(each) for key, each in found.items()})


def _all(values: Reader) -> Iterable[bytes]:
    while values.tag is not None:
        yield values.take(ber.OCTETS)


def _result(content: Reader, controls: dict[str, bytes]) -> Result:
    code = content.integer(ber.ENUMERATED)
    content.take(ber.OCTETS)  # the nearest entry that there is: of no use to a client that searches
    diagnostic = content.take(ber.OCTETS).decode(errors="replace")
    return Result(code, diagnostic, controls)


def _controls(listed: Reader) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    while listed.tag is not None:
        control = Reader(listed.take(ber.SEQUENCE))
        name, value = control.text(), b""
        if control.tag == ber.BOOLEAN:
            control.take()
        if control.tag == ber.OCTETS:
            value = control.take()
        found[name] = value
    return found


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return ""
