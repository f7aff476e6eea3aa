"""Why there is no TLS, as the journal tells it: real programs that fail, on a real connection."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvloop
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from sams.activity.events import Refused, TlsFailed, TlsStarted
from sams.activity.metrics import TLS_FAILURES
from sams.submission.failures import MAX_SUITES
from sams.submission.session import PROBE
from tests.submission.rig import Rig, serving
from tests.support import tls_hellos as made
from tests.support.certificates import Authority

Scene = Callable[[Rig], Awaitable[None]]
Play = Callable[..., None]
needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl is the program that fails"
)
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is the program that fails")
OLD = "TLS_RSA_WITH_AES_128_CBC_SHA"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.make()


@pytest.fixture
def play(tmp_path: Path, authority: Authority) -> Play:
    def run(scene: Scene, **configured: str) -> None:
        async def served() -> None:
            async with serving(tmp_path, authority=authority, **configured) as rig:
                await asyncio.wait_for(scene(rig), 60)

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(served())

    return run


async def ended(rig: Rig, sessions: int = 1) -> str:
    """How the last session ended, once so many have."""
    while len(rig.told.ended) < sessions:  # noqa: ASYNC110 - what ends sets no event
        await asyncio.sleep(0.01)
    return rig.told.ended[-1]


async def failure(rig: Rig) -> TlsFailed:
    """The one failure of the one session, which is over."""
    await ended(rig)
    (told,) = rig.told.of(TlsFailed)
    assert isinstance(told, TlsFailed)
    assert told.cause in TLS_FAILURES
    return told


async def program(*command: str) -> str:
    """Run it to its end, with nothing to read; what it says."""
    running = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(running.communicate(), 40)
    return said.decode(errors="replace")


async def s_client(port: int, *options: str) -> str:
    return await program("openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options)


# --- what a program offers


@needs_openssl
@pytest.mark.parametrize("options", [(), ("-starttls", "smtp")])
def test_a_program_that_is_too_old_is_told_with_its_version_and_suites(
    play: Play, options: tuple[str, ...]
) -> None:
    async def scene(rig: Rig) -> None:
        port = rig.starttls if options else rig.implicit
        old = ("-tls1_1", "-cipher", "AES128-SHA:@SECLEVEL=0", "-servername", "mail.example.org")
        await s_client(port, *old, *options)
        told = await failure(rig)
        assert (told.cause, told.offered, told.suites) == ("old-version", "TLSv1.1", OLD)
        assert (told.server_name, told.saw_certificate, told.alert) == ("mail.example.org", False, "")
        assert rig.told.ended == ["tls"]

    play(scene)


def _of_tls_1_0(rig: Rig) -> ssl.SSLContext:
    context = rig.trust()
    context.set_ciphers("ECDHE+AES:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    return context


@pytest.mark.filterwarnings("ignore:.*TLSv1 is deprecated:DeprecationWarning")
def test_pythons_tls_1_0_is_too_old(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        with pytest.raises((ssl.SSLError, OSError)):
            await rig.open(rig.implicit, _of_tls_1_0(rig))
        told = await failure(rig)
        assert (told.cause, told.offered) == ("old-version", "TLSv1.0")
        assert "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA" in told.suites

    play(scene)


@pytest.mark.filterwarnings("ignore:.*TLSv1 is deprecated:DeprecationWarning")
def test_pythons_tls_1_0_fails_nowhere_that_takes_it(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        await rig.open(rig.implicit, _of_tls_1_0(rig))
        assert rig.told.of(TlsFailed) == []
        assert [one.version for one in rig.told.of(TlsStarted)] == ["TLSv1"]

    play(scene, listener='min_tls = "1.0"')


def test_what_is_old_follows_from_what_the_listener_takes(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        context = rig.trust()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, OSError)):
            await rig.open(rig.implicit, context)
        told = await failure(rig)
        assert (told.cause, told.offered) == ("old-version", "TLSv1.2")

    play(scene, listener='min_tls = "1.3"')


@needs_openssl
def test_a_program_without_a_suite_in_common_is_told_with_its_suites(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        await s_client(rig.implicit, "-tls1_2", "-cipher", "AES128-SHA:AES256-GCM-SHA384:@SECLEVEL=0")
        told = await failure(rig)
        assert (told.cause, told.offered) == ("no-suite", "TLSv1.2")
        assert told.suites == f"{OLD} TLS_RSA_WITH_AES_256_GCM_SHA384"

    play(scene)


def test_of_many_suites_the_first_are_told_and_the_others_counted(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        suites = [0x0A0A, *range(0x2000, 0x2000 + MAX_SUITES + 88)]
        await send(rig.implicit, made.records(made.hello(0x0303, suites)))
        told = await failure(rig)
        assert told.cause == "no-suite"
        assert told.suites.split()[0] == "0x2000"
        assert told.suites.split()[MAX_SUITES:] == ["+88"]

    play(scene)


@pytest.mark.parametrize("cut", [6, 40, 100])
def test_a_hello_that_comes_in_pieces_is_told_whole(play: Play, cut: int) -> None:
    async def scene(rig: Rig) -> None:
        octets = made.records(made.hello(0x0302, [0x002F], made.name(b"mail.example.org")))
        reader, writer = await rig.open(rig.implicit)
        for piece in (octets[:cut], octets[cut : cut + 1], octets[cut + 1 :]):
            writer.write(piece)
            await asyncio.sleep(0.05)
        await asyncio.wait_for(reader.read(), 20)
        told = await failure(rig)
        assert (told.offered, told.suites) == ("TLSv1.1", OLD)
        assert told.server_name == "mail.example.org"

    play(scene)


def test_a_hello_as_of_sslv2_is_too_old(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        await send(rig.implicit, made.ssl2_hello(0x0002, [0x010080, 0x0700C0]))
        told = await failure(rig)
        assert (told.cause, told.offered) == ("old-version", "SSLv2")
        assert told.suites == "SSL_CK_RC4_128_WITH_MD5 SSL_CK_DES_192_EDE3_CBC_WITH_MD5"

    play(scene)


def test_a_handshake_without_end_is_too_long(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        await send(
            rig.implicit, made.records(made.hello(0x0303, [0xC02F], made.extension(21, bytes(30_000))))
        )
        told = await failure(rig)
        assert (told.cause, told.suites) == ("too-long", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")

    play(scene)


# --- who does not trust us


@needs_openssl
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_program_that_does_not_trust_the_certificate_is_told_with_its_alert(
    play: Play, version: str
) -> None:
    async def scene(rig: Rig) -> None:
        await s_client(rig.implicit, version, "-verify_return_error")
        told = await failure(rig)
        assert (told.cause, told.alert, told.saw_certificate) == ("not-trusted", "unknown_ca", True)
        assert told.offered == {"-tls1_2": "TLSv1.2", "-tls1_3": "TLSv1.3"}[version]
        assert told.suites == ""

    play(scene)


@dataclass
class _Tls13:
    """A client of TLS 1.3 over memory, of which the keys are known."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    secrets: Path

    async def shake_hands(self, context: ssl.SSLContext) -> None:
        context.keylog_filename = str(self.secrets)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.do_handshake()
                break
            self.writer.write(outgoing.read())
            incoming.write(await asyncio.wait_for(self.reader.read(20_000), 20))
        self.writer.write(outgoing.read())

    def send_alert(self, alert: int) -> None:
        """The first record of the session, under TLS_AES_256_GCM_SHA384 (RFC 8446 section 5.2)."""
        (line,) = [one for one in self.secrets.read_text().splitlines() if one.startswith("CLIENT_TRAFFIC_")]
        secret = bytes.fromhex(line.split()[2])
        sealed = AESGCM(_expanded(secret, b"key", 32))
        header = b"\x17\x03\x03" + (2 + 1 + 16).to_bytes(2)
        self.writer.write(
            header + sealed.encrypt(_expanded(secret, b"iv", 12), bytes([2, alert, 21]), header)
        )


