from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from sams.config.loading import load
from sams.config.problems import ConfigError
from sams.config.secret_files import read_secret
from sams.core.errors import OperatorError
from tests.config.samples import MINIMAL


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration whose files are all as they should be."""
    for name in ("fullchain.pem", "key.pem", "password"):
        file = tmp_path / name
        file.write_text("secret\n")
        file.chmod(0o600)
    route = 'hosts = ["hub.example:587"]\nusername = "u"\npassword_file = "password"'
    text = MINIMAL.replace('hosts = ["mailhub.example.ac.uk:25"]', route)
    (tmp_path / "sams.toml").write_text(text)
    return tmp_path


def told(folder: Path) -> str:
    with pytest.raises(ConfigError) as refusal:
        load(folder / "sams.toml")
    (problem,) = refusal.value.problems
    return problem.show("sams.toml")


def test_a_configuration_with_all_its_files_loads(folder: Path) -> None:
    assert load(folder / "sams.toml").config.tls.private_key == (folder / "key.pem",)


def test_a_group_may_read_a_private_key(folder: Path) -> None:
    (folder / "key.pem").chmod(0o640)
    assert load(folder / "sams.toml").warnings == ()


@pytest.mark.parametrize("mode", [0o644, 0o602, 0o620])
def test_a_private_key_that_others_may_read_or_change_is_refused(folder: Path, mode: int) -> None:
    (folder / "key.pem").chmod(mode)
    text = told(folder)
    assert "sams.toml:6: tls.private_key:" in text
    assert f"mode {mode:04o}" in text
    assert text.endswith(f"do: chmod 400 {folder}/key.pem")


def test_a_certificate_in_the_place_of_the_key_is_told_before_its_rights(folder: Path) -> None:
    (folder / "key.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    (folder / "key.pem").chmod(0o644)
    assert told(folder).endswith("key.pem holds a certificate and no key: are the two swapped?")


def test_a_key_may_stand_in_one_file_with_its_certificate(folder: Path) -> None:
    (folder / "key.pem").write_text("-----BEGIN CERTIFICATE-----\n-----BEGIN EC PRIVATE KEY-----\n")
    load(folder / "sams.toml")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_password_file_is_for_its_owner_alone(folder: Path, mode: int) -> None:
    (folder / "password").chmod(mode)
    assert f"route[1].password_file: {folder}/password: others may read or change it" in told(folder)


@pytest.mark.parametrize("name", ["fullchain.pem", "key.pem", "password"])
def test_a_missing_file_is_told(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert f"{folder}/{name}" in told(folder)


def test_a_folder_is_no_certificate(folder: Path) -> None:
    (folder / "fullchain.pem").unlink()
    (folder / "fullchain.pem").mkdir()
    assert "Is a directory" in told(folder)


def test_a_file_that_this_user_may_not_read_is_told_with_advice(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def refuse(path: Path, *args: Any, **options: Any) -> Any:
        if path.name == "fullchain.pem":  # root, who may read everything, would not notice the mode
            raise PermissionError
        return opened(path, *args, **options)

    monkeypatch.setattr(Path, "open", refuse)
    assert "check as root" in told(folder)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ('[server]\nuser = "no-such-user-here"\n', 'no system user "no-such-user-here"'),
        ('[server]\ndata_dir = "key.pem"\n', "is no folder"),
        ('[alarm]\ncommand = ["/no/such/program"]\n', "no program that can be started"),
        ('ca_file = "no.pem"\n[alarm]\n', "cannot be read"),
    ],
)
def test_what_the_configuration_names_has_to_be_there(folder: Path, more: str, why: str) -> None:
    file = folder / "sams.toml"
    header = more[more.index("[") : more.index("]") + 1]
    file.write_text(file.read_text().replace(header, more.rstrip()))
    assert why in told(folder)


def test_a_secret_is_the_first_line_without_its_end(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.touch(0o600)
    for octets in (b"p\xc3\xa4ss word\r\n", b"p\xc3\xa4ss word\nmore\n", b"p\xc3\xa4ss word"):
        file.write_bytes(octets)
        assert read_secret(file) == "päss word"


@pytest.mark.parametrize("octets", [b"", b"\nx", b"x" * 4097, b"\xff"])
def test_an_unfit_secret_is_refused_without_showing_it(tmp_path: Path, octets: bytes) -> None:
    file = tmp_path / "secret"
    file.touch(0o600)
    file.write_bytes(octets)
    with pytest.raises(OperatorError, match="its first line"):
        read_secret(file)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("F" * 40 + ":1\n" + "0" * 40 + ":1\n", "not in the order of its hashes"),
        ("password\n", "something else than HASH:COUNT"),
        (None, "cannot be read"),
    ],
)
def test_a_list_of_breached_passwords_in_a_wrong_form_or_order_is_told(
    folder: Path, content: str | None, words: str
) -> None:
    if content is not None:
        (folder / "breached").write_text(content)
    name_breached_list(folder)
    assert words in (text := told(folder))
    assert "accounts.breached_passwords:" in text


def test_a_list_of_breached_passwords_is_named_in_the_configuration(folder: Path) -> None:
    (folder / "breached").write_text("0" * 40 + ":1\r\n" + "F" * 40 + ":22\r\n")
    name_breached_list(folder)
    assert load(folder / "sams.toml").config.accounts.breached_passwords == folder / "breached"


def name_breached_list(folder: Path) -> None:
    text = (folder / "sams.toml").read_text()
    line = 'domains = ["example.ac.uk"]\n'
    assert line in text
    (folder / "sams.toml").write_text(text.replace(line, line + 'breached_passwords = "breached"\n'))


SQL = """
[[accounts.source]]
type = "sql"
database = "sqlite:///{folder}/members.db"
query = "SELECT hash AS password FROM people WHERE uid = %(user)s"
"""
DOVECOT = """
[[accounts.source]]
type = "dovecot"
socket = "{folder}/auth-sams"
user_socket = "127.0.0.1:12345"
"""


@pytest.mark.parametrize(
    ("source", "name", "text"),
    [
        (SQL, "members.db", "accounts.source[1].database: there is no file {folder}/members.db now"),
        (
            DOVECOT,
            "auth-sams",
            "accounts.source[1].socket: {folder}/auth-sams is no socket now: does Dovecot run",
        ),
    ],
)
def test_a_source_on_this_machine_that_is_not_there_is_warned_of(
    folder: Path, source: str, name: str, text: str
) -> None:
    with (folder / "sams.toml").open("a") as file:
        file.write(source.format(folder=folder))
    (warning,) = load(folder / "sams.toml").warnings
    assert text.format(folder=folder) in warning.show("sams.toml")
    if name == "members.db":
        (folder / name).touch()
        assert load(folder / "sams.toml").warnings == ()
        return
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / name))
        assert load(folder / "sams.toml").warnings == ()
