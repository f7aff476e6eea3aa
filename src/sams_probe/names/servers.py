"""Which resolvers the system asks: `/etc/resolv.conf`, on Windows the registry."""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
from pathlib import Path
from typing import Any

from sams_probe.options import DnsServer, is_address

MOST = 3
"""As the system's own resolver: no more than three."""
_RESOLV = Path("/etc/resolv.conf")
_LONGEST = 65_536
_INTERFACES = r"SYSTEM\CurrentControlSet\Services\{}\Parameters\Interfaces"


def system_servers() -> tuple[DnsServer, ...]:
    """The first three; none where the system does not tell."""
    if sys.platform == "win32":
        return _of_registry()
    try:
        with _RESOLV.open(encoding="utf-8", errors="replace") as file:
            return read_resolv(file.read(_LONGEST))
    except OSError:
        return ()


def read_resolv(text: str) -> tuple[DnsServer, ...]:
    """The `nameserver` lines of resolv.conf(5)."""
    words = (line.split() for line in text.split("\n"))
    named = [pair[1] for pair in words if len(pair) >= 2 and pair[0] == "nameserver"]
    return chosen(named)


def chosen(named: list[str]) -> tuple[DnsServer, ...]:
    """Those that are addresses, each once, the first three."""
    return tuple(DnsServer(one) for one in dict.fromkeys(named) if is_address(one))[:MOST]


def _of_registry() -> tuple[DnsServer, ...]:
    """What was set by hand or by DHCP, of each interface; one that is down has none that answers."""
    named: list[str] = []
    for protocol in ("Tcpip", "Tcpip6"):
        with contextlib.suppress(OSError):
            named += _of_interfaces(_INTERFACES.format(protocol))
    return chosen(named)


def _of_interfaces(path: str) -> list[str]:
    winreg: Any = importlib.import_module("winreg")  # it is there on Windows alone
    named: list[str] = []
    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as folder:
        for number in range(winreg.QueryInfoKey(folder)[0]):
            with winreg.OpenKey(folder, winreg.EnumKey(folder, number)) as interface:
                for value in ("NameServer", "DhcpNameServer"):
                    with contextlib.suppress(OSError):
                        named += re.split(r"[,\s]+", str(winreg.QueryValueEx(interface, value)[0]))
    return named
