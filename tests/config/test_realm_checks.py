"""Kerberos sources whose keys do not fit together, and keytabs that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from sams.config.findings import Findings
from sams.config.positions import Positions
from sams.config.system_checks import check_system
from tests.config.samples import MINIMAL, loaded, problems


def kerberos(text: str = "", realm: str = "EXAMPLE.AC.UK", keytab: str = "keytab") -> str:
    return (
        f'{MINIMAL}[[accounts.source]]\ntype = "kerberos"\nrealm = "{realm}"\nkeytab = "{keytab}"\n{text}\n'
    )


@pytest.mark.parametrize(
    ("text", "key", "told"),
    [
        (kerberos(realm="alice@EXAMPLE.AC.UK"), "realm", "is no realm"),
        (kerberos(realm="EXAMPLE AC UK"), "realm", "is no realm"),
        (kerberos('principal = "smtp/smtp-auth.example.ac.uk"'), "principal", "write …@EXAMPLE.AC.UK"),
        (kerberos('look_up_as = "SMTP$@CORP"'), "look_up_as", "is not of the realm"),
        (
            kerberos('look_up_as = "A$@EXAMPLE.AC.UK"\ncan_find = false'),
            "look_up_as",
            "leave one of them out",
        ),
    ],
)
def test_keys_that_do_not_fit_are_told(text: str, key: str, told: str) -> None:
    (problem,) = problems(text)
    assert f".{key}: " in problem
    assert told in problem


def test_keys_that_fit_are_taken() -> None:
    text = 'principal = "smtp/x.example@EXAMPLE.AC.UK"\nlook_up_as = "SMTP$@EXAMPLE.AC.UK"'
    assert loaded(kerberos(text)).warnings == ()


def test_a_realm_in_small_letters_is_perhaps_not_meant() -> None:
    (warning,) = loaded(kerberos(realm="example.ac.uk")).warnings
    assert "EXAMPLE.AC.UK?" in warning.text


@pytest.mark.parametrize(
    ("content", "mode", "told"),
    [
        (b"\x05\x02", 0o600, None),
        (b"\x05\x02", 0o640, None),
        (b"\x05\x02", 0o644, "chmod 400"),
        (b"secret\n", 0o600, "is no keytab"),
    ],
)
def test_a_keytab_is_one_and_is_for_the_service_alone(
    tmp_path: Path, content: bytes, mode: int, told: str | None
) -> None:
    keytab = tmp_path / "keytab"
    keytab.write_bytes(content)
    keytab.chmod(mode)
    findings = Findings(Positions(""))
    check_system(loaded(kerberos(keytab=str(keytab))).config, findings)
    texts = [one.text for one in findings.problems if one.key.endswith("keytab")]
    assert len(texts) == (0 if told is None else 1)
    assert told is None or told in texts[0]
