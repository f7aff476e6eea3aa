from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sams.core.reply import reply
from sams.protocol.smtp.events import (
    Auth,
    AuthCancelled,
    AuthData,
    BodyChunk,
    BodyEnd,
    BodyRefused,
    BodyStart,
    Closed,
    Mail,
    Need,
    Quit,
    Rcpt,
)
from sams.protocol.smtp.server import ProtocolMisuse, ServerEngine
from sams.protocol.smtp.states import State
from tests.protocol.smtp.harness import SETTINGS, SIGN_IN, Session, session

ENVELOPE = b"MAIL FROM:<alice@example.org>\r\nRCPT TO:<bob@example.net>\r\n"
OK = reply(250, "2.0.0", "Ok")
TRY_LATER = reply(452, "4.3.1", "No room")


def engine_that_asks(event: type, said: bytes) -> ServerEngine:
    """An engine at the point where this event asks."""
    engine = ServerEngine(SETTINGS, tls=True, reference=lambda: "R")
    engine.receive(SIGN_IN + said)
    while not isinstance(told := engine.next_event(), event):
        assert told is not Need.DATA
        if isinstance(told, Auth):
            engine.answer(reply(235, "2.7.0", "Yes"))
        elif isinstance(told, Mail | Rcpt):
            engine.answer(OK)
        elif isinstance(told, BodyStart):
            engine.accept_body()
    return engine


def test_an_event_that_asks_waits_for_its_answer() -> None:
    engine = engine_that_asks(Mail, ENVELOPE)
    assert engine.next_event() is Need.ANSWER
    engine.answer(OK)
    assert isinstance(engine.next_event(), Rcpt)


def test_a_plain_yes_is_said_by_the_engine() -> None:
    engine = engine_that_asks(Mail, ENVELOPE)
    engine.take_output()
    for call in (engine.accept_recipient, engine.accept_body):
        with pytest.raises(ProtocolMisuse):
            call()
    engine.accept_sender()
    assert isinstance(engine.next_event(), Rcpt)
    with pytest.raises(ProtocolMisuse):
        engine.accept_sender()
    engine.accept_recipient()
    assert engine.next_event() is Need.DATA
    assert engine.state is State.RCPT
    assert engine.take_output() == b"250 2.1.0 Sender accepted\r\n250 2.1.5 Recipient accepted\r\n"


def test_a_sign_in_is_accepted_once_by_the_engines_own_words() -> None:
    engine = engine_that_asks_for_auth()
    engine.take_output()
    engine.accept_sign_in()
    with pytest.raises(ProtocolMisuse):
        engine.accept_sign_in()
    assert (engine.authenticated, engine.state) == (True, State.READY)
    assert engine.take_output() == b"235 2.7.0 Signed in\r\n"


def test_a_message_is_accepted_once_with_words_of_the_session() -> None:
    engine = engine_that_asks(BodyEnd, ENVELOPE + b"DATA\r\n.\r\n")
    engine.take_output()
    engine.accept_message(b"250 2.0.0 Accepted as 7\r\n")
    assert engine.take_output() == b"250 2.0.0 Accepted as 7\r\n"
    assert engine.next_event() is Need.DATA
    assert engine.state is State.READY
    with pytest.raises(ProtocolMisuse):
        engine.accept_message(b"250 2.0.0 Accepted as 8\r\n")


@pytest.mark.parametrize(
    "said", [b"DATA\r\nfirst\r\nsecond\r\n.\r\n", b"BDAT 15 LAST\r\nfirst\r\nsecond\r\n"]
)
def test_a_message_that_comes_in_one_piece_is_one_event(said: bytes) -> None:
    it = session(signed_in=True)
    it.receive(ENVELOPE + said)
    assert [type(event) for event in it.events] == [Mail, Rcpt, BodyStart, BodyEnd]
    assert it.message == b"first\r\nsecond\r\n"


