"""What stands between, one after the other, and what the probe says of it."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import dns.message
import dns.rdatatype
import dns.rrset
import pytest

from sams_probe.options import Options, Port, Security
from sams_probe.probing import probe
from sams_probe.verdicts.judging import judge
from sams_probe.verdicts.kinds import Exit
from tests.probe.certificates import DAY, HOST, authority, issue
from tests.probe.desk import Desk
from tests.support.middlebox import Peer, Script, Smtp, relay, resigning, standing
from tests.support.service import Service

QUICK = 5.0
"""Where something stays silent: it is waited for. What answers on loopback does so in less."""
PAGE = "<!DOCTYPE html><html><title>Welcome to the hotel</title></html>"


def starttls(desk: Desk) -> Smtp:
    return Smtp(desk.good.context())


def implicit(desk: Desk) -> Smtp:
    return Smtp(desk.good.context(), implicit=True)


def page_when_asked(peer: Peer) -> None:
    """As a web server does: it waits for a request."""
    peer.line()
    peer.say("HTTP/1.1 400 Bad Request", "Content-Type: text/html", "Connection: close", "", PAGE)


def page_at_once(peer: Peer) -> None:
    peer.say(PAGE)


def silence(peer: Peer) -> None:
    peer.wait()


def gone(peer: Peer) -> None:
    """It takes the connection, and ends it."""
    del peer


def reset_in_hello(peer: Peer) -> None:
    """As a firewall does that knows TLS by its first octets."""
    peer.receive()
    peer.reset()


def text_for_tls(peer: Peer) -> None:
    """It says yes to STARTTLS, and goes on in clear."""
    peer.say("220 smtp.example.org ESMTP")
    peer.line()
    peer.say("250-smtp.example.org", "250 STARTTLS")
    peer.line()
    peer.say("220 go ahead")
    peer.receive()
    peer.say("500 unsupported command")
    peer.wait()


def cut_in_tls(peer: Peer) -> None:
    peer.say("220 smtp.example.org ESMTP")
    peer.line()
    peer.say("250-smtp.example.org", "250 STARTTLS")
    peer.line()
    peer.say("220 go ahead")
    peer.receive()
    peer.reset()


IN_CLEAR: list[tuple[str, Script | dict[str, object], Exit]] = [
    (
        "starttls-mangled",
        {"clear": ("SIZE", "XXXXXXXA"), "starttls": "500 unsupported command"},
        Exit.BETWEEN,
    ),
    ("starttls-unsupported", {"clear": ("SIZE",), "starttls": "500 unsupported command"}, Exit.BETWEEN),
    ("starttls-unavailable", {"starttls": "454 TLS not available"}, Exit.BETWEEN),
    ("starttls-unavailable", {"clear": ("SIZE",), "starttls": "454 4.7.0 TLS not available"}, Exit.BETWEEN),
    ("starttls-refused", {"starttls": "502 not here"}, Exit.BETWEEN),
    ("ehlo-refused", {"ehlo": "500 unrecognized command", "starttls": "500 what"}, Exit.BETWEEN),
    ("turned-away", {"greeting": "554 5.7.1 Your address is listed"}, Exit.SERVER),
    ("turned-away", {"greeting": "421 4.7.0 Too many connections"}, Exit.SERVER),
    ("handshake-in-clear", text_for_tls, Exit.BETWEEN),
    ("handshake-cut", cut_in_tls, Exit.BETWEEN),
    ("captive-portal", page_at_once, Exit.BETWEEN),
    ("cut-at-once", gone, Exit.BETWEEN),
    ("wrong-service", lambda peer: peer.say("* OK IMAP4rev1 ready"), Exit.SERVER),
    ("wrong-service", lambda peer: peer.say("SSH-2.0-OpenSSH_9.2"), Exit.SERVER),
    ("wrong-service", lambda peer: peer.say("\x1b[31mhello"), Exit.SERVER),
]


@pytest.mark.parametrize(
    ("kind", "box", "code"), IN_CLEAR, ids=[f"{number}-{one[0]}" for number, one in enumerate(IN_CLEAR)]
)
def test_what_happens_before_tls_has_a_verdict_and_the_other_port_is_named(
    desk: Desk, kind: str, box: Script | dict[str, object], code: Exit
) -> None:
    script = replace(starttls(desk), **box) if isinstance(box, dict) else box  # type: ignore[arg-type]
    with standing(script) as bad, standing(implicit(desk)) as good:
        _, alone = desk.ask(f"{bad}/starttls")
        assert alone.settings is None
        assert (alone.verdicts[0].kind, alone.exit_code) == (kind, code)
        assert f"{bad}" in alone.verdicts[0].sentence
        _, beside = desk.ask(f"{bad}/starttls", f"{good}/tls")
    assert [one.kind for one in beside.verdicts[:2]] == ["partly", kind]
    assert beside.settings == (HOST, good, Security.TLS)
    assert f"port {good}, security SSL/TLS" in beside.verdicts[0].advice


def test_all_is_well_and_the_mail_program_is_told_what_to_set(desk: Desk) -> None:
    with standing(starttls(desk)) as clear, standing(implicit(desk)) as tls:
        report, judgement = desk.ask(f"{clear}/starttls", f"{tls}/tls")
        _, one = desk.ask(f"{clear}/starttls")
    assert [one.kind for one in judgement.verdicts] == ["well"]
    assert judgement.exit_code is Exit.WELL
    assert judgement.settings == (HOST, tls, Security.TLS)
    assert one.settings == (HOST, clear, Security.STARTTLS)
    for found in report.ports:
        assert found.usable
        assert dict(found.versions)["TLSv1.2"] is dict(found.versions)["TLSv1.3"] is True
        assert found.shown is not None
        assert found.shown.length == 1


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"clear": ("SIZE",)}, "starttls-hidden"),
        ({"clear": ("SIZE", "XXXXXXXA")}, "starttls-mangled"),
        ({"clear": ("STARTTLS", "AUTH PLAIN LOGIN")}, "sign-in-in-clear"),
        ({"clear": ("STARTTLS", "AUTH=LOGIN")}, "sign-in-in-clear"),
        ({"greeting": "220 ***************************"}, "greeting-replaced"),
        ({"greeting": "220 XXXXXXXXXXXXXXX"}, "greeting-replaced"),
        ({"greeting": "220 mail-shield.local ready"}, "greeting-replaced"),
    ],
)
def test_what_lets_mail_through_and_is_not_right_is_told_beside(
    desk: Desk, changes: dict[str, object], kind: str
) -> None:
    with standing(replace(starttls(desk), **changes)) as port:  # type: ignore[arg-type]
        _, judgement = desk.ask(f"{port}/starttls")
    assert [one.kind for one in judgement.verdicts] == ["partly", kind]
    assert judgement.exit_code is Exit.PARTLY
    assert judgement.settings == (HOST, port, Security.STARTTLS)


@pytest.mark.parametrize("greeting", ["220 ESMTP", "220 smtp.example.org ESMTP XXX", "220 Postfix ready"])
def test_a_greeting_without_a_name_is_nobody_elses(desk: Desk, greeting: str) -> None:
    with standing(replace(starttls(desk), greeting=greeting)) as port:
        assert desk.kinds(f"{port}/starttls") == ["well"]


def test_text_that_was_put_behind_the_answer_to_starttls_is_found(desk: Desk) -> None:
    box = replace(starttls(desk), behind="250-smtp.example.org\r\n250 AUTH PLAIN\r\n")
    with standing(box) as port:
        report, judgement = desk.ask(f"{port}/starttls")
    assert "text-behind-starttls" in [one.kind for one in judgement.verdicts]
    assert judgement.exit_code in {Exit.BETWEEN, Exit.PARTLY}
    assert report.ports[0].strict.behind.startswith(b"250-smtp")


def test_a_port_that_speaks_tls_where_it_should_not_is_told_from_one_that_is_blocked(desk: Desk) -> None:
    with standing(implicit(desk)) as port:
        _, judgement = desk.ask(f"{port}/starttls", timeout=QUICK)
    assert [one.kind for one in judgement.verdicts] == ["tls-on-plain-port"]
    assert judgement.exit_code is Exit.SERVER
    assert "SSL/TLS in place of STARTTLS" in judgement.verdicts[0].advice


def test_a_tls_port_that_speaks_in_clear_is_told(desk: Desk) -> None:
    with standing(starttls(desk)) as port:
        _, judgement = desk.ask(f"{port}/tls")
    assert [one.kind for one in judgement.verdicts] == ["plain-on-tls-port"]
    assert "220 smtp.example.org ESMTP" in judgement.verdicts[0].sentence


def test_a_port_that_takes_the_connection_and_says_nothing_is_told(desk: Desk) -> None:
    with standing(silence) as port:
        plain, tls = (desk.kinds(f"{port}/{kind}", timeout=QUICK) for kind in ("starttls", "tls"))
    assert plain == tls == ["silent-after-connect"]


def test_who_greets_only_when_spoken_to_is_heard(desk: Desk) -> None:
    def late(peer: Peer) -> None:
        """EHLO comes before the greeting here, and both are answered."""
        first = peer.receive()
        peer.say("220 smtp.example.org ESMTP")
        peer._buffer = first
        peer.line()
        peer.say("250-smtp.example.org", "250 STARTTLS")
        peer.line()
        peer.say("220 go")
        peer.begin_tls(desk.good.context())
        peer.line()
        peer.say("250-smtp.example.org", "250 AUTH PLAIN")
        peer.wait()

    with standing(late) as port:
        report, judgement = desk.ask(f"{port}/starttls", timeout=QUICK, versions=False)
    assert [one.kind for one in judgement.verdicts] == ["well"]
    assert report.ports[0].strict.late


def test_a_web_server_that_waits_for_a_request_is_a_captive_portal(desk: Desk) -> None:
    with standing(page_when_asked) as port:
        _, judgement = desk.ask(f"{port}/starttls", timeout=QUICK)
    assert [one.kind for one in judgement.verdicts] == ["captive-portal"]
    assert judgement.exit_code is Exit.BETWEEN
    assert "browser" in judgement.verdicts[0].advice


def test_a_portal_that_speaks_tls_is_one_as_well(desk: Desk) -> None:
    context = issue(authority("Hotel"), "login.hotel.example").context()

    def portal(peer: Peer) -> None:
        peer.begin_tls(context)
        page_when_asked(peer)

    with standing(portal) as port:
        kinds = desk.kinds(f"{port}/tls", timeout=QUICK)
    assert kinds == ["captive-portal", "wrong-name", "unknown-authority"]


def test_the_same_answer_on_every_port_is_nobodys_server(desk: Desk) -> None:
    def hotspot(peer: Peer) -> None:
        peer.say("220 hotspot ready")
        peer.wait()

    with standing(hotspot) as one, standing(hotspot) as other:
        kinds = desk.kinds(f"{one}/starttls", f"{other}/tls", timeout=QUICK)
    assert kinds[0] == "captive-portal"
    with standing(starttls(desk)) as one, standing(starttls(desk)) as other:
        kinds = desk.kinds(f"{one}/starttls", f"{other}/tls")
    assert kinds == [
        "partly",
        "plain-on-tls-port",
    ]  # it is the server that names itself: a mistake of its own


def lying(octets: bytes, way: str) -> bytes:
    """The answer of a portal's resolver."""
    query = dns.message.from_wire(octets)
    reply = dns.message.make_response(query)
    question = query.question[0]
    if question.rdtype == dns.rdatatype.A:
        reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", "A", "127.0.0.1"))
    assert way == "udp"
    return reply.to_wire()


