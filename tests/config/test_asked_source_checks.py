"""Sources of the kinds dovecot and radius whose keys do not fit together."""

from __future__ import annotations

from pathlib import Path

import pytest

from sams.config.findings import Findings
from sams.config.kinds import Unfit
from sams.config.places import HostPort
from sams.config.positions import Positions
from sams.config.source_checks import dovecot_socket, required_attribute
from sams.config.system_checks import check_system
from tests.config.samples import MINIMAL, loaded, problems


def dovecot(text: str) -> str:
    return f'{MINIMAL}[[accounts.source]]\ntype = "dovecot"\n{text}\n'


def radius(text: str, secret_file: str = "radius-secret") -> str:
    return (
        f'{MINIMAL}[[accounts.source]]\ntype = "radius"\nservers = ["radius.example.ac.uk:1812"]\n'
        f'secret_file = "{secret_file}"\n{text}\n'
    )


@pytest.mark.parametrize(
    ("text", "key", "told"),
    [
        (dovecot('socket = "run/dovecot/auth"'), "socket", "neither a path"),
        (dovecot('socket = "192.0.2.1:12345"'), "socket", "of this machine"),
        (dovecot('socket = "mail.example.ac.uk:12345"'), "socket", "of this machine"),
        (dovecot('socket = "/s"\nuser_socket = "[2001:db8::1]:1"'), "user_socket", "of this machine"),
        (radius('require_attribute = "mail"'), "require_attribute", "Class=TEXT or Filter-Id=TEXT"),
        (radius('require_attribute = "Class="'), "require_attribute", "Class=TEXT"),
        (radius('require_attribute = "User-Name=x"'), "require_attribute", "Class=TEXT"),
    ],
)
def test_what_cannot_work_is_told_with_what_to_write(text: str, key: str, told: str) -> None:
    found = [one for one in problems(text) if f"accounts.source[1].{key}:" in one]
    assert found, problems(text)
    assert told in found[0]


@pytest.mark.parametrize(
    "text",
    [
        dovecot('socket = "/run/dovecot/auth-sams"\nuser_socket = "/run/dovecot/auth-userdb"'),
        dovecot('socket = "127.0.0.1:12345"\nuser_socket = "[::1]:12346"\nlogin_form = "address"'),
        dovecot('socket = "localhost:12345"\nservice = "submission"'),
        radius('require_attribute = "Filter-Id=a=b"\nlogin_form = "typed"'),
    ],
)
def test_what_works_is_taken(text: str) -> None:
    assert problems(text) == []


def test_a_socket_is_a_path_or_an_address_of_this_machine() -> None:
    assert dovecot_socket("/run/auth") == "/run/auth"
    assert dovecot_socket("[::1]:5") == HostPort("::1", 5)
    with pytest.raises(Unfit):
        dovecot_socket("")


def test_a_demanded_attribute_is_a_name_and_a_text() -> None:
    assert required_attribute("") is None
    assert required_attribute("Class=a=b") == ("Class", "a=b")


@pytest.mark.parametrize(("secret", "is_refused"), [("s" * 15, True), ("s" * 16, False)])
def test_a_short_secret_of_radius_is_found_before_the_start(
    tmp_path: Path, secret: str, is_refused: bool
) -> None:
    file = tmp_path / "radius-secret"
    file.write_text(f"{secret}\n")
    file.chmod(0o600)
    findings = Findings(Positions(""))
    check_system(loaded(radius("", str(file))).config, findings)
    told = [problem.text for problem in findings.problems if "secret_file" in problem.key]
    assert [secret in text for text in told] == ([False] if is_refused else [])
