from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.core.address import Mailbox
from sams.core.envelope import Body, Notify, OriginalRecipient, Ret
from sams.core.errors import PeerFault
from sams.protocol.smtp.client_commands import utf8_addr_xtext, xtext
from sams.protocol.smtp.events import MailParameters
from sams.protocol.smtp.parameters import parse_mail_parameters, parse_rcpt_parameters
from sams.protocol.smtp.xtext import decode_utf8_xtext, decode_xtext


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", MailParameters()),
        (b"SIZE=0", MailParameters(size=0)),
        (b"SIZE=100 BODY=8BITMIME", MailParameters(size=100, body=Body.EIGHT_BIT_MIME)),
        (b"BODY=8BITMIME SIZE=100", MailParameters(size=100, body=Body.EIGHT_BIT_MIME)),
        (b"BODY=7BIT SIZE=100", MailParameters(size=100, body=Body.SEVEN_BIT)),
        (b"BODY=BINARYMIME SIZE=100", MailParameters(size=100, body=Body.BINARY_MIME)),
        (b"size=99999999999999999999", MailParameters(size=99999999999999999999)),
        (b"BODY=7bit", MailParameters(body=Body.SEVEN_BIT)),
        (b"BODY=8BITMIME  SMTPUTF8", MailParameters(body=Body.EIGHT_BIT_MIME, smtputf8=True)),
        (b"BODY=BINARYMIME", MailParameters(body=Body.BINARY_MIME)),
        (b"RET=full", MailParameters(ret=Ret.FULL)),
        (b"RET=HDRS ENVID=QQ314159", MailParameters(ret=Ret.HEADERS, envid="QQ314159")),
        (b"ENVID=a+2Bb+20c", MailParameters(envid="a+b c")),
        (b"AUTH=<>", MailParameters(auth=None)),
        (b"AUTH=e+3Dmc2@example.com", MailParameters(auth=Mailbox("e=mc2", "example.com"))),
        (b"AUTH=j+C3+BC@example.com", MailParameters(auth=Mailbox("jü", "example.com"))),
    ],
)
def test_the_parameters_of_mail_are_read_as_their_rfcs_say(text: bytes, expected: MailParameters) -> None:
    assert parse_mail_parameters(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"FOO", "555 5.5.4 Unknown parameter FOO; known are SIZE BODY SMTPUTF8 RET ENVID AUTH"),
        (b"foo=bar", "555 5.5.4 Unknown parameter foo; known are SIZE BODY SMTPUTF8 RET ENVID AUTH"),
        (b"=", "555 5.5.4 Unknown parameter ; known are SIZE BODY SMTPUTF8 RET ENVID AUTH"),
        (b"\xff\x01=", "555 5.5.4 Unknown parameter \\xff\\x01; known are SIZE BODY SMTPUTF8 RET ENVID AUTH"),
        (b"SIZE=1 SIZE=1", "501 5.5.4 SIZE may be given once only"),
        (b"SIZE=1 size=2", "501 5.5.4 SIZE may be given once only"),
        (b"SMTPUTF8 SMTPUTF8", "501 5.5.4 SMTPUTF8 may be given once only"),
        (b"SMTPUTF8=yes", "501 5.5.4 SMTPUTF8 takes no value"),
        (b"SIZE", "501 5.5.4 SIZE needs a value: SIZE=..."),
        (b"SIZE=", "501 5.5.4 SIZE takes a number of octets, at most 20 digits"),
        (b"SIZE=-1", "501 5.5.4 SIZE takes a number of octets, at most 20 digits"),
        (b"SIZE=" + 21 * b"1", "501 5.5.4 SIZE takes a number of octets, at most 20 digits"),
        (b"SIZE=\xd9\xa1", "501 5.5.4 SIZE takes a number of octets, at most 20 digits"),
        (b"BODY=9BIT", "501 5.5.4 BODY takes 7BIT, 8BITMIME or BINARYMIME"),
        (b"RET=ALL", "501 5.5.4 RET takes FULL or HDRS"),
        (b"ENVID=", "501 5.5.4 ENVID takes 1 to 100 characters of xtext"),
        (b"ENVID=a+0Ab", "501 5.5.4 ENVID takes 1 to 100 characters of xtext"),
        (b"ENVID=a+2", "501 5.5.4 ENVID takes 1 to 100 characters of xtext"),
        (b"ENVID=" + 101 * b"a", "501 5.5.4 ENVID takes 1 to 100 characters of xtext"),
        (b"AUTH=", "501 5.5.4 AUTH takes <> or an address, as xtext"),
        (b"AUTH=nobody", "501 5.5.4 AUTH takes <> or an address, as xtext"),
    ],
)
def test_a_bad_parameter_of_mail_is_refused_with_what_is_allowed(text: bytes, said: str) -> None:
    with pytest.raises(PeerFault) as refused:
        parse_mail_parameters(text)
    assert str(refused.value.reply) == said


