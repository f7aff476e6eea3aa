"""The connection doctor in a real browser, with the real service behind it and a client that fails beside it."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect
from starlette.types import ASGIApp

from sams.activity.explaining.stages import Stage, Story
from sams.web.pages import doctor
from tests.browser.conftest import ARGUMENTS, CHROMIUM, OpenWindow, Served
from tests.support.service import PASSWORD, PATIENCE, Service, free_ports, message, smarthost
from tests.support.sink import sink
from tests.web.rig import ScriptedLink, pages

pytestmark = pytest.mark.real

SECONDS = PATIENCE * 1_000
NOTE_WHAT_IS_SAID = """() => {
  const state = document.getElementById("state");
  window.said = [];
  new MutationObserver(() => window.said.push(state.textContent)).observe(state, { childList: true });
}"""


class Site:
    """The real service with its pages over HTTPS."""

    def __init__(self, folder: Path, hop: int) -> None:
        self.port = free_ports(1)[0]
        self.url = f"https://127.0.0.1:{self.port}"
        web = f'\n[web]\naddress = "127.0.0.1"\nport = {self.port}\nsecurity = "tls"\nurl = "{self.url}"\n'
        self.service = Service(folder, route=smarthost(hop) + web)
        self.service.add_account("alice")

    def watch(self, page: Page) -> None:
        """Press Start."""
        page.goto(f"{self.url}/doctor")
        page.get_by_role("link", name="Start", exact=True).click()
        expect(page.get_by_role("status")).to_contain_text("Watching live", timeout=SECONDS)

    def sign_in(self, page: Page) -> None:
        """As alice."""
        page.goto(f"{self.url}/sign-in")
        page.get_by_label("User name").fill("alice")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("You are signed in")).to_be_visible(timeout=SECONDS)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with sink() as hop:
        made = Site(tmp_path_factory.mktemp("doctor") / "service", hop.port)
        with made.service.running():
            yield made


def sees(page: Page, text: str) -> None:
    """The page shows it, before long."""
    expect(page.get_by_role("heading", name=text).first).to_be_visible(timeout=SECONDS)


def test_a_wrong_password_is_seen_while_it_happens(open_window: OpenWindow, site: Site) -> None:
    page = open_window().page
    site.watch(page)
    with site.service.client() as client, contextlib.suppress(smtplib.SMTPAuthenticationError):
        client.login("alice", "not the password")
    sees(page, "user name or password wrong")
    assert "What to do:" in page.locator("article").first.inner_text()
    assert "alice" not in page.locator("main").inner_text()


def test_plain_text_to_a_port_of_tls_is_told_with_the_port_to_set(
    open_window: OpenWindow, site: Site
) -> None:
    page = open_window().page
    site.watch(page)
    with socket.create_connection(("127.0.0.1", site.service.implicit), PATIENCE) as client:
        client.sendall(b"EHLO laptop\r\n")
        client.recv(100)
    sees(page, "without encryption")


def test_a_program_that_does_not_trust_the_certificate_is_told_apart(
    open_window: OpenWindow, site: Site
) -> None:
    page = open_window().page
    site.watch(page)
    with pytest.raises(ssl.SSLError), smtplib.SMTP("127.0.0.1", site.service.starttls) as client:
        client.starttls(context=ssl.create_default_context())
    sees(page, "certificate")


def test_starttls_that_is_never_asked_for_is_told(open_window: OpenWindow, site: Site) -> None:
    page = open_window().page
    site.watch(page)
    with smtplib.SMTP("127.0.0.1", site.service.starttls) as client:
        client.ehlo()
        client.docmd("AUTH", "PLAIN")
    sees(page, "encryption")


def test_a_message_is_followed_to_the_next_hop_and_only_its_sender_sees_whose_it_is(
    open_window: OpenWindow, site: Site
) -> None:
    stranger, member = open_window().page, open_window().page
    site.watch(stranger)
    site.sign_in(member)
    with site.service.signed_in("alice") as client:
        client.send_message(message("alice@example.org"))
    sees(member, "taken it")
    assert "friend@example.net" in member.locator("main").inner_text()
    sees(stranger, "taken it")
    seen = stranger.locator("main").inner_text()
    assert "friend@example.net" not in seen
    assert "alice" not in seen


def test_another_address_is_not_shown(open_window: OpenWindow, site: Site) -> None:
    page = open_window().page
    site.watch(page)
    with (
        socket.create_connection(
            ("127.0.0.1", site.service.implicit), PATIENCE, source_address=("127.0.0.9", 0)
        ) as other,
    ):
        other.sendall(b"GET / HTTP/1.0\r\n\r\n")
        other.recv(100)
    with site.service.client() as client, contextlib.suppress(smtplib.SMTPAuthenticationError):
        client.login("alice", "not the password")
    sees(page, "user name or password wrong")
    assert "HTTP" not in page.locator("main").inner_text()


def test_without_scripts_a_browser_reloads_the_page_by_itself(
    serve: Callable[[Callable[[str], ASGIApp]], Served], tmp_path: Path
) -> None:
    """Playwright leaves the page's own mind about scripts on, so that Chromium is told at its start."""
    asked: list[float] = []

    def note(_address: str, since: float) -> tuple[Story, ...]:
        asked.append(since)
        return ()

    site = serve(lambda url: pages(ScriptedLink(of_address=note), url=url))
    command = [str(CHROMIUM), "--headless", *ARGUMENTS, "--blink-settings=scriptEnabled=false"]
    place = [
        f"--user-data-dir={tmp_path / 'profile'}",
        "--remote-debugging-port=0",
        f"{site.url}/doctor/start",
    ]
    with subprocess.Popen([*command, *place], stderr=subprocess.DEVNULL) as browser:
        until = time.monotonic() + 2 * PATIENCE
        while len(asked) < 3 and time.monotonic() < until:
            time.sleep(0.1)
        browser.terminate()
    assert len(asked) >= 3


