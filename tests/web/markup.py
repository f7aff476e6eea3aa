"""A page as its elements, for tests that walk through them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"br", "hr", "img", "input", "link", "meta", "wbr"})
"""Elements without an end."""


@dataclass(slots=True)
class Element:
    """One element. parent: None of the outermost. text: all text in it, with its descendants'."""

    tag: str
    attributes: dict[str, str]
    parent: Element | None
    text: str = ""

    @property
    def words(self) -> str:
        """The text with single blanks."""
        return " ".join(self.text.split())

    def within(self, tag: str) -> Element | None:
        """The nearest element of this kind around it."""
        at = self.parent
        while at is not None and at.tag != tag:
            at = at.parent
        return at


@dataclass(slots=True)
class Markup:
    """A page. strays: ends that end nothing, and elements that were never ended."""

    elements: list[Element] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)

    def all(self, *tags: str) -> list[Element]:
        """The elements of these kinds, in the page's order."""
        return [element for element in self.elements if element.tag in tags]

    def of_class(self, name: str) -> list[Element]:
        """Those of a class."""
        return [one for one in self.elements if name in one.attributes.get("class", "").split()]

    @property
    def text(self) -> str:
        """All text, with single blanks."""
        return self.elements[0].words


def markup(html: str) -> Markup:
    """A page, read."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    reader.page.strays += [element.tag for element in reader.open]
    return reader.page


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Markup()
        self.open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        parent = self.open[-1] if self.open else None
        element = Element(tag, {name: value or "" for name, value in attrs}, parent)
        self.page.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1].tag == tag:
            self.open.pop()
        else:
            self.page.strays.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data
