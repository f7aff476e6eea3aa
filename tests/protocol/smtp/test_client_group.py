"""Several transactions in one group: what is written, and what is made of every reply or silence."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sams.core.outcome import Result
from sams.core.reply import Reply
from sams.protocol.smtp.client import SmtpClient
from sams.protocol.smtp.client_group import MOST_RECIPIENTS
from sams.protocol.smtp.client_opening import Opening
from sams.protocol.smtp.client_result import OutgoingTransaction, TransactionResult
from sams.protocol.smtp.client_transaction import EAGER
from sams.protocol.smtp.client_waits import ForReply, Stage, lost
from tests.support.client_script import opened, play, transaction

OFFER = ("PIPELINING", "CHUNKING", "8BITMIME", "SIZE 100000", "DSN")
SIZE = b" SIZE=18"
TEXT = b"Subject: x\r\n\r\nHi\r\n"
D, T, F = Result.DELIVERED, Result.DEFERRED, Result.FAILED


def written(*to: str, reset: bool = False) -> bytes:
    rcpts = b"".join(b"RCPT TO:<%b>\r\n" % each.encode() for each in to)
    mail = b"MAIL FROM:<ann@example.org>" + SIZE + b"\r\n"
    return (b"RSET\r\n" if reset else b"") + mail + rcpts + b"BDAT 18 LAST\r\n" + TEXT


class Landed:
    """Keeps what came of each transaction: the reply by which it was taken, or the result."""

    def __init__(self) -> None:
        self.all: list[Reply | TransactionResult] = []

    def taken(self, end: Reply) -> None:
        self.all.append(end)

    def ended(self, result: TransactionResult) -> None:
        self.all.append(result)

    @property
    def told(self) -> list[object]:
        """For each transaction 250, or each recipient's result and code."""
        return [
            one.code
            if isinstance(one, Reply)
            else [None if each is None else (each.result, each.reply.code) for each in one.verdicts]
            for one in self.all
        ]

    @property
    def untouched(self) -> list[bool | None]:
        """For each transaction that broke off whether it was untouched; None for the others."""
        return [
            one.broke_off.untouched if isinstance(one, TransactionResult) and one.broke_off else None
            for one in self.all
        ]


def send(
    client: SmtpClient, transactions: Sequence[OutgoingTransaction], *replies: bytes | None
) -> tuple[bytes, Landed, list[Stage]]:
    """Say all, then hear these octets (None: the connection goes away): what was written, landed and waited for."""
    landed = Landed()
    group = client.group(landed, len(transactions))
    assert all(group.say(each) for each in transactions)
    sending, todo, stages, octets = client.send(group), list(replies), [], b""
    try:
        wait = next(sending)
        octets = b"".join(client.take_outgoing())
        while True:
            assert isinstance(wait, ForReply)
            stages.append(wait.stage)
            assert not client.is_reusable
            piece = todo.pop(0)
            if piece is None:
                wait = sending.throw(lost(wait.stage, "reset"))
            elif client.receive(piece):
                wait = next(sending)
    except StopIteration:
        assert not todo
    return octets, landed, stages


def alone(client: SmtpClient, to: str) -> TransactionResult:
    """A transaction by itself, behind one that left something."""
    return play(client, client.transaction(transaction(to)), (b"RSET\r\n", OK), (written(to), OK * 3))


def three() -> list[OutgoingTransaction]:
    return [transaction("a@x.example"), transaction("b@x.example", "c@x.example"), transaction("d@x.example")]


GOOD = [
    b"250 2.1.0 ok\r\n250 2.1.5 ok\r\n250 2.0.0 first\r\n",
    b"250 2.0.0 flushed\r\n250 2.1.0 ok\r\n250 2.1.5 ok\r\n250 2.1.5 ok\r\n250 2.0.0 second\r\n",
    b"250 2.0.0 flushed\r\n250 2.1.0 ok\r\n250 2.1.5 ok\r\n250 2.0.0 third\r\n",
]


