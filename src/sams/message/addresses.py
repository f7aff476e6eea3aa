"""Address lists of headers: From, Sender, Resent-From, To … (RFC 5322 section 3.4, RFC 6532, RFC 6854).

Theory of operation. The value is cut into tokens by one regular expression that looks at each character once;
comments and folding white space leave only a mark between tokens. A small parser then walks the tokens once,
one element of the list at a time, so that the whole is linear whatever the value holds.

The grammar, where `word` is an atom or a quoted string and a dot may stand in a phrase behind its first word
(obs-phrase, as in `John Q. Public`):

    list      = element *("," element)
    element   = mailbox / group
    mailbox   = [phrase] "<" addr-spec ">" / addr-spec
    group     = phrase ":" [mailbox *("," mailbox)] ";"
    addr-spec = (dot-atom / quoted-string) "@" (dot-atom / domain-literal)

Of the obsolete forms only the dotted phrase is taken: routes (`<@a,@b:c@d>`), empty elements (`a@b,,c@d`) and
spaces or comments around the dots of an address are refused. What does not fit is refused and never guessed
at: two programs that guess differently would show two different senders (docs/security.md rule 5).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from msgspec import Struct

from sams.core.address import MAX_MAILBOX_OCTETS, AddressError, Mailbox, parse_domain, parse_mailbox
from sams.core.text import visible
from sams.message.words import decode_words

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010FFFF"
_TOKEN = re.compile(
    rf"(?P<gap>[ \t]++|\r\n[ \t]++)"
    rf"|(?P<atom>[{_ATEXT}]++(?>(?:\.[{_ATEXT}]++)*))"
    r'|(?P<quoted>"(?>(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t -~]|\r\n(?=[ \t]))*)")'
    r"|(?P<literal>\[[!-Z^-~]*+\])"
    r"|(?P<special>[<>@,:;.])"
)
_COMMENT_PART = re.compile(r"[^()\\\x00-\x08\x0a-\x1f\x7f]++|\\[\t -~]|\r\n(?=[ \t])|[()]")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_GAP = rb"(?>(?:[ \t]++|\r\n[ \t]++)*)"
_WORD = rb"A-Za-z0-9!#$%&'*+/?^_`{|}~\-"
_LABEL = rb"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_SPEC = (
    rb"(?=[^@]{1,64}+@)[="
    + _WORD
    + rb"]++(?>(?:\.[="
    + _WORD
    + rb"]++)*)@"
    + _LABEL
    + rb"(?:\."
    + _LABEL
    + rb")*"
)
_PLAIN = re.compile(
    _GAP
    + rb"(?:("
    + _SPEC
    + rb")"
    + rb"|(?:["
    + _WORD
    + rb"][. \t"
    + _WORD
    + rb"]*+|\"[ !#-<>?A-\[\]-~]*+\"|)"
    + _GAP
    + rb"<("
    + _SPEC
    + rb")>"
    + rb")"
    + _GAP
    + rb"\Z"
)  # fmt: skip - one line for each form
"""`a@b`, `Name <a@b>` and `"Name" <a@b>` in ASCII, where the name holds neither an @ nor an encoded word."""
_SEPARATED = "addresses are separated by commas, and a name that holds an @ needs quotes around it"
_MOST_PIECES = 500
"""Words, marks, gaps and comments that any list may have: enough for a name of two hundred words …"""
_PIECES_EACH = 50
"""… and for each address so many more."""
_SHOWN = 1_000
"""So many characters of a display name are looked at, twice as many once wide ones are taken apart: no program shows
more."""
_WRITTEN = 4_096
"""So many characters of a display name are decoded: by its encoded words it is longer than what is shown."""
_SIGNS = {"P": " ", "S": " ", "Z": " ", "C": ""}
"""By their category's first letter: quotes and the like stand beside an address, invisible ones within it."""
_LOOKS_LIKE_ADDRESS = re.compile(rf"[{_ATEXT}.]{{1,64}}+$")
_DOMAIN_BEHIND = re.compile(r"[A-Za-z0-9\u0080-\U0010FFFF.-]{1,255}")


class AddressListError(ValueError):
    """The value is no address list. The message says why, in words for the person who wrote it."""


class HeaderAddress(Struct, frozen=True, gc=False):
    """One mailbox of a list.

    display_name: all that programs may show as a name, quotes and escapes taken off, encoded words left as they
        are: the name of the group that it stands in, the phrase before the address, and the comments beside it,
        which some programs show too. Empty where there is nothing.
    """

    display_name: str
    mailbox: Mailbox


