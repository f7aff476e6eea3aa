"""Certificates by name and kind, tickets over processes and reloads, and what is refused."""

from __future__ import annotations

import contextlib
import os
import ssl

import pytest

from sams.core.errors import OperatorError
from sams.service.tls_contexts import HostCertificates, KeyPair, ListenerTls
from sams.submission.tls import ServerTls, TlsError, TlsFacts
from tests.support.certificates import Authority, rsa_pair


class Client:
    """A TLS client over memory."""

    def __init__(
        self,
        authority: Authority,
        name: str,
        session: ssl.SSLSession | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.context = context or ssl.create_default_context()
        if context is None:
            authority.ca.configure_trust(self.context)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = self.context.wrap_bio(self.incoming, self.outgoing, server_hostname=name, session=session)

    def shake_hands(self, server: ServerTls) -> TlsFacts:
        facts: TlsFacts | None = None
        for _ in range(4):
            with contextlib.suppress(ssl.SSLWantReadError):
                self.tls.do_handshake()
            if facts is None:
                facts = server.shake_hands(self.outgoing.read())
            self.incoming.write(server.take_outgoing())
        self.tls.do_handshake()
        assert facts is not None
        return facts

    def names(self) -> set[str]:
        certificate = self.tls.getpeercert() or {}
        return {str(name[1]) for name in certificate.get("subjectAltName", ())}


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
