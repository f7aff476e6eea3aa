"""What tests of the probe share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.probe.desk import ADDRESSES, Desk
from tests.support.dns_server import serving


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with serving(ADDRESSES) as names:
        yield Desk(names, tmp_path)
