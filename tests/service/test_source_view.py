"""What `sams account test` asks the running service."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sams.activity.events import AccountChanged
from sams.control.messages import AccountTest
from sams.control.peers import Peer
from sams.identity.chain import Chain
from sams.identity.grants import Grants
from sams.service.source_view import source_handlers
from tests.identity.sources.rig import FORMS, Rig

ROOT = Peer(1, 0, frozenset())


@pytest.mark.parametrize(
    ("password", "told"),
    [
        (None, []),
        ("secret", [AccountChanged("alice", "password tried", "root", "staff: right")]),
        ("guess", [AccountChanged("alice", "password tried", "root", "staff: wrong password")]),
    ],
)
def test_a_password_that_is_tried_by_command_stands_in_the_journal_without_it(
    tmp_path: Path, password: str | None, told: list[AccountChanged]
) -> None:
    """No guard stands before it: who may command could guess at the directory's members unseen."""
    noted: list[AccountChanged] = []
    with Rig(tmp_path / "members.db").source() as source:
        handlers: Any = source_handlers(lambda: Chain([source]), lambda: FORMS, Grants(FORMS), noted.append)
        asyncio.run(handlers[AccountTest](AccountTest("alice", password), ROOT))
    assert noted == told
