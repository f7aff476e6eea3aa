"""The grammar of commands, each rule beside its ABNF (RFC 5321 section 4.1.1, RFC 4954, RFC 3030).

Everything here takes one line without its CRLF, is linear in its length, and refuses by raising PeerFault with
the reply that says what is allowed. Where real mail programs differ from the letter and nothing can be
misunderstood, it is generous: white space at the end of a line, and between `FROM:` and `<`.
"""

from __future__ import annotations

import binascii
import re

import msgspec

from sams.core.address import (
    MAX_PLAIN,
    PLAIN_DOMAIN,
    PLAIN_LOCAL,
    AddressError,
    Mailbox,
    parse_mailbox,
)
from sams.core.errors import PeerFault
from sams.core.reply import Reply, reply
from sams.protocol.smtp import replies

# command = verb [ SP argument ] CRLF
PLAIN_COMMAND = re.compile(rb"([A-Z]++)(?: ([^\r\n\0]*+))?\r\n")
"""What nearly every line is, as the parts that `split_command` tells; the argument still with its white space."""
# Reverse-path = Path / "<>"      Forward-path = Path
# Path         = "<" [ A-d-l ":" ] Mailbox ">"
# Between the brackets only quotes are looked at here: a quoted local part may hold ">" and SP.
_PATH = re.compile(rb'[ \t]*<((?>(?:[^<>"]++|"(?>(?:[^"\\]|\\.)*)")*))>(?:[ \t]+(.*))?\Z')
# A-d-l     = At-domain *( "," At-domain )      ; RFC 5321 appendix C: taken, and ignored
# At-domain = "@" ( Domain / address-literal )  ; in ASCII: no program beyond it ever wrote a route
_LABEL = r"[A-Za-z0-9]++(?>(?:-++[A-Za-z0-9]++)*)"
_AT_DOMAIN = rf"@(?:{_LABEL}(?>(?:\.{_LABEL})*)|\[[A-Za-z0-9.:]++\])"
_ROUTE = re.compile(rf"{_AT_DOMAIN}(?>(?:,{_AT_DOMAIN})*):")
MAX_PATH = 256
"""RFC 5321 section 4.5.3.1.3; of a source route no more is looked at."""
# bdat-cmd = "BDAT" SP chunk-size [ SP end-marker ] CR LF      chunk-size = 1*DIGIT
_BDAT = re.compile(rb"([0-9]{1,20})(?:[ \t]+([Ll][Aa][Ss][Tt]))?\Z")
# sasl-mech = 1*20mech-char
_AUTH = re.compile(rb"([A-Za-z0-9_-]{1,20})(?:[ \t]+([^ \t]+))?\Z")


class PathForm(msgspec.Struct, frozen=True):
    """How MAIL and RCPT differ: the word before the path, what is said of a bad one, and what a plain one is."""

    keyword: bytes
    syntax: Reply
    status: str
    plain: re.Pattern[bytes]


def _plain(keyword: str) -> re.Pattern[bytes]:
    """What nearly every path is, with its parameters: a part of the rules above, and of those for a mailbox."""
    path = rf"(?i:{keyword})[ \t]*<({PLAIN_LOCAL})@({PLAIN_DOMAIN})>(?:[ \t]+(.*))?\Z"
    return re.compile(path.encode("ascii"))


MAIL_PATH = PathForm(
    b"FROM:", reply(501, "5.5.4", "Syntax: MAIL FROM:<name@domain> [parameters]"), "5.1.7", _plain("FROM:")
)
RCPT_PATH = PathForm(
    b"TO:", reply(501, "5.5.4", "Syntax: RCPT TO:<name@domain> [parameters]"), "5.1.3", _plain("TO:")
)


def split_command(line: bytes) -> tuple[bytes, bytes]:
    """A line as its first word, in upper case, and the rest."""
    word, _, rest = line.partition(b" ")
    return word.upper(), rest.strip(b" \t")


def plain_path(argument: bytes, form: PathForm) -> tuple[Mailbox | None, bytes]:
    """The mailbox of a plain path, and the parameters behind it; None where `split_path` has to tell what it is."""
    match = form.plain.match(argument)
    if match is None:
        return None, b""
    local, domain, rest = match.groups(b"")
    if len(local) > MAX_PLAIN or len(domain) > MAX_PLAIN:
        return None, b""
    return Mailbox(local.decode(), domain.decode()), rest


def split_path(argument: bytes, form: PathForm) -> tuple[str, bytes]:
    """What stands between the brackets, without a source route, and the parameters behind them.

    Raises:
        PeerFault: there is no path, or it is not UTF-8.
    """
    keyword = len(form.keyword)
    if argument[:keyword].upper() != form.keyword:
        raise PeerFault(form.syntax)
    match = _PATH.match(argument, keyword)
    if match is None:
        raise PeerFault(form.syntax)
    try:
        path = match[1].decode()
    except UnicodeDecodeError:
        raise PeerFault(bad_address(form, "the address is not UTF-8")) from None
    return _without_route(path, form) if path.startswith("@") else path, match[2] or b""


def parse_address(path: str, form: PathForm) -> Mailbox:
    """The mailbox of a path.

    Raises:
        PeerFault: it is no mailbox; the reply says why.
    """
    try:
        return parse_mailbox(path)
    except AddressError as error:
        raise PeerFault(bad_address(form, str(error))) from None


def bad_address(form: PathForm, why: str) -> Reply:
    """501 with the status of a bad sender or recipient address."""
    return reply(501, form.status, f"Bad address: {why}")


def parse_bdat(argument: bytes) -> tuple[int, bool]:
    """Octets of the chunk, and whether it is the last.

    Raises:
        PeerFault: the size cannot be told, so that chunk and commands cannot be told apart any more.
    """
    match = _BDAT.match(argument)
    if match is None:
        raise PeerFault(replies.BDAT_SYNTAX)
    return int(match[1]), match[2] is not None


def parse_auth(argument: bytes) -> tuple[str, bytes | None]:
    """The mechanism in upper case, and the initial response as it came: None when there is none.

    Raises:
        PeerFault: the form is another.
    """
    match = _AUTH.match(argument)
    if match is None:
        raise PeerFault(replies.AUTH_SYNTAX)
    return match[1].decode().upper(), match[2]


def decode_initial(response: bytes | None) -> bytes | None:
    """An initial response decoded; the `=` of an empty one is `b""`.

    Raises:
        PeerFault: it is no base64.
    """
    # initial-response = base64 / "="
    if response is None or response == b"=":
        return response and b""
    return decode_base64(response)


def decode_base64(data: bytes) -> bytes:
    """Decode RFC 4648 base64, strictly.

    Raises:
        PeerFault: it is none.
    """
    try:
        if len(data) % 4 == 0 and data[-3:] != b"===":  # CPython's strict mode lets excess padding pass
            return binascii.a2b_base64(data, strict_mode=True)
    except binascii.Error:
        pass
    raise PeerFault(replies.AUTH_BASE64)


def _without_route(path: str, form: PathForm) -> str:
    route = _ROUTE.match(path, 0, MAX_PATH)
    if route is None:
        why = f"a source route has the form @one,@two:name@domain, in ASCII and at most {MAX_PATH} octets"
        raise PeerFault(bad_address(form, why))
    return path[route.end() :]
