"""Maps of senders on their way from a file to the workers."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from sams.core.errors import OperatorError
from sams.service.material import decode, encode, read_material
from tests.config.samples import MINIMAL
from tests.support.certificates import Authority

MAPS = """
[[senders.map]]
path = "senders"
[[senders.map]]
type = "sql"
database = "sqlite:///srv/mail.db"
query = "SELECT address FROM shared WHERE login = %(login)s"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (pair,) = Authority.make().host("smtp-auth.example.ac.uk").pairs
    for name, content in (("fullchain.pem", pair.chain), ("key.pem", pair.key)):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
    (tmp_path / "sams.toml").write_text(MINIMAL + MAPS)
    return tmp_path


def test_a_file_is_read_with_the_configuration_and_crosses_a_workers_channel(folder: Path) -> None:
    (folder / "senders").write_text("office@example.ac.uk alice, bob@example.ac.uk\n")
    material = read_material(folder / "sams.toml")
    index = {"alice": "office@example.ac.uk", "bob": "office@example.ac.uk\texample.ac.uk"}
    assert material.maps == (index, {})
    arrived = decode(encode(material))
    assert [arrived.index_of(at) for at in range(3)] == [index, {}, {}]
    assert "office" not in repr(arrived)


def test_a_mistake_in_the_file_keeps_the_material_of_before(folder: Path) -> None:
    (folder / "senders").write_text("office alice\n")
    with pytest.raises(OperatorError, match=r"senders:1: office is no address"):
        read_material(folder / "sams.toml")


def test_a_hundred_thousand_lines_fit_and_take_well_under_a_second(folder: Path) -> None:
    lines = "".join(f"user{n}@example.ac.uk user{n}@example.ac.uk, boss{n % 500}\n" for n in range(100_000))
    (folder / "senders").write_text(lines)
    material = read_material(folder / "sams.toml")
    octets = encode(material)
    began = time.thread_time()
    assert len(decode(octets).index_of(0)) == 100_500
    assert time.thread_time() - began < 1  # 0.02 s where nothing else runs: a worker serves nobody meanwhile


def test_what_is_too_much_for_a_channel_says_so(folder: Path) -> None:
    (folder / "senders").touch()
    material = read_material(folder / "sams.toml")
    too_much = replace(material, maps=({"x" * 20_000_000: "a@example.org"},))
    with pytest.raises(OperatorError, match="restart the service"):
        encode(too_much)