def test_a_resolver_that_gives_its_own_address_for_every_name_is_a_portals(desk: Desk) -> None:
    desk.names.answer = lying  # type: ignore[method-assign]
    with standing(silence) as port:
        report, judgement = desk.ask(f"{port}/starttls", timeout=QUICK)
    assert report.names.invented == ("127.0.0.1",)
    assert judgement.verdicts[0].kind == "captive-portal"


CERTIFICATES: list[tuple[str, Callable[[Desk], ssl.SSLContext]]] = [
    ("expired", lambda desk: issue(desk.root, HOST, begins=-90 * DAY, ends=-2 * DAY).context()),
    ("not-yet-valid", lambda desk: issue(desk.root, HOST, begins=2 * DAY).context()),
    ("wrong-name", lambda desk: issue(desk.root, "www.example.org", "example.org").context()),
    ("self-signed", lambda desk: issue(None, HOST).context()),
    ("unknown-authority", lambda desk: issue(authority("Somebody"), HOST).context()),
    ("unknown-authority", lambda desk: _with_its_root(authority("Somebody"))),
    ("chain-incomplete", lambda desk: issue(authority("Between", by=desk.root), HOST, public=True).context()),
    ("intercepted", lambda desk: issue(authority("Avast Web/Mail Shield Root", "Avast"), HOST).context()),
    ("intercepted", lambda desk: issue(authority("ESET SSL Filter CA", "ESET"), HOST).context()),
]


