"""From what happened to stages: tables of events with the replies that the service gives."""

from __future__ import annotations

import pytest

from sams.activity import events as e
from sams.activity.explaining.stages import Story, concerns, for_member, for_strangers
from sams.activity.explaining.verdicts import verdict
from sams.core.reply import Reply
from sams.identity import replies as sign_in_replies
from sams.protocol.smtp import replies
from tests.activity.explaining.examples import (
    ACCEPTED,
    BESIDE,
    CAUSES,
    CLEAR,
    CLIENT,
    CONVERSATIONS,
    ENVELOPE,
    HELLO,
    IMPLICIT,
    IN,
    IN_CLEAR,
    LATER,
    MESSAGE,
    OTHERS,
    REFERENCE,
    REFUSALS,
    SECURE,
    SENT,
    SESSION,
    SIGN_INS,
    START,
    attempt,
    closed,
    entry,
    later,
    refusal,
    said,
    sign_in_refusal,
    story,
    told,
)


def kinds(one: Story) -> list[str]:
    return [stage.kind for stage in one.stages]


@pytest.mark.parametrize(("verb", "reply", "kind"), REFUSALS)
def test_a_refusal_inside_tls_is_told_by_what_it_means(verb: str, reply: str, kind: str) -> None:
    (*_, stage) = story(*SECURE, refusal(verb, reply)).stages
    assert stage.kind == kind
    assert stage.facts["reference"] == REFERENCE
    assert stage.facts["code"] == reply[:3]
    assert stage.internal == {"detail": "only for us"}


@pytest.mark.parametrize(("verb", "word", "reply", "kind"), IN_CLEAR)
def test_a_refusal_before_tls_says_that_encryption_is_missing(
    verb: str, word: str, reply: str, kind: str
) -> None:
    assert kinds(story(CLEAR, HELLO, refusal(verb, reply, word)))[-1] == kind


@pytest.mark.parametrize(("why", "reply", "mechanism", "explanation", "kind"), SIGN_INS)
def test_a_refused_sign_in_is_told_by_why(
    why: str, reply: str, mechanism: str, explanation: str, kind: str
) -> None:
    (*_, stage) = story(*SECURE, sign_in_refusal(why, reply, mechanism, explanation)).stages
    assert stage.kind == kind
    assert stage.private["login"] == "ann"
    assert "login" not in stage.facts
    assert stage.internal.get("explanation", "") == explanation


@pytest.mark.parametrize(("failed", "implicit", "kind"), CAUSES)
def test_a_failed_handshake_is_told_by_its_cause(failed: e.TlsFailed, implicit: bool, kind: str) -> None:
    assert kinds(story(IMPLICIT if implicit else CLEAR, failed, closed("tls")))[1:] == [kind]


@pytest.mark.parametrize(("happened", "kind"), CONVERSATIONS)
def test_a_conversation_has_one_verdict(happened: tuple[e.AnyEvent, ...], kind: str) -> None:
    one = story(*happened)
    assert verdict(one).kind == kind
    assert verdict(for_strangers(one)).kind == kind


@pytest.mark.parametrize(("after", "kind", "whole"), LATER)
def test_what_befell_a_message_belongs_to_its_connection(
    after: tuple[e.AnyEvent, ...], kind: str, whole: str
) -> None:
    (one,) = told(entry(*SENT, closed("quit")), *later(after))
    assert kind in kinds(one)
    assert verdict(one).kind == whole


@pytest.mark.parametrize(("event", "kind"), BESIDE)
def test_what_happened_beside_connections_is_a_story_of_its_own(event: e.AnyEvent, kind: str) -> None:
    (one,) = told(*later((event,)))
    assert kinds(one) == [kind]
    assert verdict(one).kind == kind


@pytest.mark.parametrize(("happened", "kind"), OTHERS)
def test_other_steps_have_a_stage(happened: tuple[e.AnyEvent, ...], kind: str) -> None:
    assert kind in kinds(story(*happened))


