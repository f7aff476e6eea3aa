"""What follows from an outcome, and who hears of it."""

from __future__ import annotations

import msgspec
import pytest

from sams.core.address import Mailbox, parse_mailbox
from sams.core.envelope import Body, Notify, Recipient
from sams.core.outcome import Outcome, Result
from sams.delivery.backoff import RetryPolicy
from sams.delivery.judge import Judge, Judgement, _duration
from sams.spool.interface import MessageFacts, QueuedMessage, QueuedRecipient
from tests.delivery.rig import DEFERRED, DELIVERED, FAILED, REFUSED, SENDER, START

HOUR, DAY = 3_600.0, 86_400.0
RELAYED = msgspec.structs.replace(DELIVERED, relayed_to_dsn_aware=True)
ALL = Notify.SUCCESS | Notify.FAILURE | Notify.DELAY
JUDGE = Judge(RetryPolicy(), lambda: 0.5)


def message(sender: Mailbox | None = SENDER) -> QueuedMessage:
    return QueuedMessage(
        "M", "ann", "", sender, START, 1, MessageFacts(), Body.SEVEN_BIT, smtputf8=False, ret=None, envid=None
    )


def recipient(notify: Notify | None = None, *, attempts: int = 0, told: bool = False) -> QueuedRecipient:
    bob = Recipient(parse_mailbox("bob@example.org"), notify)
    return QueuedRecipient(0, bob, "hub", START, attempts, None, told)


def news(judgement: Judgement) -> str:
    kinds = (("failed", judgement.failed), ("delayed", judgement.delayed), ("succeeded", judgement.succeeded))
    return " ".join(name for name, judged in kinds if judged)


def test_recipients_that_are_put_off_together_are_due_together() -> None:
    drawn = iter([0.1, 0.7, 0.9])
    judge = Judge(RetryPolicy(), lambda: next(drawn))
    both = [(recipient(), DEFERRED), (recipient(), DEFERRED)]
    first, second = judge.judge(message(), both, START), judge.judge(message(), both, START)
    due, other = ({one.due for one in each.settled} for each in (first, second))
    assert len(due) == len(other) == 1
    assert due != other


@pytest.mark.parametrize(
    ("outcome", "age", "notify", "told"),
    [
        (DELIVERED, 0, None, ""),
        (DELIVERED, 0, ALL, "succeeded"),
        (DELIVERED, 0, Notify.FAILURE, ""),
        (DELIVERED, 0, Notify.NEVER, ""),
        (RELAYED, 0, ALL, ""),
        (FAILED, 0, None, "failed"),
        (FAILED, 0, Notify.FAILURE, "failed"),
        (FAILED, 0, Notify.SUCCESS | Notify.DELAY, ""),
        (FAILED, 0, Notify.NEVER, ""),
        (DEFERRED, HOUR, None, ""),
        (DEFERRED, 4 * HOUR, None, "delayed"),
        (DEFERRED, 4 * HOUR, Notify.DELAY, "delayed"),
        (DEFERRED, 4 * HOUR, Notify.FAILURE, ""),
        (DEFERRED, 4 * HOUR, Notify.NEVER, ""),
        (DEFERRED, 5 * DAY, None, "failed"),
        (DEFERRED, 5 * DAY, Notify.SUCCESS, ""),
    ],
)
def test_the_sender_hears_what_it_asked_for_and_nothing_without_a_reverse_path(
    outcome: Outcome, age: float, notify: Notify | None, told: str
) -> None:
    tried = [(recipient(notify), outcome)]
    assert news(JUDGE.judge(message(), tried, START + age)) == told
    assert not JUDGE.judge(message(None), tried, START + age).tells


def test_a_delay_is_told_once() -> None:
    first = JUDGE.judge(message(), [(recipient(), DEFERRED)], START + 4 * HOUR)
    assert first.settled[0].delay_told
    again = JUDGE.judge(message(), [(recipient(told=True), DEFERRED)], START + 5 * HOUR)
    assert again.settled[0].delay_told
    assert not again.tells


def test_no_delay_is_told_where_the_notice_is_switched_off() -> None:
    judge = Judge(RetryPolicy(delay_notice=0.0), lambda: 0.5)
    assert not judge.judge(message(), [(recipient(), DEFERRED)], START + DAY).tells


def test_the_next_time_grows_with_the_recipients_own_attempts() -> None:
    dues = [
        JUDGE.judge(message(), [(recipient(attempts=attempts), DEFERRED)], START).settled[0].due
        for attempts in range(3)
    ]
    assert dues == [START + 60, START + 120, START + 240]


def test_the_last_attempt_falls_on_the_expiry() -> None:
    now = START + 5 * DAY - 600
    settled = JUDGE.judge(message(), [(recipient(attempts=9, told=True), DEFERRED)], now).settled[0]
    assert settled.due == START + 5 * DAY


def test_an_expired_recipient_fails_with_5_4_7_and_the_last_words() -> None:
    settled = JUDGE.judge(message(), [(recipient(), DEFERRED)], START + 5 * DAY).settled[0]
    assert (settled.outcome.result, str(settled.outcome.reply.status), settled.due) == (
        Result.FAILED,
        "5.4.7",
        None,
    )
    assert "450 4.2.1 busy" in settled.outcome.reply.lines[0]


def test_what_waits_on_a_dead_route_is_touched_only_when_it_is_time() -> None:
    assert not JUDGE.overdue(message(), [recipient()], REFUSED, START + HOUR).settled
    late = JUDGE.overdue(message(), [recipient()], REFUSED, START + 4 * HOUR)
    assert [(one.due, one.counts, one.delay_told) for one in late.settled] == [(START, False, True)]
    assert news(late) == "delayed"
    assert not JUDGE.overdue(message(), [recipient(told=True)], REFUSED, START + 4 * HOUR).settled
    assert not JUDGE.overdue(message(None), [recipient()], REFUSED, START + 4 * HOUR).settled
    over = JUDGE.overdue(message(), [recipient(told=True)], REFUSED, START + 5 * DAY)
    assert "connection refused" in over.settled[0].outcome.reply.lines[0]
    assert news(over) == "failed"


def test_what_waits_without_a_reverse_path_expires_in_silence() -> None:
    over = JUDGE.overdue(message(None), [recipient()], REFUSED, START + 5 * DAY)
    assert len(over.settled) == 1
    assert not over.tells


@pytest.mark.parametrize(
    ("seconds", "text"), [(432_000, "5 days"), (86_400, "1 day"), (5_400, "90 minutes"), (61, "61 seconds")]
)
def test_a_time_is_told_in_its_largest_whole_unit(seconds: float, text: str) -> None:
    assert _duration(seconds) == text