class _Token(NamedTuple):
    """kind: atom, quoted, literal, special or end; gap: white space or a comment stands before it."""

    kind: str
    text: str
    gap: bool


def parse_address_list(value: bytes, limit: int) -> tuple[HeaderAddress, ...]:
    """Parse the value of a From, Sender, Resent-From, To … field, folds included.

    The members of groups stand in their places; an empty group (`undisclosed-recipients:;`) gives none.

    Args:
        value: what stands behind the colon, without the CRLF at its end.
        limit: how many mailboxes there may be.

    Raises:
        AddressListError: it does not fit the grammar above, is no UTF-8, or has more than `limit` mailboxes, or
            very many words or comments beside them.
    """
    return tuple(_Parser(_text(value), limit).addresses())


def first_addresses(value: bytes, count: int) -> tuple[HeaderAddress, ...]:
    """The same of a list of any length; behind the mailbox with which there are `count` nothing is looked at.

    Raises:
        AddressListError: as `parse_address_list` does, for what is looked at.
    """
    return tuple(islice(_Parser(_text(value), count).addresses(), count))


def plain_address(value: bytes) -> str | None:
    """The key (`Mailbox.key`) of the one address of a field in a plain form; None: `parse_address_list` has to see.

    Nearly every From is such: its display name, if there is one, is what it looks like, and shows no address.
    """
    match = _PLAIN.match(value)
    if match is None:
        return None
    spec = match[match.lastindex or 0]
    return spec.decode().lower() if len(spec) <= MAX_MAILBOX_OCTETS else None


def foreign_address_in_display_name(
    display: str, is_own: Callable[[Mailbox], bool] = lambda _: False
) -> Mailbox | None:
    """The first address that a program would show inside this display name, but for the member's own.

    Encoded words are decoded first, wide and invisible characters and spaces beside an @ are seen through; at most
    the first 1,000 characters are looked at. What looks like an address with a domain beyond ASCII counts as one
    even if there can be no such domain: then it is nobody's own.

    Args:
        display: `HeaderAddress.display_name`.
        is_own: whether an address may stand there.
    """
    before, *others = _seen(display).split("@")
    for behind in others:
        mailbox = _address_around(before, behind)
        if mailbox is not None and _is_foreign(mailbox, is_own):
            return mailbox
        before = behind
    return None


def _seen(display: str) -> str:
    """What a reader sees of a display name, in plain characters."""
    written = decode_words(display[:_WRITTEN])[:_SHOWN]
    shown = unicodedata.normalize("NFKC", written)[: 2 * _SHOWN]
    return "".join(
        [letter if " " <= letter <= "~" or letter.isalnum() else _sign(letter) for letter in shown]
    )


def _sign(letter: str) -> str:
    """What counts for a character that is neither ASCII nor a letter nor a digit: marks belong to a letter."""
    if letter == "\u3002":
        return "."  # for IDNA it is one
    return _SIGNS.get(unicodedata.category(letter)[0], letter)


def _address_around(before: str, behind: str) -> Mailbox | None:
    """What the ends beside an @ make, if they look like an address with a dotted domain."""
    local = _LOOKS_LIKE_ADDRESS.search(before.rstrip()[-64:])
    domain = _DOMAIN_BEHIND.match(behind.lstrip())
    if local is None or domain is None or "." not in (name := domain[0].strip(".-")):
        return None
    local_part = local[0].strip(".")
    return Mailbox(local_part, name) if local_part else None


def _is_foreign(shown: Mailbox, is_own: Callable[[Mailbox], bool]) -> bool:
    try:
        parse_domain(shown.domain)
    except AddressError:
        return not shown.domain.isascii()
    return not is_own(shown)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise AddressListError("the address field is not valid UTF-8") from None


