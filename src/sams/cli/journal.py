"""The activity journal, for commands: what a word may mean in it, and how its files are opened."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path

from sams.activity.interface import Search
from sams.activity.reader import JournalReader, journal_files
from sams.cli.place import Place
from sams.core.ids import shard_of
from sams.identity.logins import UnpreparableError, prepare_login

_REFERENCE = re.compile(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{2}\Z", re.IGNORECASE)


def searches(what: str | None, since: float | None) -> Iterator[Search]:
    """What the word may mean: all of it is looked for.

    It may stand in angle brackets, as in a header. A Message-ID that the service made begins with the message's id.
    """
    if what is None:
        yield Search(since=since)
        return
    what = what.strip().removeprefix("<").removesuffix(">")
    if _REFERENCE.match(what):
        yield Search(reference=what.upper(), since=since)
        return
    begin = what.partition("@")[0]
    if _is_id(begin):
        yield Search(message=begin.upper(), since=since)
    if _is_id(what):
        yield Search(session=what.upper(), since=since)
    elif address := network_address(what):
        yield Search(client=address, since=since)
    with contextlib.suppress(UnpreparableError):
        yield Search(login=prepare_login(what), since=since)
    if "@" in what:
        yield Search(recipient=what, since=since)


def network_address(what: str) -> str:
    """The address as the journal writes it; empty: it is none."""
    try:
        return str(ipaddress.ip_address(what))
    except ValueError:
        return ""


def _is_id(what: str) -> bool:
    try:
        shard_of(what)
    except ValueError:
        return False
    return True


@contextlib.contextmanager
def opened_journal(config_path: Path) -> Iterator[JournalReader]:
    """The journals are files of the service's user: read them as that user."""
    place = Place(config_path)
    place.become_service()
    reader = JournalReader(lambda: journal_files(place.data_dir))
    try:
        yield reader
    finally:
        reader.close()