def test_an_answer_tells_the_reference_that_it_was_given() -> None:
    told = engine_that_asks(Mail, ENVELOPE).answer(reply(553, "5.7.1", "Not yours"))
    assert told == reply(553, "5.7.1", "Not yours").with_reference("R")
    own = reply(553, "5.7.1", "Not yours").with_reference("OWN")
    assert engine_that_asks(Mail, ENVELOPE).answer(own) is own
    assert engine_that_asks(Mail, ENVELOPE).answer(OK) is OK


@pytest.mark.parametrize("event", [Mail, Rcpt, BodyStart, BodyEnd])
def test_421_as_an_answer_ends_the_session(event: type) -> None:
    engine = engine_that_asks(event, ENVELOPE + b"DATA\r\n.\r\nNOOP\r\n")
    engine.take_output()
    said = engine.answer(reply(421, "4.3.2", "Shutting down"))
    assert engine.next_event() == Closed(said)
    assert engine.next_event() is Need.NOTHING
    assert engine.take_output().endswith(b"421 4.3.2 Shutting down (ref R)\r\n")


def test_421_to_a_first_chunk_is_said_at_once() -> None:
    engine = engine_that_asks(BodyStart, ENVELOPE + b"BDAT 1000 LAST\r\n")
    engine.answer(reply(421, "4.3.2", "Shutting down"))
    assert engine.take_output().endswith(b"421 4.3.2 Shutting down (ref R)\r\n")
    assert isinstance(engine.next_event(), Closed)


@pytest.mark.parametrize(
    ("event", "said", "code"),
    [
        (Mail, b"", 354),
        (Mail, b"", 235),
        (Mail, b"", 251),
        (BodyStart, b"DATA\r\n", 250),
        (BodyEnd, b"DATA\r\n.\r\n", 354),
    ],
)
def test_an_answer_that_does_not_fit_is_a_bug_and_changes_nothing(
    event: type, said: bytes, code: int
) -> None:
    engine = engine_that_asks(event, ENVELOPE + said)
    with pytest.raises(ProtocolMisuse):
        engine.answer(reply(code, None, "?"))
    assert engine.next_event() is Need.ANSWER


def test_calls_out_of_place_are_bugs() -> None:
    engine = ServerEngine(SETTINGS, tls=False, reference=lambda: "R")
    for call in (
        lambda: engine.answer(OK),
        lambda: engine.challenge(b""),
        engine.accept_body,
        lambda: engine.refuse_body(TRY_LATER),
        engine.tls_established,
    ):
        with pytest.raises(ProtocolMisuse):
            call()
    with pytest.raises(ProtocolMisuse):
        engine_that_asks(BodyStart, ENVELOPE + b"DATA\r\n").answer(OK)
    with pytest.raises(ProtocolMisuse):
        engine_that_asks(BodyEnd, ENVELOPE + b"DATA\r\n.\r\n").refuse_body(TRY_LATER)


def test_closing_says_why_once_and_drops_what_was_pipelined() -> None:
    it = session(signed_in=True)
    it.engine.receive(ENVELOPE + b"QUIT\r\n")
    said = it.engine.close(reply(421, "4.4.2", "Too slow"))
    it.engine.close(reply(421, "4.3.2", "Shutting down"))
    it.engine.receive(b"NOOP\r\n")
    assert it.drive() is Need.NOTHING
    assert it.events == [Closed(said)]
    assert it.take() == b"421 4.4.2 Too slow (ref K7Q2-4F)\r\n"
    assert it.engine.state is State.CLOSED


def test_quit_ends_without_a_refusal_and_reads_nothing_more() -> None:
    it = session(signed_in=True)
    assert it.receive(b"QUIT\r\nNOOP\r\n") is Need.NOTHING
    assert it.events == [Quit(), Closed(None)]
    assert it.take() == b"221 2.0.0 submit.example.org closing connection\r\n"


