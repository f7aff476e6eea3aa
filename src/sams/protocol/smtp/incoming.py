"""The message that comes in, whichever command brings it."""

from __future__ import annotations

from dataclasses import dataclass

from sams.core.reply import Reply
from sams.protocol.smtp.content import ContentScanner, DotReader
from sams.protocol.smtp.settings import ServerSettings


@dataclass(slots=True)
class Chunk:
    """A BDAT command: its octets, how many are still to come, and whether it is the last of its message."""

    size: int
    last: bool
    left: int


class Incoming:
    """One message, from the positive answer to BodyStart to its verdict."""

    __slots__ = ("_dots", "_scanner", "_seen", "_settings", "refusal")

    def __init__(self, settings: ServerSettings, *, binary: bool) -> None:
        self._settings = settings
        self._scanner = ContentScanner(settings, binary=binary)
        self._dots = DotReader()
        self._seen = 0
        self.refusal: Reply | None = None
        """Set by the session; comes before what is found here."""

    @property
    def size(self) -> int:
        """Octets that were passed on."""
        return self._scanner.size

    @property
    def verdict(self) -> Reply | None:
        """Why the message is refused, as far as it is known."""
        return self.refusal or self._scanner.flaw

    @property
    def is_flood(self) -> bool:
        """Whether the peer goes on and on although the message is lost long since."""
        return self._seen > self._settings.message_size + self._settings.discard

    def expect(self, octets: int) -> None:
        """A BDAT declares what will come: what would be too large is refused before it does."""
        self._scanner.expect(octets)

    def dotted(self, data: bytes) -> tuple[bytes, int]:
        """Octets of DATA: the content to be stored, and how many octets stand behind the end, or -1."""
        content, behind = self._dots.feed(data)
        return self.plain(content), behind

    def plain(self, data: bytes) -> bytes:
        """Octets of a chunk: the content to be stored."""
        self._seen += len(data)
        return b"" if self.refusal else self._scanner.feed(data)

    def finish(self) -> bytes:
        """The end: the content to be stored besides."""
        return self._scanner.finish()
