"""Autodiscover V2."""

from __future__ import annotations

import json

import pytest

from sams.web.setup_files.autodiscover_json import autodiscover_json
from tests.web.setup_files.sites import site


@pytest.mark.parametrize("protocol", ["AutodiscoverV1", "Autodiscoverv1", "autodiscoverv1"])
def test_it_says_where_the_autodiscover_of_before_is(protocol: str) -> None:
    answer = autodiscover_json(site(), "alice@example.ac.uk", protocol)
    assert answer.status == 200
    assert json.loads(answer.octets) == {
        "Protocol": "AutodiscoverV1",
        "Url": "https://smtp-auth.example.ac.uk/autodiscover/autodiscover.xml",
    }


@pytest.mark.parametrize(
    ("address", "protocol", "status", "code"),
    [
        ("alice@example.ac.uk", "", 400, "MandatoryParameterMissing"),
        ("", "AutodiscoverV1", 400, "MandatoryParameterMissing"),
        (" ", "AutodiscoverV1", 400, "MandatoryParameterMissing"),
        ("alice@example.ac.uk", "ActiveSync", 400, "InvalidProtocol"),
        ("alice@example.ac.uk", "Imap", 400, "InvalidProtocol"),
        ("alice@example.ac.uk", "a\r\n<script>" * 100, 400, "InvalidProtocol"),
        ("alice", "AutodiscoverV1", 400, "UserNotFound"),
        ("alice@example.com", "AutodiscoverV1", 404, "UserNotFound"),
    ],
)
def test_what_cannot_be_answered_gets_an_error_as_exchange_has_it(
    address: str, protocol: str, status: int, code: str
) -> None:
    answer = autodiscover_json(site(), address, protocol)
    error = json.loads(answer.octets)
    assert (answer.status, error["ErrorCode"]) == (status, code)
    assert len(error["ErrorMessage"]) < 300
    assert error["ErrorMessage"].isprintable()
