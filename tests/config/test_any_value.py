"""Whatever a file says: each kind reads it or refuses it, and writes what it reads so that it reads the same."""

from __future__ import annotations

import datetime as dt
import tomllib
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sams.config.kinds import Choice, File, Flag, Kind, Many, Name, Text, Unfit, Whole
from sams.config.places import (
    Address,
    Domain,
    DomainPattern,
    HostPort,
    MailAddress,
    Network,
    NextHop,
    Url,
)
from sams.config.quantities import Duration, Size

BASE = Path("/etc/sams")
KINDS: list[Kind] = [
    Text(),
    Name(),
    Choice(("a", "b")),
    Flag(),
    Whole(0, 10),
    File(),
    Many(Whole(0, 10), or_one=True),
    Many(NextHop()),
    Domain(),
    DomainPattern(),
    Address(),
    Network(),
    NextHop(),
    MailAddress(),
    Url(),
    Duration(0, 10**9),
    Size(0, 2**50),
]
_WORDS = """
0 1 25 a b x : / . - * @ [ ] % ~ ~/ // ? # \\ é ü 。 ° \u0661 ² e \u202e
example.org xn--a :0000251111 :25 [::1] ::1 fe80::1 192.0.2.1 /24 http:// https://x u:p@
ms s min h day days week weeks B kB MiB TiB 1.5 0.000001 9999999999999999 -1 1e3 nan inf
"""
TEXTS = st.lists(st.sampled_from([*_WORDS.split(), " ", "\n", "\0"]), max_size=6).map("".join) | st.text(
    max_size=20
)
SCALARS = (
    TEXTS
    | st.integers(-(2**63), 2**63)
    | st.floats()
    | st.booleans()
    | st.just(dt.date(2026, 1, 1))
    | st.just(dt.time(1, 2))
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=2)
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)
@settings(max_examples=50)
@example("x:0000251111")
@given(VALUES)
def test_any_value_is_read_or_refused_and_what_is_read_is_written_so_that_it_reads_the_same(
    kind: Kind, value: object
) -> None:
    try:
        meant = kind.read(value, BASE)
    except Unfit:
        return
    (again,) = tomllib.loads(f"x = {kind.write(meant)}").values()
    assert kind.read(again, BASE) == meant
    if isinstance(meant, HostPort):
        assert 0 < meant.port < 65_536