@pytest.mark.parametrize(
    ("happened", "last"),
    [
        (e.SignedIn("ann", "page"), "signed-in-page"),
        (sign_in_refusal("password", said(sign_in_replies.WRONG), "page", "x"), "sign-in-wrong"),
    ],
)
def test_at_the_pages_no_program_says_goodbye(happened: e.AnyEvent, last: str) -> None:
    assert kinds(story(CLEAR, happened, closed("quit", 1))) == ["connected-page", last]


def test_a_message_with_several_recipients_is_settled_when_all_of_them_are() -> None:
    many = e.Accepted(MESSAGE, 2_000, 3)
    first = attempt("delivered", "250 x", others=1)
    (one,) = told(entry(*IN, ENVELOPE, many, closed("quit")), *later((first,)))
    (waits,) = [stage for stage in one.stages if stage.kind == "waiting-again"]
    assert waits.facts["recipients"] == 1
    (delivered,) = [stage for stage in one.stages if stage.kind == "delivered"]
    assert (delivered.facts["recipients"], delivered.private["many"]) == (2, 2)


def test_results_of_one_attempt_are_told_apart() -> None:
    recipients = (
        e.RecipientResult("a@example.net", "failed", "550 5.1.1 nobody"),
        e.RecipientResult("b@example.net", "delivered", "250 ok"),
    )
    mixed = e.Attempted(MESSAGE, "hub", "hub:25", "", recipients, 0.1, "ann", SESSION)
    (one,) = told(entry(*SENT, closed("quit")), *later((mixed,)))
    assert kinds(one)[-2:] == ["delivered", "delivery-refused"]
    assert verdict(one).private["reply"] == "550 5.1.1 nobody"


def test_a_failed_delivery_counts_more_than_a_later_one_that_went_well() -> None:
    second = e.Accepted("6C3VHCRP1300409", 10, 1)
    after = (attempt("failed", "550 no"), attempt("delivered", "250 ok", message="6C3VHCRP1300409"))
    (one,) = told(entry(*SENT, ENVELOPE, second, closed("quit")), *later(after))
    assert verdict(one).kind == "delivery-refused"


def test_a_message_of_long_ago_is_not_said_to_wait() -> None:
    (one,) = told(entry(*SENT, closed("quit")), now=START + 30 * 86_400)
    assert "outcome-unknown" in kinds(one)
    assert verdict(one).kind == "verdict-accepted"


def test_what_was_repeated_is_counted() -> None:
    wrong = sign_in_refusal("password", "535 5.7.8 Wrong (ref AAAA-AA)", "PLAIN", "wrong password")
    one = story(*SECURE, wrong, wrong, wrong)
    assert kinds(one).count("sign-in-wrong") == 1
    assert one.stages[-1].facts["times"] == 3
    assert one.stages[-1].facts["reference"] == "K7Q2-4F, K7Q2-4F, K7Q2-4F"


def test_attempts_that_end_alike_are_counted() -> None:
    after = [attempt("deferred", "451 4.4.1 No connection")] * 4 + [attempt("delivered", "250 ok")]
    (one,) = told(entry(*SENT, closed("quit")), *later(after))
    (deferred,) = [stage for stage in one.stages if stage.kind.startswith("deferred")]
    assert deferred.facts["times"] == 4


def test_a_failed_handshake_and_the_reply_that_says_so_are_one_stage() -> None:
    failed = e.TlsFailed("x", "tls-to-plain", "TLSv1.3")
    one = story(CLEAR, failed, refusal("?", said(replies.TLS_TOO_EARLY)), closed("protocol"))
    assert kinds(one) == ["connected-starttls", "tls-failed-tls-to-plain", "closed-protocol"]
    assert one.stages[1].facts["reference"] == REFERENCE
    assert "times" not in one.stages[1].facts
    assert verdict(one).kind == "tls-failed-tls-to-plain"


