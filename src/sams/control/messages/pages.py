"""What the web process may ask: who someone is, and what happened to their connections. Nothing else.

What it is told is what the visitor may see, cut to that by the service: a web process that was taken over learns no
more of a member than one who has the member's password.
"""

from __future__ import annotations

from sams.activity.explaining.stages import Story
from sams.control.messages.base import OneAnswer, OneRequest, WithPassword


class PagesSignIn(WithPassword, frozen=True, tag="pages.sign-in", kw_only=True):
    """Check a password as a sign-in of mail from this address is checked, and remember the member under a ticket.

    address: the visitor's, as text.
    """

    address: str


class WithTicket(OneRequest, frozen=True):
    """A request whose text form never shows the ticket."""

    ticket: str

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return []


class PagesSignedIn(OneAnswer, frozen=True, tag="pages.signed-in"):
    """The outcome of a sign-in.

    ticket: for further questions; a secret. Empty: not signed in, and `why` says as what it was refused
        (`password`, `app-password` where no other is taken, `suspended`, `locked`, `unavailable`).
    login: the member's, prepared. text: what a mail program would be told. until: UNIX seconds when the ticket ends.
    """

    ticket: str = ""
    login: str = ""
    why: str = ""
    text: str = ""
    until: float = 0.0

    def __repr__(self) -> str:
        return f"PagesSignedIn(login={self.login!r}, why={self.why!r}, text={self.text!r}, …)"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("login", self.login), ("why", self.why), ("text", self.text)]


class PagesSignOut(WithTicket, frozen=True, tag="pages.sign-out"):
    """Forget a ticket."""


class StoriesOfAddress(OneRequest, frozen=True, tag="pages.stories-of-address"):
    """What happened to connections from an address since a time (UNIX seconds), without what is private."""

    address: str
    since: float


class StoriesOfMember(WithTicket, frozen=True, tag="pages.stories-of-member"):
    """What happened to the connections and messages of a ticket's member since a time (UNIX seconds)."""

    since: float


class Stories(OneAnswer, frozen=True, tag="pages.stories"):
    """Stories, the latest first, at most `MAX_STORIES`. known: False: the ticket is none, or its time is over."""

    stories: tuple[Story, ...] = ()
    known: bool = True


MAX_STORIES = 20
"""The most that one answer holds."""