def test_a_group_is_one_write_in_which_every_further_transaction_begins_with_rset() -> None:
    client = opened(*OFFER)
    octets, landed, stages = send(client, three(), b"".join(GOOD))
    assert octets == (
        written("a@x.example")
        + written("b@x.example", "c@x.example", reset=True)
        + written("d@x.example", reset=True)
    )
    assert [one.lines for one in landed.all if isinstance(one, Reply)] == [
        ("first",),
        ("second",),
        ("third",),
    ]
    assert stages == [Stage.MAIL]
    assert client.is_reusable
    assert client.transactions == 3


def test_after_a_group_that_was_taken_the_next_transaction_needs_no_rset() -> None:
    client = opened(*OFFER)
    send(client, three(), b"".join(GOOD))
    octets, landed, _ = send(client, [transaction("a@x.example")], GOOD[0])
    assert octets == written("a@x.example")
    assert landed.told == [250]


@pytest.mark.parametrize("size", [1, 2, 7, 40])
def test_how_the_replies_were_cut_changes_nothing(size: int) -> None:
    replies = b"".join(GOOD)
    pieces = [replies[start : start + size] for start in range(0, len(replies), size)]
    client = opened(*OFFER)
    assert send(client, three(), *pieces)[1].told == [250, 250, 250]
    assert client.is_reusable


def test_each_wait_is_that_for_the_next_reply() -> None:
    replies = b"".join(GOOD[:2]).splitlines(keepends=True)
    _, _, stages = send(opened(*OFFER), three()[:2], *replies)
    mail, rcpt, end = Stage.MAIL, Stage.RCPT, Stage.END
    assert stages == [mail, rcpt, end, Stage.RSET, mail, rcpt, rcpt, end]


NO = b"550 5.7.1 no\r\n"
LATER = b"450 4.7.1 later\r\n"
OK = b"250 ok\r\n"
NOBODY = b"554 5.5.1 no valid recipients\r\n"


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (OK + NO + NO + NO + NO, [(F, 550), (F, 550)]),
        (OK + LATER + b"503 5.5.1 no\r\n" * 3, [(T, 450), (T, 450)]),
        (OK + OK + OK + NO + OK, [(D, 250), (F, 550)]),
        (OK + OK + NO + LATER + NOBODY, [(F, 550), (T, 450)]),
        (OK + OK + OK + OK + NO, [(F, 550), (F, 550)]),
        (OK + OK + OK + OK + LATER, [(T, 450), (T, 450)]),
        (OK + OK + OK + b"452 4.5.3 one too many\r\n" + OK, [(D, 250), None]),
        (OK + OK + OK + b"250-two\r\n250 lines\r\n" + OK, 250),
        (OK + OK + OK + OK + b"250-two\r\n250 lines\r\n", 250),
    ],
)
def test_a_refusal_in_the_middle_decides_for_its_own_transaction_alone(second: bytes, told: object) -> None:
    client = opened(*OFFER)
    _, landed, _ = send(client, three(), GOOD[0] + second + GOOD[2])
    assert landed.told == [250, told, 250]
    assert landed.untouched == [None, None, None]
    assert client.is_reusable


@pytest.mark.parametrize("last", [OK + NO + NOBODY, NO + b"503 no\r\n" * 2, OK + OK + LATER])
def test_what_the_last_one_left_is_reset_before_anything_else_is_said(last: bytes) -> None:
    client = opened(*OFFER)
    send(client, [transaction("a@x.example")], last)
    assert not client.group(Landed(), 1).say(transaction("b@x.example"))
    result = alone(client, "b@x.example")
    assert [each and each.result for each in result.verdicts] == [D]
    octets, landed, _ = send(client, [transaction("c@x.example")], OK * 3)
    assert octets == written("c@x.example")
    assert landed.told == [250]


NO_RESET = b"502 5.5.1 what?\r\n"
OPEN = b"503 5.5.1 one at a time\r\n"


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (OK + OK + OK + b"250 2.0.0 second\r\n", [(D, 250), (D, 250)]),
        (OK + OK + NO + b"250 2.0.0 second\r\n", [(D, 250), (F, 550)]),
        (OK + OK + OK + NO, [(F, 550), (F, 550)]),
        (OPEN + OK + OK + b"250 2.0.0 who had this?\r\n", [(D, 250), (D, 250)]),
        (OPEN + OK + NO + b"250 2.0.0 who had this?\r\n", [(D, 250), None]),
        (OPEN + OK + OK + NO, [None, None]),
        (OPEN + OPEN + OPEN + OPEN, [None, None]),
    ],
)
def test_behind_a_refused_reset_what_was_taken_counts_and_no_more_is_said(
    second: bytes, told: object
) -> None:
    client = opened(*OFFER)
    third = NO_RESET + GOOD[2].partition(b"\r\n")[2]
    _, landed, _ = send(client, three(), GOOD[0] + NO_RESET + second + third)
    assert landed.told == [250, told, [(D, 250)]]
    assert [one.distrust for one in landed.all if isinstance(one, TransactionResult)] == [{"RSET"}] * 2
    assert landed.untouched == [None, None, None]
    assert not client.is_reusable


