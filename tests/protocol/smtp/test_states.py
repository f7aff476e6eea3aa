from __future__ import annotations

import pytest

from sams.protocol.smtp.commands import _HANDLERS
from sams.protocol.smtp.states import BODY, RULES, State, Verb

MAIL_VERBS = {Verb.MAIL, Verb.RCPT, Verb.DATA, Verb.BDAT}
ANYWHERE = {Verb.HELO, Verb.EHLO, Verb.NOOP, Verb.HELP, Verb.RSET, Verb.QUIT}


@pytest.mark.parametrize("state", RULES)
@pytest.mark.parametrize("verb", Verb)
def test_every_verb_is_handled_or_refused_in_every_state_that_reads_commands(
    state: State, verb: Verb
) -> None:
    assert verb in RULES[state] or verb in _HANDLERS or verb is Verb.BDAT


@pytest.mark.parametrize("state", [State.CLEAR, State.SECURED, State.GREETED])
def test_no_state_before_the_sign_in_lets_any_verb_of_mail_through(state: State) -> None:
    assert set(RULES[state]) >= MAIL_VERBS


@pytest.mark.parametrize("state", RULES)
def test_auth_goes_through_in_one_state_only(state: State) -> None:
    assert (Verb.AUTH not in RULES[state]) == (state is State.GREETED)


@pytest.mark.parametrize("state", RULES)
def test_starttls_goes_through_in_one_state_only(state: State) -> None:
    assert (Verb.STARTTLS not in RULES[state]) == (state is State.CLEAR)


@pytest.mark.parametrize("state", RULES)
def test_courtesy_is_refused_nowhere(state: State) -> None:
    assert not ANYWHERE & set(RULES[state])


def test_no_command_is_read_where_octets_of_a_message_are_expected() -> None:
    assert not BODY & set(RULES)
