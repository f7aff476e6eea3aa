"""Sign-ins over the wire by everything but a password: who gets in, and that nobody is ever half in."""

from __future__ import annotations

import asyncio
import base64
import functools
import hashlib
import shutil
import ssl
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from scramp import ScramClient

from sams.activity import events as told
from sams.core.address import Mailbox
from sams.core.errors import PeerFault, SamsError, TemporaryFailure
from sams.core.reply import reply
from sams.core.turns import Share
from sams.identity import replies
from sams.identity.account_sources import Source
from sams.identity.authentication.authenticator import ChainAuthenticator
from sams.identity.interface import Identity, SignInVerdict
from sams.identity.offers import verifiable
from sams.identity.passwords.hashes import HashCost
from sams.protocol.sasl.interface import Claim, ScramKeys, SecurityContext, TokenClaim
from sams.service.tls_contexts import ClientAuthority
from sams.submission import sign_in
from tests.submission.rig import PASSWORD, Client, Proofs, Rig, plain, serving
from tests.support.certificates import Authority

COST = HashCost(memory=64, passes=1, scram_iterations=4_096)
"""As few as an independent client takes."""
AUTHORITY = Authority.make()
PLUS = 'mechanisms = ["PLAIN", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1"]'
MAIL = "MAIL FROM:<alice@example.org>"
NEED_AUTH = "530 5.7.0 "
Scene = Callable[[Rig], Awaitable[None]]


def play(
    folder: Path,
    scene: Scene,
    *,
    clients: ClientAuthority | None = None,
    accept_context: Callable[[], SecurityContext] | None = None,
    **configured: str,
) -> None:
    async def whole() -> None:
        proofs = Proofs(clients, accept_context, COST)
        async with serving(folder, proofs, authority=AUTHORITY, **configured) as rig:
            await scene(rig)

    asyncio.run(whole())


def encoded(octets: str | bytes) -> str:
    return base64.b64encode(octets.encode() if isinstance(octets, str) else octets).decode()


async def challenged(client: Client, text: str) -> str:
    """Say it; the challenge that comes back."""
    answer = await client.ask(text)
    assert answer.startswith("334 "), answer
    return base64.b64decode(answer[4:]).decode()


def end_point(client: Client) -> tuple[str, bytes]:
    """`tls-server-end-point`, as RFC 5929 section 4 has a client compute it."""
    shown = client.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    used = x509.load_der_x509_certificate(shown).signature_hash_algorithm
    assert isinstance(used, hashes.SHA256)
    return "tls-server-end-point", hashlib.sha256(shown).digest()


async def prove(
    client: Client,
    password: str = PASSWORD,
    name: str = "SCRAM-SHA-256",
    login: str = "alice",
    binding: tuple[str, bytes] | None = None,
) -> tuple[ScramClient, str]:
    """Up to our answer to client-final."""
    scram = ScramClient([name], login, password, channel_binding=binding)
    scram.set_server_first(await challenged(client, f"AUTH {name} {encoded(scram.get_client_first())}"))
    return scram, await client.ask(encoded(scram.get_client_final()))


async def at_last_word(client: Client) -> None:
    """The proof was right, and the empty response is due."""
    scram, answer = await prove(client)
    assert answer.startswith("334 ")
    scram.set_server_final(base64.b64decode(answer[4:]).decode())  # raises where it is not ours


# --- SCRAM