def test_a_hop_that_refuses_a_reset_is_given_no_groups_and_nothing_behind_what_was_left() -> None:
    client = opened(*OFFER, how=Opening("me.example.org", distrusted=frozenset({"RSET"})))
    assert not client.takes_groups
    result = play(client, client.transaction(transaction("a@x.example")), (None, OK + NO + NOBODY))
    assert [each and each.result for each in result.verdicts] == [F]
    assert not client.is_reusable


@pytest.mark.parametrize("heard", range(6))
def test_a_connection_that_goes_away_in_the_second_leaves_the_third_untouched(heard: int) -> None:
    client = opened(*OFFER)
    lines = (GOOD[0] + GOOD[1]).splitlines(keepends=True)[: 3 + heard]
    _, landed, _ = send(client, three(), *lines, None)
    second = 250 if heard == 5 else [(T, 451), (T, 451)]
    assert landed.told == [250, second, [(T, 451)]]
    assert landed.untouched == [None, None if heard == 5 else heard < 2, True]
    assert not client.is_reusable


def test_a_connection_that_goes_away_at_once_leaves_all_untouched_and_perhaps_taken() -> None:
    _, landed, _ = send(opened(*OFFER), three(), None)
    assert landed.told == [[(T, 451)], [(T, 451)] * 2, [(T, 451)]]
    assert landed.untouched == [True, True, True]
    assert [
        one.broke_off and one.broke_off.after_end for one in landed.all if not isinstance(one, Reply)
    ] == [True] * 3


def test_a_recipient_refused_before_the_break_stays_refused() -> None:
    _, landed, _ = send(opened(*OFFER), three(), GOOD[0] + OK + OK + NO, None)
    assert landed.told == [250, [(F, 550), (T, 451)], [(T, 451)]]


@pytest.mark.parametrize(
    ("second", "is_untouched"),
    [
        (b"421 4.3.2 enough\r\n", True),
        (OK + b"421 4.3.2 enough\r\n", True),
        (OK + OK + b"421 4.3.2 enough\r\n", False),
        (OK * 4 + b"421 4.3.2 enough\r\n", False),
    ],
)
def test_421_in_the_middle_defers_with_its_words_what_is_behind_it_too(
    second: bytes, is_untouched: bool
) -> None:
    client = opened(*OFFER)
    _, landed, _ = send(client, three(), GOOD[0] + second)
    assert landed.told == [250, [(T, 421), (T, 421)], [(T, 421)]]
    assert landed.untouched == [None, is_untouched, True]
    assert not client.is_reusable


@pytest.mark.parametrize("second", [b"rubbish\r\n", OK + b"350 odd\r\n", OK * 4 + b"354 go\r\n", b"2\r\n"])
def test_what_is_no_sensible_reply_ends_the_conversation(second: bytes) -> None:
    client = opened(*OFFER)
    _, landed, _ = send(client, three(), GOOD[0] + second)
    assert landed.told[0] == 250
    assert [result for told in landed.told[1:] for result, _ in told] == [T, T, T]  # type: ignore[attr-defined]
    assert not client.is_reusable


def test_a_hop_that_does_not_know_bdat_is_told_apart_from_those_behind() -> None:
    _, landed, _ = send(opened(*OFFER), three(), OK + OK + b"500 5.5.1 what?\r\n")
    first, *behind = landed.all
    assert isinstance(first, TransactionResult)
    assert first.distrust == {"CHUNKING"}
    assert [isinstance(one, TransactionResult) and one.distrust for one in behind] == [frozenset()] * 2
    assert landed.untouched == [False, True, True]


