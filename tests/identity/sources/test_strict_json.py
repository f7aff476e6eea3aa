from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.identity.sources.strict_json import read_object, texts

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(found=st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_what_is_written_is_read(found: dict[str, object]) -> None:
    assert read_object(json.dumps(found).encode()) == found


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"[]",
        b"1",
        b'"a"',
        b"{",
        b"{} {}",
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 1}}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'\xff{"a": 1}',
        b'{"a": "\xed\xa0\x80"}',
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": ' + b"[" * 100_000,
        b'{"a": ' + b"1" * 10_000 + b"}",
    ],
)
def test_what_readers_would_read_differently_is_refused(octets: bytes) -> None:
    with pytest.raises(ValueError):
        read_object(octets)


@pytest.mark.parametrize(
    ("value", "found"),
    [("a", ("a",)), (["a", "b"], ("a", "b")), (["a", 1, None], ("a",)), (None, ()), (7, ()), ({"a": 1}, ())],
)
def test_one_text_and_several_are_read_alike(value: object, found: tuple[str, ...]) -> None:
    assert texts(value) == found