def test_what_comes_between_starttls_and_the_handshake_is_never_a_command() -> None:
    for ask_for_events in (True, False):
        it = session(tls=False)
        assert it.receive(b"STARTTLS\r\n") is Need.HANDSHAKE
        it.take()
        it.engine.receive(b"EHLO injected\r\n")
        if not ask_for_events:
            it.engine.tls_established()
        assert it.drive() is Need.NOTHING
        assert it.take().startswith(b"554 5.5.1 Nothing may follow STARTTLS")
        assert not it.engine.tls


def test_a_session_knows_where_it_stands() -> None:
    it = session(tls=False)
    engine = it.engine
    assert (engine.tls, engine.authenticated, engine.esmtp, engine.helo_name) == (False, False, False, None)
    it.receive(b"EHLO my laptop\xff\x1b\r\n")
    assert (engine.esmtp, engine.helo_name) == (True, "my laptop\\xff\\x1b")
    it.receive(b"STARTTLS\r\n")
    engine.tls_established()
    assert (engine.tls, engine.esmtp, engine.helo_name) == (True, False, None)
    it.receive(SIGN_IN)
    assert engine.authenticated
    it.receive(b"MAIL FROM:<alice@example.org> SMTPUTF8\r\n")
    assert (engine.in_transaction, engine.in_body) == (True, False)
    it.receive(b"RCPT TO:<bob@example.net>\r\nDATA\r\nabc")
    assert (engine.in_transaction, engine.in_body) == (True, True)
    it.receive(b"\r\n.\r\nNOO")
    assert (engine.in_transaction, engine.in_body) == (False, False)
    it.take()
    it.receive(b"P\r\n")
    assert it.take().startswith(b"250 ")


def test_a_batch_of_commands_is_answered_by_one_output() -> None:
    it = session(signed_in=True)
    it.engine.receive(ENVELOPE + b"DATA\r\n")
    it.drive()
    assert it.engine.take_output() == b""
    assert it.take().count(b"\r\n") == 3


def test_a_message_refused_by_the_session_midway_is_answered_at_its_end() -> None:
    it = session(signed_in=True)
    it.receive(ENVELOPE + b"DATA\r\nfirst\r\n")
    it.take()
    said = it.engine.refuse_body(TRY_LATER)
    it.receive(b"second\r\n")
    assert it.take() == b""
    it.receive(b".\r\nNOOP\r\n")
    assert it.take() == b"452 4.3.1 No room (ref K7Q2-4F)\r\n250 2.0.0 Ok\r\n"
    assert it.events[-1] == BodyRefused(said)
    assert [event.data for event in it.events if isinstance(event, BodyChunk)] == [b"first"]


def test_a_chunk_refused_by_the_session_refuses_those_behind_it() -> None:
    it = session(signed_in=True)
    it.receive(ENVELOPE + b"BDAT 4\r\nab")
    it.take()
    it.engine.refuse_body(TRY_LATER)
    it.receive(b"cdBDAT 4\r\nabcdBDAT 0 LAST\r\nBDAT 0 LAST\r\n")
    assert it.take().split(b"\r\n") == [
        b"452 4.3.1 No room (ref K7Q2-4F)",
        b"452 4.3.1 No room (ref K7Q2-4F)",
        b"452 4.3.1 No room (ref K7Q2-4F)",
        b"503 5.5.1 MAIL comes first (ref K7Q2-4F)",
        b"",
    ]


def test_large_pieces_of_a_message_are_passed_on_as_they_come() -> None:
    it = session(signed_in=True)
    piece = 400 * (70 * b"x" + b"\r\n")
    it.receive(ENVELOPE + b"DATA\r\n")
    for _ in range(5):
        it.receive(piece)
    it.receive(b".\r\n")
    assert it.message == 5 * piece
    assert sum(isinstance(event, BodyChunk) for event in it.events) <= 6
    assert it.events[-1] == BodyEnd(b"\r\n", 5 * len(piece))