def test_what_is_new_is_announced_each_time_and_a_hint_is_nothing_new(
    open_window: OpenWindow,
    serve: Callable[[Callable[[str], ASGIApp]], Served],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "PATIENCE", 1.0)
    seen: list[Story] = []
    site = serve(lambda url: pages(ScriptedLink(of_address=lambda _a, _s: tuple(seen)), url=url))
    page = open_window().page
    page.goto(f"{site.url}/doctor/start")
    state = page.get_by_role("status")
    page.evaluate(NOTE_WHAT_IS_SAID)
    expect(page.get_by_text("Nothing has arrived")).to_be_visible(timeout=SECONDS)
    expect(state).to_have_text("Watching live.", timeout=SECONDS)
    assert "Something new arrived." not in page.evaluate("window.said")
    for number in range(2):
        now = time.time()
        stages = (Stage(now, "connected-tls", {"port": 465}),)
        seen.append(Story("", "127.0.0.1", now, False, "", stages))
        expect(page.locator(".story")).to_have_count(number + 1, timeout=SECONDS)
        page.wait_for_function(
            f"window.said.filter((text) => text === 'Something new arrived.').length === {number + 1}",
            timeout=SECONDS,
        )
        expect(state).to_have_text("Watching live.", timeout=SECONDS)


def test_a_service_that_is_away_for_a_while_is_waited_for(
    open_window: OpenWindow, serve: Callable[[Callable[[str], ASGIApp]], Served]
) -> None:
    site = serve(lambda url: pages(ScriptedLink(of_address=lambda _a, _s: ()), url=url))
    window = open_window()
    page, is_away = window.page, True

    def answer(route: Route) -> None:
        is_page = route.request.resource_type == "document"
        if is_away and not is_page:
            route.fulfill(status=502)
        else:
            route.continue_()

    page.route("**/doctor/*", answer)
    page.goto(f"{site.url}/doctor/start")
    state = page.get_by_role("status")
    expect(state).to_contain_text("was lost; trying again", timeout=SECONDS)
    is_away = False
    expect(state).to_have_text("Watching live.", timeout=SECONDS)
    window.complaints.clear()  # of what was away


def test_signing_out_ends_it(open_window: OpenWindow, site: Site) -> None:
    page = open_window().page
    site.sign_in(page)
    page.goto(f"{site.url}/doctor")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible(timeout=SECONDS)


def test_a_wrong_password_on_the_page_is_told_there(open_window: OpenWindow, site: Site) -> None:
    page = open_window().page
    page.goto(f"{site.url}/sign-in")
    page.get_by_label("User name").fill("alice")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("is wrong", timeout=SECONDS)
    assert not page.get_by_label("Password").input_value()
