"""One transaction, as a dialogue of what is written and what is answered."""

from __future__ import annotations

import pytest

from sams.core.address import Mailbox
from sams.core.envelope import Notify, Recipient
from sams.core.outcome import Result
from sams.protocol.smtp.client import SmtpClient
from sams.protocol.smtp.client_result import TransactionResult
from sams.protocol.smtp.client_transaction import EAGER, WINDOW
from sams.protocol.smtp.client_waits import Stage, too_slow
from tests.support.client_script import LOST, Step, opened, play, transaction

MAIL = b"MAIL FROM:<ann@example.org>\r\n"
BOB = b"RCPT TO:<bob@example.com>\r\n"
EVE = b"RCPT TO:<eve@example.com>\r\n"
DATA = b"DATA\r\n"
TEXT = b"Subject: x\r\n\r\nHi\r\n"
ENVELOPE = MAIL + BOB + EVE

D, T, F = Result.DELIVERED, Result.DEFERRED, Result.FAILED
Told = list[tuple[Result, int, bool] | None]


def run(
    client: SmtpClient, *steps: Step, to: tuple[str, ...] = ("bob@example.com", "eve@example.com")
) -> TransactionResult:
    return play(client, client.transaction(transaction(*to)), *steps)


def told(result: TransactionResult) -> Told:
    """Result, code and whose reply, for each recipient; None: next transaction."""
    return [
        None if each is None else (each.result, each.reply.code, each.by_peer) for each in result.verdicts
    ]


def test_without_pipelining_every_command_waits_for_its_reply() -> None:
    client = opened("DSN")
    result = run(
        client,
        (MAIL, b"250 ok\r\n"),
        (BOB, b"250 ok\r\n"),
        (EVE, b"550 5.1.1 no\r\n"),
        (DATA, b"354 go\r\n"),
        (TEXT + b".\r\n", b"250 2.0.0 yes\r\n"),
    )
    assert told(result) == [(D, 250, True), (F, 550, True)]
    assert result.end is not None
    assert result.dsn_aware
    assert client.is_reusable


def test_with_pipelining_a_message_takes_two_round_trips() -> None:
    result = run(
        opened("PIPELINING"),
        (ENVELOPE + DATA, b"250 ok\r\n250 ok\r\n450 later\r\n354 go\r\n"),
        (TEXT + b".\r\n", b"250 yes\r\n"),
    )
    assert told(result) == [(D, 250, True), (T, 450, True)]


def test_with_chunking_a_small_message_takes_one() -> None:
    result = run(
        opened("PIPELINING", "CHUNKING"),
        (ENVELOPE + b"BDAT 18 LAST\r\n" + TEXT, b"250 ok\r\n250 ok\r\n250 ok\r\n250 yes\r\n"),
    )
    assert told(result) == [(D, 250, True), (D, 250, True)]


def test_with_chunking_a_large_message_waits_until_someone_wants_it() -> None:
    client = opened("PIPELINING", "CHUNKING")
    large = transaction("bob@example.com", text=b"x" * EAGER)
    size = large.message.size
    result = play(
        client,
        client.transaction(large),
        (MAIL + BOB, b"250 ok\r\n550 no\r\n"),
    )
    assert told(result) == [(F, 550, True)]
    result = play(
        client,
        client.transaction(large),
        (b"RSET\r\n", b"250 ok\r\n"),
        (MAIL + BOB, b"250 ok\r\n250 ok\r\n"),
        (None, b"250 yes\r\n"),
    )
    assert told(result) == [(D, 250, True)]
    assert size > EAGER


def test_a_null_reverse_path_is_written_as_one() -> None:
    client = opened()
    play(client, client.transaction(transaction("bob@example.com", sender=None)), (b"MAIL FROM:<>\r\n", LOST))


@pytest.mark.parametrize("offer", [("PIPELINING",), ("PIPELINING", "CHUNKING")])
def test_when_no_recipient_is_accepted_each_keeps_its_own_reply(offer: tuple[str, ...]) -> None:
    client = opened(*offer)
    result = run(client, (None, b"250 ok\r\n550 5.1.1 no\r\n450 4.2.1 later\r\n503 5.5.1 nobody\r\n"))
    assert told(result) == [(F, 550, True), (T, 450, True)]
    assert client.is_reusable


def test_354_without_recipients_is_answered_with_the_dot_alone() -> None:
    client = opened("PIPELINING")
    result = run(
        client,
        (ENVELOPE + DATA, b"250 ok\r\n550 no\r\n550 no\r\n354 go\r\n"),
        (b".\r\n", b"554 nothing\r\n"),
    )
    assert told(result) == [(F, 550, True), (F, 550, True)]
    assert client.is_reusable


