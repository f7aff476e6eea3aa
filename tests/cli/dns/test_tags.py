from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.cli.dns.spf_record import covers, is_spf, read_spf, with_terms
from sams.cli.dns.tags import has_version, read_tags
from sams.config.spf_terms import read_term


@pytest.mark.parametrize(
    ("text", "values", "problems"),
    [
        ("v=DMARC1; p=none", {"v": "DMARC1", "p": "none"}, 0),
        ("v=DMARC1;p=none;", {"v": "DMARC1", "p": "none"}, 0),
        (" V = DMARC1 ;\tP\t=\tnone ; ", {"v": "DMARC1", "p": "none"}, 0),
        ("v=DKIM1; p=a=b==", {"v": "DKIM1", "p": "a=b=="}, 0),
        ("v=DMARC1; p=none; p=reject", {"v": "DMARC1", "p": "none"}, 1),
        ("v=DMARC1;; p=none", {"v": "DMARC1", "p": "none"}, 1),
        ("v=DMARC1; none; =x", {"v": "DMARC1"}, 1),
        ("", {}, 0),
        ("; ;", {}, 1),
    ],
)
def test_tags_are_read_and_mistakes_told(text: str, values: dict[str, str], problems: int) -> None:
    tags = read_tags(text)
    assert tags.values == values
    assert len(tags.problems) == problems


def test_a_version_is_that_of_the_first_tag() -> None:
    assert has_version("v=DMARC1; p=none", "DMARC1")
    assert has_version(" v = DMARC1;p=none", "DMARC1")
    for other in ("v=DMARC10; p=none", "p=none; v=DMARC1", "v=spf1 -all", "", "DMARC1", "v=dmarc1"):
        assert not has_version(other, "DMARC1"), other


@given(st.text(max_size=200) | st.text("v=DMARC1;p \t", max_size=60))
def test_reading_tags_never_raises(text: str) -> None:
    tags = read_tags(text)
    assert len(tags.values) + len(tags.problems) <= text.count(";") + 1
    assert isinstance(has_version(text, "DMARC1"), bool)


names = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)
values = st.text("abcXYZ012+/=:@. ", max_size=20).map(str.strip)


@given(st.dictionaries(names, values, max_size=8), st.sampled_from(["; ", ";", " ;\t"]), st.booleans())
def test_tags_come_back_however_they_are_spaced(tags: dict[str, str], between: str, ends: bool) -> None:
    text = between.join(f"{name}={value}" for name, value in tags.items()) + between * (ends and bool(tags))
    assert read_tags(text) == read_tags("; ".join(f"{name} = {value}" for name, value in tags.items()))
    assert read_tags(text).values == tags


@given(st.text(max_size=200) | st.text("v=spf1 all-+~ip4:/.", max_size=80))
def test_reading_spf_never_raises(tail: str) -> None:
    record = read_spf(f"v=spf1 {tail}")
    assert len(record.terms) + len(record.problems) <= len(tail.split(" "))
    assert isinstance(record.qualifier_of_all, str)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("v=spf1", True),
        ("V=SPF1 -all", True),
        ("v=spf10 -all", False),
        ("v=spf1-all", False),
        (" v=spf1", False),
    ],
)
def test_a_record_of_spf_is_known_by_its_first_word(text: str, found: bool) -> None:
    assert is_spf(text) is found


@pytest.mark.parametrize(
    ("text", "merged"),
    [
        ("v=spf1 mx -all", "v=spf1 mx a:hub -all"),
        ("v=spf1 ~all exp=x.example", "v=spf1 a:hub ~all exp=x.example"),
        ("v=spf1 mx redirect=x.example", "v=spf1 mx a:hub redirect=x.example"),
        ("v=spf1   mx  wrong:", "v=spf1 mx wrong: a:hub"),
        ("v=spf1", "v=spf1 a:hub"),
    ],
)
def test_terms_are_added_before_what_decides_on_the_rest(text: str, merged: str) -> None:
    assert with_terms(text, ["a:hub"]) == merged


@pytest.mark.parametrize(
    ("term", "wanted", "found"),
    [
        ("a:hub.example", "A:HUB.example.", True),
        ("a:hub.example/24", "a:hub.example", True),
        ("a:hub.example", "a:hub.example/24", False),
        ("ip4:192.0.2.0/24", "ip4:192.0.2.7", True),
        ("ip4:192.0.2.7", "ip4:192.0.2.0/24", False),
        ("ip6:2001:db8::/32", "ip4:192.0.2.7", False),
        ("-ip4:192.0.2.0/24", "ip4:192.0.2.7", False),
        ("include:a.example", "include:a.example", True),
        ("include:a.example", "a:a.example", False),
        ("ip4:0.0.0.0/0", "include:a.example", False),
    ],
)
def test_one_term_covers_another_by_what_the_two_say(term: str, wanted: str, found: bool) -> None:
    assert covers(read_term(term), read_term(wanted)) is found


def test_reading_takes_time_by_the_length_alone() -> None:
    def seconds(text: str) -> float:
        begin = time.process_time()
        read_tags(text)
        read_spf(f"v=spf1 {text}")
        return time.process_time() - begin

    for hard in ("v=1;", ";", "=", "a ", "a:b ", "=;=", "ip4:1 "):
        short, long = (min(seconds(hard * size) for _ in range(5)) for size in (2_000, 16_000))
        assert long < 60 * max(short, 1e-4), hard
