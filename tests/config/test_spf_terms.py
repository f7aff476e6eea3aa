from __future__ import annotations

import contextlib
import ipaddress
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.config.spf_terms import SpfTermError, Term, read_term


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("a", Term("a", "+", "a")),
        ("A:Hub.Example.", Term("A:Hub.Example.", "+", "a", "hub.example")),
        ("?a/24", Term("?a/24", "?", "a", lengths=(24, 128))),
        ("a:hub.example/24//64", Term("a:hub.example/24//64", "+", "a", "hub.example", lengths=(24, 64))),
        ("mx//56", Term("mx//56", "+", "mx", lengths=(32, 56))),
        ("-all", Term("-all", "-", "all")),
        ("include:_spf.example", Term("include:_spf.example", "+", "include", "_spf.example")),
        ("ptr", Term("ptr", "+", "ptr")),
        ("exists:%{ir}.sbl.example", Term("exists:%{ir}.sbl.example", "+", "exists", "%{ir}.sbl.example")),
        ("redirect=_spf.example", Term("redirect=_spf.example", "+", "redirect", "_spf.example")),
        ("unknown-modifier=x", Term("unknown-modifier=x", "+", "unknown-modifier", "x")),
        ("ip4:192.0.2.7", Term("ip4:192.0.2.7", "+", "ip4", network=ipaddress.ip_network("192.0.2.7/32"))),
        (
            "ip4:192.0.2.7/24",
            Term("ip4:192.0.2.7/24", "+", "ip4", network=ipaddress.ip_network("192.0.2.0/24")),
        ),
        (
            "~ip6:2001:db8::/32",
            Term("~ip6:2001:db8::/32", "~", "ip6", network=ipaddress.ip_network("2001:db8::/32")),
        ),
    ],
)
def test_a_term_is_read_by_its_grammar(text: str, term: Term) -> None:
    assert read_term(text) == term


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        ":a",
        "mailhub.example.org",
        "ipv4:192.0.2.1",
        "all:x",
        "ip4",
        "ip4:",
        "ip4:2001:db8::1",
        "ip6:192.0.2.1",
        "ip4=192.0.2.1",
        "ip4 192.0.2.1",
        "include",
        "include:",
        "a:",
        "a:two words",
        "a:bücher.example",
        "a/33",
        "mx//129",
        "exists",
        "redirect=",
        "+redirect=x.example",
    ],
)
def test_what_is_no_term_is_refused_in_words(text: str) -> None:
    with pytest.raises(SpfTermError, match=r"[a-z]"):
        read_term(text)


@given(
    st.text(max_size=60) | st.from_regex(r"[+?~-]?(a|mx|ip4|ip6|all|include)[:=/][ -~]{0,20}", fullmatch=True)
)
def test_any_text_is_a_term_or_refused(text: str) -> None:
    try:
        term = read_term(text)
    except SpfTermError:
        return
    assert term.text == text
    assert term.name == term.name.lower()


def test_reading_a_term_takes_time_by_its_length_alone() -> None:
    def seconds(text: str) -> float:
        begin = time.process_time()
        for _ in range(20):
            with contextlib.suppress(SpfTermError):
                read_term(text)
        return time.process_time() - begin

    for hard in ("a", "a:", "a/1", "a-", "1.", "a:x/1//"):
        short, long = (min(seconds(hard * size) for _ in range(5)) for size in (5_000, 40_000))
        assert long < 40 * max(short, 1e-4), hard
