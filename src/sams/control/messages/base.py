"""What all messages have in common, and the answers that many requests have."""

from __future__ import annotations

import enum

import msgspec

MAX_PAGE = 500
"""The most that one page of a list holds, whatever was asked for."""


class Role(enum.Enum):
    """What a caller may do; ADMIN may do everything.

    PAGES is the web process's: it may ask what visitors may see, and does not read what READ does.
    """

    READ = "read"
    QUEUE = "queue"
    ACCOUNTS = "accounts"
    ADMIN = "admin"
    PAGES = "pages"


class Trouble(enum.Enum):
    """Why a request was not carried out."""

    VERSION = "version"
    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    FORBIDDEN = "forbidden"
    BUSY = "busy"
    REFUSED = "refused"
    BUG = "bug"


class OneRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """One request; the subclass's tag is its type on the wire. A field that is not known is a mistake."""


class OneAnswer(msgspec.Struct, frozen=True, tag_field="type"):
    """One answer. A service of the next version may say more, and who does not know it passes over it."""


class WithPassword(OneRequest, frozen=True):
    """A request whose text form never shows the password."""

    login: str
    password: str

    def __repr__(self) -> str:
        return f"{type(self).__name__}(login={self.login!r}, password=…)"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("login", self.login)]


class Changed(OneAnswer, frozen=True, tag="changed"):
    """How many messages, sessions or locks a request changed."""

    count: int


class Done(OneAnswer, frozen=True, tag="done"):
    """It was done."""


class Failure(OneAnswer, frozen=True, tag="failure"):
    """It was not done; the text is for the person who asked."""

    trouble: Trouble
    text: str
