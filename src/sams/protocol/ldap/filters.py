"""Search filters: their text (RFC 4515), with places for what a member typed, and their octets (RFC 4511, 4.5.1.7).

Theory of operation. The text comes from the configuration and is read once, into nodes. What a member typed is put
into the octets of an asserted value when a question is made of them: it never is text that is read, so that there is
nothing to escape, and no login can change a filter.

    filter     = "(" ( "&" filter* | "|" filter* | "!" filter | item ) ")"
    item       = attribute ( "=" | "~=" | ">=" | "<=" ) value          value: `*` alone: the attribute is there
               | [attribute] [":dn"] [":" rule] ":=" value
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct

from sams.protocol.ldap import ber

MAX_DEPTH = 50

_AND, _OR, _NOT = 0xA0, 0xA1, 0xA2
_EQUAL, _SUBSTRINGS, _AT_LEAST, _AT_MOST, _PRESENT, _LIKE, _EXTENSIBLE = (
    0xA3, 0xA4, 0xA5, 0xA6, 0x87, 0xA8, 0xA9,
)  # fmt: skip
_INITIAL, _ANY, _FINAL = 0x80, 0x81, 0x82
_RULE, _TYPE, _VALUE, _DN = 0x81, 0x82, 0x83, 0x84
_TAGS = {"=": _EQUAL, "~=": _LIKE, ">=": _AT_LEAST, "<=": _AT_MOST}

_DESCRIBED = r"[A-Za-z0-9][A-Za-z0-9.;-]*"
_ITEM = re.compile(rf"({_DESCRIBED})(~=|>=|<=|=)([^()]*)\)")
_RULED = re.compile(rf"({_DESCRIBED})?(:dn)?(?::({_DESCRIBED}))?:=([^()]*)\)", re.IGNORECASE)
_PIECE = re.compile(r"\\([0-9A-Fa-f]{2})|\{([a-z]+)\}|([^\\{}*]+)|(.)", re.DOTALL)


class FilterError(ValueError):
    """The text is no filter. The message says where, for whoever wrote it."""


class Place(Struct, frozen=True):
    """Where a value is put in."""

    name: str


Value: TypeAlias = tuple["bytes | Place", ...]


class Group(Struct, frozen=True):
    """All of, one of, or not."""

    tag: int
    parts: tuple[Node, ...]


class Item(Struct, frozen=True):
    """An assertion about an attribute: equality, an order, or that it is there (no values)."""

    tag: int
    attribute: str
    value: Value = ()


class Substrings(Struct, frozen=True):
    """What a value begins with, has in it, and ends with; empty ones at the ends: anything."""

    attribute: str
    values: tuple[Value, ...]


class Extensible(Struct, frozen=True):
    """An assertion by a rule of the server's."""

    attribute: str
    rule: str
    value: Value
    of_name: bool


Node: TypeAlias = Group | Item | Substrings | Extensible


class Filter:
    """A filter that was read. `names` may stand in braces in its values."""

    __slots__ = ("_node",)

    def __init__(self, text: str, names: frozenset[str] = frozenset()) -> None:
        """Read a filter.

        Raises:
            FilterError: it is none, or has a place of another name.
        """
        reader = _FilterReader(text, names)
        self._node = reader.read()

    def filled(self, values: Mapping[str, str]) -> bytes:
        """Its octets, with these values in their places."""
        return _encoded(self._node, values)


def equal(attribute: str, value: str) -> bytes:
    """The octets of `(attribute=value)`."""
    return ber.constructed(_EQUAL, ber.octets(attribute), ber.octets(value))


def matches(attribute: str, rule: str, value: str) -> bytes:
    """The octets of `(attribute:rule:=value)`."""
    return _encoded(Extensible(attribute, rule, (value.encode(),), of_name=False), {})


def one_of(*parts: bytes) -> bytes:
    """The octets of `(|…)`."""
    return ber.constructed(_OR, *parts)


def present(attribute: str) -> bytes:
    """The octets of `(attribute=*)`."""
    return ber.octets(attribute, _PRESENT)


