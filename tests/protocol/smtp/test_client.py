"""The beginning of a conversation, and what a client is between transactions."""

from __future__ import annotations

import base64

import pytest

from sams.protocol.smtp.client import SmtpClient
from sams.protocol.smtp.client_capabilities import Capabilities
from sams.protocol.smtp.client_opening import Credentials, Opening, TlsUse
from sams.protocol.smtp.client_waits import ConversationEnded, Stage
from tests.support.client_script import LOST, UNVERIFIED, VERIFIED, Step, opened, play, transaction

EHLO = b"EHLO me.example.org\r\n"
HELO = b"HELO me.example.org\r\n"
ME = Credentials("ann", "s3cret")
PLAIN = b"AUTH PLAIN " + base64.b64encode(b"\0ann\0s3cret") + b"\r\n"


def open_with(how: Opening, *steps: Step) -> SmtpClient:
    client = SmtpClient(how)
    play(client, client.opening(), *steps)
    return client


def how(tls: TlsUse = TlsUse.IF_OFFERED, credentials: Credentials | None = None) -> Opening:
    return Opening("me.example.org", tls, credentials)


def test_greeting_and_ehlo_tell_what_the_hop_offers() -> None:
    client = opened(
        "PIPELINING",
        "SIZE 1000",
        "8bitmime",
        "AUTH PLAIN login",
        "AUTH=LOGIN XFOO",
        "LIMITS RCPTMAX=20 MAILMAX=5 RCPTDOMAINMAX=2 FOO=BAR",
        "CHUNKING",
        "BINARYMIME",
        "DSN",
        "SMTPUTF8",
        "ENHANCEDSTATUSCODES",
        "X-ODD = 1",
    )
    assert client.capabilities == Capabilities(
        pipelining=True,
        eight_bit_mime=True,
        binary_mime=True,
        chunking=True,
        dsn=True,
        smtputf8=True,
        enhanced_status=True,
        has_size=True,
        size=1_000,
        auth=frozenset({"PLAIN", "LOGIN", "XFOO"}),
        rcpt_max=20,
        mail_max=5,
        rcpt_domain_max=2,
    )
    assert client.is_reusable


@pytest.mark.parametrize("size", ["SIZE", "SIZE 0", "SIZE many", "SIZE -1", "SIZE " + "9" * 30])
def test_a_size_without_a_sensible_number_is_no_limit(size: str) -> None:
    client = opened(size)
    assert client.capabilities.has_size
    assert client.capabilities.size is None


def test_distrusted_keywords_count_as_not_offered() -> None:
    client = opened("CHUNKING", "DSN", how=Opening("me.example.org", distrusted=frozenset({"CHUNKING"})))
    assert client.capabilities == Capabilities(dsn=True)


@pytest.mark.parametrize("code", [b"500", b"502", b"550"])
def test_a_hop_that_refuses_ehlo_is_greeted_with_helo(code: bytes) -> None:
    client = open_with(how(), (b"", b"220 hi\r\n"), (EHLO, code + b" what?\r\n"), (HELO, b"250 hop\r\n"))
    assert client.capabilities == Capabilities()
    assert client.is_reusable


@pytest.mark.parametrize(
    ("steps", "stage", "code", "by_peer"),
    [
        ([(b"", b"554 no\r\n")], Stage.GREETING, 554, True),
        ([(b"", b"421 busy\r\n")], Stage.GREETING, 421, True),
        ([(b"", b"250 odd\r\n")], Stage.GREETING, 451, False),
        ([(b"", b"220 hi\r\n"), (EHLO, b"354 odd\r\n")], Stage.HELLO, 451, False),
        ([(b"", b"rubbish\r\n")], Stage.GREETING, 451, False),
        ([(b"", LOST)], Stage.GREETING, 451, False),
        ([(b"", b"220 hi\r\n250 more\r\n")], Stage.HELLO, 451, False),
        ([(b"", b"220 hi\r\n"), (EHLO, b"421 bye\r\n")], Stage.HELLO, 421, True),
        ([(b"", b"220 hi\r\n"), (EHLO, b"550 no\r\n"), (HELO, b"550 no\r\n")], Stage.HELLO, 550, True),
        ([(b"", b"220 hi\r\n"), (EHLO, b"250 hop\r\n250 more\r\n")], Stage.HELLO, 451, False),
        ([(b"", b"220 hi\r\n"), (EHLO, LOST)], Stage.HELLO, 451, False),
    ],
)
def test_a_hop_that_cannot_be_used_is_told_apart_by_stage(
    steps: list[Step], stage: Stage, code: int, by_peer: bool
) -> None:
    with pytest.raises(ConversationEnded) as caught:
        open_with(how(), *steps)
    assert (caught.value.stage, caught.value.reply.code, caught.value.by_peer) == (stage, code, by_peer)


