"""Whatever DNS says, the check ends, and what it tells can be shown."""

from __future__ import annotations

import asyncio

import dns.rdata
import dns.rdataclass
import dns.rdatatype
from hypothesis import given, settings
from hypothesis import strategies as st

from sams.cli.dns.check import examine
from sams.cli.dns.finding import DnsFinding
from sams.cli.dns.questions import Answer, Questions, State
from sams.core.text import visible
from tests.cli.dns.policies import policy
from tests.cli.dns.samples import FULL, config_of

CONFIG = config_of(FULL.replace("dmarc@example.ac.uk", "x@reports.example"))
VERSIONS = ("v=spf1 ", "v=DMARC1;", "v=STSv1;", "v=TLSRPTv1;", "v=DKIM1;", "")

terms = st.sampled_from(
    [
        "a",
        "mx",
        "ptr",
        "+all",
        "include:example.ac.uk",
        "include:..",
        "redirect=x\\300",
        "exists:%{i}",
        "ip4:1.2.3.4/0",
    ]
)
tags = st.sampled_from(
    ["p=", "p=reject", "id=1", "rua=mailto:a@b.example", "rua=,", "sp=x", "t=y", "pct=5", "=", ";;"]
)
tails = st.one_of(
    st.lists(terms, max_size=6).map(" ".join).map(str.encode),
    st.lists(tags, max_size=5).map("; ".join).map(str.encode),
    st.binary(max_size=40),
)
texts = st.tuples(st.sampled_from(VERSIONS), tails).map(lambda parts: parts[0].encode() + parts[1])
names = st.sampled_from(
    [".", "example.ac.uk.", "a\\032b\\027.example.", "smtp-auth.example.ac.uk.", "x.example."]
)


class Saying(Questions):
    """Gives the same records of a type on every name."""

    def __init__(self, said: dict[str, list[str]]) -> None:
        super().__init__([("127.0.0.1", 9)])
        self._said = said

    async def ask(self, name: str, kind: str) -> Answer:
        values = [
            dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(kind), each)
            for each in self._said[kind]
        ]
        return Answer(name, State.FOUND if values else State.EMPTY, tuple(values), name)


def _txt(octets: bytes) -> str:
    return '"' + "".join(f"\\{octet:03}" for octet in octets) + '"'


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_answer_makes_findings_that_can_be_shown(data: st.DataObject) -> None:
    numbers = st.integers(0, 65_535)
    said = {
        "TXT": [_txt(text) for text in data.draw(st.lists(texts, max_size=3))],
        "SRV": [
            f"{one} 1 {two} {name}"
            for one, two, name in data.draw(st.lists(st.tuples(numbers, numbers, names)))
        ],
        "MX": [f"{one} {name}" for one, name in data.draw(st.lists(st.tuples(numbers, names), max_size=12))],
        "PTR": data.draw(st.lists(names, max_size=2)),
        "A": data.draw(st.lists(st.sampled_from(["127.0.0.1", "9.9.9.9", "10.0.0.1"]), max_size=2)),
        "AAAA": data.draw(st.lists(st.sampled_from(["::1", "2620:fe::fe", "::ffff:9.9.9.9"]), max_size=2)),
    }

    async def run() -> list[DnsFinding]:
        served = policy(data.draw(st.text(max_size=50)) or "mx")
        return await examine(CONFIG, Saying(said), only="", fetch=served, is_here=lambda _: True)

    found = asyncio.run(asyncio.wait_for(run(), 60))
    assert {"SPF", "DMARC", "MX", "MTA-STS", "TLSRPT"} <= {each.subject for each in found}
    for each in found:
        assert visible(each.what, 5_000) == each.what
        assert all(visible(record.line, 20_000).isprintable() for record in each.records)
