from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from sams.config.sender_file import MAX_ADDRESSES, MAX_FILE, SenderLines, read_senders


def read(text: str) -> SenderLines:
    return read_senders(text.encode())


# The form of postmap(1): DESCRIPTION, "TABLE FORMAT"; the semantics of smtpd_sender_login_maps in postconf(5).
LINES = [
    ("office@example.org alice", [("office@example.org", ("alice",))]),
    ("Office@Example.ORG\tAlice", [("office@example.org", ("Alice",))]),
    ("office@example.org alice, bob,carol dave", [("office@example.org", ("alice", "bob", "carol", "dave"))]),
    ("office@example.org alice,\n  bob\n\tcarol\n", [("office@example.org", ("alice", "bob", "carol"))]),
    ("office@example.org alice\n# carol\n  bob\n", [("office@example.org", ("alice", "bob"))]),
    ("office@example.org alice\n\n  # x\n  bob\n", [("office@example.org", ("alice", "bob"))]),
    ("# all\n\n  \n@example.org alice@example.org\n", [("*@example.org", ("alice@example.org",))]),
    ("*@example.org alice", [("*@example.org", ("alice",))]),
    ("@bücher.example alice", [("*@xn--bcher-kva.example", ("alice",))]),
    ("bücher@example.org märy", [("bücher@example.org", ("märy",))]),
    ('"two words"@example.org alice', [("two words@example.org", ("alice",))]),
    ('"a\\"b"@example.org   alice', [('a"b@example.org', ("alice",))]),
    ("office@example.org EXAMPLE\\alice", [("office@example.org", ("EXAMPLE\\alice",))]),
    ("office@example.org alice\r\nsales@example.org bob\r\n", [
        ("office@example.org", ("alice",)), ("sales@example.org", ("bob",)),
    ]),
    ("\ufeffoffice@example.org alice", [("office@example.org", ("alice",))]),
    ("office@example.org ,alice,", [("office@example.org", ("alice",))]),
    ("", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "lines"), LINES, ids=[text for text, _ in LINES])
def test_lines_are_read_as_postmap_reads_them(text: str, lines: list[tuple[str, tuple[str, ...]]]) -> None:
    found = read(text)
    assert found.lines == lines
    assert not found.mistakes


POSTMAP = shutil.which("postmap", path="/usr/sbin:/usr/bin")
TABLE = """\
# who may send as whom
office@example.org alice,
# in between
   bob

\tcarol
Upper@Example.ORG Dave
@lab.example.org   erin  frank
"two words"@example.org  gina
dup@example.org one
  # continues nothing, and ends nothing
DUP@example.org two
last@example.org zed   # is a login, too
"""


@pytest.mark.real
@pytest.mark.skipif(POSTMAP is None, reason="Postfix is missing: apt install postfix, or make system")
def test_postmap_makes_the_same_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "main.cf").touch()
    table = tmp_path / "senders"
    table.write_text(TABLE)
    postmap = (str(POSTMAP), "-c", str(tmp_path))
    subprocess.run((*postmap, f"hash:{table}"), check=True, capture_output=True)
    told = subprocess.run((*postmap, "-s", f"hash:{table}"), check=True, capture_output=True, text=True)
    theirs = dict(line.split("\t", 1) for line in told.stdout.splitlines())
    ours = dict(read(TABLE).lines)
    as_postfix = {re.sub(r"^\*(?=@)", "", key).replace("two words", '"two words"'): ours[key] for key in ours}
    assert as_postfix == {key: tuple(re.split(r"[,\s]+", value)) for key, value in theirs.items()}


MISTAKES = [
    ("office alice", 1, "office is no address: write it with its domain"),
    ("# x\n\noffice@@example.org alice", 3, "office@@example.org is no address"),
    ("@exa_mple.org alice", 1, "@exa_mple.org is no address"),
    ("office@example.org", 1, "no login stands behind office@example.org"),
    ("office@example.org , ,", 1, "no login stands behind office@example.org"),
    ("  bob", 1, "begins with a blank"),
    ("office@example.org " + "x" * 300, 1, "is longer than a login can be"),
    ("two words@example.org alice", 1, "two is no address"),
    ('"open@example.org alice', 1, "is no address"),
]


@pytest.mark.parametrize(("text", "line", "told"), MISTAKES, ids=[told for *_, told in MISTAKES])
def test_a_line_that_cannot_be_used_is_told_with_its_number(text: str, line: int, told: str) -> None:
    (mistake,) = read(text).mistakes
    assert mistake.line == line
    assert told in mistake.text


def test_what_is_no_utf8_is_told_with_its_line() -> None:
    (mistake,) = read_senders(b"a@example.org alice\n\xff@example.org bob\n").mistakes
    assert (mistake.line, mistake.text) == (2, "it is no UTF-8 text")


def test_of_two_lines_for_one_address_the_first_counts_as_in_postfix() -> None:
    found = read("office@example.org alice\nOFFICE@example.org bob\n")
    assert found.lines == [("office@example.org", ("alice",))]
    (warning,) = found.warnings
    assert (warning.line, warning.text) == (
        2,
        "office@example.org stands on line 1 already, and only that one counts",
    )


def test_where_a_domain_gives_more_than_in_postfix_a_warning_says_so() -> None:
    """In Postfix `@domain` is looked at only where the address has no line of its own."""
    found = read("@example.org root\nalice@example.org alice\nbob@example.org bob, root\n@example.net root\n")
    (warning,) = found.warnings
    assert warning.line == 1
    assert "the 1 addresses in example.org that have lines of their own" in warning.text


def test_a_login_has_so_many_addresses_and_no_more() -> None:
    lines = [f"a{number}@example.org alice\n" for number in range(MAX_ADDRESSES)]
    assert not read("".join(lines)).mistakes
    (mistake,) = read("".join([*lines, "b@example.org ALICE\n"])).mistakes
    assert mistake.line == 1
    assert "alice has 1001 addresses, and 1000 is the most" in mistake.text


@pytest.mark.parametrize("text", ["#" * (MAX_FILE + 1), f"{'a' * 60}@example.org {'b ' * 150_000}"])
def test_what_is_too_large_is_refused_however_it_is_written(text: str) -> None:
    (mistake,) = [one for one in read(text).mistakes if not one.line]
    assert "more than 8 MiB" in mistake.text


def test_a_hundred_thousand_lines_are_read_in_well_under_a_second() -> None:
    text = "".join(
        f"user{number}@example.org  user{number}, boss{number % 500}\n" for number in range(100_000)
    )
    began = time.thread_time()
    assert len(read(text).lines) == 100_000
    assert time.thread_time() - began < 2  # 0.3 s where nothing else runs