def _with_its_root(root: object) -> ssl.SSLContext:
    assert hasattr(root, "certificate")
    return issue(root, HOST, chain=(root,)).context()  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["starttls", "tls"])
@pytest.mark.parametrize(
    ("verdict", "context"),
    CERTIFICATES,
    ids=[f"{number}-{one[0]}" for number, one in enumerate(CERTIFICATES)],
)
def test_what_is_wrong_with_a_certificate_is_told(
    desk: Desk, verdict: str, context: Callable[[Desk], ssl.SSLContext], kind: str
) -> None:
    with standing(Smtp(context(desk), implicit=kind == "tls")) as port:
        report, judgement = desk.ask(f"{port}/{kind}")
    assert [one.kind for one in judgement.verdicts] == [verdict]
    assert judgement.exit_code is (Exit.BETWEEN if verdict == "intercepted" else Exit.TLS)
    assert judgement.settings is None
    inside = report.ports[0].best.inside
    assert inside is not None  # what is offered inside is seen all the same
    assert inside.mechanisms == ("PLAIN", "LOGIN")


def test_all_that_is_wrong_with_a_certificate_is_told_at_once(desk: Desk) -> None:
    bad = issue(authority("Somebody"), "old.example.org", begins=-90 * DAY, ends=-DAY)
    with standing(Smtp(bad.context(), implicit=True)) as port:
        _, judgement = desk.ask(f"{port}/tls")
    assert [one.kind for one in judgement.verdicts] == ["expired", "wrong-name", "unknown-authority"]
    told = " ".join(one.sentence for one in judgement.verdicts)
    assert "old.example.org" in told
    assert "Test Trust, Somebody" in told