def test_a_message_taken_for_nobody_delivers_to_nobody() -> None:
    result = run(
        opened("PIPELINING"),
        (None, b"250 ok\r\n550 no\r\n550 no\r\n354 go\r\n"),
        (b".\r\n", b"250 taken\r\n"),
    )
    assert told(result) == [(F, 550, True), (F, 550, True)]


@pytest.mark.parametrize(
    ("line", "result", "code"), [(b"452 4.3.1 full\r\n", T, 452), (b"550 no\r\n", F, 550)]
)
def test_a_refused_mail_decides_for_all(line: bytes, result: Result, code: int) -> None:
    client = opened("PIPELINING")
    answer = line + b"503 5.5.1 no\r\n" * 3
    assert told(run(client, (ENVELOPE + DATA, answer))) == [(result, code, True)] * 2
    assert client.is_reusable
    client = opened()
    assert told(run(client, (MAIL, line))) == [(result, code, True)] * 2


def test_a_refused_mail_with_354_all_the_same_is_ended_with_the_dot() -> None:
    result = run(
        opened("PIPELINING"),
        (None, b"550 no\r\n250 ok\r\n250 ok\r\n354 go\r\n"),
        (b".\r\n", b"250 taken\r\n"),
    )
    assert told(result) == [(F, 550, True)] * 2


@pytest.mark.parametrize(("line", "result", "code"), [(b"451 later\r\n", T, 451), (b"554 no\r\n", F, 554)])
def test_a_refused_data_decides_for_the_accepted(line: bytes, result: Result, code: int) -> None:
    client = opened("PIPELINING")
    answer = run(client, (ENVELOPE + DATA, b"250 ok\r\n250 ok\r\n550 5.1.1 no\r\n" + line))
    assert told(answer) == [(result, code, True), (F, 550, True)]
    assert client.is_reusable


@pytest.mark.parametrize(
    ("line", "result", "code"),
    [(b"451 4.3.0 later\r\n", T, 451), (b"554 5.7.1 spam\r\n", F, 554), (b"200 odd\r\n", D, 200)],
)
def test_the_reply_to_the_end_decides_for_the_accepted(line: bytes, result: Result, code: int) -> None:
    client = opened("PIPELINING")
    answer = run(client, (None, b"250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n"), (TEXT + b".\r\n", line))
    assert told(answer) == [(result, code, True), (F, 550, True)]
    assert client.is_reusable


def test_what_a_transaction_left_is_reset_before_the_next_one_says_anything() -> None:
    client = opened("PIPELINING")
    run(client, (None, b"250 ok\r\n550 no\r\n550 no\r\n554 no\r\n"))
    result = run(
        client,
        (b"RSET\r\n", b"250 ok\r\n"),
        (ENVELOPE + DATA, b"250 ok\r\n" * 3 + b"354 go\r\n"),
        (None, b"250 yes\r\n"),
    )
    assert told(result) == [(D, 250, True)] * 2
    run(client, (ENVELOPE + DATA, b"250 ok\r\n" * 3 + b"354 go\r\n"), (None, b"250 yes\r\n"))


def test_without_pipelining_the_reset_waits_for_its_reply_too() -> None:
    client = opened()
    run(client, (MAIL, b"250 ok\r\n"), (BOB, b"550 no\r\n"), (EVE, b"550 no\r\n"))
    run(client, (b"RSET\r\n", b"250 ok\r\n"), (MAIL, b"550 no\r\n"))
    run(client, (MAIL, b"550 no\r\n"))


@pytest.mark.parametrize("extensions", [(), ("PIPELINING",), ("PIPELINING", "CHUNKING")])
def test_a_refused_reset_ends_the_conversation_with_nothing_touched(extensions: tuple[str, ...]) -> None:
    client = opened(*extensions)
    replies = [b"250 ok\r\n", b"550 no\r\n", b"550 no\r\n", b"554 no\r\n"]
    run(client, *([(None, b"".join(replies))] if extensions else [(None, one) for one in replies[:3]]))
    result = run(client, (b"RSET\r\n", b"502 what?\r\n"))
    assert not client.take_outgoing()
    assert not client.is_reusable
    assert result.distrust == {"RSET"}
    assert result.broke_off is not None
    assert (result.broke_off.stage, result.broke_off.untouched) == (Stage.RSET, True)
    assert told(result) == [None, None]


# ---- too many at once