class _Parser:
    """Walks the tokens of one list once."""

    def __init__(self, text: str, limit: int) -> None:
        self._limit = limit
        self._count = 0
        self._pieces_left = _MOST_PIECES + limit * _PIECES_EACH
        self._comments: list[str] = []
        self._tokens = self._scan(text)
        self._next = next(self._tokens)

    def addresses(self) -> Iterator[HeaderAddress]:
        """Every mailbox of the list."""
        in_group, group = False, ""
        while True:
            words = self._words()
            if self._next.text == ":" and words and not in_group:
                self._take()
                in_group, group = True, _phrase(words)
                if self._next.text != ";":
                    continue
            else:
                yield self._mailbox(words, group)
            if in_group and self._next.text == ";":
                self._take()
                in_group, group = False, ""
            if self._next.kind == "end" and not in_group:
                return
            self._comments.clear()
            self._expect(",", "a group ends with ;" if in_group else _SEPARATED)

    def _mailbox(self, words: list[_Token], group: str) -> HeaderAddress:
        self._count += 1
        if self._count > self._limit:
            raise AddressListError(f"more than {self._limit} addresses in one field")
        if self._next.text == "<":
            name = _phrase(words)
            mailbox = self._angle()  # reads on to the comments behind it
            return HeaderAddress(_joined(group, name, *self._comments), mailbox)
        if self._next.text != "@":
            raise AddressListError(self._why_no_mailbox(words))
        if len(words) != 1:
            raise AddressListError("a name that holds an @ needs quotes around it")
        mailbox = self._addr_spec(words[0])
        return HeaderAddress(_joined(group, *self._comments), mailbox)

    def _why_no_mailbox(self, words: list[_Token]) -> str:
        if words:
            return f"{visible(_phrase(words), 80)!r} has no address of the form name@domain"
        if self._next.kind == "end" or self._next.text == ",":
            return "an address is missing, or a comma too many"
        return f"{visible(self._next.text, 80)!r} stands where an address should"

    def _angle(self) -> Mailbox:
        self._take()
        local = self._take()
        if local.text == "@":
            raise AddressListError("a route before the address (<@host:name@domain>) is not accepted")
        mailbox = self._addr_spec(local)
        self._expect(">", "the address ends with >")
        return mailbox

    def _addr_spec(self, local: _Token) -> Mailbox:
        if local.kind not in {"atom", "quoted"}:
            raise AddressListError("an address has the form name@domain")
        self._expect("@", "an address has the form name@domain")
        domain = self._take()
        if domain.kind not in {"atom", "literal"}:
            raise AddressListError("an address has the form name@domain")
        try:
            return parse_mailbox(f"{local.text}@{domain.text}")
        except AddressError as error:
            raise AddressListError(f"{visible(f'{local.text}@{domain.text}', 80)}: {error}") from None

    def _words(self) -> list[_Token]:
        """Atoms, quoted strings and, behind the first of them, dots."""
        words: list[_Token] = []
        while self._next.kind in {"atom", "quoted"} or (words and self._next.text == "."):
            words.append(self._take())
        return words

    def _expect(self, text: str, otherwise: str) -> None:
        if self._take().text != text:
            raise AddressListError(otherwise)

    def _take(self) -> _Token:
        token = self._next
        if token.kind != "end":
            self._next = next(self._tokens)
        return token

    def _scan(self, text: str) -> Iterator[_Token]:
        at, gap = 0, False
        while at < len(text):
            self._count_piece()
            if text[at] == "(":
                at, gap = self._skip_comment(text, at), True
                continue
            match = _TOKEN.match(text, at)
            if match is None:
                raise AddressListError(_why_no_token(text, at))
            at, kind = match.end(), match.lastgroup or ""
            if kind == "gap":
                gap = True
                continue
            yield _Token(kind, match[0], gap)
            gap = False
        yield _Token("end", "", gap)

    def _skip_comment(self, text: str, start: int) -> int:
        """The end of the comment that begins at `start`; comments nest. Its text may be shown as a name."""
        depth, at = 0, start
        while True:
            self._count_piece()
            part = _COMMENT_PART.match(text, at)
            if part is None:
                raise AddressListError(
                    "a comment that begins with ( has no end, or a character that may not stand there"
                )
            at = part.end()
            depth += {"(": 1, ")": -1}.get(part[0], 0)
            if depth == 0:
                self._comments.append(_plain(text[start + 1 : at - 1]))
                return at

    def _count_piece(self) -> None:
        """Pieces are what takes time: a field has fewer of them than octets, and a sound one has few."""
        self._pieces_left -= 1
        if self._pieces_left < 0:
            raise AddressListError("there are too many words and comments in the field")


def _why_no_token(text: str, at: int) -> str:
    reasons = {
        '"': "a quoted name has no end, or a character that is not allowed",
        "[": "an address literal has no end",
        ")": "a ) stands alone",
        "\\": "a backslash stands outside quotes",
    }
    return reasons.get(text[at], f"the character {visible(text[at])!r} may not stand there")


def _phrase(words: list[_Token]) -> str:
    parts: list[str] = []
    for word in words:
        if word.gap and parts:
            parts.append(" ")
        parts.append(_plain(word.text[1:-1]) if word.kind == "quoted" else word.text)
    return "".join(parts)


def _joined(*names: str) -> str:
    return " ".join([name for name in names if name])


def _plain(text: str) -> str:
    """Folds and escapes taken off."""
    return _ESCAPED.sub(r"\1", text.replace("\r\n", ""))