def test_a_peer_that_never_ends_a_lost_message_is_cut_off() -> None:
    it = session(replace(SETTINGS, message_size=100, discard=200), signed_in=True)
    it.receive(ENVELOPE + b"DATA\r\n")
    it.take()
    needs = [it.receive(98 * b"x" + b"\r\n") for _ in range(4)]
    assert needs == [Need.DATA, Need.DATA, Need.DATA, Need.NOTHING]
    assert it.take().startswith(b"552 5.3.4 ")
    assert isinstance(it.events[-2], BodyRefused)
    assert isinstance(it.events[-1], Closed)


def test_refused_chunks_may_not_bring_octets_without_end() -> None:
    it = session(replace(SETTINGS, message_size=100, discard=200), signed_in=True)
    for _ in range(3):
        it.receive(b"BDAT 100\r\n" + 100 * b"x")
    assert it.take().count(b"503 5.5.1 ") == 3
    assert it.receive(b"BDAT 1\r\nx") is Need.NOTHING
    assert it.take().startswith(b"421 4.7.0 submit.example.org too many octets behind a refusal")


@pytest.mark.parametrize("command", [b"NOOP\r\n", b"RSET\r\n", b"HELP\r\n", b"HELO c\r\n", b"VRFY x\r\n"])
def test_commands_that_bring_no_message_nearer_have_a_limit_that_a_message_renews(command: bytes) -> None:
    it = session(replace(SETTINGS, idle_commands=4), signed_in=True)
    it.receive(2 * command)
    it.receive(ENVELOPE + b"DATA\r\n.\r\n")
    assert it.receive(4 * command) is Need.DATA
    assert it.receive(command) is Need.NOTHING
    assert b"\r\n421 4.7.0 submit.example.org too many commands without a message" in it.take()


def test_refused_recipients_are_no_mistakes_but_have_a_limit_too() -> None:
    it = session(replace(SETTINGS, errors=2, refusals=5), signed_in=True)
    it.receive(b"MAIL FROM:<alice@example.org>\r\n")
    assert it.receive(4 * b"RCPT TO:<refused@example.net>\r\n") is Need.DATA
    assert it.receive(b"RCPT TO:<refused@example.net>\r\n") is Need.NOTHING
    assert b"421 4.7.0 submit.example.org too many refused commands" in it.take()


def test_a_password_is_shown_by_no_event() -> None:
    shown = repr([Auth("PLAIN", b"\0a\0geheim"), AuthData(b"geheim"), BodyChunk(b"geheim")])
    assert "geheim" not in shown
    it = session()
    it.receive(
        SIGN_IN.replace(b"AGFsaWNlAHNlc2FtZQ==", b"AGEAZ2VoZWlt") + b"AUTH LOGIN\r\nZ2VoZWlt\r\nZ2VoZWlt\r\n"
    )
    assert "Auth" in repr(it.events)
    for secret in ("geheim", "Z2VoZWlt", "AGEAZ2VoZWlt"):
        assert secret not in repr(it.events)


def test_an_exchange_may_have_many_steps() -> None:
    engine = engine_that_asks_for_auth()
    for number in range(3):
        engine.challenge(b"more %d" % number)
        assert engine.next_event() is Need.DATA
        engine.receive(b"YQ==\r\n")
        assert engine.next_event() == AuthData(b"a")
    assert engine.take_output().endswith(b"334 bW9yZSAw\r\n334 bW9yZSAx\r\n334 bW9yZSAy\r\n")
    engine.challenge(b"")
    engine.receive(b"*\r\n")
    assert isinstance(engine.next_event(), AuthCancelled)
    assert engine.state is State.GREETED


