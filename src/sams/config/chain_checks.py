"""What must hold between the sources of accounts, and between them and the listeners."""

from __future__ import annotations

from sams.config.findings import Findings
from sams.config.listeners import Listener
from sams.config.positions import KeyPath
from sams.config.sources import AccountSource, BuiltinSource, DirectorySection


def check_chain(
    sources: tuple[AccountSource, ...], listeners: tuple[Listener, ...], findings: Findings
) -> None:
    """All checks of this file."""
    names = [source.id for source in sources]
    for at, source in enumerate(sources):
        path: KeyPath = ("accounts", "source", at)
        if source.id in names[:at]:
            first = names.index(source.id) + 1
            text = f'source[{first}] is called "{source.id}" too; give one of them another name'
            findings.problem((*path, "name"), text)
        if isinstance(source, DirectorySection):
            _check_directory(source, path, findings)
    if sum(isinstance(source, BuiltinSource) for source in sources) > 1:
        at = [isinstance(source, BuiltinSource) for source in sources].index(True)
        findings.problem(("accounts", "source", at, "type"), "there is one set of built-in accounts only")
    for at, listener in enumerate(listeners):
        _check_listener(listener, sources, ("listener", at), findings)


def _check_directory(source: DirectorySection, path: KeyPath, findings: Findings) -> None:
    for template in source.addresses:
        rest = template.replace("{user}", "").replace("{domain}", "")
        if "{" in rest or "}" in rest or "@" not in template:
            text = f'"{template}" is no pattern of an address: write {{user}} and {{domain}} in it, and an @'
            findings.problem((*path, "addresses"), text)
    if source.grace and source.grace < source.cache:
        text = "shorter than cache: while it is down, who signed in lately is let in for cache and grace together"
        findings.warning((*path, "grace"), text)


def _check_listener(
    listener: Listener, sources: tuple[AccountSource, ...], path: KeyPath, findings: Findings
) -> None:
    names = [source.id for source in sources]
    for name in listener.sources:
        if name not in names:
            text = f'there is no source of accounts "{name}"; there are {", ".join(names)}'
            findings.problem((*path, "sources"), text)
    if listener.members == "devices":
        here = [one for one in sources if not listener.sources or one.id in listener.sources]
        if not any(isinstance(one, BuiltinSource) for one in here):
            text = (
                'devices are built-in accounts: a source of type "builtin" has to be asked at this listener'
            )
            findings.problem((*path, "members"), text)
