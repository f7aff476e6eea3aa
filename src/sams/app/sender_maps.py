"""The maps of senders of one worker, made of their sections and of what was read of their files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from sams.app.sources import login_forms
from sams.config.model import Config
from sams.config.sender_maps import SenderFile, SenderQuery
from sams.core.clock import Clock
from sams.identity.grants import FileMap
from sams.identity.sources.directory_source import DirectorySource, SourceSettings
from sams.identity.sources.known import KnownMembers
from sams.identity.sources.sql.sender_query import SenderQueryDirectory
from sams.service.material import Material


@dataclass(frozen=True, slots=True)
class SenderMaps:
    """All maps of a configuration. queries: by their sections."""

    files: tuple[FileMap, ...] = ()
    queries: Mapping[SenderQuery, DirectorySource] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MapMaker:
    """What maps are made with.

    teller: makes of a map's name what is told when its database is down, with why, and with nothing when it is up.
    report: told of exceptions that no directory should raise.
    """

    known: KnownMembers
    clock: Clock
    teller: Callable[[str], Callable[[str], None]]
    report: Callable[[BaseException], None]

    def make(self, material: Material, kept: Mapping[SenderQuery, DirectorySource]) -> SenderMaps:
        """All of a configuration. kept: what is taken over where its section is there still.

        Raises:
            OperatorError: a database cannot be used; says what to do.
        """
        sections = [one for one in material.config.senders.maps if isinstance(one, SenderQuery)]
        return SenderMaps(
            tuple(_files(material)), {one: kept.get(one) or self._query(one, material) for one in sections}
        )

    def _query(self, section: SenderQuery, material: Material) -> DirectorySource:
        file = section.password_file
        return DirectorySource(
            SenderQueryDirectory(section, None if file is None else material.secrets[str(file)]),
            query_settings(section),
            serves=lambda _: True,
            forms=login_forms(material.config),
            known=self.known,
            clock=self.clock,
            tell=self.teller(f"map {section.id}"),
            report=self.report,
        )


def query_settings(section: SenderQuery) -> SourceSettings:
    """What a section says of how its database is asked. A blank in the name: no source has one."""
    return SourceSettings(
        name=f"map {section.id}",
        takes_passwords=False,
        cache=section.cache,
        grace=section.grace,
        timeout=None,
        connections=section.connections,
        addresses=(),
    )


def longest_kept_of_maps(config: Config) -> float:
    """For how many seconds answers of databases may be of use."""
    times = [one.cache + one.grace for one in config.senders.maps if isinstance(one, SenderQuery)]
    return max(times, default=0.0)


def _files(material: Material) -> Iterator[FileMap]:
    for at, section in enumerate(material.config.senders.maps):
        if isinstance(section, SenderFile):
            yield FileMap(material.index_of(at), section.counts_as)
