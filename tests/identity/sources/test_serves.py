from __future__ import annotations

import pytest

from sams.identity.sources.serves import Serves
from tests.identity.sources.rig import login


@pytest.mark.parametrize(
    ("domains", "patterns", "typed", "expected"),
    [
        ((), (), "alice", True),
        (("example.ac.uk",), (), "alice", True),
        (("example.ac.uk",), (), "alice@example.ac.uk", True),
        (("example.ac.uk",), (), "alice@example.org", False),
        (("Example.ORG",), (), "alice@example.org", True),
        ((), ("s*",), "s1234567", True),
        ((), ("s*",), "alice", False),
        ((), ("S*",), "s1", True),
        ((), ("!root", "!sys-*"), "alice", True),
        ((), ("!root", "!sys-*"), "sys-backup", False),
        ((), ("*", "!root"), "root@example.org", False),
        ((), ("a*e",), "alice/phone", True),
        ((), ("a?",), "ab", False),
        ((), ("a?",), "a?", True),
        ((), ("a[bc]",), "ab", False),
        ((), ("a[bc]",), "a[bc]", True),
        ((), ("a.c",), "abc", False),
        ((), ("s*",), "s\nx", True),
    ],
)
def test_domains_and_patterns_say_whom_a_source_is_asked_about(
    domains: tuple[str, ...], patterns: tuple[str, ...], typed: str, *, expected: bool
) -> None:
    assert Serves(domains, patterns)(login(typed)) is expected
