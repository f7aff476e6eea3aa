"""What must hold between the keys of a Kerberos source."""

from __future__ import annotations

from sams.config.findings import Findings
from sams.config.positions import KeyPath
from sams.config.sources import KerberosSource

_IN_NO_REALM = frozenset("/@\\:")


def check_kerberos(source: KerberosSource, path: KeyPath, findings: Findings) -> None:
    """All checks of a source of this type."""
    realm = source.realm
    if not realm or not realm.isprintable() or " " in realm or not _IN_NO_REALM.isdisjoint(realm):
        findings.problem((*path, "realm"), f'"{realm}" is no realm: write it alone, such as EXAMPLE.AC.UK')
    elif realm != realm.upper():
        findings.warning(
            (*path, "realm"), f"realms are mostly in capitals: {realm.upper()}? They are not the same"
        )
    for name, principal in (("principal", source.principal), ("look_up_as", source.look_up_as)):
        if principal and not principal.endswith(f"@{realm}"):
            findings.problem((*path, name), f'"{principal}" is not of the realm {realm}: write …@{realm}')
    if source.look_up_as and not source.can_find:
        findings.problem(
            (*path, "look_up_as"), "nobody is looked up where can_find is false: leave one of them out"
        )
