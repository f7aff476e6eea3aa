from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn, get_args

import pytest
from precis_i18n.baseclass import BaseClass

from sams.activity.metrics import SIGN_IN_REFUSALS
from sams.config.sources import BuiltinSource
from sams.core.errors import TemporaryFailure
from sams.core.reply import reply
from sams.identity.account_sources import Checked, Finding
from sams.identity.accounts.store import AccountStore
from sams.identity.authentication.authenticator import ChainAuthenticator
from sams.identity.authentication.by_password import ByPassword
from sams.identity.authentication.judge import Judge
from sams.identity.authentication.refusals import USUAL_TIMES
from sams.identity.guard.interface import GuardSettings
from sams.identity.interface import EVERYBODY, Account, SignInVerdict, Why
from sams.identity.logins import Login, LoginForms, map_password
from sams.identity.replies import APP_PASSWORDS_ONLY
from sams.protocol.sasl.interface import PasswordClaim
from tests.identity.rig import CAFE, HOME, PASSWORD, Rig, in_child, rig, sign_in, signs_in

WRONG = "535 5.7.8 Wrong user name or password"
DOWN = "454 4.7.0 Signing in does not work at the moment, try again later"


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path) as made:
        made.accounts.add("alice", PASSWORD, ["alice@example.org"], ["info@example.org", "*@team.example"])
        yield made


class Elsewhere:
    """A source with one answer for everyone."""

    takes_passwords = True
    knows_all = True
    can_find = True
    remember = None

    def __init__(
        self, checked: Checked | Exception, known: Account | Exception | None = None, name: str = "elsewhere"
    ) -> None:
        self.checked = checked
        self.known = known
        self.name = name
        self.asked = 0

    def serves(self, login: Login) -> bool:
        return True

    def look_up(self, login: Login) -> Account | None:
        if isinstance(self.known, Exception):
            raise self.known
        return self.known

    async def find(self, login: Login) -> Account | None:
        return self.look_up(login)

    async def verify(self, login: Login, password: str, address: str, *, is_known: bool) -> Checked:
        self.asked += 1
        if isinstance(self.checked, Exception):
            raise self.checked
        return self.checked

    def changed(self) -> frozenset[str]:
        if isinstance(self.known, Exception):
            raise self.known
        return frozenset({"elsewhere"})


OUTAGE = TemporaryFailure(reply(454, "4.7.0", "Down"), "connection refused")


# --- who signs in


@pytest.mark.parametrize("login", ["alice", "ALICE", "alice@example.org", "Alice@EXAMPLE.org", "\uff41lice"])
def test_a_member_signs_in_under_every_spelling_of_the_login(one: Rig, login: str) -> None:
    verdict = signs_in(one.authenticator(), login)
    assert str(verdict.reply) == "235 2.7.0 Signed in"
    assert verdict.identity is not None
    assert verdict.identity.login == "alice"
    assert verdict.delay == 0


def test_the_second_time_the_password_is_remembered_and_the_verdict_is_there_at_once(one: Rig) -> None:
    authenticator = one.authenticator()
    signs_in(authenticator)
    verdict = authenticator.verify(PasswordClaim("", "Alice@example.org", PASSWORD), CAFE)
    assert isinstance(verdict, SignInVerdict)
    assert verdict.identity is not None
    assert one.hashes.compared == [True]


def test_a_remembered_password_costs_a_hash_again_after_its_time(one: Rig) -> None:
    authenticator = one.authenticator()
    signs_in(authenticator)
    one.clock.seconds += 300
    assert signs_in(authenticator).identity is not None
    assert len(one.hashes.compared) == 2


def test_what_one_worker_verified_another_remembers(one: Rig) -> None:
    in_child(lambda: signs_in(one.authenticator()))
    assert isinstance(one.authenticator().verify(PasswordClaim("", "alice", PASSWORD), HOME), SignInVerdict)


# --- unknown and wrong


