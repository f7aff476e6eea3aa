"""Where programs find the files from which they set themselves up. What is in them is `setup_files`'."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sams.web.setup_files.asked import Refused, SetupFile, asked_address, asked_name
from sams.web.setup_files.autoconfig import autoconfig
from sams.web.setup_files.autodiscover import answer_request, explain_get
from sams.web.setup_files.autodiscover_json import autodiscover_json
from sams.web.setup_files.autodiscover_request import LARGEST
from sams.web.setup_files.mobileconfig import file_name, mobileconfig
from sams.web.setup_files.sts import sts_policy
from sams.web.site import Site

_SHARED = {"cache-control": "public, max-age=600"}
"""For what is the same for everybody."""
_OWN = {"cache-control": "no-store"}
_MOST_FIELDS = 20

Handler = Callable[[Request], Awaitable[Response]]
Clock = Callable[[], dt.datetime]


def routes(site: Site, now: Clock = lambda: dt.datetime.now(dt.UTC)) -> list[Route]:
    """All of them. now: the time in UTC, which stands in Autodiscover's errors."""
    return [*_autoconfig(site), *_autodiscover(site, now), _mobileconfig(site), _sts(site)]


def _autoconfig(site: Site) -> list[Route]:
    async def answer(request: Request) -> Response:
        asked_address(site, request.query_params.get("emailaddress", ""))
        return _response(autoconfig(site), _SHARED)

    paths = (
        "/.well-known/autoconfig/mail/config-v1.1.xml",
        "/mail/config-v1.1.xml",
        "/.well-known/mail-v1.xml",
    )
    return [Route(path, _refusing(answer)) for path in paths]


def _autodiscover(site: Site, now: Clock) -> list[Route]:
    async def answer(request: Request) -> Response:
        if request.method != "POST":
            return _response(explain_get(site, now()), _OWN)
        return _response(answer_request(site, await _body(request), now()), _OWN)

    async def in_json(request: Request) -> Response:
        given = {name.lower(): value for name, value in request.query_params.items()}
        address = request.path_params.get("address", given.get("email", ""))
        found = autodiscover_json(site, address, given.get("protocol", ""))
        return _response(found, _OWN, found.status)

    return [
        _any_case(Route("/autodiscover/autodiscover.xml", _refusing(answer), methods=["GET", "POST"])),
        _any_case(Route("/autodiscover/autodiscover.json", in_json)),
        _any_case(Route("/autodiscover/autodiscover.json/v1.0/{address:path}", in_json)),
    ]


def _mobileconfig(site: Site) -> Route:
    async def answer(request: Request) -> Response:
        fields = await _form(request) if request.method == "POST" else request.query_params
        mailbox = asked_address(site, fields.get("address", ""))
        name, language = asked_name(fields.get("name", "")), fields.get("lang", "")
        found = mobileconfig(site, mailbox, name, language if language in site.languages else "")
        disposition = f'attachment; filename="{file_name(site)}"'
        return _response(found, {**_OWN, "content-disposition": disposition})

    return Route("/mail.mobileconfig", _refusing(answer), methods=["GET", "POST"])


def _sts(site: Site) -> Route:
    async def answer(_: Request) -> Response:
        return _response(sts_policy(site), _SHARED)

    return Route("/.well-known/mta-sts.txt", _refusing(answer))


def _response(file: SetupFile, fields: Mapping[str, str], status: int = 200) -> Response:
    headers = {"x-content-type-options": "nosniff", **fields, "content-type": file.media_type}
    return Response(file.octets, status, headers)


def _refusing(handler: Handler) -> Handler:
    """A refusal becomes a line of text: who reads it opened the file by hand, or looks into a program's log."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except Refused as refused:
            headers = {"x-content-type-options": "nosniff", **_OWN}
            return PlainTextResponse(refused.text + "\n", refused.status, headers)

    return answer


def _any_case(route: Route) -> Route:
    """Outlook asks with capitals, others without."""
    route.path_regex = re.compile(route.path_regex.pattern, re.IGNORECASE)
    return route


async def _body(request: Request) -> bytes:
    """The body; of one that is too large only so much that it is seen to be."""
    body = b""
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > LARGEST:
                break
    except ClientDisconnect:
        raise Refused(400, "The request ended too early.") from None
    return body[: LARGEST + 1]


async def _form(request: Request) -> Mapping[str, str]:
    """The fields of a form as browsers send it. Of a field that stands there twice, the last."""
    body = await _body(request)
    if len(body) > LARGEST:
        raise Refused(413, "The form is too large.")
    try:
        return dict(
            parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
        )
    except ValueError:
        raise Refused(400, "The form cannot be read: send it as application/x-www-form-urlencoded.") from None
