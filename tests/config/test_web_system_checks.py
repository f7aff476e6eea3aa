"""What the pages need of the machine, by a whole configuration as `sams config check` reads it."""

from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from sams.config.loading import load
from sams.config.problems import ConfigError
from tests.config.samples import MINIMAL

WEB = '[web]\nproxies = ["127.0.0.1"]\n'


def written(folder: Path, text: str) -> Path:
    for name in ("fullchain.pem", "key.pem"):
        (folder / name).write_text("secret\n")
        (folder / name).chmod(0o600)
    file = folder / "sams.toml"
    file.write_text(MINIMAL + text)
    return file


def told(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as refusal:
        load(written(folder, text))
    (problem,) = refusal.value.problems
    return problem.show("sams.toml")


def test_pages_whose_packages_are_not_installed_are_told_with_the_command_that_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec

    def found(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name in {"uvicorn", "babel"} else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", found)
    text = told(tmp_path, WEB)
    assert "web: the pages need packages that are not installed (babel, uvicorn)" in text
    assert "pip install 'sams[web]'" in text
    assert load(written(tmp_path, "")).config.web is None


def test_a_user_of_the_pages_that_is_not_there_is_told_with_the_command_that_makes_it(tmp_path: Path) -> None:
    text = told(tmp_path, f'{WEB}user = "no-such-user"\n')
    assert 'web.user: there is no system user "no-such-user"' in text
    assert text.endswith("adduser --system --group --no-create-home no-such-user")


def test_the_pages_do_not_run_as_root(tmp_path: Path) -> None:
    assert "web.user: the pages do not run as root" in told(tmp_path, f'{WEB}user = "root"\n')


@pytest.mark.parametrize("user", ["", 'user = "nobody"\n'], ids=["left out", "the same"])
def test_pages_that_run_as_the_service_are_warned_of(user: str, tmp_path: Path) -> None:
    file = written(tmp_path, WEB + user)
    file.write_text(file.read_text().replace("[server]\n", '[server]\nuser = "nobody"\n'))
    (found,) = load(file).warnings
    assert "web.user: the pages run as nobody, who may read everything" in found.show("sams.toml")


def test_a_user_of_their_own_is_not_warned_of(tmp_path: Path) -> None:
    file = written(tmp_path, f'{WEB}user = "nobody"\n')
    file.write_text(file.read_text().replace("[server]\n", '[server]\nuser = "daemon"\n'))
    assert load(file).warnings == ()


@pytest.mark.parametrize(
    ("name", "octets", "words"),
    [("logo.png", b"GIF89a", "is no PNG"), ("gone.png", None, "No such file")],
    ids=["another kind", "none"],
)
def test_a_logo_that_cannot_be_shown_is_told(
    name: str, octets: bytes | None, words: str, tmp_path: Path
) -> None:
    if octets is not None:
        (tmp_path / name).write_bytes(octets)
    text = told(tmp_path, f'[organisation]\nlogo = "{name}"\n')
    assert "organisation.logo: " in text
    assert words in text


def test_a_dkim_key_that_is_none_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "dkim.pub").write_text("hello\n")
    file = written(tmp_path, '[[dns.dkim]]\nselector = "s1"\npublic_key = "dkim.pub"\n')
    (found,) = load(file).warnings
    text = found.show("sams.toml")
    assert "dns.dkim[1].public_key: " in text
    assert "is neither PEM nor a DKIM record" in text
