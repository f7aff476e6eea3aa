"""Policies of MTA-STS as they may be served."""

from __future__ import annotations

from sams.cli.dns.checks.arriving import Fetch, FetchError
from sams.config.sts_policy import policy_text


def policy(text: str = policy_text("testing", ["mx1.example.ac.uk", "mx2.example.ac.uk"])) -> Fetch:
    async def fetch(domain: str) -> str:
        assert domain
        if not text:
            raise FetchError("no answer within 10 s")
        return text

    return fetch
