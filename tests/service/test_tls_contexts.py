"""Certificates by name and kind, tickets over processes and reloads, and what is refused."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sams.core.errors import OperatorError
from sams.service.tls_contexts import HostCertificates, KeyPair, ListenerTls
from sams.submission.tls import ServerTls, TlsError
from tests.support.certificates import Authority, rsa_pair
from tests.support.tls_client import Client

PATIENCE = 30.0
real_client = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl, as a client")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.make()


def test_bytes_pass_both_ways_and_the_facts_are_told(authority: Authority) -> None:
    listener = ListenerTls([authority.host("smtp.example.org")])
    server, client = ServerTls(listener.context), Client(authority, "smtp.example.org")
    facts = client.shake_hands(server)
    client.tls.write(b"EHLO a\r\n")
    assert server.decrypt(client.outgoing.read()) == b"EHLO a\r\n"
    client.incoming.write(server.encrypt(b"250 hello\r\n"))
    assert client.tls.read(100) == b"250 hello\r\n"
    assert (facts.version, facts.server_name, facts.resumed) == ("TLSv1.3", "smtp.example.org", False)


def test_a_close_of_the_peer_is_seen(authority: Authority) -> None:
    listener = ListenerTls([authority.host("smtp.example.org")])
    server, client = ServerTls(listener.context), Client(authority, "smtp.example.org")
    client.shake_hands(server)
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.unwrap()
    assert server.decrypt(client.outgoing.read()) == b""
    assert server.peer_closed


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("step", [1, 7, 1_000, 16_384, 100_000])
def test_plain_text_never_depends_on_how_the_ciphertext_was_cut(
    authority: Authority, version: ssl.TLSVersion, step: int
) -> None:
    listener = ListenerTls([authority.host("smtp.example.org")])
    context = ssl.create_default_context()
    authority.ca.configure_trust(context)
    context.maximum_version = version
    server, client = ServerTls(listener.context), Client(authority, "smtp.example.org", context=context)
    client.shake_hands(server)
    said = [b"a" * 10, b"b" * 16_384, b"c" * 40_000, b"d"]
    for piece in said:
        client.tls.write(piece)
    sent = client.outgoing.read()
    heard = [server.decrypt(sent[at : at + step]) for at in range(0, len(sent), step)]
    assert b"".join(heard) == b"".join(said)


class WatchedBio:
    """A memory BIO, and the most that it held."""

    def __init__(self, bio: ssl.MemoryBIO) -> None:
        self.bio = bio
        self.most = 0

    @property
    def pending(self) -> int:
        return self.bio.pending

    def write(self, octets: bytes) -> int:
        written = self.bio.write(octets)
        self.most = max(self.most, self.pending)
        return written


def test_a_large_read_leaves_no_large_buffer_behind(authority: Authority) -> None:
    listener = ListenerTls([authority.host("smtp.example.org")])
    server, client = ServerTls(listener.context), Client(authority, "smtp.example.org")
    client.shake_hands(server)
    watched = WatchedBio(server._incoming)
    server._incoming = watched  # type: ignore[assignment]  # ssl.MemoryBIO cannot be a base class
    client.tls.write(b"x" * 300_000)
    assert len(server.decrypt(client.outgoing.read())) == 300_000
    assert watched.most <= 32_768, "a memory BIO keeps for ever what it once held"


def test_what_stands_behind_the_handshake_is_not_lost(authority: Authority) -> None:
    listener = ListenerTls([authority.host("smtp.example.org")])
    server, client = ServerTls(listener.context), Client(authority, "smtp.example.org")
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    assert server.shake_hands(client.outgoing.read()) is None
    client.incoming.write(server.take_outgoing())
    client.tls.do_handshake()
    client.tls.write(b"EHLO a\r\n")
    assert server.shake_hands(client.outgoing.read()) is not None
    assert server.decrypt(b"") == b"EHLO a\r\n"


def test_the_last_words_and_the_close_leave_together(authority: Authority) -> None:
    listener = ListenerTls([authority.host("smtp.example.org")])
    server, client = ServerTls(listener.context), Client(authority, "smtp.example.org")
    client.shake_hands(server)
    client.incoming.write(server.close(b"221 bye\r\n"))
    assert client.tls.read(100) == b"221 bye\r\n"
    assert client.tls.read(100) == b"", "closed, not cut"


def test_the_name_that_the_client_asks_for_chooses_the_certificate(authority: Authority) -> None:
    listener = ListenerTls(
        [authority.host("smtp.example.org"), authority.host("mail.example.net", sni="mail.example.net")]
    )
    for name in ("smtp.example.org", "mail.example.net"):
        client = Client(authority, name)
        client.shake_hands(ServerTls(listener.context))
        assert client.names() == {name}


def test_an_ecdsa_and_an_rsa_certificate_stand_side_by_side(authority: Authority) -> None:
    ecdsa = authority.host("smtp.example.org").pairs[0]
    listener = ListenerTls([HostCertificates("", (ecdsa, rsa_pair("smtp.example.org")))])
    chosen = []
    for algorithms in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(algorithms)
        client = Client(authority, "smtp.example.org", context=context)
        client.shake_hands(ServerTls(listener.context))
        chosen.append((client.tls.cipher() or ("",))[0])
    assert chosen == ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_ticket_of_one_process_resumes_in_another_and_after_a_reload(
    authority: Authority, version: ssl.TLSVersion
) -> None:
    listener = ListenerTls([authority.host("smtp.example.org")])
    context = ssl.create_default_context()
    authority.ca.configure_trust(context)
    context.maximum_version = version
    first = Client(authority, "smtp.example.org", context=context)
    server = ServerTls(listener.context)
    first.shake_hands(server)
    first.incoming.write(server.encrypt(b"x"))
    first.tls.read(1)
    session = first.tls.session
    assert session is not None
    child = os.fork()
    if child == 0:
        try:
            listener.renew(listener.prepare([authority.host("smtp.example.org")]))
            second = Client(authority, "smtp.example.org", session, context)
            os._exit(0 if second.shake_hands(ServerTls(listener.context)).resumed else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("sni", ["", "mail.example.org"])
def test_a_kind_of_key_that_is_no_more_configured_is_no_more_presented(
    authority: Authority, sni: str
) -> None:
    ecdsa, rsa = authority.host("former.example.org").pairs[0], rsa_pair("mail.example.org")
    default = [] if not sni else [authority.host("smtp.example.org")]
    listener = ListenerTls([HostCertificates(sni, (ecdsa,)), *default])
    listener.renew(listener.prepare([HostCertificates(sni, (rsa,)), *default]))
    context = ssl.create_default_context(cadata=rsa.chain.decode())
    client = Client(authority, "mail.example.org", context=context)
    client.shake_hands(ServerTls(listener.context))
    assert client.names() == {"mail.example.org"}
    both = HostCertificates(sni, (rsa, authority.host("mail.example.org").pairs[0]))
    listener.renew(listener.prepare([both, *default]))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    for trusting in (context, None):
        again = Client(authority, "mail.example.org", context=trusting)
        again.shake_hands(ServerTls(listener.context))
        assert again.names() == {"mail.example.org"}


def test_a_ticket_resumes_though_the_kind_of_key_changed(authority: Authority) -> None:
    listener = ListenerTls([authority.host("smtp.example.org")])
    first = Client(authority, "smtp.example.org")
    server = ServerTls(listener.context)
    first.shake_hands(server)
    first.incoming.write(server.encrypt(b"x"))
    first.tls.read(1)
    listener.renew(listener.prepare([HostCertificates("", (rsa_pair("smtp.example.org"),))]))
    second = Client(authority, "smtp.example.org", first.tls.session, first.context)
    assert second.shake_hands(ServerTls(listener.context)).resumed


def test_a_certificate_that_cannot_be_read_is_refused_by_its_source(authority: Authority) -> None:
    pair = authority.host("smtp.example.org").pairs[0]
    text = pair.chain + b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
    with pytest.raises(OperatorError, match=r"fullchain\.pem"):
        ListenerTls([HostCertificates("", (KeyPair(text, pair.key, "fullchain.pem"),))])


def test_a_broken_pair_changes_nothing(authority: Authority) -> None:
    good = authority.host("smtp.example.org")
    listener = ListenerTls([good])
    other = authority.host("smtp.example.org").pairs[0]
    broken = HostCertificates("", (KeyPair(good.pairs[0].chain, other.key, "fullchain.pem and key.pem"),))
    with pytest.raises(OperatorError, match="fullchain"):
        listener.prepare([broken])
    client = Client(authority, "smtp.example.org")
    client.shake_hands(ServerTls(listener.context))
    assert client.names() == {"smtp.example.org"}


def test_a_key_is_shown_by_nothing(authority: Authority) -> None:
    host = authority.host("smtp.example.org")
    assert "PRIVATE" not in repr(host)


@pytest.mark.parametrize(
    ("minimum", "offered", "taken"),
    [
        ("1.2", ssl.TLSVersion.TLSv1_1, False),
        ("1.2", ssl.TLSVersion.TLSv1_2, True),
        ("1.0", ssl.TLSVersion.TLSv1, True),
        ("1.3", ssl.TLSVersion.TLSv1_2, False),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_versions_below_the_minimum_are_refused(
    authority: Authority, minimum: str, offered: ssl.TLSVersion, taken: bool
) -> None:
    listener = ListenerTls([authority.host("smtp.example.org")], minimum)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.ca.configure_trust(context)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = offered
    client, server = Client(authority, "smtp.example.org", context=context), ServerTls(listener.context)
    if taken:
        client.shake_hands(server)
        assert server.established
    else:
        with pytest.raises(TlsError):
            client.shake_hands(server)
        assert server.take_outgoing(), "an alert tells the peer"


def test_only_forward_secret_suites_with_aead_are_offered(authority: Authority) -> None:
    listener = ListenerTls([authority.host("smtp.example.org")])
    for suite in listener.context.get_ciphers():
        assert suite["aead"], suite["name"]
        assert suite["protocol"] == "TLSv1.3" or suite["name"].startswith("ECDHE-"), suite["name"]


@pytest.mark.parametrize("offered", [["smtp"], ["h2", "http/1.1", "smtp"]])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_alpn_smtp_is_answered_where_it_is_offered(
    authority: Authority, offered: list[str], version: ssl.TLSVersion
) -> None:
    listener = ListenerTls([authority.host("smtp.example.org")])
    context = ssl.create_default_context()
    authority.ca.configure_trust(context)
    context.maximum_version = version
    context.set_alpn_protocols(offered)
    client = Client(authority, "smtp.example.org", context=context)
    client.shake_hands(ServerTls(listener.context))
    assert client.tls.selected_alpn_protocol() == "smtp"


def test_who_offers_another_protocol_alone_is_served_without_one(authority: Authority) -> None:
    listener = ListenerTls([authority.host("smtp.example.org")])
    client = Client(authority, "smtp.example.org")
    client.context.set_alpn_protocols(["h2"])
    again = Client(authority, "smtp.example.org", context=client.context)
    again.shake_hands(ServerTls(listener.context))
    assert again.tls.selected_alpn_protocol() is None


def offering_compression(hello: bytes) -> bytes:
    """A ClientHello of TLS 1.2 that would rather have DEFLATE than no compression (RFC 5246 section 7.4.1.2)."""
    at = 9 + 34  # behind the headers of record and message, the version and the random
    at += 1 + hello[at]
    at += 2 + int.from_bytes(hello[at : at + 2])
    assert hello[at : at + 2] == b"\x01\x00"
    body = hello[9:at] + b"\x02\x01\x00" + hello[at + 2 :]
    message = b"\x01" + len(body).to_bytes(3) + body
    return hello[:3] + len(message).to_bytes(2) + message


def test_no_compression_is_agreed_on_with_who_offers_it(authority: Authority) -> None:
    listener = ListenerTls([authority.host("smtp.example.org")])
    assert listener.context.options & ssl.OP_NO_COMPRESSION, "where OpenSSL was built without it as well"
    client = Client(authority, "smtp.example.org")
    client.context.maximum_version = ssl.TLSVersion.TLSv1_2
    asking = Client(authority, "smtp.example.org", context=client.context)
    with pytest.raises(ssl.SSLWantReadError):
        asking.tls.do_handshake()
    server = ServerTls(listener.context)
    server.shake_hands(offering_compression(asking.outgoing.read()))
    hello = server.take_outgoing()
    assert hello[5] == 2, "a ServerHello"
    chosen = 9 + 34 + 1 + hello[9 + 34] + 2
    assert hello[chosen] == 0


class Peer:
    """A server for `openssl s_client`, one at a time, on a Unix socket.

    farewell: it closes when the handshake is done. heard: what came inside TLS.
    """

    def __init__(self, path: Path, context: ssl.SSLContext, *, farewell: bool = False) -> None:
        self.heard = b""
        self._path = path
        self._context = context
        self._farewell = farewell

    @contextlib.contextmanager
    def client(self, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        command = ["openssl", "s_client", "-unix", str(self._path), *options]
        pipe = subprocess.PIPE
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self._path))
            listener.listen()
            serving = threading.Thread(target=self._serve, args=(listener,))
            serving.start()
            with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT) as program:
                try:
                    yield program
                finally:
                    program.kill()
            serving.join()
        self._path.unlink()

    def _serve(self, listener: socket.socket) -> None:
        connected, _ = listener.accept()
        server = ServerTls(self._context)
        with connected, contextlib.suppress(TlsError, OSError):
            while octets := connected.recv(65_536):
                if not self._take(server, octets):
                    break
                connected.sendall(server.take_outgoing())
            connected.sendall(server.close(b"221 bye\r\n"))

    def _take(self, server: ServerTls, octets: bytes) -> bool:
        """Whether it goes on."""
        if server.established:
            self.heard += server.decrypt(octets)
        elif server.shake_hands(octets) is not None:
            self.heard += server.decrypt(b"")
            return not self._farewell
        return True


@pytest.mark.real
@real_client
def test_a_renegotiation_is_refused(authority: Authority, tmp_path: Path) -> None:
    peer = Peer(tmp_path / "socket", ListenerTls([authority.host("smtp.example.org")]).context)
    with peer.client("-tls1_2") as client:
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(b"R\n")
        client.stdin.flush()
        client.wait(PATIENCE)  # it gives up
        said = client.stdout.read()
    assert b"\nRENEGOTIATING\n" in said
    assert b":no renegotiation:" in said


MOST_EARLY = b"\xaf\x04\x02\x02\x40\x00"
"""Of an SSL_SESSION as OpenSSL stores it: the field that says how much early data the ticket allows, 16 KiB."""


def allowing_early_data(session: bytes) -> bytes:
    """A stored session (DER) as if its ticket had allowed early data: that field goes before the later ones."""
    fields = session[4:]
    at = 0
    while at < len(fields) and fields[at] < MOST_EARLY[0]:
        length = fields[at + 1]
        more = length & 0x7F if length & 0x80 else 0
        at += 2 + more + (int.from_bytes(fields[at + 2 : at + 2 + more]) if more else length)
    fields = fields[:at] + MOST_EARLY + fields[at:]
    return b"\x30\x82" + len(fields).to_bytes(2) + fields


def rewritten(stored: Path) -> None:
    """The same for the file that openssl wrote."""
    kind = "SSL SESSION PARAMETERS"
    session = ssl.PEM_cert_to_DER_cert(stored.read_text().replace(kind, "CERTIFICATE"))
    stored.write_text(ssl.DER_cert_to_PEM_cert(allowing_early_data(session)).replace("CERTIFICATE", kind))


@pytest.mark.real
@real_client
def test_no_ticket_allows_early_data_and_what_is_sent_all_the_same_is_never_heard(
    authority: Authority, tmp_path: Path
) -> None:
    context = ListenerTls([authority.host("smtp.example.org")]).context
    peer, stored, early = (
        Peer(tmp_path / "socket", context, farewell=True),
        tmp_path / "pem",
        tmp_path / "early",
    )
    early.write_bytes(b"EHLO early.example.net\r\n")
    with peer.client("-tls1_3", "-sess_out", str(stored)) as client:
        assert client.stdout is not None
        assert b"Max Early Data: 0" in client.stdout.read()
    rewritten(stored)
    with peer.client("-tls1_3", "-sess_in", str(stored), "-early_data", str(early)) as client:
        assert client.stdout is not None
        assert b"Early data was rejected" in client.stdout.read()
    assert peer.heard == b""
