"""What a name leads to, asked of a real resolver on loopback, and octets that want to be answers."""

from __future__ import annotations

import struct

import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams_probe.names.asking import ask
from sams_probe.names.found import Lookup, find, followed
from sams_probe.names.message import Answer, Code, Garbled, Service, Type, question, read
from sams_probe.names.servers import read_resolv
from sams_probe.options import DnsServer as Resolver
from sams_probe.options import Options, Port, Security
from sams_probe.verdicts.kinds import Exit
from tests.probe.certificates import HOST, issue
from tests.probe.desk import PATIENT, Desk
from tests.support.dns_server import closed_port
from tests.support.middlebox import Smtp, standing

SRV = """\
_submissions._tcp.example.org. 60 IN SRV 0 1 465 smtp.example.org.
_submissions._tcp.example.org. 60 IN SRV 10 1 465 other.example.org.
_submission._tcp.example.org. 60 IN SRV 0 1 587 smtp.example.org.
"""


def answered(name: str, kind: str, *records: str) -> bytes:
    query = dns.message.make_query(name, kind, id=7, use_edns=False)
    reply = dns.message.make_response(query)
    for record in records:
        owner, what, value = record.split(" ", 2)
        reply.answer.append(dns.rrset.from_text(owner, 60, "IN", what, value))
    return reply.to_wire()


def test_a_question_is_as_others_write_it() -> None:
    theirs = dns.message.make_query("smtp.example.org", "AAAA", id=7, use_edns=False).to_wire()
    assert question(7, "smtp.example.org", Type.AAAA) == theirs


@pytest.mark.parametrize("name", ["a..b", "", "x" * 64, "a."])
def test_a_label_that_dns_cannot_carry_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="label"):
        question(7, name, Type.A)


@pytest.mark.parametrize(
    ("kind", "records", "answer"),
    [
        (Type.A, ["a.example. A 192.0.2.1"], Answer(Code.FOUND, ("192.0.2.1",))),
        (Type.AAAA, ["a.example. AAAA 2001:db8::1"], Answer(Code.FOUND, ("2001:db8::1",))),
        (Type.A, [], Answer(Code.FOUND)),
        (Type.A, ["b.example. A 192.0.2.1"], Answer(Code.FOUND)),  # nobody asked for it
        (
            Type.A,
            ["a.example. CNAME B.example.", "b.example. A 192.0.2.1"],
            Answer(Code.FOUND, ("192.0.2.1",)),
        ),
        (Type.A, ["a.example. CNAME a.example."], Answer(Code.FOUND)),
        (
            Type.SRV,
            ["a.example. SRV 5 1 465 b.example.", "a.example. SRV 0 1 587 ."],
            Answer(Code.FOUND, services=(Service(0, 1, 587, ""), Service(5, 1, 465, "b.example"))),
        ),
    ],
)
def test_answers_are_read(kind: Type, records: list[str], answer: Answer) -> None:
    assert read(answered("a.example", kind.name, *records), 7, "a.example", kind) == answer


@pytest.mark.parametrize(
    ("number", "name", "kind"),
    [(8, "a.example", Type.A), (7, "b.example", Type.A), (7, "a.example", Type.AAAA)],
)
def test_an_answer_to_another_question_is_none(number: int, name: str, kind: Type) -> None:
    with pytest.raises(Garbled):
        read(answered("a.example", "A", "a.example. A 192.0.2.1"), number, name, kind)


def head(count: int) -> bytes:
    return struct.pack("!6H", 7, 0x8180, 1, count, 0, 0) + question(7, "a.example", Type.A)[12:]


@pytest.mark.parametrize(
    "record",
    [
        b"\xc0\x1b" + b"\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04\x01\x02\x03\x04",  # it points at itself
        b"\xc0\xff" + b"\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04\x01\x02\x03\x04",  # and ahead
        b"\x80a" + b"\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04\x01\x02\x03\x04",
        b"\xc0\x0c" + b"\x00\x01\x00\x01\x00\x00\x00\x00\x00\x05\x01\x02\x03\x04",
        b"\xc0\x0c" + b"\x00\x01\x00\x01\x00\x00\x00\x00\x00\x03\x01\x02\x03",
        b"\xc0",
        b"",
    ],
)
def test_an_answer_that_is_broken_is_none(record: bytes) -> None:
    with pytest.raises(Garbled):
        read(head(1) + record, 7, "a.example", Type.A)


NO_HOSTS = [
    [b"\x1b]0;x\x07\x1b[2J", b"example"],
    [b"x\n\nVerdict\n  All is well", b"example"],
    [b"\xff" * 40, b"example"],
    [b".smtp", b"example"],
    [b"a\0b", b"example"],
    [b"fe80::1%\x1b[31m"],
    [b"127", b"0", b"0", b"1"],
    [b"0x7f000001"],
]


@pytest.mark.parametrize("labels", NO_HOSTS, ids=map(repr, NO_HOSTS))
def test_an_srv_record_whose_target_is_no_hosts_name_is_left_out(labels: list[bytes]) -> None:
    target = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    answer = struct.pack("!6H", 7, 0x8180, 1, 2, 0, 0) + question(7, "a.example", Type.SRV)[12:]
    for octets in (target, b"\4smtp\7example\0"):
        data = struct.pack("!3H", 0, 1, 465) + octets
        answer += b"\xc0\x0c" + struct.pack("!HHIH", Type.SRV, 1, 60, len(data)) + data
    assert read(answer, 7, "a.example", Type.SRV).services == (Service(0, 1, 465, "smtp.example"),)


@given(st.binary(max_size=120), st.integers(0, 65_535))
def test_whatever_comes_is_an_answer_or_none(octets: bytes, count: int) -> None:
    for data in (octets, head(count) + octets):
        for kind in Type:
            try:
                read(data, 7, "a.example", kind)
            except Garbled:
                continue


