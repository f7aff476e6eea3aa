"""A site as examples have it, and the pages of one in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
from starlette.applications import Starlette

from sams.activity.explaining.stages import Story
from sams.config.offered import MailServer
from sams.control.messages import PagesSignedIn, Stories
from sams.web.application import make_application
from sams.web.site import Brand, NamedLink, Site

HOST = "smtp-auth.example.ac.uk"
SITE = Site(
    server_name=HOST,
    version="0",
    url=f"https://{HOST}",
    domains=("example.ac.uk",),
    outgoing=(MailServer("smtp", HOST, 465, "implicit"), MailServer("smtp", HOST, 587, "starttls")),
    incoming=(MailServer("imap", "imap.example.ac.uk", 993, "implicit"),),
    brand=Brand(
        "University of Example",
        "Example",
        "UOE account",
        help_mail="help@example.ac.uk",
        help_phone="+44 117 496 0000",
        help_url="https://www.example.ac.uk/it-help",
        links=(NamedLink("Privacy", "https://www.example.ac.uk/privacy"),),
    ),
    data_dir="/nowhere",
)


@dataclass(slots=True)
class ScriptedLink:
    """A service that says what a test wants. passwords: by login. of_address, of_member: stories."""

    passwords: dict[str, str] = field(default_factory=lambda: {"alice": "correct horse"})
    of_address: Callable[[str, float], tuple[Story, ...]] = lambda _address, _since: ()
    of_member: Callable[[str, float], tuple[Story, ...]] = lambda _login, _since: ()
    tickets: dict[str, str] = field(default_factory=dict)
    failure: Exception | None = None

    async def sign_in(self, login: str, password: str, address: str) -> PagesSignedIn:
        """A ticket, or 535."""
        del address
        self._fail()
        if self.passwords.get(login) != password:
            return PagesSignedIn(why="password", text="5.7.8 Wrong user name or password")
        ticket = f"ticket-{len(self.tickets)}-of-{login}"
        self.tickets[ticket] = login
        return PagesSignedIn(ticket, login, until=4_102_444_800.0)

    async def sign_out(self, ticket: str) -> None:
        """Forget it."""
        self._fail()
        self.tickets.pop(ticket, None)

    async def stories_of_address(self, address: str, since: float) -> Stories:
        """As the test says."""
        self._fail()
        return Stories(self.of_address(address, since))

    async def stories_of_member(self, ticket: str, since: float) -> Stories:
        """As the test says, for a ticket that is known."""
        self._fail()
        login = self.tickets.get(ticket)
        return Stories(known=False) if login is None else Stories(self.of_member(login, since))

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


def pages(link: ScriptedLink | None = None, **changes: object) -> Starlette:
    """The application of the example site, changed in some values."""
    return make_application(msgspec.structs.replace(SITE, **changes), link or ScriptedLink())
