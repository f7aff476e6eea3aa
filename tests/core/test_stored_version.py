"""Two versions in one number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.core.stored_version import StoredVersion


@pytest.mark.parametrize(
    ("user_version", "version"),
    [
        (0, StoredVersion(0, 0)),
        (1, StoredVersion(1, 1)),
        (2, StoredVersion(2, 2)),
        (2001, StoredVersion(2, 1)),
        (3002, StoredVersion(3, 2)),
    ],
)
def test_a_file_says_its_version_and_how_far_back_it_can_be_read(
    user_version: int, version: StoredVersion
) -> None:
    assert StoredVersion.of(user_version) == version
    assert version.user_version == user_version


@given(st.integers(1, 999), st.data())
def test_what_is_written_is_read(number: int, data: st.DataObject) -> None:
    version = StoredVersion(number, data.draw(st.integers(1, number)))
    assert StoredVersion.of(version.user_version) == version
