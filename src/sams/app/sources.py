"""The sources of accounts, made of their sections: for sign-ins, and for commands with the service down."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sams.app.directories import Tools, make_directory
from sams.app.parts import accounts_path
from sams.config.model import Config
from sams.config.sources import (
    AccountSource,
    BuiltinSource,
    DirectorySection,
    KerberosSource,
    OauthSource,
    SqlSource,
)
from sams.core.clock import Clock
from sams.identity.accounts.builtin import BuiltinAccounts
from sams.identity.accounts.store import AccountStore
from sams.identity.logins import LoginForms
from sams.identity.passwords.hashes import Hashes
from sams.identity.passwords.pool import HashPool
from sams.identity.sources.directory_source import DirectorySource, SourceSettings
from sams.identity.sources.known import KnownMembers
from sams.identity.sources.proofs import PrincipalDirectorySource, TokenDirectorySource
from sams.identity.sources.serves import Serves
from sams.service.material import Material

MEMBERS_FILE = "members.db"

AnySource = BuiltinAccounts | DirectorySource
Sources = dict[AccountSource, AnySource]
"""By their sections, in the order of the configuration."""

_KINDS: Mapping[type, type[DirectorySource]] = {
    OauthSource: TokenDirectorySource,
    KerberosSource: PrincipalDirectorySource,
}


@dataclass(frozen=True, slots=True)
class SourceMaker:
    """What sources are made with.

    teller: makes of a source's name what is told when it is down, with why, and with an empty text when it is up.
    report: told of exceptions that no directory should raise.
    pam: where the PAM helper is asked; None: there is none.
    """

    accounts: AccountStore
    hashes: Hashes
    pool: HashPool
    known: KnownMembers
    clock: Clock
    teller: Callable[[str], Callable[[str], None]]
    report: Callable[[BaseException], None]
    pam: socket.socket | None = None

    def make(self, material: Material, kept: Sources) -> Sources:
        """All of a configuration. kept: what is taken over where its section is there still.

        Raises:
            OperatorError: one cannot be made; says what to do.
        """
        return {
            section: kept.get(section) or self._make(section, material, kept)
            for section in material.config.accounts.sources
        }

    def _make(self, section: AccountSource, material: Material, kept: Sources) -> AnySource:
        if isinstance(section, BuiltinSource):
            return self._builtin(section, material.config, kept)
        return self._directory(section, material)

    def _builtin(self, section: BuiltinSource, config: Config, kept: Sources) -> BuiltinAccounts:
        """There is one file of accounts, and what reads it goes by another section when it is told to."""
        for source in kept.values():
            if isinstance(source, BuiltinAccounts):
                return source
        return BuiltinAccounts(
            accounts_path(config),
            clock=self.clock,
            accounts=self.accounts,
            hashes=self.hashes,
            pool=self.pool,
            section=section,
        )

    def _directory(self, section: DirectorySection, material: Material) -> DirectorySource:
        forms = login_forms(material.config)
        tools = Tools(
            name=material.config.server.name,
            secrets=material.secrets,
            forms=forms,
            clock=self.clock,
            hashes=self.hashes,
            pool=self.pool,
            pam=self.pam,
        )
        kind: Any = _KINDS.get(type(section), DirectorySource)
        source: DirectorySource = kind(
            make_directory(section, tools),
            source_settings(section),
            serves=Serves(section.domains, section.logins),
            forms=forms,
            known=self.known,
            clock=self.clock,
            tell=self.teller(section.id),
            report=self.report,
        )
        return source


def login_forms(config: Config) -> LoginForms:
    """In which forms logins are typed."""
    return LoginForms(config.accounts.domains, config.accounts.windows_domains)


def source_settings(section: DirectorySection) -> SourceSettings:
    """What a section says of how a directory is asked."""
    return SourceSettings(
        name=section.id,
        takes_passwords=section.submission == "any" and _has_passwords(section),
        cache=section.cache,
        grace=section.grace,
        timeout=None if isinstance(section, SqlSource) else section.timeout,
        connections=section.connections,
        addresses=section.addresses or SourceSettings("").addresses,
        domain=section.domains[0] if section.domains else "",
    )


def _has_passwords(section: DirectorySection) -> bool:
    """Whether there are passwords of its own: an issuer has none, and a realm may be asked about tickets alone."""
    if isinstance(section, KerberosSource):
        return section.passwords
    return not isinstance(section, OauthSource)


def longest_kept(config: Config) -> float:
    """For how many seconds what directories say may be of use."""
    times = [one.cache + one.grace for one in config.accounts.sources if isinstance(one, DirectorySection)]
    return max(times, default=0.0)


def made_alike(one: Material, other: Material) -> bool:
    """Whether equal sections make equal sources of both."""
    return one.secrets == other.secrets and _besides_sections(one.config) == _besides_sections(other.config)


async def close(source: AnySource) -> None:
    """Let go of what a source holds open."""
    if isinstance(source, DirectorySource):
        await source.close()
    else:
        source.close()


def _besides_sections(config: Config) -> tuple[object, ...]:
    return config.accounts.domains, config.accounts.windows_domains, config.server.name
