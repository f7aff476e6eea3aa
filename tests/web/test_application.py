"""All pages together: headers, files, mistakes and bugs."""

from __future__ import annotations

import re

import pytest

from sams.web.site import Brand, Logo
from tests.web.client import Client
from tests.web.rig import SITE, pages

PATHS = ["/", "/settings", "/programs", "/doctor", "/doctor/watch?since=0", "/sign-in", "/nowhere"]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_forbids_all_that_is_not_ours(path: str) -> None:
    answer = Client(pages()).get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.parametrize("path", PATHS)
def test_no_page_loads_or_holds_what_the_policy_forbids(path: str) -> None:
    html = Client(pages()).get(path).text
    assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:", html)
    assert all(" src=" in tag for tag in re.findall(r"<script[^>]*>", html))
    assert all(url.startswith("/") for url in re.findall(r'(?:src|<link[^>]*href)="([^"]+)"', html))


@pytest.mark.parametrize("path", ["/doctor/", "/sign-in/", "/mail.mobileconfig/", "/mail/config-v1.1.xml/"])
def test_no_answer_leads_where_a_request_says_that_we_are(path: str) -> None:
    answer = Client(pages()).get(path, host="evil.example")
    assert answer.status == 404
    assert "location" not in answer.headers


def test_without_https_there_is_no_promise_of_it_and_no_sign_in() -> None:
    visitor = Client(pages(url="http://127.0.0.1:8025"))
    assert "strict-transport-security" not in visitor.get("/").headers
    assert visitor.get("/sign-in").status == 404
    assert visitor.post("/sign-in", {"login": "alice", "password": "correct horse"}).status == 404
    assert "/sign-in" not in visitor.get("/doctor").text


def test_files_are_kept_by_browsers_and_others_are_not_found() -> None:
    visitor = Client(pages())
    for url in re.findall(r'"(/static/[^"]+)"', visitor.get("/doctor/watch?since=0").text):
        answer = visitor.get(url)
        assert answer.status == 200
        assert "immutable" in answer.headers["cache-control"]
    assert visitor.get("/static/0000/sams.css").status == 404
    assert visitor.get("/static/../site.py").status == 404


def test_a_logo_is_shown_and_one_that_is_svg_can_run_nothing() -> None:
    octets = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    visitor = Client(pages(brand=Brand("Example", "Example", logo=Logo("image/svg+xml", octets))))
    found = re.search(r'<img src="([^"]+)"', visitor.get("/").text)
    assert found is not None
    answer = visitor.get(found[1])
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert "sandbox" in answer.headers["content-security-policy"]


def test_the_organisation_is_on_every_page_and_cannot_break_it() -> None:
    brand = Brand('<b>"Ex" & Söhne</b>', "'><script>", help_mail="help@example.ac.uk")
    html = Client(pages(brand=brand)).get("/").text
    assert "<script>" not in html.replace("<script src", "")
    assert "&lt;b&gt;&#34;Ex&#34; &amp; Söhne&lt;/b&gt;" in html


def test_an_address_that_there_is_not_says_so_and_leads_back() -> None:
    answer = Client(pages()).get("/programs/no-such-program")
    assert answer.status == 404
    assert 'href="/"' in answer.text


def test_another_method_is_refused_with_a_page() -> None:
    assert Client(pages()).post("/settings", {"a": "b"}).status == 405


def test_the_front_page_shows_the_programs_of_the_visitors_system() -> None:
    windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
    visitor = Client(pages(), headers={"user-agent": windows})
    assert "Programs for Windows" in visitor.get("/").text
    assert "Programs for Linux" in visitor.get("/?system=linux").text
    assert "Which system do you use?" in Client(pages()).get("/").text


def test_the_settings_are_those_of_the_site() -> None:
    html = Client(pages()).get("/settings").text
    for server in (*SITE.outgoing, *SITE.incoming):
        assert server.host in html.replace("<wbr>", "")
        assert f">{server.port}<" in html
