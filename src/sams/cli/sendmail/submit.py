"""Hand a message to the service as a member does: TLS with the name verified, a password, MAIL, RCPT, DATA."""

from __future__ import annotations

import smtplib
import socket
import ssl

from sams.cli.sendmail.arguments import Arguments
from sams.cli.sendmail.failure import SendmailError, SysExit
from sams.cli.sendmail.message import Outgoing
from sams.cli.sendmail.settings import Settings
from sams.config.secret_files import read_secret
from sams.core.errors import OperatorError
from sams.core.text import visible

SECONDS = 120.0


class _Starttls(smtplib.SMTP):
    """Connects to `address`, while the certificate is checked for the name that it was made with."""

    def __init__(self, settings: Settings) -> None:
        self._address = settings.address
        super().__init__(settings.name, settings.port, socket.gethostname(), timeout=SECONDS)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        del host
        return socket.create_connection((self._address, port), timeout)


class _Implicit(smtplib.SMTP_SSL):
    """The same, with TLS from the first octet."""

    def __init__(self, settings: Settings, context: ssl.SSLContext) -> None:
        self._address = settings.address
        super().__init__(settings.name, settings.port, socket.gethostname(), timeout=SECONDS, context=context)

    def _get_socket(self, host: str, port: int, timeout: float) -> ssl.SSLSocket:
        connection = socket.create_connection((self._address, port), timeout)
        return self.context.wrap_socket(connection, server_hostname=host)


def submit(outgoing: Outgoing, arguments: Arguments, settings: Settings) -> None:
    """Submit it.

    Raises:
        SendmailError: with the code that says whether trying again may help.
    """
    try:
        password = read_secret(settings.password_file)
    except OperatorError as error:
        raise SendmailError(SysExit.CONFIG, str(error)) from None
    try:
        with _connected(settings) as client:
            client.login(settings.login, password)
            refused = _send(client, outgoing, arguments)
    except smtplib.SMTPAuthenticationError as error:
        text = f"{_answer(error)}: see `login` and `password_file`"
        raise SendmailError(_code(error.smtp_code, SysExit.NOPERM), text) from None
    except smtplib.SMTPRecipientsRefused as error:
        raise _refused(error.recipients) from None
    except smtplib.SMTPResponseException as error:
        raise SendmailError(_code(error.smtp_code, SysExit.UNAVAILABLE), _answer(error)) from None
    except ssl.SSLCertVerificationError as error:
        text = f"the certificate is not for {settings.name} or not trusted: {error.verify_message}"
        raise SendmailError(SysExit.CONFIG, f"{text}: see `name` and `ca_file`") from None
    except smtplib.SMTPNotSupportedError as error:
        raise SendmailError(SysExit.PROTOCOL, f"the service lacks what this message needs: {error}") from None
    except (OSError, smtplib.SMTPException) as error:
        said = visible(getattr(error, "strerror", None) or str(error), 300)
        text = f"{settings.address} port {settings.port}: {said}: is the service running?"
        raise SendmailError(SysExit.TEMPFAIL, text) from None
    if refused:
        raise _refused(refused)


def _connected(settings: Settings) -> smtplib.SMTP:
    context = ssl.create_default_context(cafile=str(settings.ca_file) if settings.ca_file else None)
    if settings.security == "implicit":
        return _Implicit(settings, context)
    client = _Starttls(settings)
    try:
        client.starttls(context=context)
    except BaseException:
        client.close()
        raise
    return client


def _send(client: smtplib.SMTP, outgoing: Outgoing, arguments: Arguments) -> dict[str, tuple[int, bytes]]:
    """Who was refused while others were taken."""
    mail_options = ["BODY=8BITMIME"] if not outgoing.content.isascii() else []
    if outgoing.needs_smtputf8:
        mail_options.append("SMTPUTF8")
    if arguments.ret:
        mail_options.append(f"RET={arguments.ret}")
    if arguments.envid:
        mail_options.append(f"ENVID={_xtext(arguments.envid)}")
    return client.sendmail(
        "" if outgoing.sender is None else str(outgoing.sender),
        [str(mailbox) for mailbox in outgoing.recipients],
        outgoing.content,
        mail_options,
        [f"NOTIFY={arguments.notify}"] if arguments.notify else [],
    )


def _xtext(text: str) -> str:
    """RFC 3461 section 4."""
    return "".join(
        chr(octet) if 33 <= octet <= 126 and octet not in b"+=" else f"+{octet:02X}"
        for octet in text.encode()
    )


def _refused(recipients: dict[str, tuple[int, bytes]]) -> SendmailError:
    lines = [f"{visible(who)}: {code} {visible(text, 300)}" for who, (code, text) in recipients.items()]
    worst = max(code for code, _ in recipients.values())
    return SendmailError(_code(worst, SysExit.NOUSER), "not taken: " + "; ".join(lines[:20]))


def _code(reply: int, permanent: SysExit) -> SysExit:
    return permanent if reply >= 500 else SysExit.TEMPFAIL


def _answer(error: smtplib.SMTPResponseException) -> str:
    return f"{error.smtp_code} {visible(error.smtp_error, 500)}"