def test_an_intermediate_certificate_that_is_sent_makes_the_chain_whole(desk: Desk) -> None:
    between = authority("Between", by=desk.root)
    with standing(Smtp(issue(between, HOST, chain=(between,), public=True).context())) as port:
        report, judgement = desk.ask(f"{port}/starttls")
    assert [one.kind for one in judgement.verdicts] == ["well"]
    assert report.ports[0].shown is not None
    assert report.ports[0].shown.length == 2


def test_a_scanner_whose_authority_the_computer_trusts_is_found_all_the_same(desk: Desk) -> None:
    """Which is how they are: its installation puts it among those that are trusted."""
    scanner = authority("Kaspersky Anti-Virus Personal Root Certificate", "AO Kaspersky Lab")
    desk.trust(desk.root, scanner)
    with (
        standing(Smtp(issue(scanner, HOST).context(), implicit=True)) as seen,
        standing(starttls(desk)) as own,
    ):
        _, alone = desk.ask(f"{seen}/tls")
        _, both = desk.ask(f"{seen}/tls", f"{own}/starttls")
    assert [one.kind for one in alone.verdicts] == ["partly", "intercepted"]
    assert "Kaspersky (virus scanner)" in alone.verdicts[1].sentence
    assert both.settings == (HOST, own, Security.STARTTLS)


def test_a_certificate_that_ends_soon_is_a_note(desk: Desk) -> None:
    with standing(Smtp(issue(desk.root, HOST, ends=3 * DAY).context())) as port:
        _, judgement = desk.ask(f"{port}/starttls")
    assert [one.kind for one in judgement.verdicts] == ["well"]
    assert [one.kind for one in judgement.notes] == ["ends-soon"]


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=["1.0", "1.1"])
@pytest.mark.parametrize("kind", ["starttls", "tls"])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_a_server_that_speaks_old_tls_alone_is_told_from_one_that_speaks_none(
    desk: Desk, newest: ssl.TLSVersion, kind: str
) -> None:
    with standing(Smtp(desk.good.context(newest=newest), implicit=kind == "tls")) as port:
        report, judgement = desk.ask(f"{port}/{kind}")
    assert [one.kind for one in judgement.verdicts] == ["old-tls"]
    assert dict(report.ports[0].versions)["TLSv1.3"] is False
    assert dict(report.ports[0].versions)["TLSv1"] is True
    assert report.ports[0].shown is not None  # seen by the old version


