"""What every request passes first."""

from __future__ import annotations

import asyncio

import pytest

from sams.web.application import BURST
from tests.web.client import Client, ask
from tests.web.rig import HOST, pages

OWN = f"https://{HOST}"


def test_a_network_that_asks_too_much_is_told_when_to_come_again_and_others_are_not() -> None:
    app = pages()
    visitor, other = Client(app), Client(app, address="198.51.100.9")
    answers = [visitor.get("/settings").status for _ in range(int(BURST) + 20)]
    assert answers[0] == 200
    refused = visitor.get("/settings")
    assert refused.status == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert f"in {refused.headers['retry-after']} s" in refused.text
    assert refused.headers["refresh"] == refused.headers["retry-after"]
    assert other.get("/settings").status == 200


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 303),
        ({"origin": OWN}, 303),
        ({"origin": OWN, "sec-fetch-site": "same-origin"}, 303),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": f"http://{HOST}"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": OWN, "sec-fetch-site": "cross-site"}, 403),
    ],
)
def test_a_form_of_another_site_is_refused(fields: dict[str, str], status: int) -> None:
    form = b"login=alice&password=correct+horse"
    answer = asyncio.run(ask(pages(), "/sign-in", method="POST", headers=fields, body=form))
    assert answer.status == status


@pytest.mark.parametrize("length", ["99999", "-1", "1e3", "٣", "999999999999999999", ""])
def test_a_body_without_a_small_length_is_refused_unread(length: str) -> None:
    headers = {"content-length": length} if length.isascii() else {"x": "y", "content-length": "zz"}
    assert asyncio.run(ask(pages(), "/sign-in", method="POST", headers=headers, body=b"x")).status == 413


def test_a_body_in_pieces_is_refused_unread_whatever_length_stands_beside() -> None:
    fields = {"content-length": "5", "transfer-encoding": "chunked"}
    for path in ("/sign-in", "/sign-out", "/mail.mobileconfig", "/autodiscover/autodiscover.xml"):
        assert asyncio.run(ask(pages(), path, method="POST", headers=fields, body=b"x")).status == 413


def test_an_address_that_is_too_long_is_refused() -> None:
    assert Client(pages()).get("/?" + "x" * 3_000).status == 414