@pytest.mark.parametrize(
    ("text", "notify", "original"),
    [
        (b"", None, None),
        (b"NOTIFY=NEVER", Notify.NEVER, None),
        (b"notify=success,Failure", Notify.SUCCESS | Notify.FAILURE, None),
        (b"NOTIFY=DELAY,DELAY", Notify.DELAY, None),
        (b"ORCPT=rfc822;Bob+2Bx@example.com", None, OriginalRecipient("rfc822", "Bob+x@example.com")),
        (
            b"ORCPT=utf-8;j\\x{FC}rgen@example.com NOTIFY=NEVER",
            Notify.NEVER,
            OriginalRecipient("utf-8", "jürgen@example.com"),
        ),
        ("ORCPT=UTF-8;jürgen@example.com".encode(), None, OriginalRecipient("UTF-8", "jürgen@example.com")),
    ],
)
def test_the_parameters_of_rcpt_are_read_as_rfc_3461_says(
    text: bytes, notify: Notify | None, original: OriginalRecipient | None
) -> None:
    assert parse_rcpt_parameters(text) == (notify, original)


@pytest.mark.parametrize(
    "text",
    [
        b"NOTIFY=",
        b"NOTIFY=NEVER,SUCCESS",
        b"NOTIFY=SUCCESS,",
        b"NOTIFY=ALWAYS",
        b"ORCPT=",
        b"ORCPT=rfc822",
        b"ORCPT=rfc822;",
        b"ORCPT=;a",
        b"ORCPT=x400;/C=US/",
        b"ORCPT=rfc822;a+0D+0Ab",
        b"ORCPT=rfc822;\xc3\xbc",
        b"ORCPT=rfc822;a+FF",
        b"ORCPT=utf-8;a\\x{D800}",
        b"ORCPT=utf-8;a\\x{110000}",
        b"ORCPT=utf-8;a\\x{0A}",
        b"ORCPT=rfc822;" + 500 * b"a",
        b"SIZE=1",
    ],
)
def test_a_bad_parameter_of_rcpt_is_refused(text: bytes) -> None:
    with pytest.raises(PeerFault) as refused:
        parse_rcpt_parameters(text)
    assert refused.value.reply.code == (555 if text == b"SIZE=1" else 501)


@given(st.text(max_size=40))
def test_xtext_of_our_own_client_reads_as_it_was_meant(text: str) -> None:
    assert decode_xtext(xtext(text).decode()).decode() == text


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40))
def test_utf8_xtext_of_our_own_client_reads_as_it_was_meant(text: str) -> None:
    assert decode_utf8_xtext(utf8_addr_xtext(text).decode()) == text


@pytest.mark.parametrize("text", ["a b", "a=b", "a+", "a+2", "a+GG", "ü", "\x7f", "a\n"])
def test_what_is_no_xtext_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not xtext"):
        decode_xtext(text)