@pytest.mark.parametrize(
    "line", [b"452 4.5.3 enough\r\n", b"452 enough\r\n", b"552 5.5.3 enough\r\n", b"552 x\r\n"]
)
def test_who_was_one_too_many_goes_at_once_with_the_next(line: bytes) -> None:
    client = opened("PIPELINING")
    result = run(client, (None, b"250 ok\r\n250 ok\r\n" + line + b"354 go\r\n"), (None, b"250 yes\r\n"))
    assert told(result) == [(D, 250, True), None]
    assert client.is_reusable


@pytest.mark.parametrize(
    ("line", "result", "code"),
    [(b"452 4.5.3 enough\r\n", T, 452), (b"452 4.2.2 full\r\n", T, 452), (b"552 5.2.2 full\r\n", F, 552)],
)
def test_a_hop_that_takes_not_even_one_defers(line: bytes, result: Result, code: int) -> None:
    answer = run(opened("PIPELINING"), (None, b"250 ok\r\n" + line + line + b"554 no\r\n"))
    assert told(answer) == [(result, code, True)] * 2


def test_a_full_mailbox_is_not_taken_for_a_full_transaction() -> None:
    answer = run(
        opened("PIPELINING"),
        (None, b"250 ok\r\n250 ok\r\n452 4.2.2 full\r\n354 go\r\n"),
        (None, b"250 yes\r\n"),
    )
    assert told(answer) == [(D, 250, True), (T, 452, True)]


def test_rcptmax_is_kept_without_asking() -> None:
    result = run(
        opened("PIPELINING", "LIMITS RCPTMAX=1"),
        (MAIL + BOB + DATA, b"250 ok\r\n250 ok\r\n354 go\r\n"),
        (None, b"250 yes\r\n"),
    )
    assert told(result) == [(D, 250, True), None]


def test_rcptdomainmax_is_kept_without_asking() -> None:
    result = run(
        opened("PIPELINING", "LIMITS RCPTDOMAINMAX=1"),
        (
            MAIL + BOB + b"RCPT TO:<kim@EXAMPLE.com>\r\n" + DATA,
            b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n",
        ),
        (None, b"250 yes\r\n"),
        to=("bob@example.com", "eve@example.net", "kim@EXAMPLE.com"),
    )
    assert told(result) == [(D, 250, True), None, (D, 250, True)]


def test_a_refusal_of_the_message_does_not_wait_for_the_next_transaction() -> None:
    result = run(opened("PIPELINING", "LIMITS RCPTMAX=1"), (None, b"550 no\r\n503 no\r\n503 no\r\n"))
    assert told(result) == [(F, 550, True)] * 2


def test_one_too_many_is_deferred_when_the_connection_breaks() -> None:
    result = run(
        opened("PIPELINING"),
        (None, b"250 ok\r\n250 ok\r\n452 4.5.3 enough\r\n354 go\r\n"),
        (None, LOST),
    )
    assert told(result) == [(T, 451, False), (T, 452, True)]


def test_many_recipients_leave_in_windows() -> None:
    client = opened("PIPELINING")
    names = tuple(f"user{number}@example.com" for number in range(1_000))
    dialogue = client.transaction(transaction(*names))
    next(dialogue)
    outstanding, most, answered = 0, 0, 0
    results: list[TransactionResult] = []
    try:
        while True:
            written = b"".join(client.take_outgoing())
            outstanding += written.count(b"\r\n")
            most = max(most, outstanding)
            if written.endswith(DATA):
                for _ in range(outstanding - 1):
                    client.receive(b"250 ok\r\n")
                client.receive(b"354 go\r\n")
                outstanding = 0
            elif b".\r\n" in written[-3:]:
                client.receive(b"250 yes\r\n")
            else:
                client.receive(b"250 ok\r\n")
                outstanding -= 1
            answered += 1
            next(dialogue)
    except StopIteration as stop:
        results = [stop.value]
    assert told(results[0]) == [(D, 250, True)] * 1_000
    assert most <= WINDOW + 1
    assert answered > 1_000 // WINDOW


# ---- where it breaks