@pytest.mark.parametrize("name", ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1"])
def test_an_independent_client_proves_its_password_and_so_do_we(tmp_path: Path, name: str) -> None:
    async def scene(rig: Rig) -> None:
        for opened in (rig.secured, functools.partial(over_starttls, rig)):
            client = await opened()
            binding = end_point(client) if name.endswith("-PLUS") else None
            scram, answer = await prove(client, name=name, binding=binding)
            assert answer.startswith("334 "), answer
            scram.set_server_final(base64.b64decode(answer[4:]).decode())
            assert (await client.ask("")).startswith("235 2.7.0 ")
            assert (await client.ask(MAIL)).startswith("250 ")
            client.close()
        assert rig.told.of(told.SignedIn) == 2 * [told.SignedIn("alice", name, remembered=False)]

    play(tmp_path, scene, listener=PLUS)


async def over_starttls(rig: Rig) -> Client:
    client = await rig.connect()
    await client.ask("EHLO client.example.com")
    await client.start_tls()
    await client.ask("EHLO client.example.com")
    return client


def test_when_salt_and_count_are_sent_is_settled_before_the_login_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = list[str]()

    def pause(seconds: float) -> asyncio.Future[None]:
        called.append(f"pause of {seconds * 1_000:.0f} ms")
        return paused(seconds)

    def scram_keys(self: ChainAuthenticator, login: str, *more: Any) -> ScramKeys:
        called.append("keys")
        return looked_up(self, login, *more)

    async def scene(rig: Rig) -> None:
        client = await rig.secured()
        for login in ("alice", "nobody"):
            first = ScramClient(["SCRAM-SHA-256"], login, PASSWORD).get_client_first()
            await challenged(client, f"AUTH SCRAM-SHA-256 {encoded(first)}")
            await client.ask("*")
        assert called == ["pause of 5 ms", "keys"] * 2

    paused, looked_up = sign_in._pause, ChainAuthenticator.scram_keys
    monkeypatch.setattr(sign_in, "_pause", pause)
    monkeypatch.setattr(ChainAuthenticator, "scram_keys", scram_keys)
    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("login", "password"), [("alice", "wrong"), ("nobody", PASSWORD), ("a\x80", "wrong")]
)
def test_a_wrong_proof_and_an_unknown_login_hear_the_same(tmp_path: Path, login: str, password: str) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.secured()
        scram = ScramClient(["SCRAM-SHA-256"], "somebody", password)
        first = scram.get_client_first().replace("n=somebody", f"n={login}")
        server_first = await challenged(client, f"AUTH SCRAM-SHA-256 {encoded(first)}")
        assert server_first.endswith(",i=4096")
        scram.set_server_first(server_first)
        answer = await client.ask(encoded(scram.get_client_final()))
        assert answer.startswith("535 5.7.8 ")
        assert (await client.ask(MAIL)).startswith(NEED_AUTH)
        (refused,) = rig.told.of(told.SignInRefused)
        assert (refused.mechanism, refused.why) == ("SCRAM-SHA-256", "password")

    play(tmp_path, scene)


def test_who_is_bound_to_another_connection_is_not_signed_in(tmp_path: Path) -> None:
    """As somebody between would be, who has a certificate that the client trusts."""

    async def scene(rig: Rig) -> None:
        client = await rig.secured()
        other = ("tls-server-end-point", hashlib.sha256(b"another certificate").digest())
        _, answer = await prove(client, name="SCRAM-SHA-256-PLUS", binding=other)
        assert answer.startswith("501 5.5.2 your mail program is bound to another TLS connection")
        assert (await client.ask(MAIL)).startswith(NEED_AUTH)

    play(tmp_path, scene, listener=PLUS)


