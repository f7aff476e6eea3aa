"""The pages: whether they answer, and whether their user can ask the service."""

from __future__ import annotations

import contextlib
import http.client
import os
import ssl
from collections.abc import Iterator
from pathlib import Path

from sams.cli.doctor.finding import Finding, fail, ok
from sams.config.model import Config
from sams.config.web import Web
from sams.control import sockets
from sams.control.client import ControlClient
from sams.control.messages import Done, PagesSignOut
from sams.core.errors import OperatorError
from sams.service.privileges import acting_as, service_user

_SECONDS = 10.0
_LOG = "see the service's log: it says why its web process ends"


def check(config: Config, *, running: bool) -> Iterator[Finding]:
    """Where there are pages, and the service runs."""
    if config.web is None or not running:
        return
    yield check_answers(config.web)
    if config.web.user and os.geteuid() == 0:
        yield check_user(config.web.user, config.server.data_dir)


def check_answers(web: Web, seconds: float = _SECONDS) -> Finding:
    """Whether the front page comes, within so many seconds."""
    subject = _subject(web)
    try:
        status = _front_page(web, seconds)
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        what = f"the service runs, but no page comes: {why}"
        return fail(subject, what, _LOG)
    if status != http.HTTPStatus.OK:
        return fail(subject, f"the front page is answered with {status}", _LOG)
    return ok(subject, "the front page comes; that others reach it is up to proxies and firewalls on the way")


def check_user(name: str, data_dir: Path) -> Finding:
    """Whether the user of the pages can ask the service; as root."""
    subject = f"user of the pages ({name})"
    path = sockets.service_path(data_dir)
    try:
        user = service_user(name, "[web] user")
        assert user is not None, "root becomes whoever is named"
        with acting_as(user), ControlClient(path, _SECONDS) as client:
            client.ask(PagesSignOut(""), Done)
    except OperatorError as error:
        what = f"cannot ask the service, so that nobody can sign in to the doctor: {error}"
        return fail(
            subject, what, f"let it pass the folders above {path}: chmod o+x; then restart the service"
        )
    return ok(subject, "can ask the service who a visitor is, and nothing else")


def _front_page(web: Web, seconds: float) -> int:
    host = {"::": "::1", "0.0.0.0": "127.0.0.1"}.get(web.address, web.address)  # noqa: S104 - compared, never bound
    if web.security == "tls":
        context = ssl.create_default_context()  # `certificate.py` looks at the certificate
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        client: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, web.port, timeout=seconds, context=context
        )
    else:
        client = http.client.HTTPConnection(host, web.port, timeout=seconds)
    with contextlib.closing(client):
        client.request("GET", "/")
        return client.getresponse().status


def _subject(web: Web) -> str:
    return f"pages (port {web.port}, {'HTTPS' if web.security == 'tls' else 'plain HTTP'})"
