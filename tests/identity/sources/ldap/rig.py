"""The members of the LDAP tests, and a directory that asks about them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import uvloop

from sams.config.sources import LdapSource
from sams.identity.logins import Login, LoginForms, map_login
from sams.identity.sources.ldap.directory import LdapDirectory
from tests.support.slapd_server import SERVICE, SERVICE_PASSWORD, SUFFIX, Slapd

PEOPLE, AD, GROUPS = f"ou=people,{SUFFIX}", f"ou=ad,{SUFFIX}", f"ou=groups,{SUFFIX}"
WORD = "correct horse"
NOW = 1_770_000_000
_FORMS = LoginForms(("example.org",))
_T = TypeVar("_T")


def person(uid: str, *lines: str) -> str:
    classes = "objectClass: inetOrgPerson\nobjectClass: shadowAccount\nobjectClass: extended\n"
    fixed = f"uid: {uid}\ncn: {uid}\nsn: {uid}\nuserPassword: {WORD}\n"
    return f"\ndn: uid={uid},{PEOPLE}\n{classes}{fixed}" + "".join(f"{line}\n" for line in lines)


def user(name: str, *lines: str) -> str:
    fixed = f"cn: {name}\nsAMAccountName: {name}\nobjectCategory: person\nuserPassword: {WORD}\n"
    flags = (
        "" if any(line.startswith("userAccountControl") for line in lines) else "userAccountControl: 512\n"
    )
    return f"\ndn: cn={name},{AD}\nobjectClass: user\n{fixed}{flags}" + "".join(f"{line}\n" for line in lines)


def group(name: str, *lines: str, kind: str = "groupOfNames") -> str:
    return f"\ndn: cn={name},{GROUPS}\nobjectClass: {kind}\ncn: {name}\n" + "".join(
        f"{line}\n" for line in lines
    )


def login(typed: str) -> Login:
    return _FORMS.parse(map_login(typed))


def section(server: Slapd | None = None, **keys: Any) -> LdapSource:
    fixed: dict[str, Any] = {"base": PEOPLE, "timeout": 10.0}
    if server is not None:
        fixed |= {"servers": (server.clear,), "ca_file": server.ca_file, "bind_dn": SERVICE}
    return LdapSource(**(fixed | keys))


@asynccontextmanager
async def asking(server: Slapd | None = None, **keys: Any) -> AsyncIterator[LdapDirectory]:
    made = section(server, **keys)
    directory = LdapDirectory(made, SERVICE_PASSWORD if made.bind_dn else "", FixedClock())
    try:
        yield directory
    finally:
        await directory.close()


def run(
    main: Coroutine[Any, Any, _T], loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
) -> _T:
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main)


class FixedClock:
    """The wall clock stands; the other one goes."""

    def __init__(self) -> None:
        self.later = 0.0

    def now(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return time.monotonic() + self.later
