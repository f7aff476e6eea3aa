"""Where programs find the set-up files, and what surrounds them."""

from __future__ import annotations

import asyncio
import datetime as dt
import plistlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.types import Message, Scope

from sams.web.pages.setup_files import routes
from sams.web.site import Site, StsPolicy
from tests.web.setup_files.sites import request as autodiscover_request
from tests.web.setup_files.sites import site

AUTOCONFIG = (
    "/.well-known/autoconfig/mail/config-v1.1.xml",
    "/mail/config-v1.1.xml",
    "/.well-known/mail-v1.xml",
)
STS = StsPolicy("testing", ("mx.example.ac.uk",))


@dataclass(frozen=True)
class Answered:
    status: int
    headers: Mapping[str, str]
    body: bytes


def ask(where: str, *, of: Site | None = None, method: str = "GET", body: bytes = b"") -> Answered:
    """One request to the routes alone."""
    return asyncio.run(_ask(of or site(sts=STS), where, method, (body,)))


async def _ask(of: Site, where: str, method: str, pieces: Iterable[bytes | None]) -> Answered:
    """None: the client hangs up."""
    application = Starlette(routes=routes(of, lambda: dt.datetime(2026, 1, 2, tzinfo=dt.UTC)))
    path, _, query = where.partition("?")
    scope: Scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(b"host", b"autoconfig.example.ac.uk")],
        "app": application,
    }
    waiting = iter(pieces)
    sent: list[Message] = []

    async def receive() -> Message:
        for piece in waiting:
            if piece is None:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": piece, "more_body": True}
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await application(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answered(sent[0]["status"], headers, b"".join(one.get("body", b"") for one in sent[1:]))


@pytest.mark.parametrize("path", AUTOCONFIG)
def test_autoconfig_is_in_its_three_places_with_and_without_an_address(path: str) -> None:
    plain, asked = ask(path), ask(f"{path}?emailaddress=alice%40example.ac.uk")
    assert plain.status == asked.status == 200
    assert plain.body == asked.body
    assert plain.headers["content-type"] == "text/xml; charset=utf-8"
    assert plain.headers["cache-control"] == "public, max-age=600"
    head = ask(path, method="HEAD")
    assert head.status == 200
    assert head.headers["content-length"] == plain.headers["content-length"]


@pytest.mark.parametrize(
    "path",
    [
        "/autodiscover/autodiscover.xml",
        "/Autodiscover/Autodiscover.xml",
        "/AutoDiscover/AutoDiscover.xml",
        "/AUTODISCOVER/AUTODISCOVER.XML",
    ],
)
def test_autodiscover_is_there_in_whatever_case(path: str) -> None:
    answer = ask(path, method="POST", body=autodiscover_request())
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    assert b"<LoginName>alice@example.ac.uk</LoginName>" in answer.body
    assert b"<ErrorCode>600</ErrorCode>" in ask(path).body


def test_the_dot_of_a_path_is_no_other_character() -> None:
    assert ask("/autodiscover/autodiscoverxxml").status == 404


@pytest.mark.parametrize(
    "where",
    [
        "/autodiscover/autodiscover.json?Email=alice%40example.ac.uk&Protocol=AutodiscoverV1",
        "/Autodiscover/Autodiscover.json?email=alice%40example.ac.uk&protocol=autodiscoverv1",
        "/autodiscover/autodiscover.json/v1.0/alice@example.ac.uk?Protocol=AutodiscoverV1&RedirectCount=1",
    ],
)
def test_autodiscover_v2_is_asked_in_each_of_its_forms(where: str) -> None:
    answer = ask(where)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert b"https://smtp-auth.example.ac.uk/autodiscover/autodiscover.xml" in answer.body


def test_autodiscover_v2_tells_a_foreign_domain_so() -> None:
    assert ask("/autodiscover/autodiscover.json?Email=a%40example.com&Protocol=AutodiscoverV1").status == 404


def test_a_profile_can_be_asked_for_by_address_or_by_form() -> None:
    query = "address=alice%40example.ac.uk&name=Alice+Liddell&lang=de"
    got = ask(f"/mail.mobileconfig?{query}")
    posted = ask("/mail.mobileconfig", method="POST", body=query.encode())
    assert got.status == posted.status == 200
    assert got.body == posted.body
    assert got.headers["content-type"] == "application/x-apple-aspen-config"
    assert got.headers["content-disposition"] == 'attachment; filename="example.ac.uk.mobileconfig"'
    profile = plistlib.loads(got.body)
    assert profile["PayloadContent"][0]["EmailAccountName"] == "Alice Liddell"
    assert "Empfang" in profile["PayloadDescription"]


def test_a_profile_in_a_language_that_is_not_offered_is_in_the_first_one() -> None:
    assert b"You can remove" in ask("/mail.mobileconfig?lang=fr").body
    assert b"You can remove" in ask("/mail.mobileconfig?lang=de", of=site(languages=("en",))).body


def test_the_policy_of_mta_sts_is_where_others_look_for_it() -> None:
    answer = ask("/.well-known/mta-sts.txt")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.body.startswith(b"version: STSv1\r\n")
    assert ask("/.well-known/mta-sts.txt", of=site()).status == 404


@pytest.mark.parametrize(
    ("where", "status"),
    [
        ("/mail/config-v1.1.xml?emailaddress=alice%40example.com", 404),
        ("/mail/config-v1.1.xml?emailaddress=alice", 400),
        ("/mail/config-v1.1.xml?emailaddress=%00%0d%0a", 400),
        ("/mail.mobileconfig?address=alice%40example.com", 404),
        ("/mail.mobileconfig?address=a%0d%0aSet-Cookie:x%40example.ac.uk", 400),
        ("/mail.mobileconfig?name=a%0d%0ab", 400),
        ("/mail.mobileconfig?name=" + "a" * 101, 400),
    ],
)
def test_a_refusal_is_one_line_of_text_that_nobody_keeps(where: str, status: int) -> None:
    answer = ask(where)
    assert answer.status == status
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.body.endswith(b"\n")
    assert answer.body[:-1].decode().isprintable()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"address=" + b"a" * 16_384, 413),
        (b"&".join(b"a%d=" % number for number in range(21)), 400),
        (b"\xff=\xff", 400),
        (b"address=%ff%40example.ac.uk", 400),
        (b'{"address": "alice@example.ac.uk"}', 200),
    ],
)
def test_a_form_has_its_limits(body: bytes, status: int) -> None:
    assert ask("/mail.mobileconfig", method="POST", body=body).status == status


