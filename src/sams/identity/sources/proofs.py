"""Directories that know members by other proofs than passwords: an issuer by its tokens, a realm by its tickets."""

from __future__ import annotations

from typing import Any, Protocol

from sams.identity.account_sources import Checked
from sams.identity.sources.directory_source import DirectorySource
from sams.identity.sources.interface import Answer, Directory
from sams.protocol.sasl.interface import PrincipalClaim, SecurityContext, TokenClaim


class TokenDirectory(Directory, Protocol):
    """An issuer of tokens."""

    async def verify_token(self, claim: TokenClaim) -> Answer:
        """Check a token; RIGHT with its member, WRONG for one that is not valid."""
        ...

    @property
    def refusal(self) -> bytes:
        """What a client with a refused token is told, as JSON (RFC 7628 section 3.2.2)."""
        ...


class PrincipalDirectory(Directory, Protocol):
    """A Kerberos realm."""

    async def find_principal(self, claim: PrincipalClaim) -> Answer:
        """Who a principal is here; UNKNOWN for one of another realm."""
        ...

    def accept_context(self) -> SecurityContext:
        """The acceptor of one ticket."""
        ...


class TokenDirectorySource(DirectorySource):
    """An issuer as a source (`identity.account_sources.TokenSource`)."""

    def __init__(self, directory: TokenDirectory, *arguments: Any, **named: Any) -> None:
        super().__init__(directory, *arguments, **named)
        self._issuer = directory

    @property
    def refusal(self) -> bytes:
        """What a client with a refused token is told."""
        return self._issuer.refusal

    async def verify_token(self, claim: TokenClaim, address: str, *, is_known: bool) -> Checked:
        """Check a token."""
        return await self.proved(lambda: self._issuer.verify_token(claim), address, is_known=is_known)


class PrincipalDirectorySource(DirectorySource):
    """A realm as a source (`identity.account_sources.PrincipalSource`)."""

    def __init__(self, directory: PrincipalDirectory, *arguments: Any, **named: Any) -> None:
        super().__init__(directory, *arguments, **named)
        self._realm = directory

    def accept_context(self) -> SecurityContext:
        """The acceptor of one ticket."""
        return self._realm.accept_context()

    async def find_principal(self, claim: PrincipalClaim) -> Checked:
        """Who a principal is here. Its ticket was opened here, and lives for hours: the realm may know better by now.

        Raises:
            TemporaryFailure: too many wait.
        """
        return await self.vouched(await self._realm.find_principal(claim))