def test_no_suite_in_common_is_told_with_the_servers_alert(desk: Desk) -> None:
    context = desk.good.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA")  # it needs an RSA key, and there is none
    with standing(Smtp(context, implicit=True)) as port:
        _, judgement = desk.ask(f"{port}/tls")
    assert [one.kind for one in judgement.verdicts] == ["no-common-tls"]
    assert 'the server says "handshake failure"' in judgement.verdicts[0].sentence


def test_a_connection_that_is_reset_by_the_first_octets_of_tls_is_cut(desk: Desk) -> None:
    with standing(reset_in_hello) as port:
        _, judgement = desk.ask(f"{port}/tls")
    assert [one.kind for one in judgement.verdicts] == ["handshake-cut"]
    assert "it was reset" in judgement.verdicts[0].sentence


@pytest.mark.parametrize("kind", ["starttls", "tls"])
def test_no_sign_in_inside_tls_is_no_server_for_members(desk: Desk, kind: str) -> None:
    with standing(replace(starttls(desk), inside=("SIZE",), implicit=kind == "tls")) as port:
        assert desk.kinds(f"{port}/{kind}") == ["no-sign-in"]


def test_what_goes_wrong_in_no_way_that_has_a_name_is_told(desk: Desk) -> None:
    def odd(peer: Peer) -> None:
        peer.say("220 smtp.example.org ESMTP")
        peer.line()
        peer.say("2 5 0 \x1b[2Jwhat")
        peer.wait()

    with standing(odd) as port:
        _, judgement = desk.ask(f"{port}/starttls")
    assert [one.kind for one in judgement.verdicts] == ["broken-off"]
    assert "\\x1b[2Jwhat" in judgement.verdicts[0].sentence
    assert "\x1b" not in judgement.verdicts[0].sentence


def test_endless_talk_ends(desk: Desk) -> None:
    def flood(peer: Peer) -> None:
        while True:
            peer.send(b"220-" + b"x" * 60 + b"\r\n")

    def drip(peer: Peer) -> None:
        while True:
            peer.send(b"x" * 50_000)

    for box in (flood, drip):
        with standing(box) as port:
            assert desk.kinds(f"{port}/starttls") in (["broken-off"], ["wrong-service"])


