"""One message on its way in: its envelope as it grows, its header, its body as it is stored."""

from __future__ import annotations

import asyncio

from sams.core.envelope import Body
from sams.core.errors import SamsError
from sams.message.header import Header, HeaderLimits, HeaderReader, take_header
from sams.message.measures import PlainScanner
from sams.message.mime import MimeLimits, Structure, StructureScanner
from sams.message.scanning import CompositeScanner, scanner_for
from sams.protocol.smtp.events import Mail
from sams.spool.interface import BodyWriter, NewRecipient, StoredBody

_BINARY_MIME = Body.BINARY_MIME


class Transaction:
    """From MAIL to the verdict.

    id: the message's, once its body begins. first_recipient: as text, from then on.
    failure: why the content is refused; nothing more of it is kept once it is set.
    header: once it is complete.
    measures: what was measured of the body, once it is complete.
    """

    __slots__ = (
        "_header_limits",
        "_mime_limits",
        "_reader",
        "_scanner",
        "_writer",
        "failure",
        "first_recipient",
        "header",
        "id",
        "mail",
        "measures",
        "recipients",
    )

    def __init__(self, mail: Mail) -> None:
        self.mail = mail
        self.id = self.first_recipient = ""
        self.recipients: list[NewRecipient] = []
        self.failure: SamsError | None = None
        self.header: Header | None = None
        self.measures: Structure | PlainScanner | None = None
        self._reader: HeaderReader | None = None  # where the header comes in pieces
        self._scanner: StructureScanner | CompositeScanner | PlainScanner | None = None  # behind the header
        self._writer: BodyWriter | None = None

    def begin(
        self, message_id: str, writer: BodyWriter, header_limits: HeaderLimits, mime_limits: MimeLimits
    ) -> None:
        """The octets of the message follow; all recipients are known."""
        self.id = message_id
        self.first_recipient = str(self.recipients[0].recipient.mailbox)
        self._writer = writer
        self._header_limits = header_limits
        self._mime_limits = mime_limits

    def feed(self, chunk: bytes) -> SamsError | None:
        """Take a piece; the refusal, when it is this piece that the content is refused for."""
        if self._writer is None:
            return None
        try:
            if self._scanner is None:
                self._take_header(chunk)
            else:
                self._scanner.feed(chunk)
                self._writer.write(chunk)
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
            if self._scanner is None:
                self._end_in_header()
            assert self._scanner is not None
            assert self._writer is not None
            self.measures = self._scanner.finish()
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

    def _take_header(self, chunk: bytes) -> None:
        """Nearly always the first piece holds all of the header: no reader is needed then."""
        if self._reader is None:
            taken = take_header(chunk, self._header_limits)
            if taken is not None:
                self._header_ends(*taken)
                return
            self._reader = HeaderReader(self._header_limits)
        body = self._reader.feed(chunk)
        if body is not None:
            self._header_ends(self._reader.header, body)

    def _end_in_header(self) -> None:
        reader = self._reader or HeaderReader(self._header_limits)
        body = reader.finish()
        self._header_ends(reader.header, body)

    def _header_ends(self, header: Header, body: bytes) -> None:
        self.header = header
        is_binary = self.mail.parameters.body is _BINARY_MIME
        self._scanner = scanner_for(header, self._mime_limits, binary=is_binary)
        if body:
            assert self._writer is not None
            self._scanner.feed(body)
            self._writer.write(body)
