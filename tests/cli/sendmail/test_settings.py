from __future__ import annotations

from pathlib import Path

import pytest

from sams.cli.sendmail.arguments import Arguments
from sams.cli.sendmail.failure import SendmailError, SysExit
from sams.cli.sendmail.settings import load

_GOOD = 'login = "cron"\npassword_file = "pw"\nfrom = "cron@example.org"\nname = "smtp.example.org"\n'


def test_paths_begin_at_the_folder_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "sendmail.toml"
    file.write_text(_GOOD + 'ca_file = "ca.pem"\n')
    settings = load(Arguments(settings=file), {})
    assert settings.password_file == tmp_path / "pw"
    assert settings.ca_file == tmp_path / "ca.pem"
    assert (settings.port, settings.security, settings.home_domain) == (587, "starttls", "example.org")


def test_the_command_line_comes_first(tmp_path: Path) -> None:
    file = tmp_path / "sendmail.toml"
    file.write_text(_GOOD)
    settings = load(Arguments(settings=file, account="bob", password_file=Path("/other")), {})
    assert (settings.login, settings.password_file) == ("bob", Path("/other"))


def test_the_environment_and_the_home_folder_name_the_file(tmp_path: Path) -> None:
    own = tmp_path / ".config" / "sams" / "sendmail.toml"
    own.parent.mkdir(parents=True)
    own.write_text(_GOOD.replace("cron", "own"))
    other = tmp_path / "other.toml"
    other.write_text(_GOOD.replace("cron", "named"))
    assert load(Arguments(), {"HOME": str(tmp_path)}).login == "own"
    assert load(Arguments(), {"HOME": str(tmp_path), "SAMS_SENDMAIL": str(other)}).login == "named"


@pytest.mark.parametrize(
    "text",
    [
        None,
        "no toml",
        _GOOD + "verify = false\n",
        _GOOD + 'security = "none"\n',
        _GOOD.replace("login", "user"),
        _GOOD + 'port = "x"\n',
    ],
)
def test_settings_that_cannot_be_used_are_named(text: str | None, tmp_path: Path) -> None:
    file = tmp_path / "sendmail.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SendmailError, match=r"sendmail\.toml") as caught:
        load(Arguments(settings=file), {})
    assert caught.value.code is SysExit.CONFIG
