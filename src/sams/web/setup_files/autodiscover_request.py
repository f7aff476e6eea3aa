"""What a program asks by Autodiscover: XML from outside, read by a parser that is left no choice.

A document type, and with it every entity of one's own, ends the reading at once; so do too many octets, too deep an
element and too long a text. No name in the document makes anything be loaded.
"""

from __future__ import annotations

from typing import Final
from xml.parsers import expat

import msgspec

LARGEST: Final = 16_384
"""Octets of a request."""
_DEEPEST: Final = 8
_LONGEST_TEXT: Final = 1_000
_ENCODINGS: Final = frozenset({"UTF-8", "UTF-16", "US-ASCII", "ISO-8859-1"})
_WANTED: Final = frozenset({"EMailAddress", "AcceptableResponseSchema", "LegacyDN"})


class AutodiscoverRequest(msgspec.Struct, frozen=True):
    """One request (MS-OXDSCLI section 2.2.3). What is not in it is empty."""

    address: str
    schema: str


class NoRequest(ValueError):
    """The octets are no request; the message says why, in words of ours."""


def read_request(octets: bytes) -> AutodiscoverRequest:
    """Read a request.

    Raises:
        NoRequest: it is none.
    """
    if len(octets) > LARGEST:
        raise NoRequest(f"the request is larger than {LARGEST} octets")
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    parser.buffer_text = True
    parser.XmlDeclHandler = _refuse_encoding
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(octets, True)
    except expat.ExpatError:
        raise NoRequest("the request is not well-formed XML") from None
    return reader.request()


def _refuse_encoding(_: str, encoding: str | None, __: int) -> None:
    """Only those that the parser knows itself: Python looks for codecs of others, and never forgets a name."""
    if encoding is not None and encoding.upper() not in _ENCODINGS:
        raise NoRequest("a request is in UTF-8")


def _refuse_doctype(*_: object) -> None:
    raise NoRequest("a request has no document type")


class _Reader:
    """Keeps the texts that are direct children of Autodiscover/Request."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._found: dict[str, str] = {}

    def start(self, name: str, _: object) -> None:
        if len(self._path) >= _DEEPEST:
            raise NoRequest("the request has too many elements in one another")
        self._path.append(name.rpartition(" ")[2])
        if self._wants() and self._found.setdefault(self._path[-1], ""):
            raise NoRequest("the request says something twice")

    def end(self, _: str) -> None:
        self._path.pop()

    def text(self, text: str) -> None:
        if self._wants():
            text = self._found[self._path[-1]] + text
            if len(text) > _LONGEST_TEXT:
                raise NoRequest("the request has a text that is too long")
            self._found[self._path[-1]] = text

    def request(self) -> AutodiscoverRequest:
        address = self._found.get("EMailAddress", "").strip()
        schema = self._found.get("AcceptableResponseSchema", "").strip()
        if not schema or not (address or self._found.get("LegacyDN", "").strip()):
            raise NoRequest("the request names no EMailAddress or no AcceptableResponseSchema")
        return AutodiscoverRequest(address, schema)

    def _wants(self) -> bool:
        return (
            self._path[:2] == ["Autodiscover", "Request"]
            and len(self._path) == 3
            and self._path[2] in _WANTED
        )
