"""Mozilla's autoconfig: by the draft's grammar and by Thunderbird's rules."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.config.offered import MailServer
from sams.config.web import UserName
from sams.core.address import parse_mailbox
from sams.web.setup_files.autoconfig import autoconfig
from sams.web.site import Brand
from tests.web.setup_files.grammars import AUTOCONFIG, check, parse
from tests.web.setup_files.sites import IMAP, POP3, SUBMISSION, SUBMISSIONS, site
from tests.web.setup_files.thunderbird_rules import Found, NotTaken, read_autoconfig


@pytest.mark.parametrize("incoming", [(), (IMAP,), (POP3,)])
@pytest.mark.parametrize("outgoing", [(SUBMISSIONS, SUBMISSION), (SUBMISSION,)])
@pytest.mark.parametrize("user_name", ["address", "local-part", "login"])
def test_every_site_has_a_file_of_the_drafts_grammar(
    incoming: tuple[MailServer, ...], outgoing: tuple[MailServer, ...], user_name: UserName
) -> None:
    servers = {
        "incoming": tuple(msgspec.structs.replace(one, user_name=user_name) for one in incoming),
        "outgoing": tuple(msgspec.structs.replace(one, user_name=user_name) for one in outgoing),
    }
    check(parse(autoconfig(site(**servers)).octets), "clientConfig", AUTOCONFIG)


def test_thunderbird_finds_both_servers_the_best_first() -> None:
    account = read_autoconfig(autoconfig(site()).octets)
    name = "%EMAILADDRESS%"
    assert account.incoming == (Found("imap", "imap.example.ac.uk", 993, "SSL", name),)
    assert account.outgoing == (
        Found("smtp", "smtp-auth.example.ac.uk", 465, "SSL", name),
        Found("smtp", "smtp-auth.example.ac.uk", 587, "STARTTLS", name),
    )
    assert account.name == "University of <Example> & Sons"


def test_thunderbird_takes_no_file_without_an_incoming_server() -> None:
    with pytest.raises(NotTaken, match="incomingServer"):
        read_autoconfig(autoconfig(site(incoming=())).octets)


@pytest.mark.parametrize(
    ("user_name", "placeholder"),
    [("address", "%EMAILADDRESS%"), ("local-part", "%EMAILLOCALPART%"), ("login", "%EMAILADDRESS%")],
)
def test_a_user_name_is_a_placeholder_and_never_missing(user_name: UserName, placeholder: str) -> None:
    outgoing = msgspec.structs.replace(SUBMISSION, user_name=user_name)
    incoming = msgspec.structs.replace(IMAP, user_name=user_name)
    account = read_autoconfig(autoconfig(site(outgoing=(outgoing,), incoming=(incoming,))).octets)
    assert [one.user_name for one in (*account.incoming, *account.outgoing)] == [placeholder, placeholder]


def test_the_file_names_every_domain_and_a_page_in_every_language() -> None:
    provider = parse(autoconfig(site()).octets)[0]
    assert [one.text for one in provider.findall("domain")] == ["example.ac.uk", "xn--mnchen-3ya.example"]
    assert provider.get("id") == "example.ac.uk"
    pages = {one.get("url"): one[0].get("lang") for one in provider.findall("documentation")}
    assert pages == {
        "https://smtp-auth.example.ac.uk/?lang=en": "en",
        "https://smtp-auth.example.ac.uk/?lang=de": "de",
    }


def test_the_file_is_the_same_whoever_asks() -> None:
    assert autoconfig(site(), parse_mailbox("alice@example.ac.uk")) == autoconfig(site())


@given(st.text(min_size=1, max_size=80), st.text(min_size=1, max_size=30))
def test_no_name_of_an_organisation_breaks_the_file_and_long_ones_are_cut(name: str, short_name: str) -> None:
    octets = autoconfig(site(brand=Brand(name, short_name))).octets
    provider = parse(octets)[0]
    assert 1 <= len(provider.findtext("displayName", "")) <= 60
    assert 1 <= len(provider.findtext("displayShortName", "")) <= 20
    assert read_autoconfig(octets).outgoing


@pytest.mark.parametrize(
    ("short_name", "domain", "shown"),
    [
        ("UoE", "example.ac.uk", "UoE"),
        ("University of Example", "example.ac.uk", "example.ac.uk"),
        ("University of Example", "a-department.example.ac.uk", "University of Exampl"),
    ],
)
def test_a_short_name_that_is_too_long_gives_way_to_the_domain(
    short_name: str, domain: str, shown: str
) -> None:
    octets = autoconfig(site(brand=Brand("University of Example", short_name), domains=(domain,))).octets
    assert parse(octets)[0].findtext("displayShortName") == shown


def test_it_is_utf_8_xml_without_a_byte_order_mark() -> None:
    file = autoconfig(site(brand=Brand("Universität Köln", "Köln")))
    assert file.media_type == "text/xml; charset=utf-8"
    assert file.octets.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<clientConfig version="1.1">')
    assert "Universität Köln".encode() in file.octets
