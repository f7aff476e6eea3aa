"""The policy of MTA-STS, by the grammar of RFC 8461 section 3.2."""

from __future__ import annotations

import re

import pytest

from sams.web.setup_files.asked import Refused
from sams.web.setup_files.sts import sts_policy
from sams.web.site import StsPolicy
from tests.web.setup_files.sites import site

_GRAMMAR = re.compile(
    rb"version: STSv1\r\n"
    rb"mode: (testing|enforce)\r\n"
    rb"(?:mx: (?:\*\.)?[a-z0-9.-]+\r\n)+"
    rb"max_age: ([0-9]{1,10})\r\n"
)


@pytest.mark.parametrize(("mode", "max_age"), [("testing", 86_400), ("enforce", 1_209_600)])
def test_a_policy_is_lines_that_end_in_crlf(mode: str, max_age: int) -> None:
    file = sts_policy(site(sts=StsPolicy(mode, ("mx1.example.ac.uk", "mx2.example.ac.uk"))))
    found = _GRAMMAR.fullmatch(file.octets)
    assert found is not None
    assert (found[1].decode(), int(found[2])) == (mode, max_age)
    assert file.octets.count(b"\r\nmx: ") == 2
    assert file.media_type == "text/plain; charset=utf-8"


def test_without_a_policy_there_is_no_file() -> None:
    with pytest.raises(Refused) as caught:
        sts_policy(site())
    assert caught.value.status == 404
