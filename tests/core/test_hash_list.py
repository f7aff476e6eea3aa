from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sams.core.hash_list import HashListError, check, contains


def _digest(number: int) -> bytes:
    return hashlib.new("sha1", str(number).encode(), usedforsecurity=False).digest()


def _write(path: Path, digests: list[bytes], line: str = "{}:{}\r\n") -> Path:
    path.write_text("".join(line.format(one.hex().upper(), 10 ** (at % 9)) for at, one in enumerate(digests)))
    return path


@pytest.mark.parametrize("line", ["{}:{}\r\n", "{}:{}\n", "{}\n"])
@pytest.mark.parametrize("count", [1, 2, 3, 100, 1_000])
def test_every_hash_of_the_list_is_found_and_no_other(tmp_path: Path, count: int, line: str) -> None:
    path = _write(tmp_path / "list", sorted(map(_digest, range(count))), line)
    check(path)
    assert all(contains(path, _digest(number)) for number in range(count))
    assert not any(contains(path, _digest(number)) for number in range(count, count + 300))
    assert not contains(path, bytes(20))
    assert not contains(path, bytes([255]) * 20)


def test_the_last_line_may_have_no_end_and_digits_may_be_small(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("\n".join(sorted(_digest(number).hex() for number in range(9))))
    check(path)
    assert all(contains(path, _digest(number)) for number in range(9))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"password\n", "something else"),
        (b"\x1f\x8b\x08" + bytes(1_000), "unpacked"),
        (b"8846F7EAEE8FB117AD06BDD830B7586C:12\n", "NTLM"),
        (b"A" * 200, "something else"),
        (b"\n", "something else"),
    ],
)
def test_what_is_no_such_list_is_said_to_be_none(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "list"
    path.write_bytes(content)
    with pytest.raises(HashListError, match=words):
        check(path)
    if content:
        with pytest.raises(HashListError):
            contains(path, _digest(1))


def test_a_list_by_frequency_is_found_to_be_in_the_wrong_order(tmp_path: Path) -> None:
    with pytest.raises(HashListError, match="order of its hashes"):
        check(_write(tmp_path / "list", [_digest(number) for number in range(300)]))


def test_a_file_that_is_not_there_or_is_a_folder_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(HashListError, match="cannot be read"):
            check(path)


@given(
    st.lists(st.binary(min_size=20, max_size=20), min_size=1, max_size=40, unique=True),
    st.binary(min_size=20, max_size=20),
)
@settings(max_examples=50, deadline=None)
def test_the_search_agrees_with_a_set(
    tmp_path_factory: pytest.TempPathFactory, digests: list[bytes], other: bytes
) -> None:
    path = _write(tmp_path_factory.mktemp("lists") / "list", sorted(digests))
    assert all(contains(path, one) for one in digests)
    assert contains(path, other) == (other in digests)
