"""The sign-in: once, inside verified TLS alone, and what its answers mean."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace

import pytest

from sams_probe.looks.connection import Target
from sams_probe.looks.signing_in import sign_in_at
from sams_probe.names.found import Address
from sams_probe.options import Options, Port, Security
from sams_probe.probing import probe
from sams_probe.report.document import document
from sams_probe.smtp.replies import Reply
from sams_probe.smtp.sign_in import SignedIn, meaning
from sams_probe.verdicts.judging import judge
from sams_probe.verdicts.kinds import Exit
from sams_probe.wire.contexts import make_contexts
from tests.probe.certificates import HOST, authority, issue
from tests.probe.desk import PATIENT, Desk
from tests.support.middlebox import Smtp, standing
from tests.support.service import PASSWORD, Service

SECRET = "correct horse battery"
CODED = base64.b64encode(f"\0anna\0{SECRET}".encode()).decode()
WHO: dict[str, object] = {"login": "anna", "password": SECRET}


def server(desk: Desk, **changes: object) -> Smtp:
    return replace(Smtp(desk.good.context(), implicit=True), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("offered", "sent"),
    [
        ("AUTH PLAIN LOGIN", [f"AUTH PLAIN {CODED}"]),
        ("AUTH CRAM-MD5 LOGIN", ["AUTH LOGIN", "YW5uYQ==", base64.b64encode(SECRET.encode()).decode()]),
    ],
)
def test_it_is_tried_once_by_what_is_offered(desk: Desk, offered: str, sent: list[str]) -> None:
    one, other = server(desk, inside=(offered,)), replace(server(desk, inside=(offered,)), implicit=False)
    with standing(one) as tls, standing(other) as clear:
        report, judgement = desk.ask(f"{clear}/starttls", f"{tls}/tls", **WHO)
    assert [each.kind for each in judgement.verdicts] == ["signed-in"]
    assert judgement.exit_code is Exit.WELL
    assert (one.signed, other.signed) == (sent, [])
    assert SECRET not in document(report, judgement)


ANSWERS = [
    ("535 5.7.8 Wrong user name or password (ref K7Q2-4F)", "wrong-password"),
    ("535 Incorrect authentication data", "wrong-password"),
    ("535 5.7.8 Signing in failed; an app password is needed here, not your usual one", "app-password"),
    ("534 5.7.9 Application-specific password required", "app-password"),
    ("535 5.7.13 This account may not send mail: it is suspended", "may-not-send"),
    ("535 5.7.0 Signing in with this password is allowed from other networks only", "may-not-send"),
    ("454 4.7.0 Too many wrong passwords, try again after 12:00", "locked"),
    ("421 4.7.0 Too many errors", "locked"),
    ("504 5.5.4 Mechanism not offered", "no-mechanism"),
    ("500 5.5.2 what", "sign-in-refused"),
    ("538 5.7.11 Encryption required", "sign-in-refused"),
    ("nonsense", "sign-in-broken"),
]


@pytest.mark.parametrize(
    ("auth", "kind"), ANSWERS, ids=[f"{number}-{one[1]}" for number, one in enumerate(ANSWERS)]
)
def test_each_answer_has_a_verdict(desk: Desk, auth: str, kind: str) -> None:
    box = server(desk, auth=auth)
    with standing(box) as port:
        _, judgement = desk.ask(f"{port}/tls", **WHO)
    assert [one.kind for one in judgement.verdicts] == [kind]
    assert judgement.exit_code is Exit.SIGN_IN
    assert len(box.signed) == 1
    assert judgement.settings == (HOST, port, Security.TLS)  # the port itself is well


def test_no_mechanism_in_common_is_told(desk: Desk) -> None:
    with standing(server(desk, inside=("AUTH XOAUTH2 SCRAM-SHA-256",))) as port:
        assert desk.kinds(f"{port}/tls", **WHO) == ["no-mechanism"]


@pytest.mark.parametrize("answer", [f"535 5.7.8 not {CODED}", f"535 5.7.8 not {SECRET} of anna"])
def test_a_server_that_says_the_password_back_is_not_quoted_so(desk: Desk, answer: str) -> None:
    with standing(server(desk, auth=answer)) as port:
        report, judgement = desk.ask(f"{port}/tls", **WHO)
    told = document(report, judgement)
    assert SECRET not in told
    assert CODED not in told


@pytest.mark.parametrize(
    "answer",
    [
        f'500 5.5.1 Command unrecognized: "AUTH PLAIN {CODED[:24]}..."',
        f"500 5.5.1 {CODED[:10]} {CODED[10:]}",
        f"500 5.5.1 {CODED.lower()}",
        f"535 5.7.8 anna/{SECRET[:14]}",
        f"535 5.7.8 {SECRET.upper().replace(' ', '+')}",
    ],
)
def test_nor_is_one_that_says_back_a_part_of_it(desk: Desk, answer: str) -> None:
    with standing(server(desk, auth=answer)) as port:
        report, _ = desk.ask(f"{port}/tls", **WHO)
    assert report.signed is not None
    assert report.signed.words == answer[:3]


@pytest.mark.parametrize("host", ["example.org", HOST])
def test_no_password_goes_to_a_server_to_which_dns_alone_leads(desk: Desk, host: str) -> None:
    """The network announces a server of its own, with a sound certificate for that one's name."""
    away = "mx.attacker.example"
    box = Smtp(issue(desk.root, away).context(), implicit=True, name=away, greeting=f"220 {away} ESMTP")
    with standing(box) as port:
        desk.names.add(f"_submissions._tcp.{host}. 60 IN SRV 0 1 {port} {away}.\n{away}. 60 IN A 127.0.0.1\n")
        report, judgement = desk.ask(host=host, **WHO)
        _, without = desk.ask(host=host)
    assert box.signed == []
    assert report.signed is not None
    assert report.signed.result is SignedIn.ELSEWHERE
    assert judgement.verdicts[0].kind == "sign-in-elsewhere"
    assert judgement.exit_code is Exit.SIGN_IN
    assert [one.kind for one in without.notes] == ["announced-elsewhere"]
    assert away in without.notes[0].sentence