@pytest.mark.parametrize(
    ("verb", "reply", "kind"),
    [("?", replies.NOT_SMTP, "not-smtp"), ("STARTTLS", replies.INJECTED, "starttls-injected")],
)
def test_what_closes_a_connection_at_once_is_not_said_to_be_many_mistakes(
    verb: str, reply: Reply, kind: str
) -> None:
    one = story(CLEAR, refusal(verb, said(reply)), closed("protocol"))
    assert kinds(one) == ["connected-starttls", kind]
    assert one.ended


def test_a_session_that_was_cut_off_does_not_last_for_ever() -> None:
    (running,) = told(entry(*IN))
    (forgotten,) = told(entry(*IN), now=START + 30 * 86_400)
    assert not running.ended
    assert forgotten.ended


def test_a_reply_loses_its_code_and_reference_and_keeps_its_words() -> None:
    (*_, stage) = story(*SECURE, refusal("MAIL", "553 5.7.1 You may not send as b@c.d. (ref K7Q2-4F)")).stages
    assert stage.private["reply"] == "You may not send as b@c.d"
    assert stage.facts == {"code": "553", "status": "5.7.1", "reference": "K7Q2-4F", "verb": "MAIL"}


# --- who may see what


def test_a_stranger_cannot_tell_a_wrong_password_from_an_unknown_login() -> None:
    seen = {
        str(for_strangers(story(*SECURE, sign_in_refusal(why, "535 5.7.8 Wrong", "PLAIN", explanation))))
        for why, explanation in (
            ("password", "wrong password"),
            ("unknown", "unknown login"),
            ("password", "previous password"),
        )
    }
    assert len(seen) == 1


def test_a_member_sees_nothing_of_who_else_signed_in_on_the_connection() -> None:
    tried = sign_in_refusal("password", "535 5.7.8 Wrong", "PLAIN", "wrong password")
    one = story(*SECURE, tried, e.SignedIn("eve", "PLAIN"), ENVELOPE, ACCEPTED, closed("quit"))
    seen = for_member(one, "ann")
    assert "eve" not in str(seen)
    assert "bob@example.net" not in str(seen)
    assert seen.session == ""
    assert seen.client == CLIENT
    (own,) = [stage for stage in seen.stages if stage.kind == "sign-in-wrong"]
    assert own.private["login"] == "ann"


def test_a_member_sees_all_of_the_own_story_but_what_is_internal() -> None:
    one = story(*IN, ENVELOPE, ACCEPTED, refusal("DATA", "451 4.3.0 no"), closed("quit"))
    seen = for_member(one, "ANN")
    assert [stage.private for stage in seen.stages] == [stage.private for stage in one.stages]
    assert not any(stage.internal for stage in seen.stages)
    assert (seen.session, seen.login) == (SESSION, "ann")


def test_logins_that_fold_to_the_same_letters_are_two_members() -> None:
    one = story(*SECURE, e.SignedIn("weiß", "PLAIN"), ENVELOPE, ACCEPTED, closed("quit"))
    seen = for_member(one, "weiss")
    assert (seen.session, seen.login) == ("", "")
    assert not any(stage.private for stage in seen.stages)
    assert concerns(one, "weiß", "")
    assert not concerns(one, "weiss", "")


def test_two_members_of_one_name_are_told_apart_by_the_source_that_knows_them() -> None:
    one = story(*SECURE, e.SignedIn("ann", "PLAIN", source="students"), ENVELOPE, ACCEPTED, closed("quit"))
    assert concerns(one, "ann", "students")
    assert not concerns(one, "ann", "")
    assert not concerns(one, "ann", "staff")
    tried = story(*SECURE, sign_in_refusal("password", "535 5.7.8 Wrong", "PLAIN", "wrong password"))
    assert concerns(tried, "ann", "students"), "who tried it is not known"


def test_a_sign_in_as_nobody_belongs_to_no_member() -> None:
    nobody = e.SignInRefused("", "PLAIN", "password", "535 5.7.8 Wrong", REFERENCE)
    seen = for_member(story(*SECURE, nobody, e.SignedIn("ann", "PLAIN")), "ann")
    (refused,) = [stage for stage in seen.stages if stage.kind == "sign-in-wrong"]
    assert refused.private == {}
