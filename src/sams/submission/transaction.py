"""One message on its way in: its envelope as it grows, its header, its body as it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from sams.core.errors import SamsError
from sams.message.header import Header, HeaderReader
from sams.message.mime import Structure, StructureScanner
from sams.protocol.smtp.events import Mail
from sams.spool.interface import BodyWriter, NewRecipient, StoredBody


@dataclass(slots=True)
class Transaction:
    """From MAIL to the verdict.

    id: the message's, once its body begins.
    failure: why the content is refused; nothing more of it is kept once it is set.
    structure: what the body is made of, once it is complete.
    """

    mail: Mail
    recipients: list[NewRecipient] = field(default_factory=list)
    id: str = ""
    failure: SamsError | None = None
    header: Header | None = None
    structure: Structure | None = None
    _scanner: StructureScanner | None = None
    _reader: HeaderReader | None = None
    _writer: BodyWriter | None = None
    _new_scanner: Callable[[Header], StructureScanner] | None = None

    def begin(
        self,
        message_id: str,
        reader: HeaderReader,
        writer: BodyWriter,
        new_scanner: Callable[[Header], StructureScanner],
    ) -> None:
        """The octets of the message follow."""
        self.id, self._reader, self._writer, self._new_scanner = message_id, reader, writer, new_scanner

    def feed(self, chunk: bytes) -> SamsError | None:
        """Take a piece; the refusal, when it is this piece that the content is refused for."""
        if self.failure is not None:
            return None
        try:
            if self.header is None:
                self._feed_header(chunk)
            else:
                self._feed_body(chunk)
        except SamsError as failure:
            self.failure = failure
            self.discard()
        return self.failure

    def finish(self) -> StoredBody | asyncio.Future[StoredBody]:
        """All octets are here.

        Raises:
            SamsError: the content is refused, or could not be stored.
        """
        if self.failure is not None:
            raise self.failure
        try:
            if self.header is None:
                self._end_in_header()
            assert self._writer is not None
            assert self._scanner is not None
            self.structure = self._scanner.finish()
            return self._writer.finish()
        except SamsError:
            self.discard()
            raise

    def discard(self) -> None:
        """Give up: nothing of the message stays."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.discard()

    def keep(self) -> None:
        """The body belongs to the spool now."""
        self._writer = None

    def congestion(self) -> asyncio.Future[None] | None:
        """Where the disk lags behind: done when more may come."""
        if self._writer is not None and self._writer.is_congested:
            return self._writer.drained()
        return None

    def _feed_header(self, chunk: bytes) -> None:
        assert self._reader is not None
        body = self._reader.feed(chunk)
        if body is not None:
            self._header_ends(body)

    def _end_in_header(self) -> None:
        assert self._reader is not None
        self._header_ends(self._reader.finish())

    def _header_ends(self, body: bytes) -> None:
        assert self._reader is not None
        assert self._new_scanner is not None
        self.header = self._reader.header
        self._scanner = self._new_scanner(self.header)
        self._reader = None
        if body:
            self._feed_body(body)

    def _feed_body(self, chunk: bytes) -> None:
        if self._writer is not None:
            assert self._scanner is not None
            self._scanner.feed(chunk)
            self._writer.write(chunk)
