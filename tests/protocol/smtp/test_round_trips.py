"""What our client writes our server reads as it was meant, and the other way round; all else is refused."""

from __future__ import annotations

import re
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from sams.core.address import AddressError, Mailbox, domain_key, parse_domain, parse_mailbox
from sams.core.envelope import Envelope, Notify, OriginalRecipient, Recipient, Ret
from sams.core.errors import PeerFault, SamsError
from sams.core.reply import EnhancedStatus, Reply
from sams.core.text import ascii_line
from sams.delivery.fitting import BytesBody
from sams.protocol.smtp import client_commands
from sams.protocol.smtp.client_capabilities import Capabilities, parse_ehlo
from sams.protocol.smtp.client_commands import Form
from sams.protocol.smtp.client_message import OutgoingMessage
from sams.protocol.smtp.envelope_arguments import parse_mail, parse_rcpt
from sams.protocol.smtp.events import MailParameters
from sams.protocol.smtp.extensions import ehlo_reply
from sams.protocol.smtp.grammar import decode_base64, parse_auth, parse_bdat, split_command
from sams.protocol.smtp.parameters import parse_mail_parameters, parse_rcpt_parameters
from sams.protocol.smtp.remote_reply import ReplyReader
from sams.protocol.smtp.reply_lines import encode
from sams.protocol.smtp.xtext import decode_utf8_xtext, decode_xtext
from tests.protocol.smtp.harness import SETTINGS

LOCALS = st.text(st.sampled_from('aZ0.-_+=!#ü @"\\<>,:;()[]{}'), min_size=1, max_size=12)
DOMAINS = st.sampled_from(
    ["example.org", "x", "xn--bcher-kva.example", "bücher.example", "[192.0.2.1]", "[IPv6:::1]"]
)
PRINTABLE = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(str.isprintable)
FORM = Form(
    smtputf8=True,
    says_auth=True,
    capabilities=Capabilities(dsn=True, smtputf8=True, has_size=True, auth=frozenset({"X"})),
)
MESSAGE = OutgoingMessage(b"\r\n", BytesBody(b""))
BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\Z")


@st.composite
def mailboxes(draw: st.DrawFn) -> Mailbox:
    mailbox = Mailbox(draw(LOCALS), draw(DOMAINS))
    return parse_mailbox(str(mailbox))


@given(
    st.none() | mailboxes(),
    st.sampled_from([None, *Ret]),
    st.none() | st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30),
    st.integers(0, 10**6),
)
def test_a_mail_of_our_client_is_read_as_it_was_meant(
    path: Mailbox | None, ret: Ret | None, envid: str | None, size: int
) -> None:
    envelope = Envelope(path, (), ret=ret, envid=envid)
    line = client_commands.mail(envelope, MESSAGE, size, FORM)
    verb, argument = split_command(line)
    assert verb == b"MAIL"
    event = parse_mail(argument, SETTINGS)
    assert event.reverse_path == path
    assert (event.parameters.size, event.parameters.ret, event.parameters.envid) == (size, ret, envid)
    assert event.parameters.smtputf8
    assert event.parameters.auth is None


@given(
    mailboxes(),
    st.none() | st.integers(0, 7).map(Notify),
    st.none() | st.builds(OriginalRecipient, st.sampled_from(["rfc822", "utf-8", "x-y"]), PRINTABLE),
)
def test_a_recipient_of_our_client_is_read_as_it_was_meant(
    mailbox: Mailbox, notify: Notify | None, original: OriginalRecipient | None
) -> None:
    if original is not None and not original.address.isascii():
        original = OriginalRecipient("utf-8", original.address)
    recipient = Recipient(mailbox, notify, original)
    verb, argument = split_command(client_commands.rcpt(recipient, FORM))
    assert verb == b"RCPT"
    assert parse_rcpt(argument, SETTINGS, MailParameters(smtputf8=True)).recipient == recipient


@given(
    st.sampled_from([220, 250, 354, 421, 450, 550]),
    st.lists(st.text(max_size=30), min_size=1, max_size=4),
    st.none() | st.tuples(st.integers(0, 999), st.integers(0, 999)),
)
def test_a_reply_of_our_server_is_read_by_our_client_as_it_was_meant(
    code: int, texts: list[str], detail: tuple[int, int] | None
) -> None:
    status = EnhancedStatus(code // 100, *detail) if detail is not None and code != 354 else None
    reader = ReplyReader()
    reader.feed(encode(Reply(code, tuple(texts), status)), 1)
    heard = reader.take()
    assert heard is not None
    assert reader.is_empty
    assert heard.code == code
    if status is not None:
        assert heard.status == status
        assert " ".join(heard.lines).split() == " ".join(ascii_line(text) for text in texts).split()


@given(st.booleans())
def test_what_our_server_offers_our_client_understands(tls: bool) -> None:
    reader = ReplyReader()
    reader.feed(ehlo_reply(SETTINGS, tls=tls), 1)
    heard = reader.take()
    assert heard is not None
    offered = parse_ehlo(heard)
    assert offered.starttls is not tls
    assert offered.auth == (frozenset(SETTINGS.mechanisms) if tls else frozenset())
    assert (offered.size, offered.rcpt_max) == (SETTINGS.message_size, SETTINGS.max_recipients)


@given(st.binary(max_size=40) | st.text(st.sampled_from("AQ=/+ \t-_"), max_size=12).map(str.encode))
def test_base64_is_that_of_rfc_4648_and_nothing_else(data: bytes) -> None:
    try:
        decode_base64(data)
    except PeerFault:
        assert not BASE64.match(data)
    else:
        assert BASE64.match(data)


_WORDS = b"""
FROM: TO: <a@b> <> <@x:a@b> SIZE=1 SIZE= BODY=8BITMIME RET=FULL ENVID=+2 NOTIFY= ORCPT=utf-8;
<" " \\ > < + \\x{ } \xff \xed\xa0\x80 = ; ,
"""
ARGUMENTS = st.lists(
    st.sampled_from([*_WORDS.split(), b" ", b"\t"]) | st.binary(max_size=4),
    max_size=8,
).map(b"".join)


@given(ARGUMENTS)
def test_no_argument_raises_anything_but_a_refusal(argument: bytes) -> None:
    for parse in (
        lambda octets: parse_mail(octets, SETTINGS),
        lambda octets: parse_rcpt(octets, SETTINGS, MailParameters()),
        parse_mail_parameters,
        parse_rcpt_parameters,
        parse_auth,
        parse_bdat,
        decode_base64,
    ):
        try:
            parse(argument)
        except SamsError as refusal:
            says = encode(refusal.reply)
            assert says.isascii()
            assert len(says) < 512


@given(st.text(st.sampled_from("+=\\x{}024A9é~! "), max_size=20) | st.text(max_size=10))
def test_xtext_and_its_kin_are_read_or_refused(text: str) -> None:
    with suppress(ValueError):
        octets = decode_xtext(text)
        assert decode_xtext(client_commands.xtext(octets.decode()).decode()) == octets
    with suppress(ValueError):
        meant = decode_utf8_xtext(text)
        if meant.isprintable():
            assert decode_utf8_xtext(client_commands.utf8_addr_xtext(meant).decode()) == meant


@given(st.text(st.sampled_from("a-.ß。üÜX1[]:\u0301\u200d\u202e "), max_size=15) | st.text(max_size=10))
def test_a_domain_has_one_key_which_is_its_own(text: str) -> None:
    try:
        domain = parse_domain(text)
    except AddressError:
        return
    key = domain_key(domain)
    assert key.isascii()
    assert domain_key(key) == key
    assert parse_domain(key) == key