def test_starttls_starts_from_nothing() -> None:
    client = open_with(
        how(),
        (b"", b"220 hi\r\n"),
        (EHLO, b"250-hop\r\n250-STARTTLS\r\n250-SIZE 5\r\n250 AUTH PLAIN\r\n"),
        (b"STARTTLS\r\n", b"220 go\r\n"),
        (b"", UNVERIFIED),
        (EHLO, b"250-hop\r\n250 DSN\r\n"),
    )
    assert client.capabilities == Capabilities(dsn=True)


def test_tls_from_the_first_octet_comes_before_the_greeting() -> None:
    client = open_with(
        how(TlsUse.FROM_FIRST_OCTET),
        (b"", VERIFIED),
        (b"", b"220 hi\r\n"),
        (EHLO, b"250-hop\r\n250 STARTTLS\r\n"),
    )
    assert client.is_reusable


@pytest.mark.parametrize(
    "answer",
    [b"220 ready\r\n250 ok\r\n", b"220 ready\r\n2", b"220 ready\r\n\r\n", b"220 ready\r\n\x16\x03"],
)
@pytest.mark.parametrize("use", [TlsUse.IF_OFFERED, TlsUse.DEMANDED])
def test_octets_behind_the_reply_to_starttls_end_the_conversation(answer: bytes, use: TlsUse) -> None:
    with pytest.raises(ConversationEnded) as caught:
        open_with(
            how(use),
            (b"", b"220 hi\r\n"),
            (EHLO, b"250-hop\r\n250 STARTTLS\r\n"),
            (b"STARTTLS\r\n", answer),
        )
    assert caught.value.stage is Stage.STARTTLS
    assert caught.value.reply.is_temporary


def test_a_hop_that_speaks_in_tls_before_it_is_asked_ends_the_conversation() -> None:
    client = SmtpClient(how())
    dialogue = client.opening()
    with pytest.raises(ConversationEnded) as caught:
        play(
            client,
            dialogue,
            (b"", b"220 hi\r\n"),
            (EHLO, b"250-hop\r\n250 STARTTLS\r\n"),
            (b"STARTTLS\r\n", b"220 go\r\n"),
            (b"", b"250 injected\r\n"),  # before the handshake is called done
        )
    assert caught.value.stage is Stage.HELLO


def test_where_tls_is_only_hoped_for_a_refused_starttls_goes_on_in_clear() -> None:
    client = open_with(
        how(),
        (b"", b"220 hi\r\n"),
        (EHLO, b"250-hop\r\n250 STARTTLS\r\n"),
        (b"STARTTLS\r\n", b"454 4.7.0 not now\r\n"),
    )
    assert client.is_reusable


@pytest.mark.parametrize(
    ("ehlo", "rest", "code"),
    [
        (b"250 hop\r\n", [], 451),
        (b"250-hop\r\n250 STARTTLS\r\n", [(b"STARTTLS\r\n", b"454 4.7.0 not now\r\n")], 454),
        (b"250-hop\r\n250 STARTTLS\r\n", [(b"STARTTLS\r\n", b"500 what?\r\n")], 500),
    ],
)
def test_where_tls_is_demanded_nothing_goes_on_without_it(ehlo: bytes, rest: list[Step], code: int) -> None:
    with pytest.raises(ConversationEnded) as caught:
        open_with(how(TlsUse.DEMANDED), (b"", b"220 hi\r\n"), (EHLO, ehlo), *rest)
    assert caught.value.stage is Stage.STARTTLS
    assert caught.value.reply.code == code


def sign_in(offer: bytes, *steps: Step, credentials: Credentials = ME) -> SmtpClient:
    return open_with(
        how(TlsUse.FROM_FIRST_OCTET, credentials),
        (b"", VERIFIED),
        (b"", b"220 hi\r\n"),
        (EHLO, b"250-hop\r\n250 " + offer + b"\r\n"),
        *steps,
    )


def test_plain_goes_with_its_initial_response() -> None:
    assert sign_in(b"AUTH LOGIN PLAIN", (PLAIN, b"235 2.7.0 yes\r\n")).is_reusable


def test_a_long_password_waits_for_the_challenge() -> None:
    long = Credentials("ann", "x" * 600)
    response = base64.b64encode(b"\0ann\0" + b"x" * 600) + b"\r\n"
    sign_in(b"AUTH PLAIN", (b"AUTH PLAIN\r\n", b"334 \r\n"), (response, b"235 yes\r\n"), credentials=long)


def test_login_answers_two_challenges() -> None:
    sign_in(
        b"AUTH LOGIN",
        (b"AUTH LOGIN\r\n", b"334 VXNlcm5hbWU6\r\n"),
        (b"YW5u\r\n", b"334 UGFzc3dvcmQ6\r\n"),
        (b"czNjcmV0\r\n", b"235 yes\r\n"),
    )