def _expanded(secret: bytes, label: bytes, length: int) -> bytes:
    label = b"tls13 " + label
    info = length.to_bytes(2) + bytes([len(label)]) + label + b"\0"
    return HKDFExpand(hashes.SHA384(), length, info).derive(secret)


@pytest.mark.parametrize(
    ("alert", "cause", "name"),
    [
        (42, "not-trusted", "bad_certificate"),
        (43, "not-trusted", "unsupported_certificate"),
        (44, "not-trusted", "certificate_revoked"),
        (45, "not-trusted", "certificate_expired"),
        (46, "not-trusted", "certificate_unknown"),
        (48, "not-trusted", "unknown_ca"),
        (80, "other", "internal_error"),
    ],
)
def test_an_alert_behind_the_handshake_of_tls_1_3_is_told_too(
    play: Play, tmp_path: Path, alert: int, cause: str, name: str
) -> None:
    async def scene(rig: Rig) -> None:
        client = _Tls13(*await rig.open(rig.implicit), tmp_path / "secrets")
        await client.shake_hands(rig.trust())
        client.send_alert(alert)
        told = await failure(rig)
        assert len(rig.told.of(TlsStarted)) == 1
        assert (told.cause, told.alert, told.saw_certificate) == (cause, name, True)

    play(scene)


