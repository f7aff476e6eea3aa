from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from sams.core.errors import OperatorError
from sams.identity.passwords.new_passwords import PasswordRules

LOGIN = "alice.miller@example.org"
ADDRESSES = ("alice.miller@example.org", "a.miller@lab.quantumworks.example", "*@quantumworks.example")


@pytest.fixture(scope="module")
def rules() -> PasswordRules:
    return PasswordRules(("example.org", "quantumworks.example"))


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("", "is empty"),
        ("short 7", "too short"),
        ("aaaaaaaaaa", "too simple"),
        ("abcabcabcabc", "too simple"),
        ("Alice.Miller", "is the login"),
        ("alice.miller@example.org", "is the login"),
        ("x" * 1025, "at most 1024"),
        ("with\0nul it has", "control"),
        ("password1", "a common password"),
        ("Pa$$w0rd!", "a common password"),
        ("drowssap1", "a common password"),
        ("Winter2024!", "a common password, word or name, a year"),
        ("Sommer2023", "a common password"),
        ("Susanne1985", "a year"),
        ("fussball1", "a common password"),
        ("qwertzuiop", "in a row"),
        ("abcdefgh", "in a row"),
        ("abcd1234abcd1234", "repetitions"),
        ("12.05.1985", "a date"),
        ("19850512", "a year"),
        ("AliceMiller1", "the login"),
        ("rellim.ecila", "the login"),
        ("Quantumworks-2025", "the organisation"),
        ("quantumworks-summer-1", "the organisation"),
        ("4l1c3.m1ll3r", "the login"),
        ("ÄLICE-müller"[:5] + "-miller", "the login"),
    ],
)
def test_a_password_that_is_guessed_at_once_is_not_set(
    rules: PasswordRules, password: str, words: str
) -> None:
    with pytest.raises(OperatorError, match=words) as caught:
        rules.check(LOGIN, ADDRESSES, password)
    assert not password or password not in str(caught.value)


@pytest.mark.parametrize(
    "password",
    [
        "correct horse 7",
        "a-long-enough-secret",
        "kT7#pq2L",
        "kxvwqzpt",
        "Secret-1-pass",
        "tr0ub4dor&3",
        "x7" * 3 + "qLpw9",
    ],
)
def test_a_password_that_takes_long_to_guess_is_set_whatever_characters_it_has(
    rules: PasswordRules, password: str
) -> None:
    assert rules.check(LOGIN, ADDRESSES, password) == password


def test_a_refusal_says_what_to_do(rules: PasswordRules) -> None:
    with pytest.raises(OperatorError, match="four words that have nothing to do with each other"):
        rules.check(LOGIN, ADDRESSES, "password1")


def test_a_good_password_is_taken_in_its_prepared_form(rules: PasswordRules) -> None:
    assert rules.check("alice", (), "Blaue\u00a0Pferde") == "Blaue Pferde"


def _listed(folder: Path, *passwords: str) -> Path:
    path = folder / "breached.txt"
    hashes = sorted(
        hashlib.new("sha1", password.encode(), usedforsecurity=False).hexdigest().upper()
        for password in passwords
    )
    path.write_text("".join(f"{one}:{number}\r\n" for number, one in enumerate(hashes, 1)))
    return path


def test_a_breached_password_is_refused_by_the_list_that_is_named(tmp_path: Path) -> None:
    stolen = ["Blaue Pferde é", *(f"unlikely words {number}" for number in range(50))]
    rules = PasswordRules((), _listed(tmp_path, *stolen))
    for password in stolen:
        with pytest.raises(OperatorError, match="list of stolen passwords") as caught:
            rules.check("alice", (), password)
        assert password not in str(caught.value)
    assert rules.check("alice", (), "unlikely words 51")


def test_where_the_list_cannot_be_read_no_password_is_set_and_the_key_is_named(tmp_path: Path) -> None:
    rules = PasswordRules((), tmp_path / "none.txt")
    with pytest.raises(OperatorError, match=r"\[accounts\] breached_passwords"):
        rules.check("alice", (), "unlikely words 51")
