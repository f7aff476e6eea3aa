"""What a peer's first octets are: real hellos, old ones, what is no TLS, and that any octets give an answer."""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.core.ciphers import CIPHERS
from sams.protocol.tls_hello import (
    First,
    Kind,
    Obstacle,
    forward_secret,
    modern,
    read_first,
    why_not,
)
from sams.protocol.tls_names import SUITES, alert_name, suite_name, version_name
from sams.service.tls_contexts import OLD_CIPHERS
from tests.support import tls_hellos as made
from tests.support.tls_hellos import GREASE, hello, records, ssl2_hello

TLS_1_0, TLS_1_1, TLS_1_2, TLS_1_3 = 0x0301, 0x0302, 0x0303, 0x0304
RSA_AES, ECDHE_GCM, ECDHE_CBC, TLS_1_3_SUITE = 0x002F, 0xC02F, 0xC013, 0x1301
FULL = hello(
    TLS_1_2,
    [GREASE, TLS_1_3_SUITE, ECDHE_GCM, RSA_AES, 0x00FF, 0x5600],
    made.extension(GREASE, b"\0")
    + made.name(b"mail.example.org")
    + made.groups(GREASE, 29, 23)
    + made.signatures(0x0403, 0x0804)
    + made.alpn(b"smtp", b"\x5a\x5a")
    + made.versions(GREASE, TLS_1_2, TLS_1_3)
    + made.extension(21, bytes(40)),
)
FULLY_READ = First(
    Kind.CLIENT_HELLO,
    True,
    0x0301,
    TLS_1_2,
    (TLS_1_3, TLS_1_2),
    (TLS_1_3_SUITE, ECDHE_GCM, RSA_AES),
    "mail.example.org",
    (b"smtp",),
    (29, 23),
    (0x0403, 0x0804),
)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 100, 16_384])
def test_a_hello_is_read_however_it_is_spread_over_records(size: int) -> None:
    assert read_first(records(FULL, size)) == FULLY_READ


def test_what_comes_behind_the_hello_is_not_looked_at() -> None:
    assert read_first(records(FULL + b"\x0b\0\0\0") + b"\x16\x03\x03\xff\xff\1") == FULLY_READ


@pytest.mark.parametrize(
    ("newest", "expected"),
    [
        (ssl.TLSVersion.TLSv1_1, (TLS_1_1,)),
        (ssl.TLSVersion.TLSv1_2, (TLS_1_2,)),
        (ssl.TLSVersion.TLSv1_3, (TLS_1_3, TLS_1_2, TLS_1_1)),
    ],
)
@pytest.mark.filterwarnings("ignore:.*TLSv1_1 is deprecated:DeprecationWarning")
def test_openssls_hello_is_read(newest: ssl.TLSVersion, expected: tuple[int, ...]) -> None:
    context = ssl.create_default_context()
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1_1, newest
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.set_alpn_protocols(["smtp", "http/1.1"])
    first = read_first(made.of_openssl(context))
    assert (first.kind, first.whole, first.versions) == (Kind.CLIENT_HELLO, True, expected)
    assert (first.server_name, first.alpn) == ("mail.example.org", (b"smtp", b"http/1.1"))
    assert RSA_AES in first.suites
    assert (TLS_1_3_SUITE in first.suites) is (newest is ssl.TLSVersion.TLSv1_3)
    assert 23 in first.groups
    assert (0x0401 in first.signatures) is (newest is not ssl.TLSVersion.TLSv1_1)


def test_a_hello_of_before_extensions_names_its_newest_version() -> None:
    first = read_first(records(hello(TLS_1_0, [0x000A, 0x0005], None), version=0x0300))
    assert first == First(Kind.CLIENT_HELLO, True, 0x0300, TLS_1_0, (TLS_1_0,), (0x000A, 0x0005))


def test_a_hello_that_is_cut_in_its_list_of_versions_offers_what_its_suites_tell() -> None:
    whole = records(FULL)
    first = read_first(whole[: whole.index(made.versions(GREASE, TLS_1_2, TLS_1_3)) + 6])
    assert (first.whole, first.versions) == (False, (TLS_1_3, TLS_1_2))
    assert first.server_name == "mail.example.org"


