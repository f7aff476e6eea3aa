from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.config.positions import KeyPath, Positions

TEXT = '''\
# [comment]
top = 1
[server]  # [x]
name = "a # b [c]"

doc = """
[not.a.table]
key = "no"
"""
"quoted key" = 'it''s'
[[listener]]
port = 1
hosts = [
  "a", # ]
  "b",
]
[[listener]]
port = 2
[tls]
[[tls.host]]
name = "x"
[[tls.host]]
name = "y"
inner.deep = 1
'''.replace("'it''s'", "'it is'")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("server",), 3),
        (("server", "name"), 4),
        (("server", "doc"), 6),
        (("server", "quoted key"), 10),
        (("listener",), 11),
        (("listener", 0, "port"), 12),
        (("listener", 0, "hosts"), 13),
        (("listener", 1), 17),
        (("listener", 1, "port"), 18),
        (("listener", 1, "security"), 17),
        (("tls", "host", 0, "name"), 21),
        (("tls", "host", 1, "name"), 23),
        (("tls", "host", 1, "inner", "deep"), 24),
        (("key",), None),
        (("not", "a", "table"), None),
    ],
)
def test_a_key_has_the_line_where_it_or_what_holds_it_stands(path: KeyPath, line: int | None) -> None:
    assert Positions(TEXT).line(path) == line


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z]{1,8}", fullmatch=True),
            st.sampled_from(
                ['"#["', "'[['", '"""\n[x]\n"""', "[\n1,\n]", "{a = 1}", '"\\""', "'''\n'x'\n'''"]
            ),
        ),
        unique_by=lambda pair: pair[0],
        max_size=8,
    )
)
def test_each_key_is_found_behind_whatever_stood_before_it(pairs: list[tuple[str, str]]) -> None:
    text, lines = "", {}
    for key, value in pairs:
        lines[key] = text.count("\n") + 1
        text += f"{key} = {value}\n"
    assert tomllib.loads(text).keys() == lines.keys()
    positions = Positions(text)
    assert {key: positions.line((key,)) for key in lines} == lines
