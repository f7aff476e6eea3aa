"""A web service of the organisation's own: it is posted a login and a password as JSON, and answers in JSON.

docs/admin/sources.md tells those who write such a service what it is sent and what it may answer.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sams.config.sources import HttpSource
from sams.core.errors import OperatorError
from sams.identity.account_sources import Finding
from sams.identity.logins import Login
from sams.identity.sources.interface import Answer, Member, down
from sams.identity.sources.strict_json import read_object
from sams.identity.sources.web import WebAnswer, WebClient

_Address = Annotated[str, Meta(max_length=320)]
_Addresses = Annotated[tuple[_Address, ...], Meta(max_length=1_000)]
_Limit = Annotated[int, Meta(ge=0, le=1_000_000_000)]
_FINDINGS = {"right": Finding.RIGHT, "wrong": Finding.WRONG, "unknown": Finding.UNKNOWN}
_STATUS_ADVICE = {
    401: "it does not take the token of token_file: give it one that it knows",
    403: "the token of token_file may not ask this: let the service allow it",
    404: "there is nothing at this path: correct url",
    405: "there is nothing that takes POST at this path: correct url",
}


class _Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An answer, as docs/admin/sources.md describes it."""

    result: Literal["right", "wrong", "unknown"]
    login: Annotated[str, Meta(min_length=1, max_length=254)] | None = None
    addresses: _Addresses | None = None
    may_send_as: _Addresses | None = None
    suspended: Annotated[str, Meta(max_length=1_000)] | bool | None = None
    recipients_per_hour: _Limit | None = None
    recipients_per_day: _Limit | None = None


class HttpDirectory:
    """The source `http` (`Directory`). token: sent as `Authorization: Bearer`; None: none.

    Raises:
        OperatorError: a file cannot be used.
    """

    def __init__(self, section: HttpSource, token: str | None = None) -> None:
        self.can_find = section.can_find
        self._url = section.url
        self._headers = {"Content-Type": "application/json", **_authorisation(section, token)}
        self._web = WebClient(section.ca_file, timeout=section.timeout, connections=section.connections)

    async def verify(self, login: Login, password: str, address: str) -> Answer:
        """Post the password."""
        said = await self._ask({**_who(login), "password": password, "client": address})
        finding = _FINDINGS[said.result]
        return Answer(finding, _member(said, login) if finding is Finding.RIGHT else None)

    async def find(self, login: Login) -> Member | None:
        """Post the login alone."""
        said = await self._ask({**_who(login), "find": True})
        if said.result == "wrong":
            raise down(f'{self._url}: it says "wrong" where no password was sent: correct the service')
        return _member(said, login) if said.result == "right" else None

    async def close(self) -> None:
        """Let go of connections."""
        await self._web.close()

    async def _ask(self, question: dict[str, object]) -> _Said:
        answer = await self._web.post(self._url, json.dumps(question).encode(), self._headers)
        if answer.status != 200:
            raise down(f"{self._url}: status {answer.status}: {_advice(answer.status)}")
        return self._read(answer)

    def _read(self, answer: WebAnswer) -> _Said:
        try:
            return msgspec.convert(read_object(answer.body), _Said)
        except ValueError as error:  # of msgspec, it names the field and what was expected, and no value
            raise down(f"{self._url}: its answer is not as agreed ({error}): correct the service") from None


def _authorisation(section: HttpSource, token: str | None) -> dict[str, str]:
    if token is None:
        return {}
    if not token.isascii() or not token.isprintable() or " " in token:
        raise OperatorError(
            f"{section.token_file}: a token is of ASCII letters, digits and signs, without spaces"
        )
    return {"Authorization": f"Bearer {token}"}


def _advice(status: int) -> str:
    if status in _STATUS_ADVICE:
        return _STATUS_ADVICE[status]
    if 300 <= status < 400:
        return "it sends elsewhere, and passwords are sent nowhere but to url: correct url"
    return "it has to answer 200 to every login and password; see its own log"


def _who(login: Login) -> dict[str, object]:
    return {"login": login.bare, "user": login.user, "domain": login.domain, "address": login.address}


def _member(said: _Said, login: Login) -> Member:
    suspended = said.suspended
    if isinstance(suspended, bool):
        suspended = "" if suspended else None
    return Member(
        said.login or login.bare,
        said.addresses or (),
        said.may_send_as or (),
        suspended,
        said.recipients_per_hour,
        said.recipients_per_day,
    )