@given(st.integers(0, len(records(FULL))), st.sampled_from([3, 50, 16_384]))
def test_a_hello_that_is_cut_tells_what_was_there(cut: int, size: int) -> None:
    whole = records(FULL, size)
    first = read_first(whole[:cut])
    if cut >= len(whole):
        assert first == FULLY_READ
        return
    assert first.kind is (Kind.CLIENT_HELLO if cut else Kind.NOTHING)
    assert not first.whole or not cut
    assert first.suites == FULLY_READ.suites[: len(first.suites)]
    for field in ("legacy_version", "server_name", "alpn", "groups", "signatures"):
        assert getattr(first, field) in (getattr(FULLY_READ, field), getattr(First(Kind.NOTHING), field))
    assert why_not(first) in (None, Obstacle.NOTHING)


@pytest.mark.parametrize(
    "extensions",
    [
        b"\0\0\xff\xff",
        made.extension(0, b"\0\x20\0\0\x20"),
        made.extension(10, b"\xff\xff\0\x1d"),
        made.extension(16, b"\0\x09\x20smtp"),
        made.extension(43, b"\x20\3\4"),
        b"\0",
    ],
)
def test_a_length_that_is_a_lie_makes_no_whole_hello(extensions: bytes) -> None:
    first = read_first(records(hello(TLS_1_2, [ECDHE_GCM], extensions)))
    assert (first.kind, first.whole) == (Kind.CLIENT_HELLO, False)
    assert (first.versions, first.suites) == ((TLS_1_2,), (ECDHE_GCM,))


def test_a_name_is_cut_and_made_ascii() -> None:
    first = read_first(records(hello(TLS_1_2, [], made.name(b"\xe4\n" + b"x" * 400))))
    assert first.server_name.isascii()
    assert first.server_name == "\\xe4\n" + "x" * 253


@pytest.mark.parametrize(
    ("version", "suites", "named"),
    [
        (0x0002, [0x010080, 0x0700C0], ["SSL_CK_RC4_128_WITH_MD5", "SSL_CK_DES_192_EDE3_CBC_WITH_MD5"]),
        (
            TLS_1_0,
            [0x0000FF, 0x00000A, 0x010080],
            ["TLS_RSA_WITH_3DES_EDE_CBC_SHA", "SSL_CK_RC4_128_WITH_MD5"],
        ),
    ],
)
def test_a_hello_as_of_sslv2_is_read(version: int, suites: list[int], named: list[str]) -> None:
    octets = ssl2_hello(version, suites)
    first = read_first(octets)
    assert (first.kind, first.whole, first.versions) == (Kind.SSL2_HELLO, True, (version,))
    assert list(map(suite_name, first.suites)) == named
    assert why_not(first) is Obstacle.OLD_VERSION
    for cut in range(5, len(octets)):
        shorter = read_first(octets[:cut])
        assert (shorter.kind, shorter.whole) == (Kind.SSL2_HELLO, False)


@pytest.mark.parametrize(
    ("octets", "kind", "word", "obstacle"),
    [
        (b"", Kind.NOTHING, "", Obstacle.NOTHING),
        (b"EHLO client.example.org\r\n", Kind.SMTP, "EHLO", Obstacle.PLAIN_TEXT),
        (b"ehlo x\r\n", Kind.SMTP, "EHLO", Obstacle.PLAIN_TEXT),
        (b"QUIT\r\n", Kind.SMTP, "QUIT", Obstacle.PLAIN_TEXT),
        (b"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", Kind.SMTP, "AUTH", Obstacle.PLAIN_TEXT),
        (b"GET / HTTP/1.1\r\n", Kind.HTTP, "GET", Obstacle.HTTP),
        (b"CONNECT a:25 HTTP/1.1\r\n", Kind.HTTP, "CONNECT", Obstacle.HTTP),
        (b"a1 LOGIN alice secret\r\n", Kind.TEXT, "", Obstacle.PLAIN_TEXT),
        (b"secret\r\n", Kind.TEXT, "", Obstacle.PLAIN_TEXT),
        (b"\r\n", Kind.TEXT, "", Obstacle.PLAIN_TEXT),
        (b"\x16\x04\x01", Kind.UNKNOWN, "", Obstacle.NO_TLS),
        (records(b"\x02\0\0\0"), Kind.UNKNOWN, "", Obstacle.NO_TLS),
        (b"\x80\x2e\x02\x00\x02", Kind.UNKNOWN, "", Obstacle.NO_TLS),
        (b"EHLO \xff\r\n", Kind.UNKNOWN, "", Obstacle.NO_TLS),
        (bytes(20), Kind.UNKNOWN, "", Obstacle.NO_TLS),
    ],
)
def test_what_is_no_hello_is_told_apart(octets: bytes, kind: Kind, word: str, obstacle: Obstacle) -> None:
    first = read_first(octets)
    assert (first.kind, first.word) == (kind, word)
    assert why_not(first) is obstacle


