from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sams.config.model import Config
from tests.cli.dns.samples import DKIM, FULL, config_of, right_zone
from tests.support.dns_server import DnsServer, serving


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """An organisation with everything, and a key of DKIM."""
    key = Ed25519PrivateKey.generate().public_key()
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "s1.pem").write_bytes(pem)
    return config_of(FULL + DKIM, tmp_path)


@pytest.fixture
def server(config: Config) -> Iterator[DnsServer]:
    """DNS that says what it should."""
    with serving(right_zone(config)) as server:
        yield server
