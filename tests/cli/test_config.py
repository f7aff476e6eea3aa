from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sams.cli.failures import Exit
from sams.cli.main import main
from sams.config.loading import parse
from tests.cli.desk import Desk


def test_a_good_configuration_can_be_used(desk: Desk) -> None:
    assert "can be used" in desk.sams("config", "check").stdout
    checked = desk.json("config", "check")
    assert checked["usable"]
    assert checked["problems"] == []


def test_all_that_is_wrong_is_named_with_its_line(desk: Desk) -> None:
    text = (
        desk.server.config.read_text()
        .replace("workers = 1", 'workers = "many"')
        .replace("min_free", "min_fre")
    )
    desk.server.config.write_text(text)
    problems = desk.json("config", "check", code=Exit.FAILED)["problems"]
    assert {problem["key"] for problem in problems} >= {"server.workers", "limits.min_fre"}
    assert all(problem["line"] for problem in problems)
    assert "server.workers" in desk.sams("config", "check", code=Exit.FAILED).stdout


def test_a_key_of_another_certificate_is_found_before_the_start(desk: Desk) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    place = parse(desk.server.config.read_bytes(), desk.server.config).config.tls.private_key[0]
    place.write_bytes(key)
    (problem,) = desk.json("config", "check", code=Exit.FAILED)["problems"]
    assert "the key belongs to another certificate" in problem["text"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can read what the service's user cannot")
def test_root_is_told_what_the_services_own_user_may_not_read(desk: Desk) -> None:
    text = desk.server.config.read_text()
    desk.server.config.write_text(text.replace("[server]\n", '[server]\nuser = "nobody"\n'))
    checked = desk.json("config", "check")
    assert checked["usable"]
    told = {warning["key"]: warning["text"] for warning in checked["warnings"]}
    assert told.keys() >= {"", "tls.certificate", "tls.private_key"}
    assert told["tls.private_key"].startswith(f"nobody may not read {desk.server.folder}/key.pem")
    assert "do: chown nobody" in told["tls.private_key"]


def test_what_is_in_force_can_be_read_again(desk: Desk) -> None:
    shown = desk.sams("config", "show").stdout
    loaded = parse(shown.encode(), desk.server.config)
    assert loaded.config == parse(desk.server.config.read_bytes(), desk.server.config).config
    assert desk.json("config", "show")["server"]["name"] == "smtp.example.org"


def test_the_example_needs_no_configuration(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["config", "example"])
    assert result.exit_code == 0
    assert "[server]" in result.stdout
