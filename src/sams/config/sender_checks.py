"""What must hold of the maps of senders, in the configuration and in their files."""

from __future__ import annotations

from pathlib import Path

from sams.config.findings import Findings
from sams.config.positions import KeyPath
from sams.config.sender_file import MAX_FILE, read_senders
from sams.config.sender_maps import SenderMap, SenderQuery
from sams.config.source_addresses import check_sql

MOST_TOLD = 10
"""Remarks on one file."""


def check_maps(maps: tuple[SenderMap, ...], findings: Findings) -> None:
    """What is wrong between keys."""
    seen: dict[str, int] = {}
    for at, one in enumerate(maps):
        path: KeyPath = ("senders", "map", at)
        if one.id in seen:
            text = f'map[{seen[one.id] + 1}] is called "{one.id}" too; give one of them another name'
            findings.problem((*path, "name"), text)
        seen.setdefault(one.id, at)
        if isinstance(one, SenderQuery):
            check_sql(one, path, findings)


def check_map_file(file: Path, path: KeyPath, findings: Findings) -> None:
    """What is wrong in a file that can be read."""
    with file.open("rb") as opened:
        found = read_senders(opened.read(MAX_FILE + 1))
    for remarks, tell in ((found.mistakes, findings.problem), (found.warnings, findings.warning)):
        for remark in remarks[:MOST_TOLD]:
            tell(path, f"{file}{f':{remark.line}' if remark.line else ''}: {remark.text}")
        if len(remarks) > MOST_TOLD:
            tell(path, f"{file}: and {len(remarks) - MOST_TOLD} more like these")
