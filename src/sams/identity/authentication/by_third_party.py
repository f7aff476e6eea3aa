"""Signing in by what a third party vouches for: an issuer's token, a realm's ticket, a certificate of our authority.

A token cannot be guessed, so no lock stands before it, as none does before an app password. The guard knows a member
at a locked place by the very text that was right there, and the next token is another one: whoever shares an address
with members could keep them out by wrong tokens. These count all the same, for the address and its network. A ticket
and a certificate were verified before there was a claim; what remains is who that is here.
"""

from __future__ import annotations

from dataclasses import dataclass

from sams.core.text import visible
from sams.identity.account_sources import Checked, Finding
from sams.identity.authentication.judge import Judge
from sams.identity.authentication.proof import BROUGHT, TICKET, Proof
from sams.identity.authentication.refusals import Refusals
from sams.identity.authentication.request import SignInRequest
from sams.identity.chain import UNTOLD
from sams.identity.interface import Decision
from sams.identity.logins import LoginForms, UnpreparableError, map_login
from sams.protocol.sasl.interface import CertificateClaim, PrincipalClaim, TokenClaim


@dataclass(frozen=True, slots=True)
class ByThirdParty:
    """Decides by tokens, tickets and certificates."""

    forms: LoginForms
    judge: Judge
    refusals: Refusals

    def decide_token(self, sign_in: SignInRequest, claim: TokenClaim) -> Decision:
        """By the first source whose issuer made it."""
        return self.refusals.later(sign_in, self._check_token(sign_in, claim))

    def decide_ticket(self, sign_in: SignInRequest, claim: PrincipalClaim) -> Decision:
        """By the first source whose realm it is."""
        return self.refusals.later(sign_in, self._check_principal(sign_in, claim))

    def decide_certificate(self, sign_in: SignInRequest, claim: CertificateClaim) -> Decision:
        """By the first of its names that a source knows."""
        return self.refusals.later(sign_in, self._check_certificate(sign_in, claim))

    async def _check_token(self, sign_in: SignInRequest, claim: TokenClaim) -> Decision:
        attempt = sign_in.attempt
        is_known = self.refusals.guard.knows(attempt)
        checked = await sign_in.chain.check_token(claim, attempt.address, is_known=is_known)
        return self.judge.answer(sign_in, checked, UNTOLD, BROUGHT)

    async def _check_principal(self, sign_in: SignInRequest, claim: PrincipalClaim) -> Decision:
        checked = await sign_in.chain.check_principal(claim)
        return self.judge.answer_proven(sign_in, checked, TICKET)

    async def _check_certificate(self, sign_in: SignInRequest, claim: CertificateClaim) -> Decision:
        checked = Checked(Finding.UNKNOWN)
        for name in claim.names:
            try:
                checked = await sign_in.chain.find(self.forms.parse(map_login(name)))
            except UnpreparableError:
                continue
            if checked.finding is not Finding.UNKNOWN:
                break
        shown = visible(claim.names[0], 100)
        return self.judge.answer_proven(sign_in, checked, Proof(f"certificate of {shown}"))
