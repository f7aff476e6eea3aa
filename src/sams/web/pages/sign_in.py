"""Signing in to the doctor, so that it may show more: which messages, to whom, and what the next hop said.

The browser holds the ticket in a cookie that no script and no other site can use. A password is asked for only where
visitors come by HTTPS.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sams.core.translatable import translatable
from sams.web.link import Link, ServiceUnreachable
from sams.web.rendering import Renderer
from sams.web.watching import Watching

COOKIE = "__Host-sams"
"""Browsers keep such a name only with Secure, for this host and the whole of it (RFC 6265bis section 4.1.3)."""
LONGEST_LOGIN = 320
LONGEST_PASSWORD = 1_024
_TICKET = re.compile(r"[!#-+\--:<-\[\]-~]{1,200}")
"""What a cookie may hold (RFC 6265 section 4.1.1)."""
_MOST_FIELDS = 5

_REFUSALS = {
    "suspended": translatable("This account is suspended. Please ask the help desk."),
    "locked": translatable(
        "There were too many wrong passwords. Wait some minutes, look that no device still tries the old password, "
        "and try again."
    ),
    "unavailable": translatable("Passwords cannot be checked just now. Please try again in a minute."),
    "app-password": translatable(
        "The user name or the password is wrong. Here an app password is needed, not your usual password: the help "
        "desk gives you one."
    ),
}
_WRONG = translatable(
    "The user name or the password is wrong. Look at capital letters and spaces, and try again."
)


@dataclass(frozen=True, slots=True)
class SignIn:
    """The pages of signing in and out."""

    renderer: Renderer
    link: Link
    watching: Watching

    def routes(self) -> list[Route]:
        """Their addresses."""
        return [
            Route("/sign-in", self.form, methods=["GET"]),
            Route("/sign-in", self.sign_in, methods=["POST"]),
            Route("/sign-out", self.sign_out, methods=["POST"]),
        ]

    async def form(self, request: Request) -> Response:
        """The form."""
        self._check_secure()
        return self._page(request)

    async def sign_in(self, request: Request) -> Response:
        """Check a password; on to the doctor."""
        self._check_secure()
        fields = await read_form(request)
        login, password = fields.get("login", ""), fields.get("password", "")
        if (
            not login
            or not password
            or len(login) > LONGEST_LOGIN
            or len(password.encode()) > LONGEST_PASSWORD
        ):
            return self._page(request, refusal=_WRONG, login=login[:LONGEST_LOGIN], status=403)
        address = self.renderer.visitor(request).address
        try:
            found = await self.link.sign_in(login, password, address)
        except ServiceUnreachable as error:
            return self._page(request, refusal=error.text, login=login, status=503)
        if not found.ticket:
            return self._page(request, refusal=_REFUSALS.get(found.why, _WRONG), login=login, status=403)
        answer = RedirectResponse("/doctor/start", 303)
        answer.set_cookie(COOKIE, found.ticket, secure=True, httponly=True, samesite="strict", path="/")
        return answer

    async def sign_out(self, request: Request) -> Response:
        """Give the ticket back."""
        ticket = ticket_of(request)
        if ticket:
            self.watching.forget(ticket)
            try:
                await self.link.sign_out(ticket)
            except ServiceUnreachable as error:
                return self._page(request, refusal=error.text, status=503)
        answer = RedirectResponse("/doctor", 303)
        answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="strict", path="/")
        return answer

    def _page(self, request: Request, *, refusal: str = "", login: str = "", status: int = 200) -> Response:
        return self.renderer.page(request, "sign_in.html", status=status, refusal=refusal, login=login)

    def _check_secure(self) -> None:
        """No password over clear text."""
        if not self.renderer.site.is_secure:
            raise HTTPException(404)


def ticket_of(request: Request) -> str:
    """The ticket that a browser brings; empty: none that could be one.

    The name is compared octet by octet: browsers guard `__Host-` only where a name begins so, and let another host of
    the domain set one behind a space that is none of ASCII's, which Starlette takes away. Two of one name are none.
    """
    pairs = (
        pair.partition("=")[::2] for field in request.headers.getlist("cookie") for pair in field.split(";")
    )
    found = [value.strip(" \t") for name, value in pairs if name.strip(" \t") == COOKIE]
    return found[0] if len(found) == 1 and _TICKET.fullmatch(found[0]) else ""


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, each once. The gate has looked at its size.

    Raises:
        HTTPException: it is none.
    """
    try:
        text = (await request.body()).decode("ascii")
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        raise HTTPException(400) from None
    return {name: values[0] for name, values in fields.items()}
