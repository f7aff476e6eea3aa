"""One mail transaction with a next hop.

Theory of operation
-------------------
The dialogue is one generator. With PIPELINING it writes MAIL, all RCPTs and DATA before it waits for the first
reply, so that a message costs two round trips; with
CHUNKING and a message of at most `EAGER` octets in memory even the message goes out with them, in BDAT, and
it costs one. BDAT tells its length, so that a hop that refused every recipient still knows where the message
ends (RFC 3030 section 4.2): nothing is lost by sending early but the octets. A larger message waits until a
recipient was accepted. Not more than `WINDOW` commands or `WINDOW_OCTETS` octets of commands are ever
unanswered, which bounds the buffers of both sides; the driver reads while it writes, so that neither side
waits for the other for ever.

Where the last transaction left something in the hop, RSET comes first and by itself: to a hop that refuses it
nothing more is said, for what was left would take in this message, or its recipients.

What is certain and what is not: until the end of the message was handed to the connection, a break means that
the hop has taken nothing. Afterwards it may have; the recipients are tried again all the same (duplicates
possible, loss not). A message whose pieces do not add up to its size is never ended: the connection is cut.

A hop that takes only so many recipients at once (RFC 9422, or 452 4.5.3) leaves some without a verdict: they
belong into the next transaction, at once. Each transaction gives at least one recipient a verdict, so that
this ends.

A hop that refuses a parameter that it offered (`distrust`) has told nothing of the message: who would have that
refusal for a verdict gets none, and goes at once to a new conversation that does without the parameter. And where
replies do not fit the commands, a refusal may be another recipient's: those are tried again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from sams.core.address import AddressError
from sams.core.envelope import Recipient
from sams.core.outcome import Result
from sams.core.reply import Reply, reply
from sams.protocol.smtp import client_commands as commands
from sams.protocol.smtp.client_capabilities import AUTH_PARAMETER, RESET, Capabilities
from sams.protocol.smtp.client_exchange import Exchange
from sams.protocol.smtp.client_payload import Payload
from sams.protocol.smtp.client_result import (
    BreakOff,
    OutgoingTransaction,
    TransactionResult,
    Verdict,
    result_of,
)
from sams.protocol.smtp.client_waits import (
    ConversationEnded,
    Dialogue,
    Stage,
    broke_protocol,
    refused,
)

EAGER = 65_536
WINDOW = 256
WINDOW_OCTETS = 65_536

_TOO_LARGE = reply(552, "5.3.4", "The message is larger than the next hop takes")
_NEEDS_UTF8 = reply(553, "5.6.7", "The message needs SMTPUTF8, which the next hop does not offer")
_ADDRESS_NEEDS_UTF8 = reply(553, "5.6.7", "The address needs SMTPUTF8, which the next hop does not offer")
_UNASKED = reply(
    451, "4.5.0", "The next hop broke the protocol at the end of the message: it said more than it was asked"
)
_NEEDS_8BIT = reply(554, "5.6.3", "The message has 8-bit or binary content, which the next hop does not take")

_CLOSING = 421
_SIGN_IN_FIRST = 530
_UNKNOWN_COMMAND = frozenset({500, 502})
_UNKNOWN_PARAMETER = frozenset({504, 555})
_RSET = -2
_MAIL = -1


def refuse_unsent(transaction: OutgoingTransaction, offered: Capabilities) -> Reply | None:
    """Why the hop cannot be given this message, known from what it offers; None: it can."""
    message, path = transaction.message, transaction.envelope.reverse_path
    if offered.size is not None and message.size > offered.size:
        return _TOO_LARGE
    if not offered.smtputf8 and (
        message.needs_smtputf8 or (path is not None and commands.needs_smtputf8(path))
    ):
        return _NEEDS_UTF8
    if message.is_binary:
        return None if offered.takes_binary else _NEEDS_8BIT
    return _NEEDS_8BIT if message.has_8bit and not offered.eight_bit_mime else None


class TransactionDialogue:
    """The state of one transaction; `run` is its dialogue, once.

    needs_reset: something of a transaction may be left in the hop: before `run`, of the one before; after it,
        of this one.
    was_begun: the hop heard of it.
    """

    def __init__(
        self,
        exchange: Exchange,
        offered: Capabilities,
        transaction: OutgoingTransaction,
        *,
        needs_reset: bool,
    ) -> None:
        self._exchange = exchange
        self._offered = offered
        self._transaction = transaction
        self._message = transaction.message
        self._payload = Payload(exchange, transaction.message)
        self._recipients = transaction.envelope.recipients
        self._verdicts: list[Verdict | None] = [None] * len(self._recipients)
        self._said: deque[tuple[int, int]] = deque()
        self._octets = 0
        self._mail_refused = False
        self._is_said = False
        self._is_mixed = False
        self._accepted: list[int] = []
        self._crowded: list[tuple[int, Reply]] = []
        self._end: Reply | None = None
        self._broke_off: BreakOff | None = None
        self._stage = Stage.MAIL
        self._untouched = True
        self._distrust: frozenset[str] = frozenset()
        self.needs_reset = needs_reset
        self.was_begun = False

    def run(self) -> Dialogue[TransactionResult]:
        """Carry it out. Every expected end is in the result.

        Raises:
            TemporaryFailure: the message could not be read in full; the connection has to be cut.
            ValueError: a value of the envelope has a control character; the connection has to be cut.
        """
        refusal = refuse_unsent(self._transaction, self._offered)
        if refusal is not None:
            self._decide_rest(Verdict(Result.FAILED, refusal, by_peer=False))
            return self._result()
        mail, rcpts = self._commands()
        try:
            if rcpts:
                yield from self._carry_out(mail, rcpts)
            if self._exchange.has_unasked:
                self._doubt_refusals(_UNASKED)
        except ConversationEnded as ended:
            self._break_off(ended)
        return self._result()

    def hear_said(self) -> Dialogue[TransactionResult]:
        """Hear the replies to a transaction that was written already, with the message, by BDAT (`client_group`)."""
        self.was_begun = self._is_said = True
        self._payload.is_complete = True
        if self.needs_reset:
            self._said.append((_RSET, 0))
        self._said.append((_MAIL, 0))
        self._said += [(number, 0) for number in range(len(self._recipients))]
        try:
            while self._said:
                yield from self._hear()
            yield from self._finish_bdat(began=True)
        except ConversationEnded as ended:
            self._break_off(ended)
        return self._result()

    def _carry_out(self, mail: bytes, rcpts: Sequence[tuple[int, bytes]]) -> Dialogue[None]:
        began = yield from self._say_envelope(mail, rcpts)
        if not began and not self._accepted:
            return
        if self._offered.chunking:
            yield from self._finish_bdat(began=began)
        else:
            yield from self._finish_data(began=began)

    # ---- the envelope

    def _commands(self) -> tuple[bytes, list[tuple[int, bytes]]]:
        """MAIL and the RCPTs of this transaction; who is left out is decided, or waits for the next."""
        form = commands.Form(
            smtputf8=self._offered.smtputf8 and self._needs_smtputf8(),
            says_auth=self._exchange.says_auth,
            capabilities=self._offered,
        )
        mail = commands.mail(self._transaction.envelope, self._message, self._message.size, form)
        rcpts = []
        for number in self._within_limits():
            try:
                rcpts.append((number, commands.rcpt(self._recipients[number], form)))
            except AddressError:
                self._verdicts[number] = Verdict(Result.FAILED, _ADDRESS_NEEDS_UTF8, by_peer=False)
        return mail, rcpts

    def _needs_smtputf8(self) -> bool:
        path = self._transaction.envelope.reverse_path
        return (
            self._message.needs_smtputf8
            or (path is not None and not path.is_ascii)
            or not all(recipient.mailbox.is_ascii for recipient in self._recipients)
        )

    def _within_limits(self) -> Iterable[int]:
        """The recipients that RFC 9422's limits let into one transaction."""
        most = min(self._offered.rcpt_max or len(self._recipients), len(self._recipients))
        if self._offered.rcpt_domain_max is None:
            return range(most)
        return _within_domains(self._recipients, most, self._offered.rcpt_domain_max)

    def _say_envelope(self, mail: bytes, rcpts: Sequence[tuple[int, bytes]]) -> Dialogue[bool]:
        """MAIL and RCPT, and their replies; whether DATA or BDAT is on its way too."""
        self.was_begun = True
        if self.needs_reset:
            self._say(_RSET, b"RSET")
            yield from self._hear()
        self._say(_MAIL, mail)
        for number, line in rcpts:
            if self._is_full():
                yield from self._hear_some()
            if self._mail_refused:
                break
            self._say(number, line)
        began = self._begin_early()
        while self._said:
            yield from self._hear()
        return began

    def _say(self, what: int, line: bytes) -> None:
        self._exchange.command(line)
        self._said.append((what, len(line)))
        self._octets += len(line)

    def _is_full(self) -> bool:
        if not self._offered.pipelining:
            return bool(self._said)
        return len(self._said) >= WINDOW or self._octets >= WINDOW_OCTETS

    def _hear_some(self) -> Dialogue[None]:
        """Make room for half a window, so that commands go on leaving in large pieces."""
        while self._said and (
            len(self._said) > WINDOW // 2 or self._octets > WINDOW_OCTETS // 2 or self._is_full()
        ):
            yield from self._hear()

    def _hear(self) -> Dialogue[None]:
        """The reply to the oldest command of the envelope."""
        what, octets = self._said[0]
        waits = self._exchange.waits
        wait = waits.rcpt if what >= 0 else waits.mail if what == _MAIL else waits.reset
        self._stage = wait.stage
        answer = yield from self._exchange.reply(wait)
        self._said.popleft()
        self._octets -= octets
        if answer.code == _CLOSING:
            raise refused(self._stage, answer)
        if 300 <= answer.code < 400:
            raise broke_protocol(self._stage, f"{answer.code} in reply")
        if what == _RSET:
            self._hear_reset(answer)
        elif what == _MAIL:
            self._hear_mail(answer)
        elif not self._mail_refused:
            self._hear_rcpt(what, answer)

    def _hear_reset(self, answer: Reply) -> None:
        if answer.is_positive:
            self.needs_reset = False
            return
        self._distrust |= {RESET}
        if not self._is_said:
            raise refused(Stage.RSET, answer)

    def _hear_mail(self, answer: Reply) -> None:
        self._untouched = False
        if answer.code == _SIGN_IN_FIRST:  # our configuration is wrong: no message is to blame
            raise refused(Stage.MAIL, answer)
        if answer.is_positive:
            self.needs_reset = True
        elif RESET in self._distrust:
            self._is_mixed = True  # the transaction before goes on in the hop: RCPT and BDAT belong to it
        else:
            self._mail_refused = True
            unknown = self._parameters() if answer.code in _UNKNOWN_PARAMETER else frozenset()
            if unknown:
                self._distrust |= unknown
            else:
                self._decide_rest(_said(answer))

    def _parameters(self) -> frozenset[str]:
        """The extensions that MAIL made use of."""
        offered, envelope = self._offered, self._transaction.envelope
        used = {
            AUTH_PARAMETER: self._exchange.says_auth and bool(offered.auth),
            "SIZE": offered.has_size,
            "8BITMIME": self._message.has_8bit and offered.eight_bit_mime,
            "BINARYMIME": self._message.is_binary,
            "SMTPUTF8": offered.smtputf8 and self._needs_smtputf8(),
            "DSN": offered.dsn and (envelope.ret is not None or envelope.envid is not None),
        }
        return frozenset([keyword for keyword, is_used in used.items() if is_used])

    def _hear_rcpt(self, number: int, answer: Reply) -> None:
        recipient = self._recipients[number]
        if answer.is_positive:
            self._accepted.append(number)
        elif self._accepted and _is_crowded(answer):
            self._crowded.append((number, answer.shortened()))
        elif answer.code == _SIGN_IN_FIRST:
            self._verdicts[number] = Verdict(Result.DEFERRED, answer.shortened(), by_peer=True)
        elif (
            answer.code in _UNKNOWN_PARAMETER
            and self._offered.dsn
            and not (recipient.notify is None and recipient.original is None)
        ):
            self._distrust |= {"DSN"}
        else:
            self._verdicts[number] = _said(answer)

    # ---- the message

    def _begin_early(self) -> bool:
        """Say DATA, or all of BDAT, before the envelope's replies are known; whether that was done."""
        if not self._offered.pipelining or self._mail_refused or not (self._said or self._accepted):
            return False
        if self._offered.chunking:
            return self._payload.send_at_once(EAGER)
        self._exchange.command(b"DATA")
        return True

    def _finish_bdat(self, *, began: bool) -> Dialogue[None]:
        if not began:
            self._stage = Stage.MESSAGE
            yield from self._payload.send_bdat()
        answer = yield from self._hear_end()
        if answer.code in _UNKNOWN_COMMAND and self._accepted:
            self._distrust |= {"CHUNKING"}  # and it took the message for commands
            raise refused(Stage.END, answer)
        if self._is_mixed:
            self._verdicts = [None] * len(self._recipients)
        if answer.is_positive or not self._is_mixed:
            self._decide_accepted(answer)

    def _finish_data(self, *, began: bool) -> Dialogue[None]:
        if not began:
            self._exchange.command(b"DATA")
        self._stage = Stage.DATA
        answer = yield from self._exchange.reply(self._exchange.waits.data)
        if answer.code == 354:
            yield from self._send_data()
        elif answer.code == _CLOSING:
            raise refused(Stage.DATA, answer)
        elif answer.is_positive:
            raise broke_protocol(Stage.DATA, f"{answer.code} in reply")
        else:
            self._decide_accepted(answer)

    def _send_data(self) -> Dialogue[None]:
        if not self._accepted:
            self._payload.send_nothing()
            yield from self._hear_end()
            self.needs_reset = True
            return
        self._stage = Stage.MESSAGE
        yield from self._payload.send_data()
        self._decide_accepted((yield from self._hear_end()))

    def _hear_end(self) -> Dialogue[Reply]:
        self._stage = Stage.END
        answer = yield from self._exchange.reply(self._exchange.waits.end)
        if answer.code == _CLOSING:
            raise refused(Stage.END, answer)
        if 300 <= answer.code < 400:
            raise broke_protocol(Stage.END, f"{answer.code} in reply")
        self.needs_reset = not answer.is_positive
        return answer

    # ---- the verdicts

    def _decide_accepted(self, answer: Reply) -> None:
        """The reply to DATA or to the message decides for all recipients that were accepted."""
        self._end = answer
        verdict = _said(answer)
        for number in self._accepted:
            self._verdicts[number] = verdict

    def _decide_rest(self, verdict: Verdict) -> None:
        self._verdicts = [decided or verdict for decided in self._verdicts]

    def _break_off(self, ended: ConversationEnded) -> None:
        """Who has no verdict yet is tried again; a refusal of the whole message counts.

        At once, where the hop cannot do what it offers.
        """
        ended = self._parting_words(ended)
        after_end = self._payload.is_complete
        self._broke_off = BreakOff(
            ended.stage, ended.reply, ended.detail, ended.by_peer, after_end, self._untouched
        )
        if ended.by_peer and ended.stage is Stage.MESSAGE and ended.reply.code != _CLOSING:
            self._decide_accepted(ended.reply)
        for number, answer in self._crowded:
            self._verdicts[number] = Verdict(Result.DEFERRED, answer.shortened(), by_peer=True)
        if not self._distrust:
            self._decide_rest(Verdict(Result.DEFERRED, ended.reply, by_peer=ended.by_peer))
        if ended.is_fault:
            self._doubt_refusals(ended.reply)

    def _doubt_refusals(self, why: Reply) -> None:
        """The hop's replies do not fit our commands: none may be given up for another's refusal."""
        doubt = Verdict(Result.DEFERRED, why, by_peer=False)
        self._verdicts = [
            doubt if one is not None and one.by_peer and one.result is Result.FAILED else one
            for one in self._verdicts
        ]

    def _parting_words(self, ended: ConversationEnded) -> ConversationEnded:
        """What the hop said before it went away in the middle of a message tells more than that it went."""
        if self._stage is not Stage.MESSAGE or ended.by_peer:
            return ended
        try:
            answer = self._exchange.early_reply(Stage.MESSAGE)
        except ConversationEnded:
            return ended
        return ended if answer is None or answer.is_positive else refused(Stage.MESSAGE, answer)

    def _result(self) -> TransactionResult:
        return TransactionResult(
            verdicts=tuple(self._verdicts),
            end=self._end,
            broke_off=self._broke_off,
            dsn_aware=self._offered.dsn,
            distrust=self._distrust,
        )


def _said(answer: Reply) -> Verdict:
    """What the hop's reply decides. Of a long one no more is kept than is shown: each recipient may have one."""
    return Verdict(result_of(answer), answer.shortened(), by_peer=True)


def _is_crowded(answer: Reply) -> bool:
    """Too many recipients for one transaction: 452, or 552 of old servers (RFC 5321 section 4.5.3.1.10)."""
    status = answer.status
    return answer.code in {452, 552} and (status is None or (status.subject, status.detail) == (5, 3))


def _within_domains(recipients: Sequence[Recipient], most: int, most_domains: int) -> Iterable[int]:
    """The first recipients, at most `most`, that have no more than `most_domains` domains."""
    chosen: list[int] = []
    domains: set[str] = set()
    for number, recipient in enumerate(recipients):
        domain = recipient.mailbox.domain.casefold()
        if len(chosen) < most and (domain in domains or len(domains) < most_domains):
            domains.add(domain)
            chosen.append(number)
    return chosen
