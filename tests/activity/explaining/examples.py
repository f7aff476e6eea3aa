"""Events that lead to every kind of stage, with the replies that the service really gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sams.activity import events as e
from sams.activity.explaining.gathering import stories
from sams.activity.explaining.stages import Stage, Story
from sams.activity.explaining.verdicts import verdict
from sams.activity.interface import Cursor, Entry, Page, Search, Step
from sams.config.model import Senders
from sams.core.address import parse_mailbox
from sams.core.reply import Reply
from sams.identity import replies as sign_in_replies
from sams.identity.interface import Identity
from sams.identity.sources.kerberos import context as kerberos
from sams.message.header import HeaderLimits, take_header
from sams.policy.senders import SenderPolicy
from sams.protocol.sasl import scram
from sams.protocol.smtp import replies
from sams.spool.failures import DiskFull, StorageFailed
from sams.submission import connection, deadlines, session, sign_in

SESSION = "6C3VHCR91B40400"
OTHER_SESSION = "6C3VHCR91B40401"
MESSAGE = "6C3VHCRP1300400"
REFERENCE = "K7Q2-4F"
CLIENT = "192.0.2.7"
START = 1_700_000_000.0
NOW = START + 100.0

_ANN = Identity("ann", ("ann@example.org",), (), parse_mailbox("ann@example.org"), 1)
_POLICY = SenderPolicy(Senders(display_name="enforce"))


def said(reply: Reply) -> str:
    """As the journal has it."""
    return str(reply.with_reference(REFERENCE))


def refused_header(raw: bytes) -> str:
    """What the service says to a message with this header."""
    taken = take_header(raw + b"\r\n", HeaderLimits())
    assert taken is not None
    answer = _POLICY.check_header(_ANN, taken[0]).reply
    assert answer is not None
    return said(answer)


def _envelope_refused() -> str:
    answer = _POLICY.check_envelope(_ANN, parse_mailbox("bob@example.org")).reply
    assert answer is not None
    return said(answer)


REFUSALS: tuple[tuple[str, str, str], ...] = (
    # verb, reply, kind: inside TLS
    ("", said(deadlines.IDLE), "timeout-idle"),
    ("", said(deadlines.NO_SIGN_IN), "timeout-sign-in"),
    ("", said(deadlines.SESSION_OVER), "timeout-session"),
    ("MAIL", said(deadlines.SESSION_OVER), "timeout-session"),
    ("", said(deadlines.BODY_STALLED), "timeout-stalled"),
    ("", said(deadlines.BODY_TOO_SLOW), "timeout-slow"),
    ("MAIL", said(session.ACCOUNT_CHANGED), "closed-revoked"),
    ("?", said(connection.BUG), "our-mistake"),
    ("DATA", said(DiskFull("x").reply), "disk-full"),
    ("DATA", said(StorageFailed("x").reply), "not-stored"),
    ("?", said(replies.NOT_SMTP), "not-smtp"),
    ("STARTTLS", said(replies.INJECTED), "starttls-injected"),
    ("STARTTLS", said(replies.STARTTLS_UNAVAILABLE), "starttls-not-offered"),
    ("STARTTLS", said(replies.TLS_TWICE), "starttls-twice"),
    ("MAIL", said(replies.NEED_AUTH), "mail-without-sign-in"),
    ("AUTH", said(replies.unknown_mechanism(("PLAIN", "LOGIN"))), "mechanism-not-offered"),
    ("AUTH", said(replies.unknown_mechanism(())), "mechanism-not-offered"),
    ("AUTH", said(replies.AUTH_CANCELLED), "sign-in-cancelled"),
    ("AUTH", said(replies.AUTH_BASE64), "sign-in-malformed"),
    ("AUTH", said(replies.AUTH_TOO_LONG), "sign-in-malformed"),
    ("AUTH", said(sign_in.NOT_EMPTY), "sign-in-malformed"),
    ("AUTH", f"501 5.5.2 {scram._DOWNGRADE.text}", "sign-in-intercepted"),
    ("AUTH", f"501 5.5.2 {scram._OTHER_CHANNEL.text}", "sign-in-intercepted"),
    ("AUTH", said(replies.AUTH_TWICE), "command-refused"),
    ("AUTH", said(sign_in_replies.UNAVAILABLE), "refused-for-now"),
    ("MAIL", _envelope_refused(), "sender-refused"),
    ("MAIL", "451 4.4.3 It cannot be told at the moment whether you may send", "sender-unavailable"),
    ("MAIL", "501 5.1.7 Bad address: no domain", "sender-syntax"),
    ("RCPT", "550 5.7.1 Mail with the sender <> is not taken here: give your own address", "null-sender"),
    ("RCPT", "452 4.5.3 Mail with the sender <> may go to 1 recipients at most", "null-sender"),
    ("MAIL", "553 5.6.7 An address beyond ASCII needs the SMTPUTF8 parameter", "address-needs-utf8"),
    ("MAIL", "555 5.5.4 Unknown parameter XY; known are SIZE", "parameter-refused"),
    ("MAIL", "501 5.5.4 SIZE is no number", "parameter-refused"),
    ("MAIL", said(replies.message_too_large(1000)), "too-large"),
    ("RCPT", "450 4.7.1 You may send to 5 recipients an hour and have sent to 5; try again", "quota"),
    ("DATA", "450 4.7.1 You may send to 5 recipients an hour and have sent to 5; try again", "quota"),
    ("RCPT", said(session.NO_ROUTE), "no-route"),
    ("RCPT", "501 5.1.3 Bad address: no domain", "recipient-syntax"),
    ("RCPT", "550 5.7.1 You may write to *@example.org only, not to a@b", "recipient-not-allowed"),
    ("RCPT", said(replies.too_many_recipients(5)), "too-many-recipients"),
    ("RCPT", "554 5.0.0 something new", "recipient-refused"),
    ("DATA", refused_header(b"Subject: x\r\n"), "from-malformed"),
    ("DATA", refused_header(b"From: ann@example.org\r\nFrom: ann@example.org\r\n"), "from-malformed"),
    ("DATA", refused_header(b"From: ann@example.org, bob@example.org\r\n"), "from-malformed"),
    ("DATA", refused_header(b"From: @@\r\n"), "from-malformed"),
    ("DATA", refused_header(b"From: bob@example.org\r\n"), "from-refused"),
    ("DATA", refused_header(b'From: "boss@example.org" <ann@example.org>\r\n'), "from-name"),
    (
        "DATA",
        refused_header(b"Resent-From: eve@example.org\r\nFrom: ann@example.org\r\n"),
        "resent-refused",
    ),
    ("DATA", "552 5.3.4 the header is larger than 5 octets", "header-too-large"),
    ("BDAT", said(replies.message_too_large(1000)), "too-large"),
    ("DATA", said(replies.BARE_NEWLINE), "bare-newlines"),
    ("DATA", "554 5.4.6 too many Received fields: mail loop", "mail-loop"),
    ("DATA", said(replies.line_too_long(998)), "message-malformed"),
    ("DATA", "554 5.9.9 something new", "message-refused"),
    ("DATA", said(replies.NEED_RECIPIENT), "follows"),
    ("RCPT", said(replies.TRANSACTION_FAILED), "follows"),
    ("MAIL", said(replies.NEED_HELLO), "command-refused"),
    ("EHLO", said(replies.HELLO_SYNTAX), "command-refused"),
    ("EXPN", said(replies.NOT_IMPLEMENTED), "command-refused"),
    ("?", said(replies.UNKNOWN_COMMAND), "command-unknown"),
    ("CONNECT", "421 4.3.2 later", "refused-for-now"),
    ("CONNECT", "599 never", "refused"),
)
IN_CLEAR: tuple[tuple[str, str, str, str], ...] = (
    # verb, said, reply, kind: before TLS
    ("AUTH", "", said(replies.NEED_TLS_TO_SIGN_IN), "sign-in-without-tls"),
    ("MAIL", "", said(replies.NEED_TLS), "mail-without-tls"),
    ("?", "XXXXXXXX", said(replies.UNKNOWN_COMMAND), "starttls-mangled"),
    ("?", "XXXXXXXA", said(replies.UNKNOWN_COMMAND), "starttls-mangled"),
    ("?", "XXXX", said(replies.UNKNOWN_COMMAND), "starttls-mangled"),
    ("?", "XCLIENT", said(replies.UNKNOWN_COMMAND), "command-unknown"),
    ("?", "", said(replies.TLS_TOO_EARLY), "tls-failed-tls-to-plain"),
    ("?", "GET", said(replies.NOT_SMTP), "not-smtp"),
)
SIGN_INS: tuple[tuple[str, str, str, str, str], ...] = (
    # why, reply, mechanism, explanation, kind
    ("password", said(sign_in_replies.WRONG), "PLAIN", "wrong password", "sign-in-wrong"),
    ("password", said(sign_in_replies.WRONG), "PLAIN", "wrong password, as lately", "sign-in-wrong"),
    ("unknown", said(sign_in_replies.WRONG), "LOGIN", "unknown login", "sign-in-unknown"),
    ("password", said(sign_in_replies.WRONG), "PLAIN", "previous password", "sign-in-previous-password"),
    ("password", said(sign_in_replies.APP_PASSWORDS_ONLY), "PLAIN", "wrong", "sign-in-app-password-needed"),
    ("password", said(sign_in_replies.EXPIRED), "PLAIN", "expired", "sign-in-app-password-expired"),
    ("password", said(sign_in_replies.WRONG_NETWORK), "PLAIN", "foreign", "sign-in-other-network"),
    ("password", said(sign_in_replies.DEVICES_ONLY), "PLAIN", "no device", "sign-in-devices-only"),
    ("unavailable", said(sign_in_replies.BUSY), "PLAIN", "", "sign-in-busy"),
    ("unavailable", said(sign_in_replies.UNAVAILABLE), "PLAIN", "ldap is down", "sign-in-unavailable"),
    (
        "unavailable",
        "421 4.7.0 This account has 9 connections already, close some",
        "PLAIN",
        "too many",
        "sign-in-too-many-connections",
    ),
    ("suspended", said(sign_in_replies.suspended("")), "PLAIN", "suspended", "sign-in-suspended"),
    ("locked", said(sign_in_replies.locked(NOW)), "PLAIN", "locked for 300 s more (pair)", "sign-in-locked"),
    (
        "locked",
        said(sign_in_replies.locked(NOW)),
        "PLAIN",
        "locked for 300 s more (network)",
        "sign-in-locked-network",
    ),
    ("password", said(sign_in_replies.WRONG), "XOAUTH2", "token: expired", "sign-in-wrong-token"),
    ("password", said(sign_in_replies.WRONG), "EXTERNAL", "certificate", "sign-in-wrong-certificate"),
    ("password", said(kerberos._REFUSED), "GSSAPI", "", "sign-in-ticket"),
    ("password", said(kerberos._SKEWED), "GSSAPI", "", "sign-in-ticket-clock"),
    ("new reason", "535 5.7.8 no", "PLAIN", "", "sign-in-refused"),
)
CAUSES: tuple[tuple[e.TlsFailed, bool, str], ...] = (
    # the event, TLS from the start, kind
    (e.TlsFailed("x", "old-version", "TLSv1.1 TLSv1.0"), False, "tls-failed-old-version"),
    (e.TlsFailed("x", "no-suite", suites="RC4-SHA +7"), True, "tls-failed-no-suite"),
    (e.TlsFailed("x", "plain-text", word="EHLO"), True, "tls-failed-plain-text"),
    (e.TlsFailed("x", "plain-text", word="EHLO"), False, "tls-failed-plain-text-after-starttls"),
    (e.TlsFailed("x", "http", word="GET"), True, "tls-failed-http"),
    (e.TlsFailed("x", "silent"), True, "tls-failed-silent"),
    (e.TlsFailed("x", "silent"), False, "tls-failed-silent-after-starttls"),
    (e.TlsFailed("x", "hung-up", "TLSv1.2"), True, "tls-failed-hung-up"),
    (e.TlsFailed("x", "hung-up", saw_certificate=True), True, "tls-failed-hung-up-after-certificate"),
    (e.TlsFailed("x", "too-slow"), True, "tls-failed-too-slow"),
    (e.TlsFailed("x", "not-trusted", alert="unknown_ca"), True, "tls-failed-not-trusted"),
    (e.TlsFailed("x", "client-certificate"), False, "tls-failed-client-certificate"),
    (e.TlsFailed("x", "too-long"), False, "tls-failed-too-long"),
    (e.TlsFailed("x", "tls-to-plain", "TLSv1.3"), False, "tls-failed-tls-to-plain"),
    (e.TlsFailed("WRONG_VERSION_NUMBER", ""), True, "tls-failed-other"),
    (e.TlsFailed("NEW", "new cause"), True, "tls-failed-other"),
)

CLEAR = e.Connected(CLIENT, 587)
IMPLICIT = e.Connected(CLIENT, 465, True)
HELLO = e.Greeted("EHLO", "laptop.home")
TLS = e.TlsStarted("TLSv1.3", "TLS_AES_128_GCM_SHA256", "smtp.example.org")
SECURE = (CLEAR, HELLO, TLS, e.Greeted("EHLO", "laptop.home"))
IN = (*SECURE, e.SignedIn("ann", "PLAIN"))
ENVELOPE = e.Enveloped("ann@example.org", 1, "bob@example.net")
ACCEPTED = e.Accepted(MESSAGE, 2_000, 1)
SENT = (*IN, ENVELOPE, ACCEPTED)


def closed(how: str, commands: int = 3) -> e.Closed:
    return e.Closed(how, commands, 1.0)


def refusal(verb: str, reply: str, word: str = "") -> e.Refused:
    return e.Refused(verb, reply, REFERENCE, "only for us", word)


def sign_in_refusal(why: str, reply: str, mechanism: str, explanation: str) -> e.SignInRefused:
    return e.SignInRefused("ann", mechanism, why, reply, REFERENCE, explanation)


CONVERSATIONS: tuple[tuple[tuple[e.AnyEvent, ...], str], ...] = (
    # what happened, the kind of the verdict
    ((CLEAR, closed("quit", 0)), "left-at-once"),
    ((IMPLICIT, closed("lost", 0)), "left-at-once"),
    ((CLEAR, HELLO, closed("quit")), "left-without-tls"),
    ((CLEAR, HELLO, closed("lost")), "left-without-tls"),
    ((CLEAR, HELLO, e.Refused("", said(deadlines.NO_SIGN_IN)), closed("timeout")), "left-without-tls"),
    ((CLEAR, e.Refused("", said(deadlines.NO_SIGN_IN)), closed("timeout", 0)), "timeout-sign-in"),
    ((CLEAR, e.Greeted("HELO", "pc"), closed("quit")), "left-without-tls-helo"),
    (
        (CLEAR, HELLO, e.Refused("AUTH", said(replies.NEED_TLS_TO_SIGN_IN)), closed("quit")),
        "sign-in-without-tls",
    ),
    ((CLEAR, HELLO, e.Refused("MAIL", said(replies.NEED_TLS)), closed("quit")), "mail-without-tls"),
    (
        (CLEAR, HELLO, e.Refused("?", said(replies.UNKNOWN_COMMAND), said="XXXXXXXX"), closed("quit")),
        "starttls-mangled",
    ),
    ((CLEAR, HELLO), "verdict-going-on"),
    (SECURE, "verdict-going-on"),
    ((CLEAR, HELLO, TLS, closed("lost")), "left-after-tls"),
    ((*SECURE, closed("quit")), "left-without-sign-in"),
    ((*SECURE, e.Refused("MAIL", said(replies.NEED_AUTH)), closed("quit")), "mail-without-sign-in"),
    (
        (*SECURE, e.SignInRefused("ann", "PLAIN", "password", said(sign_in_replies.WRONG), REFERENCE)),
        "sign-in-wrong",
    ),
    (
        (
            *SECURE,
            e.SignInRefused("ann", "PLAIN", "password", said(sign_in_replies.WRONG), REFERENCE),
            e.SignedIn("ann", "PLAIN"),
            closed("quit"),
        ),
        "nothing-sent",
    ),
    ((*IN, closed("quit")), "nothing-sent"),
    ((*IN, e.Refused("MAIL", _envelope_refused()), closed("quit")), "sender-refused"),
    ((*IN, ENVELOPE, closed("lost")), "message-lost"),
    ((*IN, ENVELOPE, e.Refused("", said(deadlines.BODY_STALLED)), closed("timeout")), "timeout-stalled"),
    ((*IN, ENVELOPE, e.Refused("DATA", refused_header(b"From: b@c.d\r\n")), closed("quit")), "from-refused"),
    ((*SENT, closed("quit")), "verdict-on-its-way"),
    (
        (*SENT, ENVELOPE, e.Refused("DATA", refused_header(b"From: b@c.d\r\n")), closed("quit")),
        "from-refused",
    ),
    ((*SENT, closed("shutdown")), "verdict-on-its-way"),
    ((*SECURE, closed("limits")), "closed-limits"),
    ((*IN, closed("shutdown")), "closed-shutdown"),
    ((*IN, closed("revoked")), "closed-revoked"),
    ((*SECURE, closed("protocol")), "closed-protocol"),
    ((*IN, e.Refused("?", said(connection.BUG)), closed("bug")), "our-mistake"),
    ((CLEAR, e.SignedIn("ann", "page"), closed("quit", 1)), "signed-in-page"),
    (
        (CLEAR, sign_in_refusal("password", said(sign_in_replies.WRONG), "page", "x"), closed("quit", 1)),
        "sign-in-wrong",
    ),
    ((CLEAR, e.Proxied("192.0.2.1", 2, own=True), HELLO, closed("quit")), "verdict-nothing"),
    (
        (CLEAR, e.ProxyRefused("it is not from a network that proxy_from names"), closed("proxy", 0)),
        "proxy-refused",
    ),
)


def attempt(
    result: str, reply: str, *, remote: str = "hub:25", others: int = 0, message: str = MESSAGE
) -> e.Attempted:
    recipients = tuple(
        e.RecipientResult(f"{name}@example.net", result, reply)
        for name in ("bob", *(f"bob{number}" for number in range(others)))
    )
    return e.Attempted(message, "hub", remote, "TLSv1.3 x", recipients, 0.1, "ann", SESSION)


LATER: tuple[tuple[tuple[e.AnyEvent, ...], str, str], ...] = (
    # what came after the message was accepted, a kind of stage, the kind of the verdict
    ((), "waiting", "verdict-on-its-way"),
    ((attempt("delivered", "250 2.0.0 queued as 7"),), "delivered", "verdict-delivered"),
    ((attempt("deferred", "451 4.7.1 greylisted"),), "deferred", "verdict-on-its-way"),
    ((attempt("deferred", "451 4.7.1 greylisted"),), "waiting-again", "verdict-on-its-way"),
    (
        (attempt("deferred", "451 4.4.1 No connection to hub", remote=""),),
        "deferred-not-reached",
        "verdict-on-its-way",
    ),
    ((attempt("deferred", "451 4.7.5 TLS failed"),), "deferred-tls", "verdict-on-its-way"),
    ((attempt("failed", "550 5.1.1 no such user"),), "delivery-refused", "delivery-refused"),
    (
        (
            attempt("failed", "550 5.1.1 no such user"),
            e.Reported(MESSAGE, "6C3VHCRP1300401", "failed", "ann"),
        ),
        "report-failed",
        "delivery-refused",
    ),
    (
        (attempt("deferred", "451 4.7.1 x"), e.Reported(MESSAGE, "6C3VHCRP1300401", "delayed", "ann")),
        "report-delayed",
        "verdict-on-its-way",
    ),
    (
        (attempt("delivered", "250 x"), e.Reported(MESSAGE, "6C3VHCRP1300401", "delivered", "ann")),
        "report-delivered",
        "verdict-delivered",
    ),
    (
        (attempt("delivered", "250 x"), e.Reported(MESSAGE, "6C3VHCRP1300401", "new", "ann")),
        "report-other",
        "verdict-delivered",
    ),
    ((e.QueueChanged("hold", 1, "root", MESSAGE),), "queue-hold", "queue-hold"),
    (
        (e.QueueChanged("hold", 1, "root", MESSAGE), e.QueueChanged("release", 1, "root", MESSAGE)),
        "queue-release",
        "verdict-on-its-way",
    ),
    ((e.QueueChanged("retry", 1, "root", MESSAGE),), "queue-retry", "verdict-on-its-way"),
    ((e.QueueChanged("delete", 1, "root", MESSAGE),), "queue-delete", "queue-delete"),
    ((e.QueueChanged("new", 1, "root", MESSAGE),), "queue-other", "verdict-on-its-way"),
)
BESIDE: tuple[tuple[e.AnyEvent, str], ...] = (
    (e.GuardLocked("pair", "ann", CLIENT, 300.0, 5), "guard-locked"),
    (e.GuardReleased("ann", 1, "root"), "guard-released"),
    (e.AccountChanged("ann", "suspended", "root", "stolen"), "account-changed"),
    (e.Alarmed("quota", "ann comes near the limit", "ann"), "alarm"),
    (e.ServiceChanged("started"), "service-event"),
    (e.JournalLost(5, "slow"), "service-event"),
    (e.QueueChanged("delete", 7, "root", "", "ann"), "queue-delete"),
    (e.QueueChanged("new", 7, "root", "", "ann"), "queue-other"),
)
OTHERS: tuple[tuple[tuple[e.AnyEvent, ...], str], ...] = (
    ((*IN[:4], e.SignedIn("ann", "PLAIN", how='app password "phone"')), "signed-in-app-password"),
    ((CLEAR, e.TlsStarted("TLSv1.2", "ECDHE", "smtp.example.org", True)), "tls-resumed"),
    ((*SECURE, e.TlsFailed("BAD_RECORD_MAC", "other")), "tls-broken"),
    ((CLEAR, e.Proxied("192.0.2.1", 2)), "through-balancer"),
    ((CLEAR, e.SignedIn("ann", "page"), closed("quit", 1)), "connected-page"),
    ((*IN, ENVELOPE, ENVELOPE), "message-abandoned"),
    ((*IN, e.Warned("sender", "envelope: You may not send as b@c.d")), "let-through"),
    ((*IN, e.Warned("an event of another version", "{}")), "service-event"),
    ((*SECURE, e.Omitted(5)), "omitted"),
    ((HELLO,), "begin-not-known"),
    *(((*SECURE, closed(how)), kind) for how, kind in (("quit", "closed-quit"), ("lost", "closed-lost"))),
    ((*IN, closed("timeout")), "closed-timeout"),
    ((CLEAR, closed("tls")), "closed-tls"),
    ((CLEAR, closed("proxy")), "closed-proxy"),
    ((*IN, closed("bug")), "closed-bug"),
    ((*IN, closed("new")), "closed-other"),
    (
        (
            *SECURE,
            e.SignInRefused("ann", "PLAIN", "password", said(sign_in_replies.WRONG), REFERENCE),
            closed("protocol"),
        ),
        "closed-too-many-sign-ins",
    ),
)


# --- entries, and a reader that has them


def entry(
    *happened: e.AnyEvent,
    number: int = 1,
    what: str = "session",
    session: str = SESSION,
    client: str = CLIENT,
) -> Entry:
    steps = tuple(Step(START + place, event) for place, event in enumerate(happened))
    ended = what != "session" or any(isinstance(event, e.Closed) for event in happened)
    return Entry(0, number, what, session if what == "session" else "", "", client, ended, steps)


def later(happened: Iterable[e.AnyEvent]) -> tuple[Entry, ...]:
    """Rows that were written after a session of 50 seconds at most."""
    return tuple(
        Entry(0, 100 + number, e.kind_of(event), "", "", "", True, (Step(START + 50 + number, event),))
        for number, event in enumerate(happened)
    )


class Entries:
    """A reader that finds all it has, whatever is meant."""

    def __init__(self, *entries: Entry) -> None:
        self._entries = tuple(sorted(entries, key=lambda each: -each.number))

    def search(self, search: Search, after: Cursor | None = None, limit: int = 50) -> Page:
        del search, after, limit
        return Page(self._entries, None)

    def tail(self) -> tuple[Entry, ...]:
        return self._entries

    def close(self) -> None:
        """Nothing is open."""


def told(*entries: Entry, now: float = NOW) -> tuple[Story, ...]:
    return stories(Entries(*entries), Search(), now, internal=True)


def story(*happened: e.AnyEvent) -> Story:
    (only,) = told(entry(*happened))
    return only


def all_stories() -> Iterator[Story]:
    """Stories in which every kind comes."""
    for verb, reply, _ in REFUSALS:
        yield story(*SECURE, refusal(verb, reply, "XY"))
    for verb, word, reply, _ in IN_CLEAR:
        yield story(CLEAR, HELLO, refusal(verb, reply, word))
    for why, reply, mechanism, explanation, _ in SIGN_INS:
        yield story(*SECURE, sign_in_refusal(why, reply, mechanism, explanation))
    for failed, implicit, _ in CAUSES:
        yield story(IMPLICIT if implicit else CLEAR, failed)
    for happened, _ in (*CONVERSATIONS, *OTHERS):
        yield story(*happened)
    yield story(*IN, e.Enveloped("ann@example.org", 3, "bob@example.net"), e.Accepted(MESSAGE, 9, 3))
    for result, reply in (("delivered", "250 x"), ("deferred", "451 x"), ("failed", "550 x"), ("new", "x")):
        yield from told(entry(*SENT), *later((attempt(result, reply, others=2),)))
    for reply in ("451 4.4.1 x", "451 4.7.5 x"):
        yield from told(entry(*SENT), *later((attempt("deferred", reply, remote="", others=2),)))
    for after, _, _ in LATER:
        yield from told(entry(*SENT, closed("quit")), *later(after))
    yield from told(entry(*SENT, closed("quit")), now=NOW + 30 * 86_400)
    for event, _ in BESIDE:
        yield from told(*later((event,)))


def all_stages() -> Iterator[Stage]:
    """Stages of every kind, and the verdicts."""
    for one in all_stories():
        yield from one.stages
        yield verdict(one)
