"""The header scanner, From and the fix-up against plain readers of the same octets."""

from __future__ import annotations

import email.utils

from sams.core.address import Mailbox
from sams.core.errors import PermanentFailure
from sams.core.text import is_visible
from sams.message.addresses import (
    AddressListError,
    HeaderAddress,
    foreign_address_in_display_name,
    parse_address_list,
    plain_address,
)
from sams.message.fixup import Additions, fix_up
from sams.message.header import Header, HeaderLimits, HeaderReader
from tests.fuzz.target import Target, pieces, split_head
from tests.message.references import fixed_up, name_of, read_message

LIMITS = HeaderLimits(octets=600, fields=12, received=3)
FACTS = Additions(b"Received: x\r\n", "Thu, 1 Jan 1970 00:00:00 +0000", "i@server.example", None)
SENDER = Mailbox("an n", "example.org")
WORDS = (
    b"\r\n",
    b"\r\n\r\n",
    b"From: ",
    b"From : ",
    b"From me@x\r\n",
    b"Sender: ",
    b"Bcc: a@b.cd\r\n",
    b"Date: x\r\n",
    b"Message-ID: <x@y>\r\n",
    b"Received: x\r\n",
    b"\r\n ",
    b"\r\n\t",
    b'"A. B" <a@b.cd>',
    b"a@b.cd, c@d.ef",
    b"Group: a@b.cd;",
    b"(comment (nested))",
    b"(boss@x.org)",
    b" <a@b.cd>",
    b"=?utf-8?q?a=40b=2Ecd?= ",
    b'"\\""',
    b"<@a,@b:c@d>",
    b"@[192.0.2.1]",
    b"j\xc3\xbc@m\xc3\xbcller.example",
    b"\xef\xbc\xa0",
    b"\0",
)


def read(stream: bytes, style: int) -> tuple[Header, bytes] | str:
    """The header and the body, or the refusal."""
    reader = HeaderReader(LIMITS)
    parts = pieces(stream, style)
    try:
        while parts:
            body = reader.feed(parts.pop(0))
            if body is not None:
                return reader.header, body + b"".join(parts)
        body = reader.finish()
    except PermanentFailure as failure:
        return str(failure.reply)
    return reader.header, body


def run(data: bytes) -> None:
    """The first octet chooses the cuts, and whether the octets are a message or the value of a From."""
    (choice,), stream = split_head(data, 1)
    if choice & 128:
        check_addresses(stream)
        return
    outcome = read(stream, choice)
    assert outcome == read(stream, 0), "the cut decided"
    is_sound = not any(octet in stream.replace(b"\r\n", b"") for octet in b"\r\n\0")
    if isinstance(outcome, tuple):
        _check_header(outcome[0], outcome[1], stream, is_sound=is_sound)
    else:
        is_long = (
            len(stream) + len(b"\r\n") > LIMITS.octets
        )  # a header without a body has its end put behind it
        assert not is_sound or is_long or _is_over_a_limit(stream)


def _is_over_a_limit(stream: bytes) -> bool:
    fields = read_message(stream)[0]
    received = [field for field in fields if name_of(field) == b"received"]
    return len(fields) > LIMITS.fields or len(received) > LIMITS.received


def _check_header(header: Header, body: bytes, stream: bytes, *, is_sound: bool) -> None:
    assert b"".join(header.wholes) == header.raw
    assert b"\0" not in header.raw
    assert header.raw.count(b"\r") == header.raw.count(b"\n") == header.raw.count(b"\r\n")
    if is_sound:
        fields, rest = read_message(stream)
        assert (header.wholes, body) == (fields, rest)
        assert header.names == [name_of(field) for field in fields]
    for sender in (None, SENDER):
        facts = Additions(FACTS.received, FACTS.date, FACTS.message_id, sender)
        head = fix_up(header, facts)
        assert head == fixed_up(
            header.wholes, FACTS.received, FACTS.date, FACTS.message_id, str(sender) if sender else None
        )
        again, rest = read_message(head)
        assert rest == b""
        assert b"".join(again) + b"\r\n" == head, "another reader sees other fields"
    for value in header.values(b"from"):
        check_addresses(value)


def check_addresses(value: bytes) -> None:
    """The value of a From is read or refused; what is read reads the same again."""
    addresses, refusal = _addresses(value)
    if refusal:
        assert plain_address(value) is None, "the short way reads what the grammar does not"
        assert is_visible(refusal)
        assert len(refusal) < 500
        return
    assert len(addresses) <= 20
    for address in addresses:
        foreign_address_in_display_name(address.display_name)
        if (name := address.display_name).isprintable():
            again = f"{_quoted(name)} <{address.mailbox}>" if name else f"<{address.mailbox}>"
            assert parse_address_list(again.encode(), 1) == (address,), again
    _check_short_way(value, addresses)
    if value.isascii():
        seen = email.utils.getaddresses([value.decode().replace("\r\n", "")])
        theirs = [_bare(address) for _, address in seen if address]
        ours = [_bare(str(address.mailbox)) for address in addresses]
        assert theirs in ([], ours), "somebody sees others"  # from 3.13 on what is odd is nothing
        if theirs:
            _check_names([name for name, address in seen if address], addresses)


def _check_names(theirs: list[str], addresses: tuple[HeaderAddress, ...]) -> None:
    """What another program shows as a name shows no address that ours does not."""
    for name, address in zip(theirs, addresses, strict=True):
        if "(" in address.display_name:
            continue  # it drops the brackets within a comment, which joins what stands beside them
        if foreign_address_in_display_name(name) is not None:
            assert foreign_address_in_display_name(address.display_name) is not None, name


def _bare(address: str) -> str:
    """Without quotes, which are needed or not."""
    return address.replace('"', "").replace("\\", "")


def _addresses(value: bytes) -> tuple[tuple[HeaderAddress, ...], str]:
    try:
        return parse_address_list(value, 20), ""
    except AddressListError as error:
        return (), str(error)


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _check_short_way(value: bytes, addresses: tuple[HeaderAddress, ...]) -> None:
    key = plain_address(value)
    if key is not None:
        (address,) = addresses
        assert address.mailbox.key == key
        assert foreign_address_in_display_name(address.display_name) is None
        # and a program of another hand sees no other
        seen = email.utils.parseaddr(value.decode().replace("\r\n", ""))[1]
        assert seen.lower() == key, (seen, key)


TARGET = Target(run, WORDS, 700)