@pytest.mark.parametrize(
    ("answer", "by_peer"),
    [
        (b"535 5.7.8 no\r\n", True),
        (b"454 4.7.0 later\r\n", True),
        (b"334 more?\r\n", False),
        (b"250 welcome\r\n", False),
    ],
)
def test_a_refused_password_ends_the_conversation(answer: bytes, *, by_peer: bool) -> None:
    with pytest.raises(ConversationEnded) as caught:
        sign_in(b"AUTH PLAIN", (PLAIN, answer))
    assert caught.value.stage is Stage.AUTH
    assert caught.value.by_peer == by_peer
    assert caught.value.reply.code >= 400


@pytest.mark.parametrize(
    "echo", [PLAIN.strip(), PLAIN[:-6], PLAIN[5:20], b"czNjcmV0", b"s3cret", b"a s3cret, b " + PLAIN.strip()]
)
def test_a_hop_that_repeats_the_password_puts_it_into_no_reply(echo: bytes) -> None:
    with pytest.raises(ConversationEnded) as caught:
        sign_in(b"AUTH PLAIN", (PLAIN, b"535-5.7.8 why " + echo + b"\r\n535 5.7.8 " + echo + b" indeed\r\n"))
    said = str(caught.value.reply)
    assert said.startswith("535 5.7.8 why ")
    assert said.endswith(" indeed")
    assert "s3cret" not in said
    assert "AGFub" not in said
    assert "czNjcmV0" not in said


def test_without_a_mechanism_that_we_speak_nothing_is_sent() -> None:
    with pytest.raises(ConversationEnded) as caught:
        sign_in(b"AUTH GSSAPI")
    assert caught.value.stage is Stage.AUTH


@pytest.mark.parametrize("use", [TlsUse.NEVER, TlsUse.IF_OFFERED])
def test_no_password_is_sent_in_clear_text(use: TlsUse) -> None:
    with pytest.raises(ConversationEnded, match="verified"):
        open_with(how(use, ME), (b"", b"220 hi\r\n"), (EHLO, b"250-hop\r\n250 AUTH PLAIN\r\n"))


def test_no_password_is_sent_to_a_hop_whose_name_was_not_verified() -> None:
    with pytest.raises(ConversationEnded, match="verified"):
        open_with(
            how(TlsUse.DEMANDED, ME),
            (b"", b"220 hi\r\n"),
            (EHLO, b"250-hop\r\n250 STARTTLS\r\n"),
            (b"STARTTLS\r\n", b"220 go\r\n"),
            (b"", UNVERIFIED),
            (EHLO, b"250-hop\r\n250 AUTH PLAIN\r\n"),
        )


def test_a_password_never_shows() -> None:
    assert "s3cret" not in repr(ME)
    with pytest.raises(ValueError, match="NUL"):
        Credentials("ann", "a\0b")


def test_quit_is_said_only_by_a_client_at_rest() -> None:
    client = opened("DSN")
    client.quit()
    assert client.take_outgoing() == [b"QUIT\r\n"]
    assert not client.is_reusable
    client.quit()
    assert not client.take_outgoing()


def test_a_hop_that_speaks_unasked_is_not_used_again() -> None:
    client = opened("DSN")
    assert client.receive(b"421 4.4.2 idle too long\r\n")
    assert not client.is_reusable


def test_mailmax_ends_a_conversation_in_time() -> None:
    client = opened("LIMITS MAILMAX=1")
    result = play(
        client,
        client.transaction(transaction("bob@example.com")),
        (b"MAIL FROM:<ann@example.org>\r\n", b"250 ok\r\n"),
        (b"RCPT TO:<bob@example.com>\r\n", b"250 ok\r\n"),
        (b"DATA\r\n", b"354 go\r\n"),
        (b"Subject: x\r\n\r\nHi\r\n.\r\n", b"250 ok\r\n"),
    )
    assert result.broke_off is None
    assert not client.is_reusable


def test_a_hop_that_does_not_know_the_auth_parameter_is_spoken_to_without_it() -> None:
    client = sign_in(b"AUTH PLAIN", (PLAIN, b"235 yes\r\n"))
    result = play(
        client,
        client.transaction(transaction("bob@example.com")),
        (b"MAIL FROM:<ann@example.org> AUTH=<>\r\n", b"555 5.5.4 what?\r\n"),
    )
    assert result.distrust == {"AUTH="}
    careful = Opening("me.example.org", TlsUse.FROM_FIRST_OCTET, ME, frozenset({"AUTH="}))
    client = open_with(
        careful,
        (b"", VERIFIED),
        (b"", b"220 hi\r\n"),
        (EHLO, b"250-hop\r\n250 AUTH PLAIN\r\n"),
        (PLAIN, b"235 yes\r\n"),
    )
    refusal = b"555 5.5.4 what?\r\n"
    result = play(
        client,
        client.transaction(transaction("bob@example.com")),
        (b"MAIL FROM:<ann@example.org>\r\n", refusal),
    )
    assert not result.distrust
