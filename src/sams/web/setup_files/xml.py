"""Making XML: every value is escaped, and none can hold what XML cannot."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

MEDIA_TYPE = "text/xml; charset=utf-8"
"""What Thunderbird and Outlook take for XML; Thunderbird reads no other but `application/xml`."""

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Not a Char of XML 1.0 section 2.2."""


def add(parent: ET.Element, name: str, text: str, **attributes: str) -> ET.Element:
    """Append an element with text; characters that XML cannot hold become U+FFFD."""
    element = ET.SubElement(parent, name, {key: _fit(value) for key, value in attributes.items()})
    element.text = _fit(text)
    return element


def octets(root: ET.Element) -> bytes:
    """The document in UTF-8, without a byte order mark, indented for people."""
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _fit(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
