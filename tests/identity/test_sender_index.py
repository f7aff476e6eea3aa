from __future__ import annotations

import time
from pathlib import Path

import pytest

from sams.config.sender_file import read_senders
from sams.core.errors import OperatorError
from sams.identity.logins import LoginForms
from sams.identity.sender_index import SenderIndex, entries, make_index, read_index

FORMS = LoginForms(["example.org", "bücher.example"], ["CORP"])


def index(text: str) -> SenderIndex:
    return make_index(read_senders(text.encode()), FORMS)


@pytest.mark.parametrize(
    ("written", "bare", "domain"),
    [
        ("alice", "alice", ""),
        ("ALICE", "alice", ""),
        ("alice@example.org", "alice", "example.org"),
        ("alice@BÜCHER.example", "alice", "xn--bcher-kva.example"),
        ("alice@elsewhere.example", "alice@elsewhere.example", ""),
        ("CORP\\alice", "alice", ""),
        ("OTHER\\alice", "other\\alice", ""),
        ("alice/phone", "alice/phone", ""),
    ],
)
def test_a_login_is_found_without_a_domain_of_the_accounts(written: str, bare: str, domain: str) -> None:
    assert list(entries(index(f"office@example.org {written}"), bare)) == [("office@example.org", domain)]


def test_all_addresses_of_a_login_stand_in_the_order_of_the_file() -> None:
    found = index("b@example.org alice, bob\n@example.net alice@example.org\na@example.org alice\n")
    assert list(entries(found, "alice")) == [
        ("b@example.org", ""),
        ("*@example.net", "example.org"),
        ("a@example.org", ""),
    ]
    assert list(entries(found, "bob")) == [("b@example.org", "")]
    assert list(entries(found, "")) == []


def test_what_can_be_no_login_is_left_out() -> None:
    assert index("a@example.org \u0300\u0300, bo\x00b, carol@\u00fc..").keys() == {
        "\u0300\u0300",
        "carol@\u00fc..",
    }


def test_a_file_that_cannot_be_used_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "senders"
    with pytest.raises(OperatorError, match=r"cannot read .*senders: No such file"):
        read_index(path, FORMS)
    path.write_text("a@example.org alice\noffice bob\n")
    with pytest.raises(OperatorError, match=r"senders:2: office is no address"):
        read_index(path, FORMS)


def test_a_hundred_thousand_logins_are_in_order_in_well_under_a_second() -> None:
    found = read_senders("".join(f"user{n}@example.org u{n}@example.org\n" for n in range(100_000)).encode())
    began = time.thread_time()
    assert len(make_index(found, FORMS)) == 100_000
    assert time.thread_time() - began < 1  # 0.1 s where nothing else runs
