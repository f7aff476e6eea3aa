"""The Received field says what it must, and of the member nothing unless asked to."""

from __future__ import annotations

import ipaddress
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.message.header import read_header
from sams.message.trace import Client, Stamp, Trace, date_time, transmission_type

TLS = ("TLSv1.3", "TLS_AES_256_GCM_SHA384")
ANN = "ann@example.org"
DATE = "Thu, 1 Jan 1970 00:00:00 +0000"
PLAIN = ipaddress.ip_address("192.0.2.7")


def test_by_default_the_member_is_not_named() -> None:
    field = Stamp(Trace("mail.example.org", tls=TLS)).received("0ABC", DATE, ANN)
    assert field == (
        b"Received: from member.invalid\r\n"
        b"\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)\r\n"
        b"\tby mail.example.org with ESMTPSA id 0ABC\r\n"
        b"\tfor <ann@example.org>;\r\n"
        b"\tThu, 1 Jan 1970 00:00:00 +0000\r\n"
    )


@pytest.mark.parametrize(
    ("client", "first_lines"),
    [
        (Client("laptop.example", PLAIN), b"from laptop.example ([192.0.2.7])\r\n\tby"),
        (Client("[10.0.0.1]", PLAIN), b"from [10.0.0.1] ([192.0.2.7])\r\n\tby"),
        (Client("not a name (x)", PLAIN), b"from [192.0.2.7] ([192.0.2.7])\r\n\tby"),
        (Client("bücher.example", PLAIN), b"from [192.0.2.7] ([192.0.2.7])\r\n\tby"),
        (Client("h", ipaddress.ip_address("2001:db8::1")), b"from h ([IPv6:2001:db8::1])\r\n\tby"),
        (
            Client("h", PLAIN, "ann (x)\\\r\nBcc: é"),
            b"from h ([192.0.2.7])\r\n\t(Authenticated sender: ann \\(x\\)\\\\\\\\x0d\\\\x0aBcc: \\\\xe9)\r\n\tby",
        ),
    ],
)
def test_where_the_setting_says_so_the_client_is_named_cleanly(client: Client, first_lines: bytes) -> None:
    assert Stamp(Trace("s", client=client)).received("I", DATE).startswith(b"Received: " + first_lines)


@pytest.mark.parametrize(
    ("trace", "kind"),
    [
        (Trace("s", extended=False), "SMTP"),
        (Trace("s", authenticated=False), "ESMTP"),
        (Trace("s"), "ESMTPA"),
        (Trace("s", authenticated=False, tls=TLS), "ESMTPS"),
        (Trace("s", tls=TLS), "ESMTPSA"),
        (Trace("s", smtputf8=True, authenticated=False), "UTF8SMTP"),
        (Trace("s", smtputf8=True, tls=TLS), "UTF8SMTPSA"),
    ],
)
def test_the_transmission_type_is_the_registered_one(trace: Trace, kind: str) -> None:
    assert transmission_type(trace) == kind
    assert f" with {kind} id I".encode() in Stamp(trace).received("I", DATE)


def test_a_recipient_that_is_not_ascii_stands_only_where_smtputf8_was_asked_for() -> None:
    joerg = "jörg@example.org"
    assert b"for" not in Stamp(Trace("s")).received("I", DATE, joerg)
    assert "for <jörg@example.org>".encode() in Stamp(Trace("s", smtputf8=True)).received("I", DATE, joerg)


def test_a_recipient_whose_domain_alone_is_not_ascii_makes_no_header_that_needs_smtputf8() -> None:
    books = "jo@bücher.example"
    assert Stamp(Trace("s", smtputf8=True)).received("I", DATE, books).isascii()


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0.0, "Thu, 1 Jan 1970 00:00:00 +0000"),
        (951_782_399.9, "Mon, 28 Feb 2000 23:59:59 +0000"),
        (1_735_689_600, "Wed, 1 Jan 2025 00:00:00 +0000"),
    ],
)
def test_dates_are_those_of_rfc_5322(at: float, text: str) -> None:
    assert date_time(at) == text


@given(st.integers(0, 253_402_300_799))
def test_a_date_is_read_as_it_was_meant(at: int) -> None:
    assert parsedate_to_datetime(date_time(at)).timestamp() == at


@given(st.text(), st.text())
def test_whatever_the_client_says_the_result_is_one_ascii_field(helo: str, login: str) -> None:
    field = Stamp(Trace("s", client=Client(helo, PLAIN, login))).received("I", DATE)
    assert field.isascii()
    assert read_header(field).names == [b"received"]
    assert all(len(line) < 998 for line in field.split(b"\r\n"))
