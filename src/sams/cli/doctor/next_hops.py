"""The next hops: can each be reached, does it offer what we need, is it content with our TLS and password."""

from __future__ import annotations

import contextlib
import os
import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sams.cli.doctor.finding import Finding, fail, ok, warn
from sams.cli.render import size
from sams.config.model import Config, Route
from sams.config.places import HostPort
from sams.config.secret_files import read_secret
from sams.core.errors import OperatorError
from sams.core.text import visible

SECONDS = 10.0


def check(config: Config, timeout: float = SECONDS) -> Iterator[Finding]:
    """Every host of every smarthost, and every Maildir."""
    for route in config.routes:
        if route.type == "maildir" and route.path is not None:
            yield check_maildir(route.path)
        for host in route.hosts:
            yield from _Visit(config, route, host, timeout).findings()


def check_maildir(path: Path) -> Finding:
    """Whether mail can be put there."""
    subject = f"Maildir {path}"
    folder = path
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        return warn(
            subject, f"{folder} may not be written to by this user", "let the service's user write there"
        )
    return ok(subject, "can be written to by this user")


@dataclass(frozen=True, slots=True)
class _Visit:
    """One connection to one host, as the delivery would make it, up to the sign-in."""

    config: Config
    route: Route
    host: HostPort
    timeout: float

    @property
    def subject(self) -> str:
        return f"next hop {self.host}"

    def findings(self) -> Iterator[Finding]:
        try:
            client = self._connect()
        except ssl.SSLError as error:
            yield fail(self.subject, f"TLS fails: {_reason(error)}", self._tls_advice())
            return
        except (OSError, smtplib.SMTPException) as error:
            what = f"cannot be reached: {_reason(error)}; mail waits here"
            yield fail(self.subject, what, "look at [[route]] hosts, DNS, and firewalls towards it")
            return
        try:
            yield from self._talk(client)
        except (OSError, smtplib.SMTPException) as error:
            what = f"broke off: {_reason(error)}"
            yield fail(self.subject, what, "see the log of that server")
        else:
            _take_leave(client)
        finally:
            client.close()

    def _connect(self) -> smtplib.SMTP:
        host, port, name = self.host.host, self.host.port, self.config.server.name
        source = (self.route.source_address, 0) if self.route.source_address else None
        if self.route.security == "implicit":
            context = self._context(verify=True)
            return smtplib.SMTP_SSL(
                host, port, name, timeout=self.timeout, source_address=source, context=context
            )
        return smtplib.SMTP(host, port, name, self.timeout, source)

    def _talk(self, client: smtplib.SMTP) -> Iterator[Finding]:
        code, text = client.ehlo()
        if code != 250:
            what = f"refuses EHLO: {code} {visible(text)}"
            yield fail(self.subject, what, "ask its administrator to let this server relay through it")
            return
        if self.route.security in {"opportunistic", "required", "verified"}:
            yield self._start_tls(client)
        elif self.route.security == "none":
            yield warn(self.subject, "mail goes to it in clear", 'set security = "verified" where it has TLS')
        else:
            yield ok(self.subject, "TLS from the start, verified")
        if client.sock is None:
            return
        yield from self._check_offers(client)
        if self.route.username:
            yield self._sign_in(client)

    def _start_tls(self, client: smtplib.SMTP) -> Finding:
        needed = self.route.security != "opportunistic"
        if not client.has_extn("starttls"):
            what = "offers no STARTTLS"
            if needed:
                client.close()
                return fail(self.subject, f"{what}: nothing is sent to it", self._tls_advice())
            return warn(self.subject, f"{what}: mail goes to it in clear", "ask its administrator for TLS")
        verify = self.route.security == "verified"
        try:
            client.starttls(context=self._context(verify=verify))
            client.ehlo()
        except ssl.SSLError as error:
            client.close()
            return fail(self.subject, f"TLS fails: {_reason(error)}", self._tls_advice())
        return ok(self.subject, "STARTTLS works" + (", certificate verified" if verify else ""))

    def _check_offers(self, client: smtplib.SMTP) -> Iterator[Finding]:
        ours, theirs = self.config.limits.message_size, client.esmtp_features.get("size", "")
        limit = int(theirs) if theirs.isascii() and theirs.isdigit() and len(theirs) < 20 else 0
        if 0 < limit < ours:
            what = (
                f"takes messages up to {size(limit)}, we up to {size(ours)}: larger ones come back as reports"
            )
            yield warn(
                self.subject, what, f"set [limits] message_size to {limit} or less, or raise the hub's"
            )
        else:
            yield ok(self.subject, f"reachable; takes messages up to {size(limit) if limit else 'any size'}")
        missing = [name for name in ("8bitmime", "dsn", "pipelining") if not client.has_extn(name)]
        if missing:
            what = f"does not offer {', '.join(name.upper() for name in missing)}: mail still goes, with more work"
            yield ok(self.subject, what)

    def _sign_in(self, client: smtplib.SMTP) -> Finding:
        if not isinstance(client.sock, ssl.SSLSocket) or self.route.password_file is None:
            what = "no password is sent without verified TLS"
            return fail(self.subject, what, 'set security = "verified" and password_file')
        try:
            client.login(self.route.username, read_secret(self.route.password_file))
        except OperatorError as error:
            return fail(self.subject, str(error), "see [[route]] password_file")
        except smtplib.SMTPException as error:
            what = f"refuses our user name and password: {_reason(error)}"
            return fail(self.subject, what, "see [[route]] username and password_file")
        return ok(self.subject, f"signed in as {self.route.username}")

    def _context(self, *, verify: bool) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.route.ca_file) if self.route.ca_file else None)
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _tls_advice(self) -> str:
        return (
            f"ask its administrator for a certificate for {self.host.host}, name its authority in ca_file, or choose "
            f'another security than "{self.route.security}"'
        )


def _take_leave(client: smtplib.SMTP) -> None:
    """A connection that is lost stands in the hop's log as a trouble."""
    if client.sock is not None:
        with contextlib.suppress(OSError, smtplib.SMTPException):
            client.quit()


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return visible(error.verify_message)
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return f"{error.smtp_code} {visible(text, 200)}"
    strerror = getattr(error, "strerror", None)
    return visible(str(strerror or error), 200) or type(error).__name__