@pytest.mark.parametrize(
    ("steps", "stage", "after_end", "untouched"),
    [
        ([(None, LOST)], Stage.MAIL, False, True),
        ([(None, b"250 ok\r\n"), (None, LOST)], Stage.RCPT, False, False),
        ([(None, b"250 ok\r\n" * 3), (None, LOST)], Stage.DATA, False, False),
        ([(None, b"250 ok\r\n" * 3 + b"354 go\r\n"), (None, LOST)], Stage.END, True, False),
        ([(None, too_slow(Stage.MAIL))], Stage.MAIL, False, True),
        ([(None, b"rubbish\r\n")], Stage.MAIL, False, True),
        ([(None, b"350 odd\r\n")], Stage.MAIL, False, True),
        ([(None, b"250 ok\r\n354 odd\r\n")], Stage.RCPT, False, False),
        ([(None, b"250 ok\r\n" * 4)], Stage.DATA, False, False),
        ([(None, b"250 ok\r\n" * 3 + b"354 go\r\n"), (None, b"354 go\r\n")], Stage.END, True, False),
    ],
)
def test_a_break_defers_who_has_no_verdict(
    steps: list[Step], stage: Stage, after_end: bool, untouched: bool
) -> None:
    client = opened("PIPELINING")
    result = run(client, *steps)
    assert told(result) == [(T, 451, False)] * 2
    assert result.broke_off is not None
    assert (result.broke_off.stage, result.broke_off.after_end) == (stage, after_end)
    assert result.broke_off.untouched is untouched
    assert not client.is_reusable


@pytest.mark.parametrize(
    "steps",
    [
        [(None, b"421 4.3.2 closing\r\n")],
        [(None, b"250 ok\r\n421 4.3.2 closing\r\n")],
        [(None, b"250 ok\r\n" * 3 + b"421 4.3.2 closing\r\n")],
        [(None, b"250 ok\r\n" * 3 + b"354 go\r\n"), (None, b"421 4.3.2 closing\r\n")],
    ],
)
def test_421_ends_the_conversation_and_defers_with_its_words(steps: list[Step]) -> None:
    client = opened("PIPELINING")
    result = run(client, *steps)
    assert told(result) == [(T, 421, True)] * 2
    assert result.broke_off is not None
    assert result.broke_off.by_peer
    assert not client.is_reusable


def test_a_recipient_refused_before_the_break_stays_refused() -> None:
    result = run(opened("PIPELINING"), (None, b"250 ok\r\n550 no\r\n"), (None, LOST))
    assert told(result) == [(F, 550, True), (T, 451, False)]


def test_a_demand_to_sign_in_is_our_fault_and_no_message_is_to_blame() -> None:
    result = run(opened("PIPELINING"), (None, b"530 5.7.0 sign in first\r\n"))
    assert told(result) == [(T, 530, True)] * 2
    assert result.broke_off is not None


def test_more_replies_than_commands_leave_the_message_delivered_and_the_connection_unused() -> None:
    client = opened("PIPELINING")
    result = run(client, (None, b"250 ok\r\n" * 3 + b"354 go\r\n"), (None, b"250 yes\r\n250 more\r\n"))
    assert told(result) == [(D, 250, True)] * 2
    assert not client.is_reusable


def test_bdat_sent_early_may_have_been_taken_when_the_connection_breaks() -> None:
    result = run(opened("PIPELINING", "CHUNKING"), (None, LOST))
    assert told(result) == [(T, 451, False)] * 2
    assert result.broke_off is not None
    assert result.broke_off.after_end


@pytest.mark.parametrize("code", [500, 502])
def test_a_hop_that_does_not_know_the_bdat_it_offered_is_not_believed_again(code: int) -> None:
    client = opened("PIPELINING", "CHUNKING")
    result = run(client, (None, b"250 ok\r\n" * 3 + b"%d what?\r\n" % code))
    assert told(result) == [None, None]
    assert result.distrust == {"CHUNKING"}
    assert not client.is_reusable


def test_a_refused_bdat_decides_like_a_refused_message() -> None:
    client = opened("PIPELINING", "CHUNKING")
    result = run(client, (None, b"250 ok\r\n" * 3 + b"554 5.7.1 spam\r\n"))
    assert told(result) == [(F, 554, True)] * 2
    assert client.is_reusable


# ---- what is known before anything is sent


@pytest.mark.parametrize(
    ("offer", "facts", "status"),
    [
        (("SIZE 10",), {}, "5.3.4"),
        (("8BITMIME",), {"needs_smtputf8": True}, "5.6.7"),
        (("PIPELINING",), {"has_8bit": True}, "5.6.3"),
        (("8BITMIME",), {"is_binary": True}, "5.6.3"),
        (("BINARYMIME",), {"is_binary": True}, "5.6.3"),
    ],
)
def test_what_the_hop_cannot_take_is_refused_without_sending(
    offer: tuple[str, ...], facts: dict[str, bool], status: str
) -> None:
    client = opened(*offer)
    result = play(client, client.transaction(transaction("bob@example.com", "eve@example.com", facts=facts)))
    assert [each and str(each.reply.status) for each in result.verdicts] == [status] * 2
    assert [each and each.by_peer for each in result.verdicts] == [False] * 2
    assert client.is_reusable
    assert client.transactions == 0


