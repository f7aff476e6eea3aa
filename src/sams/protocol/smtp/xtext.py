r"""xtext, as ENVID, ORCPT and AUTH carry it (RFC 3461 section 4), and its kin for UTF-8 (RFC 6533 section 3).

xtext    = *( xchar / hexchar )
xchar    = any ASCII CHAR between "!" (33) and "~" (126) inclusive, except for "+" and "="
hexchar  = ASCII "+" immediately followed by two upper case hexadecimal digits

utf-8-addr-xtext    = 1*(QCHAR / EmbeddedUnicodeChar)    ; in ASCII alone
utf-8-addr-unitext  = 1*(QUCHAR / EmbeddedUnicodeChar)   ; where SMTPUTF8 was asked for
EmbeddedUnicodeChar = %x5C.78 "{" HEXPOINT "}"           ; \x{HH…}
"""

from __future__ import annotations

import re

_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-Fa-f]{2})*\Z")
_HEXCHAR = re.compile(rb"\+([0-9A-Fa-f]{2})")
_EMBEDDED = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")


def decode_xtext(text: str) -> bytes:
    """The octets that xtext stands for. Hexadecimal digits may be of lower case: some programs write them.

    Raises:
        ValueError: it is no xtext.
    """
    if not _XTEXT.match(text):
        raise ValueError("not xtext")
    return _HEXCHAR.sub(lambda match: bytes.fromhex(match[1].decode()), text.encode())


def decode_utf8_xtext(text: str) -> str:
    """The text that utf-8-addr-xtext or utf-8-addr-unitext stands for.

    Raises:
        ValueError: an embedded character is none of Unicode.
    """
    return _EMBEDDED.sub(_character, text)


def _character(match: re.Match[str]) -> str:
    number = int(match[1], 16)
    if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
        raise ValueError("not a character of Unicode")
    return chr(number)
