"""A sign-in as it is decided: whose login is claimed, from where, and whom the listener lets in."""

from __future__ import annotations

from msgspec import Struct

from sams.identity.chain import Chain
from sams.identity.guard.interface import SignInAttempt
from sams.identity.logins import Login
from sams.protocol.sasl.interface import (
    CertificateClaim,
    Claim,
    PasswordClaim,
    PrincipalClaim,
    ProofClaim,
    TokenClaim,
)

NOBODY = ""
"""A login that no source knows: who cannot be anyone is checked against it, at the usual cost."""


class SignInRequest(Struct, frozen=True):
    """A claim, its login mapped.

    attempt: as the guard counts it. login: of NOBODY where it can be no account's; problem then says why.
    authzid: as whom it is to act; empty: as itself. started: when it was asked, on the monotonic clock.
    chain: the sources of the listener. devices_only, people_only: as of the audience.
    """

    attempt: SignInAttempt
    login: Login
    authzid: str
    started: float
    chain: Chain
    devices_only: bool
    problem: str = ""
    people_only: bool = False


def claimed(claim: Claim) -> tuple[str, str, bool]:
    """Whose login is claimed, what the guard counts in a password's place, and whether that is new each time."""
    match claim:
        case PasswordClaim(authcid=authcid, password=password):
            return authcid, password, False
        case ProofClaim(authcid=authcid, password_id=None):
            return authcid, "scram", True
        case ProofClaim(authcid=authcid, password_id=password_id):
            return authcid, f"scram:{password_id}", False
        case TokenClaim(authzid=authzid, token=token):
            return authzid or "token", f"bearer:{token}", False
        case CertificateClaim(names=names):
            return names[0], "certificate", False
        case PrincipalClaim(principal=principal):
            return principal.partition("@")[0], "ticket", False
    raise TypeError(f"a claim of no known kind: {type(claim).__name__}")