def test_a_reply_too_many_leaves_all_delivered_and_the_connection_unused() -> None:
    client = opened(*OFFER)
    _, landed, _ = send(client, three(), b"".join(GOOD) + OK)
    assert landed.told == [250, 250, 250]
    assert not client.is_reusable


# ---- what goes by itself


@pytest.mark.parametrize(
    ("offer", "one"),
    [
        (OFFER, transaction("a@x.example", text=b"x" * EAGER)),
        (("PIPELINING", "CHUNKING", "SIZE 10"), transaction("a@x.example")),
        (("PIPELINING", "CHUNKING"), transaction("a@x.example", facts={"has_8bit": True})),
        (OFFER, transaction("a@x.example", facts={"is_binary": True})),
        (OFFER, transaction("a@x.example", facts={"needs_smtputf8": True})),
        (OFFER, transaction("jürgen@x.example")),
        (OFFER, transaction("a@x.example", sender="jürgen@x.example")),
        (OFFER, transaction(*[f"u{number}@x.example" for number in range(MOST_RECIPIENTS + 1)])),
        ((*OFFER, "LIMITS RCPTMAX=1"), transaction("a@x.example", "b@x.example")),
        ((*OFFER, "LIMITS RCPTDOMAINMAX=1"), transaction("a@x.example", "b@y.example")),
    ],
)
def test_what_is_out_of_the_ordinary_is_not_said_in_a_group(
    offer: tuple[str, ...], one: OutgoingTransaction
) -> None:
    client = opened(*offer)
    assert not client.group(Landed(), 5).say(one)
    assert not client.take_outgoing()
    assert client.is_reusable


def test_8bit_content_is_told_to_a_hop_that_takes_it() -> None:
    octets, _, _ = send(opened(*OFFER), [transaction("a@x.example", facts={"has_8bit": True})], GOOD[0])
    assert b" BODY=8BITMIME\r\n" in octets


def test_a_domain_in_utf8_is_said_as_a_labels() -> None:
    octets, landed, _ = send(opened(*OFFER), [transaction("bob@grüße.example")], GOOD[0])
    assert b"RCPT TO:<bob@xn--gre-6ka8l.example>\r\n" in octets
    assert landed.told == [250]


def test_a_control_character_in_an_address_is_not_said() -> None:
    one = transaction("a@x.example")
    mailbox = one.envelope.recipients[0].mailbox
    bad = type(mailbox)(mailbox.local, "x.example>\r\nDATA")
    recipients = (type(one.envelope.recipients[0])(bad),)
    envelope = type(one.envelope)(one.envelope.reverse_path, recipients)
    client = opened(*OFFER)
    assert not client.group(Landed(), 5).say(OutgoingTransaction(envelope, one.message))
    assert not client.take_outgoing()


def test_no_more_are_said_than_the_connection_is_good_for() -> None:
    client = opened(*OFFER, "LIMITS MAILMAX=3")
    play(client, client.transaction(transaction("a@x.example")), (None, OK * 3))
    group = client.group(Landed(), 5)
    assert [group.say(transaction("a@x.example")) for _ in range(4)] == [True, True, False, False]
    group = opened(*OFFER).group(Landed(), 1)
    assert [group.say(transaction("a@x.example")) for _ in range(2)] == [True, False]


def test_no_more_commands_are_said_than_a_window_has() -> None:
    group = opened(*OFFER).group(Landed(), 16)
    wide = transaction(*[f"u{number}@x.example" for number in range(MOST_RECIPIENTS)])
    assert [group.say(wide) for _ in range(3)] == [True, True, False]
    assert group.say(transaction("a@x.example"))


@pytest.mark.parametrize("offer", [("PIPELINING",), ("CHUNKING",), ()])
def test_groups_need_pipelining_and_chunking(offer: tuple[str, ...]) -> None:
    assert not opened(*offer).takes_groups
    assert opened(*OFFER).takes_groups


def test_a_group_leaves_a_transaction_by_itself_as_it_was() -> None:
    client = opened(*OFFER)
    send(client, [transaction("a@x.example")], OK + NO + NOBODY)
    result = alone(client, "b@x.example")
    assert [each and each.result for each in result.verdicts] == [D]
