"""The server engine against the model: each verb in each state, in batches, cut anywhere; and whatever comes to mind.

docs/security.md decisions 1 to 4 and promise R12.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import settings as how
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sams.protocol.smtp.settings import BareNewlines, ServerSettings
from tests.protocol.smtp.harness import SETTINGS, SIGN_IN
from tests.protocol.smtp.model import CELLS, VERBS, Code, Referee, read_replies
from tests.protocol.smtp.refereed import Refereed

MAIL = b"MAIL FROM:<alice@example.org>\r\n"
RCPT = b"RCPT TO:<bob@example.net>\r\n"
BEFORE = {
    "clear": b"",
    "tls": b"",
    "hello": b"EHLO c\r\n",
    "ready": SIGN_IN,
    "mail": SIGN_IN + MAIL,
    "rcpt": SIGN_IN + MAIL + RCPT,
    "chunks": SIGN_IN + MAIL + RCPT + b"BDAT 3\r\nabc",
    "refused": SIGN_IN + b"MAIL FROM:<refused@example.org>\r\n",
}
"""How each state is reached."""
SAID = {
    "HELO": b"HELO c\r\n",
    "EHLO": b"EHLO c\r\n",
    "STARTTLS": b"STARTTLS\r\n",
    "AUTH": b"AUTH PLAIN AGFsaWNlAHNlc2FtZQ==\r\n",
    "MAIL": MAIL,
    "RCPT": RCPT,
    "DATA": b"DATA\r\n",
    "BDAT": b"BDAT 7 LAST\r\nNOOP\r\n\r",
    "RSET": b"RSET\r\n",
    "NOOP": b"NOOP\r\n",
    "HELP": b"HELP\r\n",
    "VRFY": b"VRFY alice\r\n",
    "EXPN": b"EXPN staff\r\n",
    "QUIT": b"QUIT\r\n",
}
SMALL = replace(
    SETTINGS,
    message_size=60,
    discard=40,
    max_recipients=3,
    command_line=100,
    auth_line=120,
    data_line=30,
    errors=7,
    commands_before_auth=15,
    idle_commands=12,
    refusals=9,
)

KNOWN_MAIL: dict[bytes, Code | None] = {
    b"FROM:<alice@example.org>": None,
    b"FROM:<>": None,
    b"from:<alice@example.org> size=10 body=8bitmime": None,
    b"FROM: <alice@example.org>": None,
    b'FROM:<"a b>"@example.org>': None,
    b"FROM:<a@[192.0.2.1]>": None,
    b"FROM:<@x.org,@y.org:alice@example.org>": None,
    b"FROM:<alice@example.org> RET=FULL ENVID=a+2Bb AUTH=<>": None,
    b"FROM:<alice@example.org> SMTPUTF8": None,
    b"FROM:<j\xc3\xbc@example.org> SMTPUTF8": None,
    b"FROM:<refused@example.org>": None,
    b"FROM:<later@example.org>": None,
    b"FROM:<bye@example.org>": None,
    b"FROM:<nodata@example.org>": None,
    b"FROM:<alice@example.org> SIZE=61": (552, "5.3.4"),
    b"FROM:<alice@example.org> SIZE=x": (501, "5.5.4"),
    b"FROM:<alice@example.org> SIZE=1 SIZE=1": (501, "5.5.4"),
    b"FROM:<alice@example.org> RET=ALL": (501, "5.5.4"),
    b"FROM:<alice@example.org> ENVID=a+2": (501, "5.5.4"),
    b"FROM:<alice@example.org> NOTIFY=NEVER": (555, "5.5.4"),
    b"FROM:<j\xc3\xbc@example.org>": (550, "5.6.7"),
    b"FROM:<\xff@example.org> SMTPUTF8": (501, "5.1.7"),
    b"FROM:<alice>": (501, "5.1.7"),
    b"FROM:<a..b@example.org>": (501, "5.1.7"),
    b"FROM:alice@example.org": (501, "5.5.4"),
    b"FROM:<alice@example.org>x": (501, "5.5.4"),
    b"TO:<alice@example.org>": (501, "5.5.4"),
    b"": (501, "5.5.4"),
}
KNOWN_RCPT: dict[bytes, Code | None] = {
    b"TO:<bob@example.net>": None,
    b"to:<postmaster>": None,
    b"TO:<bob@example.net> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b+2Bx@example.net": None,
    b"TO:<bob@example.net> NOTIFY=NEVER": None,
    b"TO:<refused@example.net>": None,
    b"TO:<later@example.net>": None,
    b"TO:<bye@example.net>": None,
    b"TO:<>": (501, "5.1.3"),
    b"TO:<bob>": (501, "5.1.3"),
    b"TO:<b@-x.example>": (501, "5.1.3"),
    b"TO:<bob@example.net> NOTIFY=NEVER,SUCCESS": (501, "5.5.4"),
    b"TO:<bob@example.net> ORCPT=rfc822": (501, "5.5.4"),
    b"TO:<bob@example.net> SIZE=5": (555, "5.5.4"),
    b"FROM:<bob@example.net>": (501, "5.5.4"),
}
"""What RFC 5321, 1870, 3461, 4954 and 6531 say of these arguments; None: the session decides."""


def reached(state: str, settings: ServerSettings = SETTINGS) -> Refereed:
    it = Refereed(settings, tls=state != "clear", known=KNOWN_MAIL | KNOWN_RCPT)
    it.say([BEFORE[state]])
    assert it.referee.state == state
    return it


def octet_by_octet(stream: bytes) -> list[bytes]:
    return [bytes([octet]) for octet in stream]


@pytest.mark.parametrize("state", BEFORE)
def test_each_verb_in_each_state_is_answered_as_the_table_says_however_it_is_cut(state: str) -> None:
    for verb in VERBS:
        said = SAID[verb]
        ways = [[said[:at], said[at:]] for at in range(1, len(said))]
        for pieces in [[said], octet_by_octet(said), *ways]:
            it = reached(state)
            it.say(pieces)
            assert it.referee.transcript or it.referee.state in {"octets", "auth"}


@pytest.mark.parametrize("state", BEFORE)
def test_each_two_commands_in_one_batch_get_a_reply_each_and_in_order(state: str) -> None:
    for one, other in itertools.product(VERBS, repeat=2):
        batch = SAID[one] + SAID[other] + b"\r\n.\r\nNOOP\r\n"
        for pieces in ([batch], octet_by_octet(batch)):
            it = reached(state)
            while pieces and it.referee.state != "shake":
                it.say([pieces.pop(0)])


@pytest.mark.parametrize("state", BEFORE)
def test_arguments_are_judged_as_their_rfcs_say(state: str) -> None:
    for verb, known in (("MAIL", KNOWN_MAIL), ("RCPT", KNOWN_RCPT)):
        for argument in known:
            it = reached(state, SMALL)
            it.say([f"{verb} ".encode() + argument + b"\r\n"])


@pytest.mark.parametrize("state", BEFORE)
@pytest.mark.parametrize("bad", [b"NOOP\n", b"NO\rOP", b"N\0", b"\n", b"QUIT\nQUIT\n", b"x" * 101])
def test_a_bad_end_of_line_is_told_once_and_never_makes_two_commands(state: str, bad: bytes) -> None:
    stream = bad + b"MAIL FROM:<a@b.example>\r\nNOOP\r\n"
    for at in range(len(stream)):
        it = reached(state, SMALL)
        it.say([stream[:at], stream[at:]])
        wanted = [("?", (500, "5.5.2")), ("NOOP", (250, "2.0.0"))]
        first = state in {"clear", "tls"} and bad[:1] == b"\0"
        assert first or [told[1:] for told in it.referee.transcript[-2:]] == wanted


@pytest.mark.parametrize(
    ("state", "said", "limit"),
    [
        *[(state, b"FOO\r\n", SMALL.errors) for state in BEFORE],
        ("clear", b"MAIL FROM:<a@b.example>\r\n", SMALL.errors),
        ("clear", b"AUTH PLAIN AGFsaWNlAHNlc2FtZQ==\r\n", SMALL.errors),
        ("hello", b"AUTH PLAIN !\r\n", SMALL.errors),
        ("hello", b"AUTH LOGIN\r\n*\r\n", SMALL.errors),
        ("hello", b"AUTH PLAIN AGFsaWNlAG5v\r\n", SMALL.failed_signins),
        ("hello", b"AUTH PLAIN AGxhdGVyAG5v\r\n", SMALL.failed_signins),
        ("hello", b"NOOP\r\n", SMALL.idle_commands),
        ("ready", b"NOOP\r\n", SMALL.idle_commands),
        ("rcpt", b"RCPT TO:<refused@example.net>\r\n", SMALL.refusals),
        ("ready", b"MAIL FROM:<refused@example.org>\r\n", SMALL.refusals),
        ("ready", b"DATA\n\r\n", SMALL.errors),
    ],
)
def test_each_limit_counts_and_ends_the_session_with_421(state: str, said: bytes, limit: int) -> None:
    it = reached(state, SMALL)
    for number in range(2 * limit):
        assert it.referee.state != "closed" or number >= limit - 1
        if it.referee.state == "closed":
            return
        it.say([said])
    raise AssertionError("the limit does not count")


def test_counters_outlive_starttls_and_nothing_else_does() -> None:
    it = reached("clear", SMALL)
    it.say([b"EHLO before\r\n", b"MAIL FROM:<a@b.example>\r\n" * (SMALL.errors - 1), b"STARTTLS\r\n"])
    it.secure()
    assert it.engine.helo_name is None
    assert not it.engine.esmtp
    it.say([b"AUTH PLAIN AGFsaWNlAHNlc2FtZQ==\r\n"])
    assert it.referee.state == "closed"


@pytest.mark.parametrize(
    "behind", [b"EHLO c\r\n", b"\0", b"\r\n", b"\x16\x03\x01", b"MAIL FROM:<a@b.example>\r\n"]
)
def test_what_comes_with_starttls_or_before_the_handshake_closes(behind: bytes) -> None:
    for pieces in ([b"STARTTLS\r\n" + behind], [b"STARTTLS\r\n", behind]):
        it = reached("clear")
        it.say(pieces)
        assert it.referee.state == "closed"
        assert it.referee.transcript[-1][2] == (554, "5.5.1")


@pytest.mark.parametrize("state", BEFORE)
def test_no_credential_leaves_a_trace_in_what_is_said(state: str) -> None:
    right, wrong = b"AUTH PLAIN AGFsaWNlAHNlc2FtZQ==\r\n", b"AUTH PLAIN AGFsaWNlAHdyb25n\r\n"
    if state != "hello":
        told = []
        for said in (right, wrong):
            it = reached(state)
            it.engine.receive(said)
            it.engine.next_event()
            told.append(it.engine.take_output())
        assert told[0] == told[1]
        assert read_replies(told[0])[0].code in {538, 503}


CONTENT = st.lists(
    st.sampled_from([b"a", b"\r\n", b".", b"\r", b"\n", b"\0", b"later", b"refused", b"x" * 29, b"\r\n.x"]),
    max_size=10,
).map(b"".join)
ANYTHING = st.binary(max_size=10) | st.sampled_from(
    [b"\r\n", b"\n", b"\r", b"\0", b"FOO\r\n", b"GET / HTTP/1.0\r\n", b"\x16", b" \r\n", b"x" * 120, b"*\r\n"]
)


class Peer(RuleBasedStateMachine):
    """A peer that says what it likes, gathers it in batches, and cuts them as it likes."""

    @initialize(
        tls=st.booleans(),
        signed_in=st.booleans(),
        newlines=st.sampled_from(BareNewlines),
        binary=st.booleans(),
        starttls=st.booleans(),
        most=st.sampled_from([None, 2]),
    )
    def connect(
        self,
        *,
        tls: bool,
        signed_in: bool,
        newlines: BareNewlines,
        binary: bool,
        starttls: bool,
        most: int | None,
    ) -> None:
        settings = replace(
            SMALL, bare_newlines=newlines, binarymime=binary, starttls=starttls, max_transactions=most
        )
        self.it = Refereed(settings, tls=tls, known=KNOWN_MAIL | KNOWN_RCPT)
        self.batch = SIGN_IN + MAIL + RCPT if tls and signed_in else b""

    @property
    def referee(self) -> Referee:
        return self.it.referee

    @rule(verb=st.sampled_from([verb for verb in VERBS if verb not in {"MAIL", "RCPT", "QUIT"}]))
    def a_command(self, verb: str) -> None:
        self.batch += SAID[verb]

    @rule(argument=st.sampled_from(list(KNOWN_MAIL)))
    def a_sender(self, argument: bytes) -> None:
        self.batch += b"MAIL " + argument + b"\r\n"

    @rule(argument=st.sampled_from(list(KNOWN_RCPT)))
    def a_recipient(self, argument: bytes) -> None:
        self.batch += b"rcpt " + argument + b" \r\n"

    @rule(content=CONTENT)
    def a_message(self, content: bytes) -> None:
        self.batch += b"DATA\r\n" + content + b"\r\n.\r\n"

    @rule(content=CONTENT, last=st.booleans())
    def a_chunk(self, content: bytes, *, last: bool) -> None:
        self.batch += b"BDAT %d%b\r\n" % (len(content), b" LAST" if last else b"") + content

    @rule(response=st.sampled_from([b"YWxpY2U=", b"c2VzYW1l", b"", b"*", b"=", b"YQ", b"YQ====", b"YQ=a"]))
    def a_response(self, response: bytes) -> None:
        self.batch += b"AUTH LOGIN\r\nYWxpY2U=\r\n" + response + b"\r\n"

    @rule(word=st.sampled_from([b"HELO", b"RSET x", b"VRFY", b"DATA x", b"STARTTLS x", b"BDAT x", b"AUTH"]))
    def a_bad_argument(self, word: bytes) -> None:
        self.batch += word + b"\r\n"

    @rule(octets=ANYTHING)
    def anything(self, octets: bytes) -> None:
        self.batch += octets

    @rule(cuts=st.lists(st.integers(0, 200), max_size=4) | st.none())
    def send(self, cuts: list[int] | None) -> None:
        batch, self.batch = self.batch, b""
        edges = [0, *sorted(min(cut, len(batch)) for cut in cuts), len(batch)] if cuts is not None else []
        pieces: Iterable[bytes] = (batch[a:b] for a, b in itertools.pairwise(edges))
        for piece in octet_by_octet(batch) if cuts is None else filter(None, pieces):
            self.it.say([piece])
            if self.referee.state == "shake":
                self.it.secure()

    @precondition(lambda self: self.referee.state == "closed")
    @rule()
    def nothing_more(self) -> None:
        self.it.say([b"NOOP\r\n"])

    @invariant()
    def mail_is_of_members_alone(self) -> None:
        assert not self.it.engine.in_transaction or (self.it.engine.tls and self.it.engine.authenticated)

    def teardown(self) -> None:
        self.send(None)


Peer.TestCase.settings = how(max_examples=50, stateful_step_count=25, deadline=None)
TestWhateverAPeerSaysIsAnsweredAsTheModelSays = Peer.TestCase


class PeerForLong(Peer):
    """The same, for many sessions."""


PeerForLong.TestCase.settings = how(max_examples=300, stateful_step_count=40, deadline=None)
TestWhateverAPeerSaysForLong = pytest.mark.long(pytest.mark.timeout(900)(PeerForLong.TestCase))


def test_the_table_knows_every_verb_in_every_state() -> None:
    assert {state for _, state in CELLS} == set(BEFORE)
    assert set(SAID) == set(VERBS)
    assert len(CELLS) == len(BEFORE) * len(VERBS)