def engine_that_asks_for_auth() -> ServerEngine:
    engine = ServerEngine(SETTINGS, tls=True, reference=lambda: "R")
    engine.receive(b"EHLO c\r\nAUTH PLAIN\r\n")
    while not isinstance(engine.next_event(), Auth):
        pass
    return engine


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"auth_equals_line": True}, b"250-AUTH=PLAIN LOGIN\r\n"),
        ({"binarymime": True}, b"250-BINARYMIME\r\n"),
        ({"max_transactions": 7}, b"250-LIMITS RCPTMAX=1000 MAILMAX=7\r\n"),
        ({"mechanisms": ("SCRAM-SHA-256",)}, b"250-AUTH SCRAM-SHA-256\r\n"),
        ({"message_size": 5}, b"250-SIZE 5\r\n"),
    ],
)
def test_ehlo_offers_what_is_set(changes: dict[str, Any], line: bytes) -> None:
    it = session(replace(SETTINGS, **changes))
    it.receive(b"EHLO c\r\n")
    assert line in it.take()


def test_sessions_of_a_listener_share_what_they_all_hear() -> None:
    for tls in (True, False, True):
        it = session(tls=tls)
        it.engine.greet()
        it.receive(b"EHLO c\r\nHELO c\r\n")
        said = it.take()
        assert said.startswith(b"220 submit.example.org ")
        assert said.endswith(b"\r\n250 submit.example.org\r\n")
        assert (b"\r\n250-AUTH " in said, b"\r\n250-STARTTLS\r\n" in said) == (tls, not tls)
    assert replace(SETTINGS, name="other.example.org").phrases.helo == b"250 other.example.org\r\n"


def test_ehlo_offers_nothing_that_is_not_there() -> None:
    it = session(replace(SETTINGS, mechanisms=(), starttls=False), tls=False)
    it.receive(b"EHLO c\r\nSTARTTLS\r\n")
    said = it.take()
    assert b"AUTH" not in said
    assert b"250-STARTTLS" not in said
    assert b"502 5.5.1 STARTTLS is not offered here" in said
    it = session(replace(SETTINGS, mechanisms=()))
    it.receive(b"EHLO c\r\nAUTH PLAIN\r\n")
    assert b"504 5.5.4 Mechanism not offered; there is none" in it.take()


def test_binarymime_is_refused_where_it_is_not_offered() -> None:
    it = session(signed_in=True)
    it.receive(b"MAIL FROM:<alice@example.org> BODY=BINARYMIME\r\n")
    assert it.take() == b"501 5.5.4 BODY takes 7BIT or 8BITMIME (ref K7Q2-4F)\r\n"


@pytest.mark.parametrize(
    "opening", [b"SSH-2.0-OpenSSH_9\r\n", b"\x80\x2e\x01", b"{", b"\x03\0\0", b"GET / HTTP/1.0\r\n"]
)
@pytest.mark.parametrize("tls", [False, True])
def test_a_stranger_is_told_once_and_sent_away(opening: bytes, tls: bool) -> None:
    it = session(tls=tls)
    assert it.receive(opening) is Need.NOTHING
    assert it.take() == (
        b"554 5.5.1 This is a mail submission server and speaks SMTP only; closing (ref K7Q2-4F)\r\n"
    )


def said_by(it: Session) -> list[bytes]:
    return [line[:3] for line in it.take().split(b"\r\n")[:-1]]


def test_a_mistake_of_a_signed_in_peer_is_no_reason_to_send_it_away() -> None:
    it = session(signed_in=True)
    it.receive(b"\x16\x03\r\n{\r\n\r\n")
    assert said_by(it) == [b"500", b"500", b"500"]


def test_what_a_handshake_told_of_the_peer_may_let_it_be_offered_more() -> None:
    it = session(SETTINGS)
    more = replace(SETTINGS, mechanisms=("PLAIN", "EXTERNAL"))
    assert b"EXTERNAL" not in (it.receive(b"EHLO c\r\n"), it.take())[1]
    it.engine.use(more)
    assert b"\r\n250-AUTH PLAIN EXTERNAL\r\n" in (it.receive(b"EHLO c\r\n"), it.take())[1]
    assert (it.receive(b"AUTH EXTERNAL =\r\n"), it.take())[1].startswith(b"235 ")
