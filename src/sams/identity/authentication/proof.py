"""By what somebody was found to be who they claim to be, in the journal's words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Proof:
    """What was right.

    text: for the journal; never a secret.
    is_ordinary: it says nothing that the mechanism does not.
    """

    text: str
    is_ordinary: bool = False


REMEMBERED = Proof("remembered password", is_ordinary=True)
CHECKED = Proof("checked password", is_ordinary=True)
PROVED = Proof("SCRAM proof", is_ordinary=True)
BROUGHT = Proof("token", is_ordinary=True)
TICKET = Proof("Kerberos ticket", is_ordinary=True)
