"""Who looks at a page: from where, with which system, in which language."""

from __future__ import annotations

import enum
import ipaddress

import msgspec
from starlette.requests import Request

_LONGEST_AGENT = 500


class System(enum.Enum):
    """An operating system, as far as set-up differs by it."""

    WINDOWS = "windows"
    MACOS = "macos"
    IOS = "ios"
    ANDROID = "android"
    LINUX = "linux"
    UNKNOWN = "unknown"


class Visitor(msgspec.Struct, frozen=True):
    """Who looks. address: as text, an IPv4 one never mapped; empty where it is not known. language: of the page."""

    address: str
    system: System
    language: str

    @property
    def network(self) -> str:
        """What limits count by: the address, or the /64 of an IPv6 one."""
        try:
            address = ipaddress.ip_address(self.address)
        except ValueError:
            return self.address
        if address.version == 4:
            return str(address)
        return str(ipaddress.ip_network((address, 64), strict=False))


_MARKS = (
    ("iphone", System.IOS),
    ("ipad", System.IOS),
    ("android", System.ANDROID),
    ("windows", System.WINDOWS),
    ("mac os x", System.MACOS),
    ("macintosh", System.MACOS),
    ("cros", System.LINUX),
    ("linux", System.LINUX),
    ("x11", System.LINUX),
)
"""Words of the User-Agent field, the most telling first: Android says that it is Linux as well."""


def system_of(agent: str) -> System:
    """What a User-Agent field tells of the system. An iPad may say that it is a Mac; the page offers both."""
    lowered = agent[:_LONGEST_AGENT].lower()
    return next((system for mark, system in _MARKS if mark in lowered), System.UNKNOWN)


def address_of(request: Request) -> str:
    """The visitor's address, as the server believes it (`process.py` has looked at proxies)."""
    if request.client is None:
        return ""
    host = request.client.host
    return host.removeprefix("::ffff:") if "." in host else host.partition("%")[0]