NOT_ALICE = [
    ("alice", "wrong horse 7"),
    ("nobody", PASSWORD),
    ("a b", PASSWORD),
    ("x" * 300, PASSWORD),
    ("alice", "nul\0 inside"),
    ("", PASSWORD),
]


@pytest.mark.parametrize(("login", "password"), NOT_ALICE)
def test_unknown_and_wrong_are_alike_in_text_time_and_work(one: Rig, login: str, password: str) -> None:
    verdict = signs_in(one.authenticator(), login, password)
    assert str(verdict.reply) == WRONG
    assert verdict.identity is None
    assert verdict.delay == pytest.approx(0.25 + 0.05)
    assert len(one.hashes.compared) == 1


@pytest.mark.parametrize(("login", "password"), NOT_ALICE)
def test_a_wrong_proof_is_counted_by_whether_anybody_has_the_login(
    one: Rig, login: str, password: str
) -> None:
    authenticator = one.authenticator()
    why = "password" if login == "alice" else "unknown"
    assert [signs_in(authenticator, login, password).why for _ in ("checked", "as lately")] == [why, why]


@pytest.mark.parametrize("why", [why for why in get_args(Why) if why])
def test_the_words_under_which_refusals_are_counted_are_those_of_the_metrics(why: str) -> None:
    assert why in SIGN_IN_REFUSALS


def test_whatever_is_tried_costs_one_hash(one: Rig) -> None:
    chance = random.Random(7)
    authenticator = one.authenticator()
    for number in range(200):
        login = "alice" if chance.random() < 0.5 else f"nobody{number}"
        signs_in(authenticator, login, f"guess {number}", address=f"10.{number}.0.1")
        assert len(one.hashes.compared) == number + 1


def test_only_the_journal_hears_what_was_wrong(one: Rig) -> None:
    authenticator = one.authenticator()
    explanations = [signs_in(authenticator, login, password).explanation for login, password in NOT_ALICE]
    assert explanations[:2] == ["wrong password", "no such login"]
    assert "login" in explanations[2]
    assert explanations[4] == "wrong password"


def test_a_password_of_more_than_a_kilobyte_is_refused_without_a_hash(one: Rig) -> None:
    verdict = signs_in(one.authenticator(), "alice", "x" * 1025)
    assert str(verdict.reply) == WRONG
    assert verdict.delay >= 0.25
    assert one.hashes.compared == []


def test_the_time_that_the_check_took_counts_for_the_delay(one: Rig) -> None:
    source = one.source()
    compare = one.hashes.compare

    def slow(stored: str | None, password: str) -> object:
        one.clock.seconds += 0.2
        return compare(stored, password)

    one.hashes.compare = slow  # type: ignore[method-assign,assignment]  # the clock moves while it computes
    verdict = signs_in(one.authenticator([source]), "alice", "wrong")
    assert verdict.delay == pytest.approx(0.05 + 0.05)


# --- suspended, changed


def test_a_suspended_member_hears_so_and_why_but_only_with_the_right_password(one: Rig) -> None:
    one.accounts.suspend("alice", "Left the house; see Büro 7")
    authenticator = one.authenticator()
    assert str(signs_in(authenticator, "alice", "wrong").reply) == WRONG
    for _ in range(2):
        verdict = signs_in(authenticator)
        assert (verdict.identity, verdict.why) == (None, "suspended")
        assert (
            str(verdict.reply) == "535 5.7.13 This account may not send mail: Left the house; see B\\xfcro 7"
        )