def test_the_resolvers_of_the_system_are_read() -> None:
    lines = ["# x", "nameserver 192.0.2.1", "nameserver\t2001:db8::1 ", "options ndots:5", "nameserver host"]
    text = "\n".join([*lines, "nameserver 192.0.2.1", ""])
    assert read_resolv(text) == (Resolver("192.0.2.1"), Resolver("2001:db8::1"))
    assert len(read_resolv("".join(f"nameserver 192.0.2.{number}\n" for number in range(9)))) == 3


def resolver(desk: Desk) -> Resolver:
    return Resolver("127.0.0.1", desk.names.port)


def test_a_resolver_is_asked_over_udp_and_over_tcp_where_it_does_not_fit(desk: Desk) -> None:
    desk.names.faults[HOST] = "truncated"
    answer = ask([resolver(desk)], HOST, Type.A, PATIENT)
    assert answer == Answer(Code.FOUND, ("127.0.0.1",))
    assert [way for _, _, way in desk.names.asked] == ["udp", "tcp"]


def test_the_next_resolver_is_asked_where_one_fails(desk: Desk) -> None:
    nobody = Resolver("127.0.0.1", closed_port())
    assert ask([nobody, resolver(desk)], HOST, Type.A, PATIENT) == Answer(Code.FOUND, ("127.0.0.1",))
    assert ask([nobody], HOST, Type.A, 0.5) is None
    desk.names.faults[HOST] = "servfail"
    answer = ask([resolver(desk)], HOST, Type.A, PATIENT)
    assert answer is not None
    assert answer.code is Code.SERVER_FAILED


def test_one_that_stays_silent_is_asked_twice_and_given_up(desk: Desk) -> None:
    desk.names.faults[HOST] = "silent"
    assert ask([resolver(desk)], HOST, Type.A, 3.0) is None
    assert len(desk.names.asked) == 2


def test_srv_records_of_the_domain_above_are_told_and_not_followed(desk: Desk) -> None:
    desk.names.add(SRV)
    found = find(desk.options())
    assert found.srv is Lookup.FOUND
    assert [(one.security, one.service) for one in found.announced] == [
        (Security.TLS, Service(0, 1, 465, "smtp.example.org")),
        (Security.TLS, Service(10, 1, 465, "other.example.org")),
        (Security.STARTTLS, Service(0, 1, 587, "smtp.example.org")),
    ]
    assert followed(found) == ()


def test_a_mail_domain_is_probed_at_the_servers_that_it_announces(desk: Desk) -> None:
    desk.names.add("example.org. 60 IN A 192.0.2.80\n")  # its web page
    tls = Smtp(desk.good.context(), implicit=True)
    with standing(tls) as port:
        desk.names.add(f"_submissions._tcp.example.org. 60 IN SRV 0 1 {port} {HOST}.\n")
        report, judgement = desk.ask(host="example.org")
    assert [one.kind for one in judgement.verdicts] == ["well"]
    assert judgement.settings == (HOST, port, Security.TLS)
    assert [(one.host, one.port) for one in report.ports] == [(HOST, Port(port, Security.TLS))]


def test_the_certificate_must_have_the_name_of_the_target(desk: Desk) -> None:
    with standing(Smtp(issue(desk.root, "example.org").context(), implicit=True)) as port:
        desk.names.add(f"_submissions._tcp.example.org. 60 IN SRV 0 1 {port} {HOST}.\n")
        assert desk.kinds(host="example.org") == ["wrong-name"]


@pytest.mark.parametrize(
    ("host", "fault", "kind"),
    [
        ("nosuch.example.org", None, "name-unknown"),
        (HOST, "servfail", "resolver-failed"),
        (HOST, "refused", "resolver-failed"),
    ],
)
def test_a_name_that_leads_nowhere_has_a_verdict(desk: Desk, host: str, fault: str | None, kind: str) -> None:
    if fault:
        desk.names.faults["*"] = fault  # type: ignore[assignment]  # one of its literals
    _, judgement = desk.ask(host=host)
    assert [one.kind for one in judgement.verdicts] == [kind]
    assert judgement.exit_code is Exit.NAME
    assert host in judgement.verdicts[0].sentence


def test_an_announced_server_that_is_not_there_is_named(desk: Desk) -> None:
    desk.names.add("example.org. 60 IN A 192.0.2.80\n")
    desk.names.add("_submissions._tcp.example.org. 60 IN SRV 0 1 465 gone.example.org.\n")
    _, judgement = desk.ask(host="example.org")
    assert [one.kind for one in judgement.verdicts] == ["name-unknown"]
    assert "gone.example.org" in judgement.verdicts[0].sentence
    desk.names.add("_submissions._tcp.example.org. 60 IN SRV 0 0 0 .\n")  # not offered there, RFC 2782
    assert followed(find(desk.options(host="example.org"))) == ()


def test_an_address_of_the_other_ip_version_is_none(desk: Desk) -> None:
    assert desk.kinds(host="127.0.0.1", families=(6,)) == ["name-without-address"]


def test_a_name_with_addresses_of_the_other_version_alone_is_told_from_none(desk: Desk) -> None:
    assert desk.kinds(families=(6,)) == ["name-without-address"]


def test_an_address_is_probed_as_it_is() -> None:
    found = find(Options("127.0.0.1"))
    assert [one.text for one in found.addresses] == ["127.0.0.1"]
    assert found.srv is Lookup.NOT_ASKED


def test_the_system_resolver_knows_localhost() -> None:
    found = find(Options("localhost", timeout=PATIENT, families=(4,), servers=()))
    assert [one.text for one in found.addresses] == ["127.0.0.1"]
