"""Chromium of Debian, and pages for it to look at."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from starlette.types import ASGIApp

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--ignore-certificate-errors",
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for a module, and no longer: its loop runs all the while, and other tests need one of their own."""
    if not CHROMIUM.exists():
        pytest.skip("Chromium is missing: make system")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


class Window:
    """A browser window that fails a test for each word on its console and each page error."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(text)


OpenWindow = Callable[..., Window]


@pytest.fixture
def open_window(chromium: Browser) -> Iterator[OpenWindow]:
    """Opens windows. width, dark, scripts: as the visitor has it."""
    contexts: list[BrowserContext] = []

    def open_one(*, width: int = 1100, dark: bool = False, scripts: bool = True, **how: object) -> Window:
        context = chromium.new_context(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
            ignore_https_errors=True,
            **how,  # type: ignore[arg-type]  # as Playwright has them
        )
        contexts.append(context)
        return Window(context)

    yield open_one
    for context in contexts:
        context.close()


class Served:
    """An application on loopback, over plain HTTP: a browser takes 127.0.0.1 for safe. url: without a slash."""

    def __init__(self, make: Callable[[str], ASGIApp]) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            make(self.url), log_level="error", lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))

    def close(self) -> None:
        """End it."""
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Callable[[str], ASGIApp]], Served]]:
    """Serves applications until the tests of this process are over."""
    open_ones: list[Served] = []

    def serve_one(make: Callable[[str], ASGIApp]) -> Served:
        open_ones.append(Served(make))
        return open_ones[-1]

    yield serve_one
    for one in open_ones:
        one.close()
