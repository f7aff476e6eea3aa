"""What the reply to EHLO offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sams.protocol.smtp.settings import ServerSettings

_BETWEEN = "\r\n250-"


def ehlo_reply(settings: ServerSettings, *, tls: bool) -> bytes:
    """250 with the extensions: AUTH only inside TLS, STARTTLS only outside (RFC 3207, RFC 4954)."""
    lines = [
        settings.name,
        "PIPELINING",
        f"SIZE {settings.message_size}",
        "8BITMIME",
        "ENHANCEDSTATUSCODES",
        "DSN",
        "SMTPUTF8",
        "CHUNKING",
    ]
    if settings.binarymime:
        lines.append("BINARYMIME")
    lines.append(_limits(settings))
    lines.extend(_auth(settings) if tls else ["STARTTLS"] if settings.starttls else [])
    return f"250-{_BETWEEN.join(lines)}\r\n250 HELP\r\n".encode("ascii")


def _auth(settings: ServerSettings) -> list[str]:
    if not settings.mechanisms:
        return []
    mechanisms = " ".join(settings.mechanisms)
    return [f"AUTH {mechanisms}", *([f"AUTH={mechanisms}"] if settings.auth_equals_line else [])]


def _limits(settings: ServerSettings) -> str:
    """RFC 9422 section 4."""
    mailmax = f" MAILMAX={settings.max_transactions}" if settings.max_transactions else ""
    return f"LIMITS RCPTMAX={settings.max_recipients}{mailmax}"