def test_a_reverse_path_in_utf8_needs_a_hop_that_takes_it() -> None:
    client = opened()
    result = play(client, client.transaction(transaction("bob@example.com", sender="jürgen@example.org")))
    assert told(result) == [(F, 553, False)]


def test_a_recipient_in_utf8_fails_alone() -> None:
    result = run(
        opened("PIPELINING"),
        (MAIL + BOB + DATA, b"250 ok\r\n250 ok\r\n354 go\r\n"),
        (None, b"250 yes\r\n"),
        to=("jürgen@example.com", "bob@example.com"),
    )
    assert told(result) == [(F, 553, False), (D, 250, True)]


def test_when_no_recipient_is_left_nothing_is_sent() -> None:
    client = opened("PIPELINING")
    assert told(run(client, to=("jürgen@example.com",))) == [(F, 553, False)]
    assert client.is_reusable


def test_a_control_character_in_an_address_never_becomes_a_command() -> None:
    client = opened("PIPELINING")
    recipient = Recipient(Mailbox("bob", "example.com>\r\nDATA"))
    with pytest.raises(ValueError, match="control character"):
        play(client, client.transaction(transaction(recipient)))
    assert not client.is_reusable


def test_a_recipient_that_wants_no_report_says_so() -> None:
    client = opened("DSN")
    quiet = Recipient(transaction("bob@example.com").envelope.recipients[0].mailbox, Notify.NEVER)
    play(
        client,
        client.transaction(transaction(quiet)),
        (MAIL, b"250 ok\r\n"),
        (b"RCPT TO:<bob@example.com> NOTIFY=NEVER\r\n", LOST),
    )


# ---- a hop that does not do what it says


@pytest.mark.parametrize(
    ("offer", "facts", "line", "distrust"),
    [
        ("SIZE 1000", {}, b" SIZE=18", {"SIZE"}),
        ("8BITMIME", {"has_8bit": True}, b" BODY=8BITMIME", {"8BITMIME"}),
        ("SMTPUTF8", {"needs_smtputf8": True}, b" SMTPUTF8", {"SMTPUTF8"}),
    ],
)
@pytest.mark.parametrize("code", [504, 555])
def test_a_hop_that_does_not_know_a_parameter_that_it_offered_is_spoken_to_without_it(
    offer: str, facts: dict[str, bool], line: bytes, distrust: set[str], code: int
) -> None:
    client = opened(offer)
    dialogue = client.transaction(transaction("bob@example.com", facts=facts))
    result = play(client, dialogue, (MAIL[:-2] + line + b"\r\n", b"%d what?\r\n" % code))
    assert told(result) == [None]
    assert result.distrust == distrust
    assert result.broke_off is None
    assert not client.is_reusable


def test_a_refusal_of_a_parameter_that_was_not_said_is_a_refusal() -> None:
    client = opened("8BITMIME", "DSN")
    result = run(client, (MAIL, b"555 5.5.4 what?\r\n"))
    assert told(result) == [(F, 555, True)] * 2
    assert not result.distrust


def test_a_recipient_whose_wish_for_a_report_is_not_known_goes_again_without_it() -> None:
    client = opened("DSN")
    one = transaction(Recipient(Mailbox("bob", "example.com"), Notify.NEVER), "eve@example.com")
    result = play(
        client,
        client.transaction(one),
        (MAIL, b"250 ok\r\n"),
        (BOB[:-2] + b" NOTIFY=NEVER\r\n", b"555 5.5.4 what?\r\n"),
        (EVE, b"250 ok\r\n"),
        (DATA, b"354 go\r\n"),
        (None, b"250 yes\r\n"),
    )
    assert told(result) == [None, (D, 250, True)]
    assert result.distrust == {"DSN"}
    assert not client.is_reusable


def test_where_replies_do_not_fit_the_commands_nobody_is_given_up_for_another() -> None:
    client = opened("PIPELINING")
    result = run(client, (ENVELOPE + DATA, b"250 ok\r\n250 bob\r\n550 bob too?\r\n250 eve\r\n354 go\r\n"))
    assert told(result) == [(T, 451, False)] * 2
    assert not client.is_reusable


def test_a_refusal_behind_which_more_was_said_than_asked_is_not_believed() -> None:
    client = opened("PIPELINING", "CHUNKING")
    result = run(client, (None, b"250 ok\r\n250 bob\r\n250 bob\r\n550 eve\r\n250 yes\r\n"))
    assert told(result) == [(T, 451, False)] * 2
    assert not client.is_reusable
