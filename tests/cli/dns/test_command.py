from __future__ import annotations

from tests.cli.desk import Desk
from tests.support.dns_server import DnsServer, closed_port


def test_what_dns_says_reaches_no_terminal_raw(desk: Desk, server: DnsServer) -> None:
    with desk.server.config.open("a") as file:
        file.write('\n[dns]\nspf = ["ip4:192.0.2.1"]\n')
    server.add(
        'example.org. 60 IN TXT "v=spf1 a:\\027[31mred -all"\n_dmarc.example.org. 60 IN TXT "v=DMARC1; p=\\007"'
    )
    server.add(
        'example.org. 60 IN TXT "v=spf1 \\027[31m -all"\nexample.org. 60 IN TXT "v=spf1 \\027]0;x -all"'
    )
    text = desk.sams("dns", "check", "--resolver", server.address, code=1).stdout
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "SPF" in text


def test_the_command_ends_with_1_where_something_failed_and_says_what_to_do(
    desk: Desk, server: DnsServer
) -> None:
    found = desk.json("dns", "check", "--resolver", server.address, code=1)
    assert found["worst"] == "fail"
    assert {finding["kind"] for finding in found["findings"]} >= {"missing", "wrong"}
    by_subject = {(finding["domain"], finding["subject"]): finding for finding in found["findings"]}
    dmarc = by_subject["example.org", "DMARC"]
    assert dmarc["records"][0]["name"] == "_dmarc.example.org"
    assert dmarc["level"] == "warn"
    text = desk.sams("dns", "check", "--domain", "example.org", "--resolver", server.address).stdout
    assert "do: publish:\n             _dmarc.example.org. 3600 IN TXT" in text
    assert "lab.example.org" not in text


def test_the_command_ends_with_0_where_all_is_well(desk: Desk, server: DnsServer) -> None:
    lines = desk.json("dns")["groups"]
    records = [record for group in lines for record in group["records"]]
    server.add("\n".join(f"{each['name']}. 60 IN {each['type']} {each['data']}" for each in records))
    server.add("smtp.example.org. 60 IN A 127.0.0.1")
    found = desk.json("dns", "check", "--resolver", server.address)
    assert found["worst"] == "warn"  # for a trial only; and nobody knows who sends


def test_a_resolver_that_is_not_there_fails_and_one_that_is_none_is_wrong_use(desk: Desk) -> None:
    closed = f"127.0.0.1:{closed_port()}"
    result = desk.sams("dns", "check", "--resolver", closed, code=1)
    assert f"{closed} answers no question from here" in result.stdout
    assert "look whether a name server listens there" in result.stdout
    for text in ("resolver.example", "127.0.0.1:0", "127.0.0.1:99999", "[::1]:x", ""):
        assert "is no address such as" in desk.sams("dns", "check", "--resolver", text, code=2).output