def test_an_alert_is_named() -> None:
    first = read_first(b"\x15\x03\x03\0\2\2\x30")
    assert (first.kind, first.whole, alert_name(first.alert)) == (Kind.ALERT, True, "unknown_ca")
    assert read_first(b"\x15\x03\x03\0\2\2") == First(Kind.ALERT, False)
    assert alert_name(7) == "alert 7"


@pytest.mark.parametrize(
    ("versions", "suites", "groups", "minimum", "obstacle"),
    [
        ((TLS_1_3,), [TLS_1_3_SUITE], (29,), TLS_1_2, None),
        ((TLS_1_2,), [ECDHE_GCM], (29,), TLS_1_2, None),
        ((TLS_1_2,), [ECDHE_GCM], (), TLS_1_3, Obstacle.OLD_VERSION),
        ((TLS_1_1, TLS_1_0), [ECDHE_GCM], (), TLS_1_2, Obstacle.OLD_VERSION),
        ((TLS_1_1,), [ECDHE_CBC], (23,), TLS_1_0, None),
        ((TLS_1_1,), [RSA_AES], (23,), TLS_1_0, Obstacle.NO_COMMON_SUITE),
        ((TLS_1_2,), [RSA_AES, ECDHE_CBC], (23,), TLS_1_2, Obstacle.NO_COMMON_SUITE),
        ((TLS_1_2,), [TLS_1_3_SUITE], (23,), TLS_1_2, Obstacle.NO_COMMON_SUITE),
        ((TLS_1_3,), [0xC0AF, 0x009E], (23,), TLS_1_2, Obstacle.NO_COMMON_SUITE),
        ((TLS_1_2,), [ECDHE_GCM], (1, 2), TLS_1_2, Obstacle.NO_COMMON_GROUP),
    ],
)
def test_what_stands_in_the_way_follows_from_what_is_offered(
    versions: tuple[int, ...],
    suites: list[int],
    groups: tuple[int, ...],
    minimum: int,
    obstacle: Obstacle | None,
) -> None:
    extensions = made.versions(*versions) + (made.groups(*groups) if groups else b"")
    assert why_not(read_first(records(hello(TLS_1_2, suites, extensions))), minimum) is obstacle


def test_versions_and_suites_have_names_or_numbers() -> None:
    assert [version_name(one) for one in (2, 0x300, 0x301, 0x304, 0x7F1C)] == [
        "SSLv2",
        "SSLv3",
        "TLSv1.0",
        "TLSv1.3",
        "0x7F1C",
    ]
    assert suite_name(0xC0FF) == "0xC0FF"
    assert len(set(SUITES.values())) == len(SUITES)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl has the names")
def test_suites_are_named_as_openssl_names_them() -> None:
    listed = subprocess.run(
        ["openssl", "ciphers", "-V", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    known = {
        int(high, 16) << 8 | int(low, 16): name
        for high, low, name in re.findall(r"0x(\w\w),0x(\w\w) - (\S+)", listed)
    }
    both = SUITES.keys() & known.keys()
    assert len(both) > 40
    assert {number: SUITES[number] for number in both} == {number: known[number] for number in both}


@pytest.mark.parametrize(
    ("ciphers", "taken"),
    [(CIPHERS, modern), (OLD_CIPHERS, forward_secret)],
)
def test_a_listeners_suites_are_those_that_are_said_to_be_taken(
    ciphers: str, taken: Callable[[int], bool]
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(ciphers)
    numbers = {int(cipher["id"]) & 0xFFFF for cipher in context.get_ciphers()}
    assert {number for number in SUITES if taken(number)} == numbers & SUITES.keys()
    assert not any(map(taken, numbers - SUITES.keys()))


@given(st.binary(max_size=300), st.sampled_from([b"", b"\x16\x03", records(FULL)[:60], b"\x80\x40\1\3"]))
def test_any_octets_give_an_answer(octets: bytes, before: bytes) -> None:
    first = read_first(before + octets)
    why_not(first)
    assert first.server_name.isascii()
    assert first.word == "" or first.word.isalpha()
    assert not any(number & 0x0F0F == 0x0A0A and number >> 8 == number & 255 for number in first.suites)