@contextmanager
def full() -> Iterator[int]:
    """A port that answers nobody: its queue is full, so that the kernel drops what comes, as a firewall would."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            link = stack.enter_context(socket.socket())
            link.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                link.connect(listener.getsockname())
        yield listener.getsockname()[1]


@contextmanager
def closed() -> Iterator[int]:
    with socket.socket() as taken:  # bound and not listening: nobody else gets it
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_blocked_ports_are_told_with_those_that_work(desk: Desk) -> None:
    with full() as silent, closed() as refused, standing(starttls(desk)) as good:
        _, judgement = desk.ask(f"{silent}/tls", f"{refused}/starttls", f"{good}/starttls", timeout=QUICK)
        nothing, blocked = desk.ask(f"{silent}/tls", f"{refused}/starttls", f"{good}/relay", timeout=QUICK)
    assert [one.kind for one in judgement.verdicts] == ["partly", "port-silent", "port-refused"]
    assert f"port {good} (STARTTLS) works" in judgement.verdicts[0].sentence
    assert [one.kind for one in blocked.verdicts] == ["nothing-reached", "port-silent", "port-refused"]
    assert blocked.exit_code is Exit.BLOCKED
    assert f"neither {silent} nor {refused}; port {good} answers" in blocked.verdicts[0].sentence
    assert not nothing.ports[0].usable


def test_the_port_between_servers_is_told_and_never_a_fault(desk: Desk) -> None:
    with closed() as relay, standing(implicit(desk)) as good:
        _, judgement = desk.ask(f"{relay}/relay", f"{good}/tls")
        _, alone = desk.ask(f"{relay}/relay")
    assert [one.kind for one in judgement.verdicts] == ["well"]
    assert [one.kind for one in judgement.notes] == ["port-refused"]
    assert [one.kind for one in alone.verdicts] == ["nothing-to-test"]


def test_a_page_on_the_port_between_servers_is_a_portal_all_the_same(desk: Desk) -> None:
    with standing(page_at_once) as relay, closed() as port:
        assert desk.kinds(f"{relay}/relay", f"{port}/starttls")[0] == "captive-portal"


def test_a_port_that_works_over_one_ip_version_alone_says_over_which(desk: Desk) -> None:
    desk.names.add(f"{HOST}. 60 IN AAAA ::1\n")
    with standing(starttls(desk)) as port:
        report, judgement = desk.ask(f"{port}/starttls")
        only = desk.kinds(f"{port}/starttls", families=(6,))
    if any(one.strict.reach.value == "no-family" for one in report.ports):
        pytest.skip("this machine has no IPv6 at all")
    assert [one.kind for one in judgement.verdicts] == ["partly", "port-refused"]
    assert "over IPv6" in judgement.verdicts[1].sentence
    assert only == ["nothing-reached", "port-refused"]


def test_the_same_over_ipv6(desk: Desk) -> None:
    desk.names.add(f"{HOST}. 60 IN AAAA ::1\n")
    desk.names.remove(f"{HOST}.", "A")
    with standing(starttls(desk), "::1") as port:
        assert desk.kinds(f"{port}/starttls") == ["well"]


REAL: list[tuple[str, dict[str, object], str]] = [
    ("well", {}, "well"),
    ("stripped", {"from_server": lambda line: line.replace(b"STARTTLS", b"HELP")}, "starttls-hidden"),
    (
        "stripped and unsupported",
        {
            "from_server": lambda line: line.replace(b"STARTTLS", b"HELP"),
            "answers": {"STARTTLS": "500 unsupported command"},
        },
        "starttls-unsupported",
    ),
    (
        "mangled",
        {
            "from_server": lambda line: line.replace(b"STARTTLS", b"XXXXXXXA"),
            "answers": {"STARTTLS": "500 5.5.1 unrecognized"},
        },
        "starttls-mangled",
    ),
    ("not available", {"answers": {"STARTTLS": "454 TLS not available"}}, "starttls-unavailable"),
    (
        "banner",
        {"from_server": lambda line: b"220 " + b"*" * 20 if line.startswith(b"220 smtp") else line},
        "greeting-replaced",
    ),
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("service")).running() as service:
        yield service


@pytest.mark.real
def test_the_real_service_is_well_on_both_ports(service: Service) -> None:
    options = _through(service, service.starttls, Security.STARTTLS)
    both = (*options.ports, Port(service.implicit, Security.TLS))
    judgement = judge(probe(options._replace(ports=both)))
    assert [one.kind for one in judgement.verdicts] == ["well"]
    assert judgement.settings == ("localhost", service.implicit, Security.TLS)


@pytest.mark.real
@pytest.mark.parametrize(("name", "changes", "kind"), REAL, ids=[one[0] for one in REAL])
def test_a_firewall_in_front_of_the_real_service_is_found(
    service: Service, name: str, changes: dict[str, object], kind: str
) -> None:
    box = relay(service.starttls, **changes)  # type: ignore[arg-type]
    with standing(box) as port:
        judgement = judge(probe(_through(service, port, Security.STARTTLS)))
    assert kind in [one.kind for one in judgement.verdicts]
    assert (judgement.exit_code is Exit.WELL) == (kind == "well")


@pytest.mark.real
@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
def test_a_scanner_that_opens_tls_in_front_of_the_real_service_is_found(
    service: Service, security: Security
) -> None:
    context = issue(authority("Zscaler Intermediate Root CA", "Zscaler Inc."), "localhost").context()
    implicit = security is Security.TLS
    box = resigning(service.implicit if implicit else service.starttls, context, implicit=implicit)
    with standing(box) as port:
        report = probe(_through(service, port, security))
    judgement = judge(report)
    assert [one.kind for one in judgement.verdicts] == ["intercepted"]
    assert "Zscaler (firewall or web gateway)" in judgement.verdicts[0].sentence
    inside = report.ports[0].best.inside
    assert inside is not None
    assert inside.name == HOST  # it is the real service that answers behind


def _through(service: Service, port: int, security: Security) -> Options:
    return Options(
        "localhost",
        (Port(port, security),),
        timeout=30.0,
        families=(4,),
        ca_file=str(service.folder / "ca.pem"),
    )


def test_where_the_dialogue_took_too_long_no_further_connections_are_made(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sams_probe.looks.port._PATIENCE", 0.0)
    with standing(Smtp(desk.good.context(), implicit=True)) as port:
        report, judgement = desk.ask(f"{port}/tls")
    assert {spoken for _, spoken in report.ports[0].versions} == {None}
    assert [one.kind for one in judgement.verdicts] == ["well"]