def test_one_that_a_domain_announces_within_itself_is_signed_in_to(desk: Desk) -> None:
    box = server(desk)
    with standing(box) as port:
        desk.names.add(f"_submissions._tcp.example.org. 60 IN SRV 0 1 {port} {HOST}.\n")
        _, judgement = desk.ask(host="example.org", **WHO)
    assert [one.kind for one in judgement.verdicts] == ["signed-in"]
    assert judgement.notes == ()


def test_a_short_password_takes_all_words_with_it(desk: Desk) -> None:
    with standing(server(desk, auth="535 5.7.8 not a b c")) as port:
        report, _ = desk.ask(f"{port}/tls", login="anna", password="b")
    assert report.signed is not None
    assert report.signed.words == "535"


@pytest.mark.parametrize("trusted", [True, False])
def test_no_password_goes_to_an_interceptor_be_it_trusted_or_not(desk: Desk, *, trusted: bool) -> None:
    scanner = authority("Avast Web/Mail Shield Root", "Avast")
    if trusted:
        desk.trust(desk.root, scanner)
    box = Smtp(issue(scanner, HOST).context(), implicit=True)
    with standing(box) as port:
        report, judgement = desk.ask(f"{port}/tls", **WHO)
        contexts = make_contexts(str(desk.ca_file))
        target = Target(HOST, Address("127.0.0.1", 4), Port(port, Security.TLS), PATIENT)
        directly = sign_in_at(target, contexts.strict, "anna", SECRET)
    assert box.signed == []
    assert report.signed is not None
    assert report.signed.result is directly.result is SignedIn.BROKEN
    assert judgement.exit_code is not Exit.WELL


def test_no_password_goes_to_a_port_whose_certificate_is_bad_or_that_is_in_clear(desk: Desk) -> None:
    bad = Smtp(issue(None, HOST).context(), clear=("AUTH PLAIN LOGIN", "STARTTLS"))
    clear = Smtp(clear=("AUTH PLAIN LOGIN",), starttls="500 unsupported command")
    with standing(bad) as one, standing(clear) as other:
        _, judgement = desk.ask(f"{one}/starttls", f"{other}/starttls", **WHO)
    assert bad.signed == clear.signed == []
    assert "no-safe-sign-in" in [each.kind for each in judgement.verdicts]


def test_no_password_goes_where_something_adds_text_to_starttls(desk: Desk) -> None:
    box = Smtp(desk.good.context(), behind="235 2.7.0 Welcome\r\n")
    with standing(box) as port:
        _, judgement = desk.ask(f"{port}/starttls", **WHO)
        contexts = make_contexts(str(desk.ca_file))
        target = Target(HOST, Address("127.0.0.1", 4), Port(port, Security.STARTTLS), PATIENT)
        directly = sign_in_at(target, contexts.strict, "anna", SECRET)
    assert box.signed == []
    assert [one.kind for one in judgement.verdicts] == ["sign-in-broken", "text-behind-starttls"]
    assert directly.result is SignedIn.BROKEN
    assert "STARTTLS" in directly.words


def test_a_context_that_verifies_nothing_is_never_used(desk: Desk) -> None:
    contexts = make_contexts(str(desk.ca_file))
    target = Target(HOST, Address("127.0.0.1", 4), Port(9, Security.TLS), PATIENT)
    for context in (contexts.loose, contexts.chain):
        with pytest.raises(ValueError, match="verified"):
            sign_in_at(target, context, "anna", SECRET)


def test_options_do_not_show_the_password() -> None:
    assert SECRET not in repr(Options(HOST, login="anna", password=SECRET))


@pytest.mark.parametrize(
    ("code", "text", "result"),
    [
        (235, "2.7.0 ok", SignedIn.ACCEPTED),
        (432, "4.7.12 A password transition is needed", SignedIn.LOCKED),
        (535, "5.7.1 no", SignedIn.MAY_NOT),
        (530, "5.7.0 Must issue a STARTTLS command first", SignedIn.REFUSED),
        (334, "go on", SignedIn.REFUSED),
    ],
)
def test_codes_have_meanings(code: int, text: str, result: SignedIn) -> None:
    assert meaning(Reply(code, (text,))) is result


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("service"))
    service.add_account("anna")
    with service.running() as running:
        yield running


@pytest.mark.real
@pytest.mark.parametrize(("password", "kind"), [(PASSWORD, "signed-in"), ("another one", "wrong-password")])
@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
def test_the_real_service_takes_the_right_password(
    service: Service, password: str, kind: str, security: Security
) -> None:
    port = service.implicit if security is Security.TLS else service.starttls
    options = Options(
        "localhost",
        (Port(port, security),),
        PATIENT,
        (4,),
        str(service.folder / "ca.pem"),
        login="anna",
        password=password,
    )
    assert judge(probe(options)).verdicts[0].kind == kind
