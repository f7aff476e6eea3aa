"""A soak's own judgement: it would see what it looks for."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from xml.etree import ElementTree as ET

import msgspec
import pytest

from tests.soak.clients import mail_of
from tests.soak.faults import KILL_BOTH_UNTIL, make_plan
from tests.soak.hop import Entry, Mood, entry
from tests.soak.ledger import Balance, Disturbance, Promise, Refusal, balance, id_of
from tests.soak.plot import panels_of, plot
from tests.soak.sampling import Process, Sample
from tests.soak.steady import Sent
from tests.soak.verdict import (
    DESCRIPTORS,
    MEMORY,
    Finding,
    flat,
    growth,
    of_latency,
    of_processes,
    of_promises,
    of_refusals,
    of_rest,
    slope,
)

FRIEND = "friend@example.net"


def taken(mark: str, at: float = 100.0, **facts: object) -> Entry:
    plain = Entry(at, mark, "ID1", whole=True, recipients=(FRIEND,), failed=(), answered=True)
    return msgspec.structs.replace(plain, **facts)


def promised(*marks: str) -> dict[str, Promise]:
    return {mark: Promise(mark, (FRIEND,), "ID1") for mark in marks}


def holds(findings: Sequence[Finding]) -> bool:
    return all(finding.holds for finding in findings if finding.decides)


# The ledger -------------------------------------------------------------------------------------------------


def test_what_was_delivered_or_reported_is_not_missing() -> None:
    entries = [taken("one"), taken("two", recipients=("member0@example.org",), failed=(FRIEND,))]
    found = balance(promised("one", "two"), entries, ())
    assert (found.delivered, found.reported, found.missing) == (1, 1, [])
    assert holds(of_promises(found))


@pytest.mark.parametrize(
    ("entries", "wrong"),
    [
        ([], "missing"),
        ([taken("one", recipients=("someone.else@example.net",))], "missing"),
        ([taken("one", whole=False)], "broken"),
        ([taken("one", id="ID2")], "strange"),
        ([taken("one"), taken("one", at=101.0)], "unexplained"),
    ],
)
def test_a_broken_promise_is_seen(entries: list[Entry], wrong: str) -> None:
    found = balance(promised("one"), entries, ())
    assert getattr(found, wrong)
    assert not holds(of_promises(found))


def test_a_soak_that_promised_nothing_does_not_hold() -> None:
    assert not holds(of_promises(Balance()))


@pytest.mark.parametrize(
    ("first", "disturbance", "why"),
    [
        (taken("one", answered=False), None, "did not say so"),
        (taken("one"), Disturbance("kill", "worker 0", 103.0, 104.0), "killed"),
        (taken("one"), Disturbance("kill", "worker 0", 99.5, 100.5), "killed"),
        (taken("one"), Disturbance("hop", Mood.DROPS, 95.0, 101.0), "cut the connection"),
        (taken("one"), Disturbance("full disk", "", 99.0, 120.0), "too full"),
    ],
)
def test_a_duplicate_that_smtp_cannot_avoid_is_explained(
    first: Entry, disturbance: Disturbance | None, why: str
) -> None:
    found = balance(
        promised("one"), [first, taken("one", at=150.0)], [] if disturbance is None else [disturbance]
    )
    assert found.unexplained == []
    assert [why in words for words in found.duplicates] == [True]


@pytest.mark.parametrize(
    "disturbance",
    [
        Disturbance("kill", "worker 0", 130.0, 131.0),
        Disturbance("kill", "worker 0", 90.0, 91.0),
        Disturbance("hop", Mood.DEFERS_MESSAGES, 95.0, 105.0),
        Disturbance("reload", "good", 99.0, 101.0),
    ],
)
def test_what_cannot_have_caused_a_duplicate_does_not_explain_it(disturbance: Disturbance) -> None:
    found = balance(promised("one"), [taken("one"), taken("one", at=150.0)], [disturbance])
    assert found.unexplained


def test_a_message_that_came_without_a_heard_250_is_counted() -> None:
    assert balance({}, [taken("one")], ()).unpromised == 1


def test_a_reply_names_the_id() -> None:
    assert id_of("250 2.0.0 1 recipient, accepted for delivery as 6C3V0ZCYZ1G0M00") == "6C3V0ZCYZ1G0M00"
    assert id_of("250 2.0.0 ok") == ""


# The hop ----------------------------------------------------------------------------------------------------


def test_the_hop_reads_a_mark_and_sees_another_body() -> None:
    mail = b"Received: from x\r\n by y with ESMTPSA id 6C3V0Z\r\n" + mail_of(
        "m-1", "a@b", 500, random.Random(1)
    )
    made = entry(mail, (FRIEND,), report=False, answered=True)
    assert (made.mark, made.id, made.whole) == ("m-1", "6C3V0Z", True)
    assert not entry(mail.replace(b"xxx", b"xyx", 1), (FRIEND,), report=False, answered=True).whole


def test_the_hop_reads_whom_a_report_is_about() -> None:
    digest = hashlib.sha256(b"").hexdigest()
    report = (
        "Subject: x\r\n\r\nReporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; nobody@example.net\r\n"
        "Action: failed\r\nStatus: 5.1.1\r\n\r\nFinal-Recipient: rfc822; late@example.net\r\nAction: delayed\r\n\r\n"
        f"Subject: y\r\nX-Mark: m-1 {digest}\r\n\r\n"
    )
    made = entry(report.encode(), ("member0@example.org",), report=True, answered=True)
    assert (made.mark, made.failed) == ("m-1", ("nobody@example.net",))


# The plan ---------------------------------------------------------------------------------------------------


def test_a_plan_is_made_of_its_seed_and_ends_before_the_soak() -> None:
    plan = make_plan(3_600, 7)
    assert plan == make_plan(3_600, 7) != make_plan(3_600, 8)
    assert all(steps and steps[-1].at + steps[-1].lasts <= 3_600 for steps in plan.values())
    assert {step.detail for step in plan["hop"]} == {mood for mood in Mood if mood is not Mood.WELL}
    assert {step.detail for step in plan["kill"] if step.at > 3_600 * KILL_BOTH_UNTIL} == {"1"}


# The verdict ------------------------------------------------------------------------------------------------


def noisy(rise_per_second: float, level: float = 100_000.0) -> list[tuple[float, float]]:
    """An hour of seconds, each twentieth far out."""
    chance = random.Random(1)
    return [
        (
            float(at),
            level
            + rise_per_second * at
            + chance.gauss(0, level / 50)
            + (level if chance.random() < 0.05 else 0),
        )
        for at in range(3_600)
    ]


def test_the_slope_is_right_beside_points_that_are_far_out() -> None:
    assert slope([(0, 0), (1, 2), (2, 4), (3, 600), (4, 8), (5, 10), (6, 12)]) == pytest.approx(2)
    assert slope([(0, 1)]) == 0


def test_what_rises_is_found_and_what_is_flat_is_not() -> None:
    assert growth(noisy(10.0))[1] == pytest.approx(24_000, rel=0.05)
    assert flat("x", noisy(0.0), MEMORY, str).holds
    assert not flat("x", noisy(10.0), MEMORY, str).holds
    assert flat("x", noisy(-10.0), MEMORY, str).holds


def process(pid: int, pss: int = 50_000, descriptors: int = 100) -> Process:
    return Process(pid, pss * 2, pss, descriptors, 9)


def samples(leak: int) -> list[Sample]:
    """Ten minutes; halfway the worker is replaced, and with it what it held."""
    return [
        Sample(
            1_000.0 + at,
            {"worker 0": process(1 + (at >= 300), descriptors=100 + (at % 300) * leak // 10)},
            5,
            10,
            3,
            at * 7,
        )
        for at in range(600)
    ]


def test_a_leak_of_descriptors_is_found_within_one_life_of_a_worker() -> None:
    assert holds(of_processes(samples(0), ["worker 0"], memory=True))
    assert not holds(of_processes(samples(1), ["worker 0"], memory=True))


def test_descriptors_that_do_not_come_back_are_found() -> None:
    before, same, more = (
        Sample(0.0, {"worker 0": process(1, descriptors=count)}, 0, 0, 0, 0)
        for count in (40, 44, 41 + int(DESCRIPTORS[1]))
    )
    assert holds(of_rest(before, same, ["worker 0"]))
    assert not holds(of_rest(before, more, ["worker 0"]))


def sent(at: float, whole: float) -> Sent:
    return Sent(at, f"steady-{at}", whole, whole / 2, 250, "")


def test_slow_answers_count_unless_a_worker_was_just_killed() -> None:
    slow = [sent(float(at), 7.0 if 100 <= at < 110 else 0.02) for at in range(600)]
    assert not holds(of_latency(slow, ()))
    assert holds(of_latency(slow, [Disturbance("kill", "worker 1", 99.0, 110.0)]))


def test_a_median_that_rises_is_found() -> None:
    assert not holds(of_latency([sent(float(at), 0.02 + at / 2_000) for at in range(600)], ()))


def test_a_refusal_counts_unless_a_fault_explains_it() -> None:
    refusal = Refusal(100.0, "smtplib-0", 452, "no room")
    assert not holds(of_refusals([refusal], ()))
    assert holds(of_refusals([refusal], [Disturbance("full disk", "", 90.0, 99.0)]))
    assert not holds(of_refusals([refusal._replace(code=550)], [Disturbance("full disk", "", 90.0, 99.0)]))


# The picture ------------------------------------------------------------------------------------------------


def test_the_picture_is_sound_and_says_in_words_what_it_shows() -> None:
    disturbances = [
        Disturbance("kill", "worker <1>", 1_100.0, 1_103.0),
        Disturbance("hop", "away", 1_200, 1_250),
    ]
    panels = panels_of(samples(0), [sent(1_000.0 + at, 0.03) for at in range(600)], 1_000.0)
    root = ET.fromstring(plot("A soak", panels, disturbances, 1_000.0))  # noqa: S314 - our own
    words = [element.text or "" for element in root.iter() if element.tag.endswith(("text", "title", "desc"))]
    assert "worker <1> is killed" in words
    assert any("Descriptors: worker 0 at most 100" in each for each in words)
    assert len([element for element in root.iter() if element.tag.endswith("polyline")]) == 6