class _FilterReader:
    """Goes through the text once."""

    def __init__(self, text: str, names: frozenset[str]) -> None:
        self._text = text
        self._names = names
        self._at = 0

    def read(self) -> Node:
        node = self._filter(0)
        if self._at != len(self._text):
            raise self._wrong("the filter has ended before")
        return node

    def _filter(self, depth: int) -> Node:
        self._expect("(")
        if depth > MAX_DEPTH:
            raise self._wrong("too many parentheses in one another")
        sign = self._text[self._at : self._at + 1]
        if sign == "!":
            self._at += 1
            return self._ended(Group(_NOT, (self._filter(depth + 1),)))
        if sign and sign in "&|":
            self._at += 1
            return self._group(_AND if sign == "&" else _OR, depth)
        return self._item()

    def _group(self, tag: int, depth: int) -> Node:
        parts = []
        while self._text[self._at : self._at + 1] == "(":
            parts.append(self._filter(depth + 1))
        if not parts:
            raise self._wrong("a filter in parentheses has to stand here")
        return self._ended(Group(tag, tuple(parts)))

    def _item(self) -> Node:
        if ruled := _RULED.match(self._text, self._at):
            attribute, of_name, rule, text = ruled.groups()
            if not attribute and not rule:
                raise self._wrong("an attribute or a rule has to stand here")
            values = self._values(text)
            if len(values) != 1:
                raise self._wrong("a * has no meaning")
            self._at = ruled.end()
            return Extensible(attribute or "", rule or "", values[0], of_name=bool(of_name))
        plain = _ITEM.match(self._text, self._at)
        if plain is None:
            raise self._wrong("an attribute, =, a value and ) have to stand")
        node = self._plain(plain[1], plain[2], plain[3])
        self._at = plain.end()
        return node

    def _plain(self, attribute: str, sign: str, text: str) -> Node:
        values = self._values(text)
        if len(values) == 1:
            return Item(_TAGS[sign], attribute, values[0])
        if sign != "=" or not all(values[1:-1]):
            raise self._wrong("a * has no meaning")
        return Substrings(attribute, values) if any(values) else Item(_PRESENT, attribute)

    def _values(self, text: str) -> tuple[Value, ...]:
        """What stands between the stars."""
        values: list[list[bytes | Place]] = [[]]
        for octet, name, plain, sign in _PIECE.findall(text):
            if sign == "*":
                values.append([])
            else:
                values[-1].append(self._piece(octet, name, plain))
        return tuple(tuple(value) for value in values)

    def _piece(self, octet: str, name: str, plain: str) -> bytes | Place:
        if name in self._names and name:
            return Place(name)
        if octet:
            return bytes.fromhex(octet)
        if plain:
            return plain.encode()
        known = ", ".join(f"{{{one}}}" for one in sorted(self._names))
        raise self._wrong(
            f"a \\ needs two hexadecimal digits behind it, and braces one of {known or 'nothing'}"
        )

    def _ended(self, node: Node) -> Node:
        self._expect(")")
        return node

    def _expect(self, sign: str) -> None:
        if self._text[self._at : self._at + 1] != sign:
            raise self._wrong(f"a {sign} has to stand here")
        self._at += 1

    def _wrong(self, what: str) -> FilterError:
        rest = self._text[self._at : self._at + 20]
        where = f'at character {self._at + 1}, "{rest}"' if rest else "at its end"
        return FilterError(f"{where}: {what}")


def _encoded(node: Node, values: Mapping[str, str]) -> bytes:
    if isinstance(node, Group):
        return ber.constructed(node.tag, *(_encoded(part, values) for part in node.parts))
    if isinstance(node, Substrings):
        return _encoded_substrings(node, values)
    if isinstance(node, Extensible):
        return _encoded_rule(node, values)
    if node.tag == _PRESENT:
        return present(node.attribute)
    return ber.constructed(node.tag, ber.octets(node.attribute), ber.octets(_filled(node.value, values)))


def _encoded_substrings(node: Substrings, values: Mapping[str, str]) -> bytes:
    last = len(node.values) - 1
    tags = (_INITIAL if at == 0 else _FINAL if at == last else _ANY for at in range(last + 1))
    filled = ((tag, _filled(value, values)) for tag, value in zip(tags, node.values, strict=True))
    parts = [ber.octets(value, tag) for tag, value in filled if value]
    return ber.constructed(_SUBSTRINGS, ber.octets(node.attribute), ber.constructed(ber.SEQUENCE, *parts))


def _encoded_rule(node: Extensible, values: Mapping[str, str]) -> bytes:
    parts = [ber.octets(node.rule, _RULE)] if node.rule else []
    if node.attribute:
        parts.append(ber.octets(node.attribute, _TYPE))
    parts.append(ber.octets(_filled(node.value, values), _VALUE))
    if node.of_name:
        parts.append(ber.boolean(True, _DN))
    return ber.constructed(_EXTENSIBLE, *parts)


def _filled(value: Value, values: Mapping[str, str]) -> bytes:
    return b"".join(
        values[piece.name].encode("utf-8", "surrogatepass") if isinstance(piece, Place) else piece
        for piece in value
    )
