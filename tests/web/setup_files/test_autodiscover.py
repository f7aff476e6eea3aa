"""Microsoft's Autodiscover in XML: requests from outside, and answers by its schema."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.config.offered import MailServer
from sams.config.web import UserName
from sams.core.address import parse_mailbox
from sams.web.setup_files.autodiscover import OUTLOOK, RESPONSE, answer_request, autodiscover, explain_get
from sams.web.setup_files.autodiscover_request import LARGEST, AutodiscoverRequest, NoRequest, read_request
from tests.web.setup_files.grammars import AUTODISCOVER, AUTODISCOVER_ERROR, AUTODISCOVER_NAME, check, parse
from tests.web.setup_files.sites import IMAP, POP3, SUBMISSION, request, site
from tests.web.setup_files.thunderbird_rules import Found, NotTaken, read_autodiscover

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, 678, dt.UTC)
MOBILE = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"


def error_of(octets: bytes) -> tuple[int, str]:
    root = parse(octets)
    check(root, AUTODISCOVER_NAME, AUTODISCOVER_ERROR)
    error = root[0][0]
    return int(error.findtext(f"{{{RESPONSE}}}ErrorCode", "")), error.findtext(f"{{{RESPONSE}}}Message", "")


@pytest.mark.parametrize("incoming", [(), (IMAP,), (POP3,)])
@pytest.mark.parametrize("user_name", ["address", "local-part", "login"])
def test_every_site_has_an_answer_of_the_schema(
    incoming: tuple[MailServer, ...], user_name: UserName
) -> None:
    servers = {
        "incoming": tuple(msgspec.structs.replace(one, user_name=user_name) for one in incoming),
        "outgoing": (msgspec.structs.replace(SUBMISSION, user_name=user_name),),
    }
    octets = answer_request(site(**servers), request(), NOW).octets
    check(parse(octets), AUTODISCOVER_NAME, AUTODISCOVER)


def test_thunderbird_finds_both_servers_in_it() -> None:
    account = read_autodiscover(answer_request(site(), request(), NOW).octets)
    assert account.incoming == (Found("imap", "imap.example.ac.uk", 993, "SSL", "alice@example.ac.uk"),)
    assert account.outgoing == (Found("smtp", "smtp-auth.example.ac.uk", 465, "SSL", "alice@example.ac.uk"),)


def test_thunderbird_takes_no_answer_without_an_incoming_server() -> None:
    with pytest.raises(NotTaken):
        read_autodiscover(answer_request(site(incoming=()), request(), NOW).octets)


def protocol(octets: bytes, kind: str) -> dict[str, str | None]:
    for element in parse(octets).iter(f"{{{OUTLOOK}}}Protocol"):
        if element.findtext(f"{{{OUTLOOK}}}Type") == kind:
            return {child.tag.rpartition("}")[2]: child.text for child in element}
    raise AssertionError(kind)


def test_outlook_is_told_how_each_server_does_tls() -> None:
    octets = autodiscover(site(incoming=(POP3,)), parse_mailbox("alice@example.ac.uk")).octets
    assert protocol(octets, "POP3")["Encryption"] == "TLS"
    assert protocol(octets, "SMTP")["Encryption"] == "SSL"
    assert protocol(octets, "SMTP")["SMTPLast"] == "off"


@pytest.mark.parametrize(
    ("user_name", "login"), [("address", "alice@example.ac.uk"), ("local-part", "alice"), ("login", None)]
)
def test_the_login_name_is_what_members_type(user_name: UserName, login: str | None) -> None:
    outgoing = msgspec.structs.replace(SUBMISSION, user_name=user_name)
    octets = autodiscover(site(outgoing=(outgoing,)), parse_mailbox("alice@example.ac.uk")).octets
    assert protocol(octets, "SMTP").get("LoginName") == login


def test_the_sign_in_of_the_incoming_server_is_used_only_where_names_are_alike() -> None:
    alice = parse_mailbox("alice@example.ac.uk")
    other = msgspec.structs.replace(SUBMISSION, user_name="local-part")
    assert protocol(autodiscover(site(), alice).octets, "SMTP")["UsePOPAuth"] == "on"
    assert protocol(autodiscover(site(outgoing=(other,)), alice).octets, "SMTP")["UsePOPAuth"] == "off"
    assert protocol(autodiscover(site(incoming=()), alice).octets, "SMTP")["UsePOPAuth"] == "off"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", 600),
        (b"not XML", 600),
        (b"<Autodiscover/>", 600),
        (b"<Autodiscover><Request/></Autodiscover>", 600),
        (request("alice@example.ac.uk", ""), 600),
        (request("", OUTLOOK), 600),
        (request("alice@example.ac.uk", MOBILE), 601),
        (request("alice@example.com"), 500),
        (request("alice"), 500),
        (request("alice@[127.0.0.1]"), 500),
        (request().replace(b"EMailAddress", b"LegacyDN"), 500),
        (b"<?xml version='1.0' encoding='no-such'?><Autodiscover/>", 600),
        (b"\xff\xfe<\x00", 600),
    ],
)
def test_what_cannot_be_answered_gets_its_error_code(body: bytes, code: int) -> None:
    found, message = error_of(answer_request(site(), body, NOW).octets)
    assert found == code
    assert message


def test_a_browser_is_told_that_programs_post() -> None:
    code, message = error_of(explain_get(site(), NOW).octets)
    assert code == 600
    assert "https://smtp-auth.example.ac.uk/" in message


def test_an_error_says_when_it_was_and_by_which_server() -> None:
    error = parse(explain_get(site(), NOW).octets)[0][0]
    assert error.get("Time") == "03:04:05.000678"
    other = parse(explain_get(site(server_name="other.example.ac.uk"), NOW).octets)[0][0]
    assert error.get("Id") != other.get("Id")


LAUGHS = (
    '<!DOCTYPE lolz [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]>"
)


@pytest.mark.parametrize(
    ("prologue", "value"),
    [
        (LAUGHS, "&j;"),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>', "&x;"),
        ('<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd">', "alice@example.ac.uk"),
        ("<!DOCTYPE Autodiscover>", "alice@example.ac.uk"),
        ("", "&undefined;"),
    ],
)
def test_no_document_type_and_no_entity_is_taken(prologue: str, value: str) -> None:
    body = request(value).decode().replace("?>\n", f"?>\n{prologue}\n", 1).encode()
    with pytest.raises(NoRequest):
        read_request(body)


@pytest.mark.parametrize(
    "body",
    [
        b" " * (LARGEST + 1),
        b"<a>" * 9 + b"</a>" * 9,
        request("a" * 1001),
        request().replace(b"</Request>", b"<EMailAddress>bob@example.ac.uk</EMailAddress></Request>"),
    ],
)
def test_a_request_has_its_limits(body: bytes) -> None:
    with pytest.raises(NoRequest):
        read_request(body)


@pytest.mark.parametrize("encoding", ["utf-7", "big5", "idna", "unicode_escape", "zip", "no-such"])
def test_no_codec_is_looked_for_because_a_request_names_it(encoding: str) -> None:
    """Python would load a module of that name, fail in ways of its own, and remember each name for ever."""
    text = request().decode().replace('encoding="utf-8"', f'encoding="{encoding}"')
    with pytest.raises(NoRequest, match="UTF-8"):
        read_request(text.encode())


def test_only_children_of_the_request_count() -> None:
    body = (
        b"<Autodiscover><EMailAddress>x@example.com</EMailAddress><Request><Deep><EMailAddress>y@example.com"
        b"</EMailAddress></Deep><EMailAddress> z@example.com\n</EMailAddress><AcceptableResponseSchema>s"
        b"</AcceptableResponseSchema></Request></Autodiscover>"
    )
    assert read_request(body) == AutodiscoverRequest("z@example.com", "s")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_request_may_be_in_each_encoding_of_xml(encoding: str) -> None:
    text = request("jürgen@example.ac.uk").decode().replace('encoding="utf-8"', f'encoding="{encoding}"')
    assert read_request(text.encode(encoding)).address == "jürgen@example.ac.uk"


@given(st.binary(max_size=300) | st.text(max_size=300).map(request))
def test_any_octets_get_an_answer_of_the_schema(body: bytes) -> None:
    root = parse(answer_request(site(), body, NOW).octets)
    assert root.tag == AUTODISCOVER_NAME
    assert root[0][0].tag in {f"{{{RESPONSE}}}Error", f"{{{OUTLOOK}}}Account"}


def test_whoever_asks_in_a_domain_gets_the_same_but_for_the_name() -> None:
    alice, nobody = (
        answer_request(site(), request(f"{name}@example.ac.uk"), NOW).octets
        for name in ("alice", "nobody-here")
    )
    assert alice.replace(b"alice@", b"*@") == nobody.replace(b"nobody-here@", b"*@")
