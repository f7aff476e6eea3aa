"""Who looks at a page: from where, with which system, in which language."""

from __future__ import annotations

import enum

import msgspec
from starlette.requests import Request

from sams.core.ip_addresses import counted_network, parse_ip

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
        return counted_network(self.address)


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
    return str(parse_ip(host) or host)