CHANGES: list[Callable[[AccountStore], object]] = [
    lambda accounts: accounts.passwd("alice", "another horse 8"),
    lambda accounts: accounts.suspend("alice", "left"),
    lambda accounts: accounts.remove("alice"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_ends_the_remembered_password_and_the_session_in_every_process_at_once(
    one: Rig, change: Callable[[AccountStore], object]
) -> None:
    authenticator = one.authenticator()
    identity = signs_in(authenticator).identity
    assert identity is not None
    assert authenticator.still_valid(identity)
    in_child(lambda: change(one.accounts))
    assert not authenticator.still_valid(identity)
    assert authenticator.changed_logins() == {"alice"}
    assert signs_in(authenticator).identity is None


def test_a_change_of_another_account_ends_nothing(one: Rig) -> None:
    one.accounts.add("bob", PASSWORD, ["bob@example.org"])
    authenticator = one.authenticator()
    identity = signs_in(authenticator).identity
    assert identity is not None
    one.accounts.suspend("bob", "left")
    assert authenticator.still_valid(identity)
    assert isinstance(authenticator.verify(PasswordClaim("", "alice", PASSWORD), HOME), SignInVerdict)


def test_an_account_that_came_again_is_another(one: Rig) -> None:
    authenticator = one.authenticator()
    identity = signs_in(authenticator).identity
    assert identity is not None
    one.accounts.remove("alice")
    one.accounts.add("alice", "another horse 8", ["alice@example.org"])
    assert not authenticator.still_valid(identity)
    assert signs_in(authenticator).identity is None


# --- the guard


def guess(authenticator: ChainAuthenticator, number: int, address: str = CAFE) -> SignInVerdict:
    return signs_in(authenticator, "alice", f"guess {number}", address=address)


def test_guesses_lock_the_guesser_out_and_not_the_owner_elsewhere(one: Rig) -> None:
    authenticator = one.authenticator()
    assert [guess(authenticator, number).reply.code for number in range(10)] == [535] * 10
    refused = signs_in(authenticator, address=CAFE)
    assert (
        str(refused.reply)
        == "454 4.7.0 Too many wrong passwords for this login from your address, try again after 22:35 UTC"
    )
    assert "pair" in refused.explanation
    assert refused.why == "locked"
    assert len(one.hashes.compared) == 10
    assert signs_in(authenticator, address=HOME).identity is not None
    one.clock.seconds += 300
    assert signs_in(authenticator, address=CAFE).identity is not None


def test_a_member_who_signed_in_from_an_address_is_not_locked_out_by_a_guesser_there(one: Rig) -> None:
    authenticator = one.authenticator()
    assert signs_in(authenticator, address=CAFE).identity is not None
    for number in range(10):
        guess(authenticator, number)
    assert guess(authenticator, 11).reply.code == 454
    assert signs_in(authenticator, address=CAFE).identity is not None


def test_all_spellings_of_a_login_are_one_in_the_guards_books(one: Rig) -> None:
    authenticator = one.authenticator()
    for number, login in enumerate(["alice", "ALICE", "alice@example.org", "Alice@Example.ORG", "alicE"] * 2):
        signs_in(authenticator, login, f"guess {number}", address=CAFE)
    assert signs_in(authenticator, address=CAFE).reply.code == 454


def test_later_guesses_wait_longer(one: Rig) -> None:
    authenticator = one.authenticator()
    delays = [round(guess(authenticator, number).delay, 2) for number in range(6)]
    assert delays == [0.3, 0.3, 0.3, 1.3, 2.3, 4.3]


def test_a_mail_program_with_an_old_password_is_not_locked_out(one: Rig) -> None:
    authenticator = one.authenticator()
    for _ in range(50):
        assert signs_in(authenticator, "alice", "the old one", address=CAFE).reply.code == 535
    assert signs_in(authenticator, address=CAFE).identity is not None


REPEATED = [("alice", "the old one"), ("nobody", "the old one"), ("a b", PASSWORD), ("alice", "nul\0 in it")]


@pytest.mark.parametrize(("login", "password"), REPEATED)
def test_a_wrong_password_that_is_repeated_costs_one_hash_and_is_answered_alike(
    one: Rig, login: str, password: str
) -> None:
    authenticator = one.authenticator()
    first = signs_in(authenticator, login, password)
    for _ in range(20):
        again = authenticator.verify(PasswordClaim("", login, password), HOME)
        assert isinstance(again, SignInVerdict)
        assert (str(again.reply), again.identity, again.delay) == (WRONG, None, first.delay)
    assert len(one.hashes.compared) == 1
    signs_in(authenticator, login, password, address=CAFE)
    assert len(one.hashes.compared) == 2


def test_a_repeated_password_is_told_to_the_journal_as_what_it_was(one: Rig) -> None:
    authenticator = one.authenticator()
    for login, why in [("alice", "wrong password"), ("nobody", "no such login")]:
        told = [signs_in(authenticator, login, "the old one").explanation for _ in range(2)]
        assert told == [why, f"{why}, as lately"]


@pytest.mark.parametrize("finding", [Finding.UNKNOWN, Finding.WRONG])
def test_what_a_directory_found_wrong_is_asked_again_after_a_reload(one: Rig, finding: Finding) -> None:
    """Its filter may have been the mistake; and what is repeated is told as either, for it is not kept which."""
    directory = Elsewhere(Checked(finding))
    directory.knows_all = False
    authenticator = one.authenticator([directory])
    told = [signs_in(authenticator, "alice", PASSWORD).explanation for _ in range(2)]
    assert told == [finding.value, "wrong password or no such login, as lately"]
    forms = LoginForms(one.domains)
    authenticator.use([directory], one.guard, forms=forms, settings=USUAL_TIMES, since=1_800_000_000.5)
    assert signs_in(authenticator, "alice", PASSWORD).explanation == finding.value
    assert directory.asked == 2


def test_a_remembered_password_lets_nobody_in_once_only_app_passwords_are_taken(one: Rig) -> None:
    source = one.source()
    authenticator = one.authenticator([source])
    assert signs_in(authenticator).identity is not None
    source.use(BuiltinSource(submission="app-passwords-only"))
    for _ in range(2):
        refused = signs_in(authenticator)
        assert (refused.identity, refused.reply) == (None, APP_PASSWORDS_ONLY)
        assert "it is no app password" in refused.explanation or "as lately" in refused.explanation


def test_a_password_that_becomes_right_works_at_once(one: Rig) -> None:
    authenticator = one.authenticator()
    for login in ("alice", "bob"):
        for _ in range(3):
            assert signs_in(authenticator, login, "another horse 8").reply.code == 535
    in_child(lambda: one.accounts.passwd("alice", "another horse 8"))
    in_child(lambda: one.accounts.add("bob", "another horse 8", ["bob@example.org"]))
    assert signs_in(authenticator, "alice", "another horse 8").identity is not None
    assert signs_in(authenticator, "bob", "another horse 8").identity is not None
    assert signs_in(authenticator, "alice", PASSWORD).reply.code == 535


def test_while_accounts_cannot_be_read_no_repeated_password_is_refused(one: Rig) -> None:
    authenticator = one.authenticator()
    assert signs_in(authenticator, "alice", "the old one").reply.code == 535
    one.sources[0]._watch._connection.close()
    one.accounts.add("bob", PASSWORD, ["bob@example.org"])
    assert str(signs_in(authenticator, "alice", "the old one").reply) == DOWN


def test_a_member_elsewhere_is_served_while_one_address_floods_with_guesses(tmp_path: Path) -> None:
    with rig(tmp_path, max_waiting=20) as one:
        one.accounts.add("alice", PASSWORD, ["alice@example.org"])
        authenticator = one.authenticator()

        async def main() -> SignInVerdict:
            flood = [
                asyncio.ensure_future(sign_in(authenticator, f"member{number}", "guess", address=CAFE))
                for number in range(200)
            ]
            await asyncio.sleep(0)
            verdict = await sign_in(authenticator)
            await asyncio.gather(*flood)
            return verdict

        assert asyncio.run(main()).identity is not None


def test_no_profile_looks_at_each_character_of_what_a_stranger_sends(
    one: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    one.accounts.add("jürgen", "Blaue Pferde ø", ["juergen@example.org"])
    authenticator = one.authenticator()
    monkeypatch.setattr(BaseClass, "enforce", broken)
    assert signs_in(authenticator, "x@" + ".".join(["é"] * 83), "中" * 341).reply.code == 535
    assert signs_in(authenticator, "ju\u0308rgen", "Blaue\u00a0Pferde ø").identity is not None


def test_a_password_that_is_not_ascii_is_mapped_where_it_is_hashed_and_remembered_as_it_was_typed(
    one: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    one.accounts.add("jürgen", "Blaue Pferde ø", ["juergen@example.org"])
    authenticator, at = one.authenticator(), list[str]()

    def noted(text: str) -> str:
        at.append(threading.current_thread().name)
        return map_password(text)

    monkeypatch.setattr("sams.identity.passwords.hashes.map_password", noted)
    assert signs_in(authenticator, "jürgen", "Blaue\u00a0Pferde ø").identity is not None
    again = authenticator.verify(PasswordClaim("", "JÜRGEN", "Blaue\u00a0Pferde ø"), HOME)
    assert isinstance(again, SignInVerdict)
    assert again.identity is not None
    assert [name.startswith("hash") for name in at] == [True]


def test_guesses_at_the_same_time_learn_no_more_than_guesses_in_a_row(tmp_path: Path) -> None:
    with rig(tmp_path, guard_settings=GuardSettings(pair_failures=5)) as one:
        one.accounts.add("alice", PASSWORD, ["alice@example.org"])
        authenticator = one.authenticator()

        async def main() -> list[int]:
            passwords = [f"guess {number}" for number in range(20)] + [PASSWORD]
            verdicts = await asyncio.gather(
                *(sign_in(authenticator, "alice", password, address=CAFE) for password in passwords)
            )
            return [verdict.reply.code for verdict in verdicts]

        codes = asyncio.run(main())
        assert codes.count(535) == 5
        assert codes[-1] == 454


# --- failures of ours


def broken(*_: object) -> NoReturn:
    raise RuntimeError("a bug")


@pytest.mark.parametrize(
    ("part", "place"),
    [
        (ChainAuthenticator, "_prepare"),
        (ByPassword, "_remembers"),
        (ByPassword, "_check"),
        (ByPassword, "_answer_password"),
        (Judge, "judge"),
    ],
)
def test_a_bug_is_454_and_is_reported(
    one: Rig, monkeypatch: pytest.MonkeyPatch, part: type, place: str
) -> None:
    monkeypatch.setattr(part, place, broken)
    verdict = signs_in(one.authenticator())
    assert str(verdict.reply) == DOWN
    assert verdict.explanation == "internal error: RuntimeError"
    assert str(one.reported.pop()) == "a bug"


def test_accounts_that_cannot_be_read_are_454_and_end_no_session(one: Rig) -> None:
    authenticator = one.authenticator()
    identity = signs_in(authenticator).identity
    assert identity is not None
    for source in one.sources:
        source._watch._connection.close()
    assert signs_in(authenticator).identity is not None, "nothing has changed: what is remembered holds"
    one.accounts.add("bob", PASSWORD, ["bob@example.org"])
    verdict = signs_in(authenticator)
    assert str(verdict.reply) == DOWN
    assert "accounts.db cannot be read" in verdict.explanation
    assert authenticator.still_valid(identity)
    assert authenticator.changed_logins() == frozenset()
    assert len(one.reported) == 3


def test_too_many_checks_waiting_is_454_and_no_guess(tmp_path: Path) -> None:
    with rig(tmp_path, max_waiting=1) as one:
        one.accounts.add("alice", PASSWORD, ["alice@example.org"])
        authenticator = one.authenticator()

        async def main() -> list[SignInVerdict]:
            return list(await asyncio.gather(*(sign_in(authenticator) for _ in range(8))))

        verdicts = asyncio.run(main())
        assert [verdict.reply.code for verdict in verdicts] == [235] * 3 + [454] * 5
        assert "try again in a minute" in str(verdicts[-1].reply)


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        (Finding.UNKNOWN, Finding.UNKNOWN, 535),
        (Finding.UNKNOWN, Finding.WRONG, 535),
        (Finding.WRONG, Finding.UNAVAILABLE, 535),
        (Finding.UNAVAILABLE, Finding.UNKNOWN, 454),
        (Finding.UNAVAILABLE, Finding.WRONG, 454),
        (Finding.UNKNOWN, Finding.UNAVAILABLE, 454),
    ],
)
def test_an_outage_is_never_535(one: Rig, first: Finding, second: Finding, code: int) -> None:
    sources = [Elsewhere(Checked(first, detail="down")), Elsewhere(Checked(second, detail="down"))]
    verdict = signs_in(one.authenticator(sources))
    assert (verdict.reply.code, verdict.why == "unavailable") == (code, code == 454)


@pytest.mark.parametrize("finding", [Finding.UNKNOWN, Finding.UNAVAILABLE])
def test_a_source_that_does_not_know_passes_on_to_the_next(one: Rig, finding: Finding) -> None:
    first = Elsewhere(Checked(finding), OUTAGE if finding is Finding.UNAVAILABLE else None)
    assert signs_in(one.authenticator([first, one.source()])).identity is not None


def test_a_source_that_knows_is_the_last_to_be_asked(one: Rig) -> None:
    second = Elsewhere(Checked(Finding.UNKNOWN))
    authenticator = one.authenticator([one.source(), second])
    assert signs_in(authenticator, "alice", "wrong").reply.code == 535
    assert second.asked == 0


def test_changes_of_all_sources_are_heard_even_when_one_is_down(one: Rig) -> None:
    up, down = Elsewhere(Checked(Finding.UNKNOWN)), Elsewhere(Checked(Finding.UNKNOWN), OUTAGE)
    assert one.authenticator([down, up]).changed_logins() == {"elsewhere"}
    assert one.reported == [OUTAGE]


def test_a_client_that_goes_away_stops_waiting(one: Rig) -> None:
    authenticator = one.authenticator()

    async def main() -> None:
        pending = authenticator.verify(PasswordClaim("", "alice", PASSWORD), HOME)
        assert isinstance(pending, asyncio.Future)
        await asyncio.sleep(0)
        pending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pending
        assert one.pool is not None
        one.pool.close()  # the hash under way runs to its end
        await asyncio.sleep(0)

    asyncio.run(main())
    assert one.columns.total() == 0


# --- acting as another


@pytest.mark.parametrize(
    "authzid", ["", "alice", "ALICE", "alice@example.org", "info@example.org", "x@team.example"]
)
def test_a_member_may_act_as_itself_and_as_those_it_sends_for(one: Rig, authzid: str) -> None:
    assert signs_in(one.authenticator(), authzid=authzid).identity is not None


@pytest.mark.parametrize("authzid", ["bob", "bob@example.org", "root", "a\0b", "@", "*@team.example.evil"])
def test_a_member_may_not_act_as_another_and_is_told_no_more_than_for_a_wrong_password(
    one: Rig, authzid: str
) -> None:
    verdict = signs_in(one.authenticator(), authzid=authzid)
    assert (str(verdict.reply), verdict.identity) == (WRONG, None)
    assert verdict.delay >= 0.25
    assert "may not act as" in verdict.explanation


# --- secrets


def test_no_password_is_in_what_is_shown_reported_or_explained(
    one: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "wrong but secret 9"
    authenticator = one.authenticator()
    shown: list[object] = []
    for login, password in [
        ("alice", PASSWORD),
        ("alice", secret),
        ("nobody", secret),
        ("a b", f"{secret}\0"),
    ]:
        shown += [signs_in(authenticator, login, password), PasswordClaim("", login, password)]
        sign_in_value = authenticator._prepare(PasswordClaim("", login, password), HOME, 0.0, EVERYBODY)
        shown += [sign_in_value, sign_in_value.attempt]
    monkeypatch.setattr(Judge, "answer", broken)
    shown += [signs_in(authenticator, "bob", secret), *one.reported]
    assert not any(secret in text or PASSWORD in text for text in map(repr, shown))
