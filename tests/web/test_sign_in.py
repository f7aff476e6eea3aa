"""Signing in to the doctor."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from sams.control.messages import PagesSignedIn
from sams.web.link import ServiceUnreachable
from sams.web.pages.sign_in import COOKIE, ticket_of
from tests.web.client import Client
from tests.web.rig import ScriptedLink, pages

RIGHT = {"login": "alice", "password": "correct horse"}


def test_the_right_password_gives_a_cookie_that_no_script_and_no_other_site_can_use() -> None:
    visitor = Client(pages())
    answer = visitor.post("/sign-in", RIGHT)
    assert answer.status == 303
    assert answer.headers["location"] == "/doctor/start"
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("__host-sams=")
    assert all(word in cookie for word in ("secure", "httponly", "samesite=strict", "path=/"))
    assert "domain" not in cookie
    assert "max-age" not in cookie
    assert "You are signed in" in visitor.get("/doctor").text


@pytest.mark.parametrize(
    "form",
    [
        {"login": "alice", "password": "wrong"},
        {"login": "nobody", "password": "correct horse"},
        {"login": "alice", "password": ""},
        {"login": "", "password": "x"},
        {"login": "alice"},
        {"login": "a" * 400, "password": "x"},
        {"login": "alice", "password": "ü" * 600},
    ],
)
def test_a_wrong_one_gives_the_form_again_without_the_password_and_no_cookie(form: dict[str, str]) -> None:
    visitor = Client(pages())
    answer = visitor.post("/sign-in", form)
    assert answer.status == 403
    assert "is wrong" in answer.text
    assert 'role="alert"' in answer.text
    assert visitor.cookies == {}
    assert "correct horse" not in answer.text
    assert 'type="password"' in answer.text


@pytest.mark.parametrize(
    ("cookie", "is_ticket"),
    [
        ("__Host-sams={}", True),
        ("lang=de; __Host-sams={}", True),
        ("lang=de;\t__Host-sams={} ; x=y", True),
        ("\xa0__Host-sams={}", False),
        ("lang=de;\x85__Host-sams={}", False),
        ("__Host-sams\xa0={}", False),
        ("__host-sams={}", False),
        ("=__Host-sams={}", False),
        ('__Host-sams="{}"', False),
        ("__Host-sams={}\xa0", False),
        ("__Host-sams={}; __Host-sams=another", False),
        ("__Host-sams={0}; __Host-sams={0}", False),
        ("__Host-sams=", False),
    ],
)
def test_a_ticket_is_taken_from_the_cookie_that_browsers_guard_and_from_no_other(
    cookie: str, is_ticket: bool
) -> None:
    octets = cookie.format("a-ticket").encode("latin-1")
    request = Request({"type": "http", "headers": [(b"cookie", octets)]})
    assert ticket_of(request) == ("a-ticket" if is_ticket else "")


def test_a_login_that_is_shown_again_is_escaped() -> None:
    answer = Client(pages()).post("/sign-in", {"login": '"><script>x</script>', "password": "x"})
    assert "<script>x" not in answer.text


@pytest.mark.parametrize(
    ("why", "words"),
    [
        ("suspended", "suspended"),
        ("locked", "too many wrong"),
        ("unavailable", "cannot be checked"),
        ("app-password", "an app password is needed"),
        ("odd", "wrong"),
    ],
)
def test_a_refusal_says_what_to_do(why: str, words: str) -> None:
    class Refusing(ScriptedLink):
        async def sign_in(self, login: str, password: str, address: str) -> PagesSignedIn:
            return PagesSignedIn(why=why, text="454 4.7.0 internal words")

    answer = Client(pages(Refusing())).post("/sign-in", RIGHT)
    assert words in answer.text
    assert "internal words" not in answer.text


def test_the_visitors_own_address_is_what_guessing_is_counted_by() -> None:
    asked: list[str] = []

    class Listening(ScriptedLink):
        async def sign_in(self, login: str, password: str, address: str) -> PagesSignedIn:
            asked.append(address)
            return PagesSignedIn(why="password")

    Client(pages(Listening()), address="::ffff:198.51.100.9").post("/sign-in", RIGHT)
    Client(pages(Listening()), address="2001:db8::7").post("/sign-in", RIGHT)
    assert asked == ["198.51.100.9", "2001:db8::7"]


def test_a_service_that_does_not_answer_is_told_of() -> None:
    link = ScriptedLink(failure=ServiceUnreachable("It is down.", "internal"))
    answer = Client(pages(link)).post("/sign-in", RIGHT)
    assert answer.status == 503
    assert "It is down." in answer.text
    assert "internal" not in answer.text


def test_signing_out_gives_the_ticket_back() -> None:
    link = ScriptedLink()
    visitor = Client(pages(link))
    visitor.post("/sign-in", RIGHT)
    assert len(link.tickets) == 1
    assert visitor.post("/sign-out").headers["location"] == "/doctor"
    assert link.tickets == {}
    assert COOKIE not in visitor.cookies


@pytest.mark.parametrize("body", [b"\xff\xfe=1", b"a=%FF", b"&".join(b"x=1" for _ in range(50))])
def test_a_form_that_is_none_is_refused(body: bytes) -> None:
    assert Client(pages()).post("/sign-in", body).status == 400


def test_reading_the_sign_out_address_signs_nobody_out() -> None:
    assert Client(pages()).get("/sign-out").status == 405