# --- who leaves off


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_who_hangs_up_at_the_certificate_is_told_so(play: Play, version: ssl.TLSVersion) -> None:
    async def scene(rig: Rig) -> None:
        context = rig.trust()
        context.minimum_version = context.maximum_version = version
        reader, writer = await rig.open(rig.implicit)
        writer.write(made.of_openssl(context, "localhost"))
        assert await asyncio.wait_for(reader.read(4_000), 20)
        writer.close()
        told = await failure(rig)
        assert (told.cause, told.saw_certificate, told.server_name) == ("hung-up", True, "localhost")
        assert told.why.endswith("after our certificate was sent")
        assert rig.told.ended == ["lost"]

    play(scene)


def test_who_is_asked_to_begin_again_has_seen_no_certificate(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        extensions = made.versions(0x0304) + made.groups(23) + made.signatures(0x0403)
        no_share = made.extension(51, made.vector(2, b""))
        reader, writer = await rig.open(rig.implicit)
        writer.write(made.records(made.hello(0x0303, [0x1302], extensions + no_share)))
        asked = await asyncio.wait_for(reader.read(4_000), 20)
        assert asked[:1] == b"\x16", "HelloRetryRequest"
        writer.close()
        told = await failure(rig)
        assert (told.cause, told.saw_certificate) == ("hung-up", False)
        assert told.suites == "TLS_AES_256_GCM_SHA384"

    play(scene)


def test_who_hangs_up_within_its_hello_is_told_with_what_it_said(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        _, writer = await rig.open(rig.implicit)
        writer.write(made.records(made.hello(0x0303, [0x002F, 0x0035]))[:-4])
        await asyncio.sleep(0.05)
        writer.close()
        told = await failure(rig)
        assert (told.cause, told.saw_certificate, told.offered) == ("hung-up", False, "TLSv1.2")
        assert told.suites == f"{OLD} TLS_RSA_WITH_AES_256_CBC_SHA"

    play(scene)


def test_a_close_notify_in_place_of_the_rest_is_hanging_up(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        reader, writer = await rig.open(rig.implicit)
        context = rig.trust()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        writer.write(made.of_openssl(context, "localhost"))
        await asyncio.wait_for(reader.read(4_000), 20)
        writer.write(b"\x15\x03\x03\0\2\1\0")
        told = await failure(rig)
        assert (told.cause, told.saw_certificate) == ("hung-up", True)

    play(scene)


def test_who_says_nothing_for_as_long_as_a_program_waits_for_a_greeting_is_silent(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        _, writer = await rig.open(rig.implicit)
        await asyncio.sleep(PROBE + 0.3)
        writer.close()
        assert (await failure(rig)).cause == "silent"
        assert rig.told.ended == ["lost"]

    play(scene)


def test_who_only_looks_whether_the_port_is_open_fails_no_handshake(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        _, writer = await rig.open(rig.implicit)
        writer.close()
        assert await ended(rig) == "lost"
        assert rig.told.of(TlsFailed) == []

    play(scene)


def test_who_asks_for_tls_and_hangs_up_is_told_of_however_short_it_was(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.connect()
        assert (await client.ask("STARTTLS")).startswith("220 ")
        client.close()
        assert (await failure(rig)).cause == "silent"

    play(scene)


@pytest.mark.parametrize(("said", "cause"), [(b"", "silent"), (b"\x16\x03\x01\2\0\1", "too-slow")])
def test_whose_time_is_up_is_told_by_what_it_said(play: Play, said: bytes, cause: str) -> None:
    async def scene(rig: Rig) -> None:
        wheel = rig.reception.wheel
        reader, writer = await rig.open(rig.implicit)
        writer.write(said)
        await asyncio.sleep(0.05)
        now = wheel.now
        wheel.now = lambda: now() + 16
        assert wheel._timer is not None
        wheel._timer.cancel()
        wheel._turn()
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 20) == b""
        assert (await failure(rig)).cause == cause
        assert rig.told.ended == ["timeout"]

    play(scene)


def test_whom_we_send_away_within_a_handshake_failed_none(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        _, writer = await rig.open(rig.implicit)
        writer.write(b"\x16\x03\x01\2\0\1")
        await asyncio.sleep(0.05)
        (session,) = rig.reception.sessions
        session.give_way()
        assert await ended(rig) == "limits"
        assert rig.told.of(TlsFailed) == []

    play(scene)


# --- what is no TLS


@pytest.mark.parametrize(
    ("said", "cause", "word"),
    [
        (b"EHLO client.example.com\r\n", "plain-text", "EHLO"),
        (b"quit\r\n", "plain-text", "QUIT"),
        (b"AUTH PLAIN AGFsaWNlAHNlY3JldHNlY3JldA==\r\n", "plain-text", "AUTH"),
        (b"a1 LOGIN alice secretsecret\r\n", "plain-text", ""),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "http", "GET"),
        (bytes(200), "other", ""),
        (b"\x15\x03\x01\0\2\2\x46", "other", ""),
    ],
)
@pytest.mark.parametrize("implicit", [True, False])
def test_what_is_said_in_place_of_a_handshake_is_told_but_no_secret(
    play: Play, said: bytes, cause: str, word: str, *, implicit: bool
) -> None:
    async def scene(rig: Rig) -> None:
        if implicit:
            await send(rig.implicit, said)
        else:
            client = await rig.connect()
            assert (await client.ask("STARTTLS")).startswith("220 ")
            client.send(said)
            with contextlib.suppress(ConnectionError):
                await asyncio.wait_for(client.reader.read(), 20)
        told = await failure(rig)
        assert (told.cause, told.word) == (cause, word)
        assert told.alert == ("protocol_version" if said[:1] == b"\x15" else "")
        assert not any(secret in repr(rig.told.events) for secret in ("secret", "AGFsaWNl", "alice"))

    play(scene)


def test_plain_text_too_short_for_openssl_is_told_when_it_hangs_up(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        _, writer = await rig.open(rig.implicit)
        writer.write(b"HELO")
        await asyncio.sleep(0.05)
        writer.close()
        told = await failure(rig)
        assert (told.cause, told.word) == ("plain-text", "HELO")

    play(scene)


async def _fails_at_once(rig: Rig, *command: str) -> str:
    said = await program(*command)
    told = await failure(rig)
    assert told.cause == "tls-to-plain"
    assert told.offered.split()[:2] == ["TLSv1.3", "TLSv1.2"]
    assert "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" in told.suites
    (refused,) = rig.told.of(Refused)
    assert (refused.verb, refused.reply[:9], refused.said) == ("?", "554 5.5.1", "")
    assert rig.told.ended == ["tls"]
    return said


@needs_openssl
def test_openssl_on_a_port_that_begins_in_clear_fails_at_once_and_is_told_of(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        said = await _fails_at_once(rig, "openssl", "s_client", "-connect", f"127.0.0.1:{rig.starttls}")
        assert "no peer certificate available" in said

    play(scene)


@needs_curl
def test_curl_on_a_port_that_begins_in_clear_fails_at_once_and_is_told_of(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        url = f"smtps://127.0.0.1:{rig.starttls}"
        assert "SSL" in await _fails_at_once(rig, "curl", "-sS", "--max-time", "30", url)

    play(scene)


@pytest.mark.parametrize(
    ("opening", "offered"),
    [
        (made.ssl2_hello(0x0301, [0x00000A]), "TLSv1.0"),
        (made.ssl2_hello(0x0002, [0x010080]), "SSLv2"),
        (made.records(made.hello(0x0300, [0x000A], None)), "SSLv3"),
        (b"\x16", ""),
    ],
)
def test_tls_where_a_command_should_be_closes_at_once(play: Play, opening: bytes, offered: str) -> None:
    async def scene(rig: Rig) -> None:
        said = await send(rig.starttls, opening)
        assert said == b"" or said.startswith(b"220 ")
        told = await failure(rig)
        assert (told.cause, told.offered) == ("tls-to-plain", offered)

    play(scene)


def test_tls_after_a_command_in_clear_is_told_of_as_well(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.connect()
        await client.ask("EHLO client.example.com")
        client.send(made.of_openssl(rig.trust()))
        assert (await client.reply()).startswith("554 5.5.1 This port begins without TLS")
        assert (await failure(rig)).server_name == "mail.example.org"

    play(scene)


def test_other_octets_where_a_command_should_be_are_a_refusal_and_no_tls(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        await send(rig.starttls, b"\0\1\2\3")
        await ended(rig)
        assert rig.told.of(TlsFailed) == []
        assert [one.reply[:9] for one in rig.told.of(Refused)] == ["554 5.5.1"]

    play(scene)


# --- what is refused before TLS, and what of it is told


async def refusals(rig: Rig, *lines: str) -> list[tuple[str, str, str]]:
    """Verb, reply and what was said, of lines in clear."""
    client = await rig.connect()
    for line in lines:
        await client.ask(line)
    client.close()
    await ended(rig)
    return [(one.verb, one.reply.partition(" ")[0], one.said) for one in rig.told.of(Refused)]


@pytest.mark.parametrize("word", ["XXXXXXXX", "XSTARTTLS", "STARTTLSX", "xxxxxxxa", "********"])
def test_a_mangled_starttls_is_in_the_journal_as_it_came(play: Play, word: str) -> None:
    async def scene(rig: Rig) -> None:
        told = await refusals(rig, "EHLO client.example.com", word)
        assert told == [("?", "500", word.upper())]

    play(scene)


def test_what_follows_a_refused_auth_in_clear_is_told_by_nothing(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        lines = ("EHLO x", "AUTH PLAIN AGFsaWNlAHNlY3JldA==", "AUTH LOGIN", "YWxpY2U=", "c2VjcmV0", "SECRET")
        told = await refusals(rig, *lines)
        assert told == [("AUTH", "538", ""), ("AUTH", "538", ""), *[("?", "500", "")] * 3]
        for secret in ("AGFsaWNl", "YWXPY2U", "YWxpY2U", "C2VJCMV0", "SECRET"):
            assert secret.upper() not in repr(rig.told.events).upper()

    play(scene)


def test_refusals_for_want_of_tls_of_a_sign_in_and_of_a_mechanism_can_be_told_apart(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        clear = await rig.connect()
        await clear.ask("AUTH PLAIN AGFsaWNlAHNlY3JldA==")
        await clear.ask("MAIL FROM:<alice@example.org>")
        client = await rig.secured()
        await client.ask("MAIL FROM:<alice@example.org>")
        await client.ask("AUTH CRAM-MD5")
        await client.ask("AUTH NTLM TlRMTVNTUAABAAAA")
        await client.ask("AUTH AGFsaWNlAHNlY3JldA")
        await client.ask("XXXXXXXX")
        told = [(one.verb, one.reply[:10].strip(), one.said) for one in rig.told.of(Refused)]
        assert told == [
            ("AUTH", "538 5.7.11", ""),
            ("MAIL", "530 5.7.0", ""),
            ("MAIL", "530 5.7.0", ""),
            ("AUTH", "504 5.5.4", "CRAM-MD5"),
            ("AUTH", "504 5.5.4", "NTLM"),
            ("AUTH", "504 5.5.4", ""),
            ("?", "500 5.5.1", ""),
        ]
        assert rig.told.of(Refused)[1].reply.startswith("530 5.7.0 Must issue a STARTTLS")
        assert rig.told.of(Refused)[2].reply.startswith("530 5.7.0 Authentication required")
        assert "ALICE" not in repr([one.said for one in rig.told.of(Refused)]).upper()
        assert "AGFSAWNL" not in repr(rig.told.events).upper()

    play(scene)


async def send(port: int, octets: bytes) -> bytes:
    """What a peer says to these octets until it closes; nothing where it does so at once."""
    loop = asyncio.get_running_loop()
    with socket.create_connection(("127.0.0.1", port)) as connected:
        connected.setblocking(False)
        await loop.sock_sendall(connected, octets)
        said = b""
        with contextlib.suppress(ConnectionError):
            while piece := await asyncio.wait_for(loop.sock_recv(connected, 4_096), 20):
                said += piece
        return said