def test_an_endless_request_is_not_read_to_its_end() -> None:
    for path in ("/autodiscover/autodiscover.xml", "/mail.mobileconfig"):
        taken: list[int] = []
        answer = asyncio.run(_ask(site(), path, "POST", _many(taken)))
        assert answer.status in {200, 413}
        assert len(taken) == 3


def _many(taken: list[int]) -> Iterator[bytes]:
    """Pieces of half the size that a request may have."""
    for number in range(100):
        taken.append(number)
        yield b" " * 8_192


def test_who_hangs_up_within_a_request_is_no_bug_of_ours() -> None:
    for path in ("/autodiscover/autodiscover.xml", "/mail.mobileconfig"):
        answer = asyncio.run(_ask(site(), path, "POST", (b"address=", None)))
        assert answer.status == 400


EVERYTHING = (
    *AUTOCONFIG,
    "/autodiscover/autodiscover.xml",
    "/autodiscover/autodiscover.json?Email={}&Protocol=AutodiscoverV1",
    "/mail.mobileconfig?address={}",
    "/mail/config-v1.1.xml?emailaddress={}",
    "/.well-known/mta-sts.txt",
)


@pytest.mark.parametrize("where", EVERYTHING)
@pytest.mark.parametrize("address", ["alice@example.ac.uk", "alice@example.com", "alice"])
def test_every_answer_is_nosniff_sets_no_cookie_and_leads_nowhere_else(where: str, address: str) -> None:
    answer = ask(where.format(quote(address)))
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"]
    assert not {"set-cookie", "location"} & answer.headers.keys()
    assert answer.status in {200, 400, 404}


@pytest.mark.parametrize("where", EVERYTHING)
def test_status_and_headers_do_not_tell_whether_somebody_exists(where: str) -> None:
    """The routes know nothing but the configuration: there is nobody whom they could ask."""
    alice, nobody = (ask(where.format(quote(f"{name}@example.ac.uk"))) for name in ("alice", "zelda"))
    assert alice.status == nobody.status
    assert alice.headers == nobody.headers
    assert len(alice.body) == len(nobody.body)