def test_a_list_that_was_cut_on_its_way_ends_the_exchange(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.secured()
        answer = await client.ask(f"AUTH SCRAM-SHA-256 {encoded('y,,n=alice,r=abc')}")
        assert answer.startswith("501 5.5.2 channel binding is offered here")
        assert (await client.ask(f"AUTH SCRAM-SHA-1 {encoded('y,,n=alice,r=abc')}")).startswith("334 ")

    play(tmp_path, scene, listener=PLUS)


def test_where_binding_is_not_offered_nobody_could_have_cut_it(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.secured()
        assert (await client.ask(f"AUTH SCRAM-SHA-256 {encoded('y,,n=alice,r=abc')}")).startswith("334 ")

    play(tmp_path, scene)


def test_who_resumes_after_a_reload_binds_to_the_certificate_that_was_shown(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        context = rig.trust()
        first = await rig.secured(context)
        bound = end_point(first)
        await first.ask("NOOP")
        session = first.writer.get_extra_info("ssl_object").session
        rig.renew_certificates()
        for resumes in (False, True):
            client = await raw_client(rig, context, session if resumes else None)
            assert client.writer.get_extra_info("ssl_object").session_reused == resumes
            _, answer = await prove(client, name="SCRAM-SHA-256-PLUS", binding=bound)
            assert answer.startswith("334 " if resumes else "501 ")

    play(tmp_path, scene, listener=PLUS)


def test_who_came_before_a_reload_and_shakes_hands_after_it_binds_to_what_is_shown_then(
    tmp_path: Path,
) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.connect()
        await client.ask("EHLO client.example.com")
        rig.renew_certificates()
        await client.start_tls()
        await client.ask("EHLO client.example.com")
        _, answer = await prove(client, name="SCRAM-SHA-256-PLUS", binding=end_point(client))
        assert answer.startswith("334 ")

    play(tmp_path, scene, listener=PLUS)


# --- nobody is half signed in


@pytest.mark.parametrize(
    ("response", "answer"),
    [("*", "501 5.7.0 "), ("AQ==", "501 5.5.2 The exchange ends"), ("no base64", "501 5.5.2 ")],
)
def test_another_answer_to_the_last_word_signs_nobody_in(tmp_path: Path, response: str, answer: str) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.secured()
        await at_last_word(client)
        assert (await client.ask(response)).startswith(answer)
        assert (await client.ask(MAIL)).startswith(NEED_AUTH)
        assert [session.identity for session in rig.reception.sessions] == [None]
        assert rig.told.of(told.SignedIn) == []
        client.close()
        await rig.signed_in()  # the one connection that the login may have was not counted

    play(tmp_path, scene, limits="connections_per_login = 1")


def test_who_hangs_up_before_the_last_answer_was_never_counted(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.secured()
        await at_last_word(client)
        client.close()
        while rig.reception.sessions:  # noqa: ASYNC110 - what is waited for is no event of ours
            await asyncio.sleep(0.001)
        await rig.signed_in()

    play(tmp_path, scene, limits="connections_per_login = 1")


def test_of_a_crowd_everybody_has_a_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.submission.rig.DECIDED_AT_ONCE", 1)

    async def scene(rig: Rig) -> None:
        clients = [await rig.secured() for _ in range(4)]
        asked = [
            client.ask(plain(login)) for client, login in zip(clients, ("alice", "bob") * 2, strict=True)
        ]
        assert [answer[:3] for answer in await asyncio.gather(*asked)] == ["235"] * 4

    play(tmp_path, scene)


def test_who_is_cut_off_in_line_is_never_decided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(rig: Rig) -> None:
        stands = asyncio.Event()
        await rig.signed_in("bob")
        client = await rig.secured()
        monkeypatch.setattr(Share, "take", lambda _: False)
        monkeypatch.setattr(Share, "stand_in_line", lambda *_: stands.set())
        client.send(plain("alice"))
        await asyncio.wait_for(stands.wait(), 20)
        rig.reception.cut()
        while rig.reception.sessions:  # noqa: ASYNC110 - what is waited for is no event of ours
            await asyncio.sleep(0.001)
        assert [one.login for one in rig.told.of(told.SignedIn)] == ["bob"]
        assert rig.told.of(told.SignInRefused) == []

    play(tmp_path, scene)


def test_a_broken_exchange_may_be_followed_by_a_whole_one(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.secured()
        await at_last_word(client)
        await client.ask("*")
        assert (await client.ask(plain("bob"))).startswith("235 ")
        assert [one.login for one in rig.told.of(told.SignedIn)] == ["bob"]

    play(tmp_path, scene)


def test_an_exchange_that_was_given_up_lends_its_verdict_to_no_other(tmp_path: Path) -> None:
    """Alice's verdict waited for an empty response; the next empty response is of another exchange."""

    async def scene(rig: Rig) -> None:
        client = await rig.secured()
        await at_last_word(client)
        await client.ask("*")
        assert await challenged(client, "AUTH PLAIN") == ""
        assert (await client.ask("")).startswith("501 5.5.2 PLAIN takes")
        assert (await client.ask(MAIL)).startswith(NEED_AUTH)

    play(tmp_path, scene)


def test_one_connection_too_many_is_refused_after_the_last_word(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        await rig.signed_in()
        client = await rig.secured()
        await at_last_word(client)
        assert (await client.ask("")).startswith("421 4.7.0 ")
        assert await client.ended()

    play(tmp_path, scene, limits="connections_per_login = 1")


# --- tokens


ALICE = Identity("alice", ("alice@example.org",), (), Mailbox("alice", "example.org"), 1, source="issuer")
RIGHT = SignInVerdict(ALICE, replies.ACCEPTED, "token", is_ordinary=True)
MESSAGE = encoded("n,a=alice@example.org,\x01auth=Bearer abc\x01\x01")
XMESSAGE = encoded("user=alice@example.org\x01auth=Bearer abc\x01\x01")


def offering(patched: pytest.MonkeyPatch, *names: str) -> None:
    """Somebody can verify these, too."""

    def more(sources: Sequence[Source], *, certificates: bool, binds: bool) -> frozenset[str]:
        return verifiable(sources, certificates=certificates, binds=binds) | set(names)

    patched.setattr("sams.app.doors.verifiable", more)


def with_tokens(patched: pytest.MonkeyPatch, verdict: SignInVerdict) -> list[Claim]:
    """An issuer whose verdict on every token is this; what it was asked."""
    asked: list[Claim] = []

    def verify(_: object, claim: Claim, *_rest: object) -> asyncio.Future[SignInVerdict]:
        asked.append(claim)
        answer: asyncio.Future[SignInVerdict] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.001, answer.set_result, verdict)
        return answer

    offering(patched, "OAUTHBEARER", "XOAUTH2")
    patched.setattr(ChainAuthenticator, "verify", verify)
    return asked


@pytest.mark.parametrize(("name", "message"), [("OAUTHBEARER", MESSAGE), ("XOAUTH2", XMESSAGE)])
def test_a_token_that_is_right_signs_in_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    asked = with_tokens(monkeypatch, RIGHT)

    async def scene(rig: Rig) -> None:
        client = await rig.secured()
        assert (await client.ask(f"AUTH {name} {message}")).startswith("235 ")
        assert asked == [TokenClaim("alice@example.org", "abc")]
        assert rig.told.of(told.SignedIn) == [told.SignedIn("alice", name, source="issuer")]

    play(tmp_path, scene)


WRONG = SignInVerdict(None, replies.WRONG, "token expired", why="password")


@pytest.mark.parametrize(("name", "message"), [("OAUTHBEARER", MESSAGE), ("XOAUTH2", XMESSAGE)])
@pytest.mark.parametrize("response", ["AQ==", "", "bm8="])
def test_of_a_token_that_is_wrong_the_program_hears_before_the_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str, response: str
) -> None:
    with_tokens(monkeypatch, WRONG)

    async def scene(rig: Rig) -> None:
        client = await rig.secured()
        assert await challenged(client, f"AUTH {name} {message}") == '{"status":"invalid_token"}'
        assert (await client.ask(response)).startswith("535 5.7.8 ")
        (refused,) = rig.told.of(told.SignInRefused)
        assert (refused.login, refused.mechanism) == ("alice@example.org", name)
        assert refused.explanation == "token expired"
        assert (await client.ask(MAIL)).startswith(NEED_AUTH)

    play(tmp_path, scene)


def test_a_refusal_that_the_program_does_not_hear_out_is_told_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_tokens(monkeypatch, WRONG)

    async def scene(rig: Rig) -> None:
        client = await rig.secured()
        await challenged(client, f"AUTH OAUTHBEARER {MESSAGE}")
        assert (await client.ask("*")).startswith("501 5.7.0 ")
        (refused,) = rig.told.of(told.SignInRefused)
        assert refused.why == "password"
        assert refused.reply.startswith("501 ")

    play(tmp_path, scene)


def test_a_token_that_cannot_be_checked_now_is_not_called_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_tokens(
        monkeypatch, SignInVerdict(None, reply(454, "4.7.0", "Later"), "issuer down", why="unavailable")
    )

    async def scene(rig: Rig) -> None:
        client = await rig.secured()
        assert (await client.ask(f"AUTH OAUTHBEARER {MESSAGE}")).startswith("454 4.7.0 ")

    play(tmp_path, scene)


def test_who_brings_no_token_hears_where_to_get_one_and_nobody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = with_tokens(monkeypatch, WRONG)

    async def scene(rig: Rig) -> None:
        client = await rig.secured()
        empty = encoded("n,,\x01auth=\x01\x01")
        assert await challenged(client, f"AUTH OAUTHBEARER {empty}") == '{"status":"invalid_token"}'
        assert (await client.ask("AQ==")).startswith("501 5.5.2 there was no bearer token")
        assert asked == []

    play(tmp_path, scene)


async def ran(*command: str, letter: str = "") -> tuple[int, str]:
    """A program's exit status, and what it said."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    told = await asyncio.wait_for(process.communicate(letter.encode()), 30)
    assert process.returncode is not None
    return process.returncode, b"".join(told).decode(errors="replace")


def curl(rig: Rig, folder: Path, name: str) -> tuple[str, ...]:
    (folder / "letter").write_text("From: alice@example.org\r\nSubject: curl\r\n\r\nHello\r\n")
    return (
        *("curl", "--verbose", "--silent", "--ssl-reqd", "--cacert", str(folder / "ca.pem")),
        *("--user", "alice@example.org:", "--oauth2-bearer", "abc", "--login-options", f"AUTH={name}"),
        *("--mail-from", "alice@example.org", "--mail-rcpt", "x@example.net"),
        *("--upload-file", str(folder / "letter"), f"smtp://localhost:{rig.starttls}"),
    )


def msmtp(rig: Rig, folder: Path, name: str) -> tuple[str, ...]:
    settings = folder / "msmtprc"
    settings.write_text(
        f"account default\nhost localhost\nport {rig.starttls}\ntls on\ntls_trust_file {folder}/ca.pem\n"
        f"auth {name.lower()}\nuser alice@example.org\npassword abc\nfrom alice@example.org\n"
    )
    settings.chmod(0o600)
    return ("msmtp", "--debug", "--file", str(settings), "x@example.net")


@pytest.mark.real
@pytest.mark.parametrize("program", [curl, msmtp])
@pytest.mark.parametrize("name", ["OAUTHBEARER", "XOAUTH2"])
@pytest.mark.parametrize("is_right", [True, False])
def test_a_real_program_signs_in_by_a_token_and_hears_of_a_wrong_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    program: Callable[[Rig, Path, str], tuple[str, ...]],
    name: str,
    *,
    is_right: bool,
) -> None:
    if shutil.which(program.__name__) is None:
        pytest.skip(f"{program.__name__} is missing: make system")
    monkeypatch.setattr(ChainAuthenticator, "still_valid", lambda *_: True)
    asked = with_tokens(monkeypatch, RIGHT if is_right else WRONG)

    async def scene(rig: Rig) -> None:
        rig.authority.ca.cert_pem.write_to_path(tmp_path / "ca.pem")
        letter = "From: alice@example.org\nSubject: msmtp\n\nHello\n"
        status, told = await ran(*program(rig, tmp_path, name), letter=letter)
        assert asked == [TokenClaim("alice@example.org", "abc")], told
        assert (status == 0) == is_right, told
        assert len(await rig.waiting()) == is_right
        assert is_right or "535 5.7.8 " in told or program is curl, told

    play(tmp_path, scene)


# --- client certificates

MEMBERS = trustme.CA(organization_name="members")
CLIENTS = ClientAuthority(MEMBERS.cert_pem.bytes(), source="members-ca.pem")
EXTERNAL = 'client_ca = "members-ca.pem"'


def trust_as(rig: Rig, *names: str) -> ssl.SSLContext:
    context = rig.trust()
    if names:
        MEMBERS.issue_cert(*names).configure_cert(context)
    return context


async def raw_client(rig: Rig, context: ssl.SSLContext, session: ssl.SSLSession | None) -> Client:
    """One that resumes, which asyncio's own do not."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    wrap = context.wrap_bio
    if session is not None:
        context.wrap_bio = functools.partial(wrap, session=session)  # type: ignore[method-assign]
    try:
        transport, _ = await loop.create_connection(
            lambda: protocol, "127.0.0.1", rig.implicit, ssl=context, server_hostname="localhost"
        )
    finally:
        context.wrap_bio = wrap  # type: ignore[method-assign]
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    rig.writers.append(writer)
    client = Client(rig, reader, writer)
    assert (await client.reply()).startswith("220 ")
    await client.ask("EHLO client.example.com")
    return client


@pytest.mark.parametrize("initial", [" =", f" {encoded('alice')}", None])
def test_a_certificate_of_the_authority_signs_its_member_in(tmp_path: Path, initial: str | None) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.secured(trust_as(rig, "alice@example.org"))
        if initial is None:
            assert await challenged(client, "AUTH EXTERNAL") == ""
        answer = await client.ask("" if initial is None else f"AUTH EXTERNAL{initial}")
        assert answer.startswith("235 "), answer
        assert (await client.ask(MAIL)).startswith("250 ")
        assert rig.told.of(told.SignedIn) == [
            told.SignedIn("alice", "EXTERNAL", how="certificate of alice@example.org")
        ]

    play(tmp_path, scene, listener=EXTERNAL, clients=CLIENTS)


def test_over_starttls_it_does_too(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.connect()
        await client.ask("EHLO client.example.com")
        assert (await client.ask("STARTTLS")).startswith("220 ")
        await client.writer.start_tls(trust_as(rig, "alice@example.org"), server_hostname="localhost")
        assert " EXTERNAL" in await client.ask("EHLO client.example.com")
        assert (await client.ask("AUTH EXTERNAL =")).startswith("235 ")

    play(tmp_path, scene, listener=EXTERNAL, clients=CLIENTS)


@pytest.mark.parametrize("names", [(), ("host.example.org",)])
def test_without_a_certificate_that_names_somebody_external_is_not_there(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.secured(trust_as(rig, *names))
        assert "EXTERNAL" not in await client.ask("EHLO client.example.com")
        assert (await client.ask("AUTH EXTERNAL =")).startswith("504 5.5.4 ")
        assert (await client.ask(plain("alice"))).startswith("235 ")

    play(tmp_path, scene, listener=EXTERNAL, clients=CLIENTS)


@pytest.mark.parametrize(
    ("named", "authzid"), [("nobody@example.org", ""), ("alice@example.org", "bob"), ("bob@other.org", "")]
)
def test_a_certificate_signs_nobody_else_in(tmp_path: Path, named: str, authzid: str) -> None:
    async def scene(rig: Rig) -> None:
        client = await rig.secured(trust_as(rig, named))
        answer = await client.ask(f"AUTH EXTERNAL {encoded(authzid) or '='}")
        assert answer.startswith("535 5.7.8 "), answer
        assert (await client.ask(MAIL)).startswith(NEED_AUTH)
        (refused,) = rig.told.of(told.SignInRefused)
        assert (refused.login, refused.mechanism) == (authzid or named, "EXTERNAL")

    play(tmp_path, scene, listener=EXTERNAL, clients=CLIENTS)


def test_a_ticket_brings_the_certificate_along(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        context = trust_as(rig, "alice@example.org")
        first = await rig.secured(context)
        session = first.writer.get_extra_info("ssl_object").session
        client = await raw_client(rig, context, session)
        assert client.writer.get_extra_info("ssl_object").session_reused
        assert (await client.ask("AUTH EXTERNAL =")).startswith("235 ")

    play(tmp_path, scene, listener=EXTERNAL, clients=CLIENTS)


# --- realms


class Refusing:
    """An acceptor that takes no ticket."""

    is_complete = False
    principal = ""

    def __init__(self, make_error: Callable[[], SamsError]) -> None:
        self.make_error = make_error

    def step(self, _token: bytes) -> bytes | None:
        raise self.make_error()

    def wrap(self, data: bytes) -> bytes:
        return data

    def unwrap(self, data: bytes) -> bytes:
        return data


def skewed() -> SamsError:
    return PeerFault(reply(535, "5.7.8", "The ticket is not right"), "clock skew")


def unreadable() -> SamsError:
    return TemporaryFailure(reply(454, "4.7.0", "Try again later"), "no keytab")


@pytest.mark.parametrize(
    ("make_error", "answer"),
    [(skewed, "535 5.7.8 The ticket is not right"), (unreadable, "454 4.7.0 Try again later")],
)
@pytest.mark.parametrize("initial", [f" {encoded('token')}", None])
def test_a_ticket_that_is_not_taken_is_refused_as_the_realm_says(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_error: Callable[[], SamsError],
    answer: str,
    initial: str | None,
) -> None:
    offering(monkeypatch, "GSSAPI")

    def accept() -> SecurityContext:
        return Refusing(make_error)

    async def scene(rig: Rig) -> None:
        client = await rig.secured()
        if initial is None:
            assert await challenged(client, "AUTH GSSAPI") == ""
        said = await client.ask(encoded("token") if initial is None else f"AUTH GSSAPI{initial}")
        assert said.startswith(answer)
        assert rig.told.of(told.Refused)[-1].detail == make_error().detail
        assert (await client.ask(plain("alice"))).startswith("235 ")

    play(tmp_path, scene, accept_context=accept)
