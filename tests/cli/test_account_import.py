from __future__ import annotations

import hashlib
import time
from typing import Any

import pytest

from sams.cli.failures import Exit
from sams.control.messages import AccountImport, AccountsImported, ImportOutcome, Response
from sams.identity.passwords.foreign.libcrypt import LibCrypt
from tests.cli.desk import Desk
from tests.control.fakes import Answers, listening, supervisor

WORD = "what the member types"
APR1 = "$apr1$abcdefgh$W0e/OLhEAJIyZwM7u6lED0"


def sha1(password: str) -> str:
    import base64  # noqa: PLC0415 - for this alone

    digest = hashlib.new("sha1", password.encode(), usedforsecurity=False).digest()
    return "{SHA}" + base64.b64encode(digest).decode()


def crypted(setting: str) -> str:
    made = LibCrypt().crypt(WORD.encode(), setting.encode())
    assert made is not None
    return made.decode()


def wrote(desk: Desk, *lines: str, name: str = "users") -> str:
    path = desk.server.folder / name
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def results(answer: Any) -> dict[str, str]:
    return {line["login"]: line["result"] for line in answer["lines"]}


def test_an_htpasswd_file_makes_accounts_with_addresses_that_may_sign_in(desk: Desk) -> None:
    file = wrote(
        desk, "# members", "ann:" + crypted("$2b$04$abcdefghijklmnopqrstuu"), "Ben@Example.org:" + APR1, ""
    )
    said = desk.sams("account", "import", file).stdout
    assert "added" in said
    accounts = {one["login"]: one["addresses"] for one in desk.json("account", "list")["accounts"]}
    assert accounts == {"ann": ["ann@example.org"], "ben@example.org": ["Ben@Example.org"]}


def test_what_cannot_be_taken_is_told_line_by_line_and_the_rest_is_taken(desk: Desk) -> None:
    secret = "hunter2-in-clear"
    lines = {
        "one:" + secret: "no form that is known",
        "two:abJnggxhB/yWI": "DES",
        "no colon here": "no colon",
        "ann:!": "locked",
        "bob:x:1000:1000::/home/bob:/bin/sh": "another file",
        "cat@elsewhere.example:" + APR1: "not in a domain of this service",
        "dan:$2y$31$abcdefghijklmnopqrstuuNKTrdYIyJepeBe0WMJS4ZyMwX4aEJLK": "cost of 31",
        "eve\u202e:" + APR1: "no login",
        "fay:" + APR1: "",
        "FAY:" + APR1: "line 9 has this login already",
        "gus:{PLAIN}with\x01control": "control character",
        "hal:" + APR1 + ":::::: nologin": "nologin",
        "ida:" + APR1 + "::::::allow_nets=10.0.0.0/8": "allow_nets",
        "root:" + APR1 + ":19000:0:99999:7:::": "administrator",
        "jan:" + APR1 + ":19000:0:99999:7::19001:": "expired",
        "x" * 9_000 + ":": "octets",
    }
    result = desk.sams("account", "import", wrote(desk, *lines), code=Exit.FAILED)
    told = {line.partition(":")[0]: line for line in result.stdout.splitlines() if line.startswith("line ")}
    for number, (line, words) in enumerate(lines.items(), 1):
        assert (f"line {number}" in told) == bool(words), line[:80]
        assert words in told.get(f"line {number}", ""), line[:80]
    assert [one["login"] for one in desk.json("account", "list")["accounts"]] == ["fay"]
    for hidden in (secret, APR1[6:], "abJnggxhB", "NKTrdYIy", "{PLAIN}w"):
        assert hidden not in result.output


def test_a_run_again_leaves_what_is_there_and_update_gives_it_the_files_password(desk: Desk) -> None:
    file = wrote(desk, "ann:" + sha1(WORD), "ben:" + sha1(WORD))
    desk.add_account("ann", "ann@lab.example.org")
    assert results(desk.json("account", "import", file)) == {"ann": "there already", "ben": "added"}
    assert results(desk.json("account", "import", file, "--update")) == {"ann": "updated", "ben": "unchanged"}
    before = desk.json("account", "show", "ann")
    assert before["addresses"] == ["ann@lab.example.org"]
    assert results(desk.json("account", "import", file, "--update")) == {
        "ann": "unchanged",
        "ben": "unchanged",
    }
    assert desk.json("account", "show", "ann") == before


def test_a_dry_run_tells_the_same_and_changes_nothing(desk: Desk) -> None:
    file = wrote(desk, "ann:" + sha1(WORD), "ben:{PLAIN}a password of before", "cat:nonsense")
    answer = desk.json("account", "import", file, "--dry-run", code=Exit.FAILED)
    assert results(answer) == {"ann": "added", "ben": "added", "cat": "refused"}
    assert (answer["dry_run"], answer["counts"]["added"]) == (True, 2)
    assert desk.json("account", "list") == {"accounts": []}
    assert "Nothing was changed" in desk.sams("account", "import", file, "--dry-run", code=Exit.FAILED).stdout


def test_a_csv_file_names_addresses_and_limits_and_may_hold_passwords_in_clear(desk: Desk) -> None:
    file = wrote(
        desk,
        "Login;Password;Hash;Addresses;may_send_as;per_hour;per_day",
        'ann;"a ""password"" of before";;ann@example.org a.s@example.org;office@example.org;5;',
        f"ben;;{APR1};;;;70",
        "cat;;;;;;",
        f"dan;x;{APR1};;;;",
        "eve;short-row",
        f"fay;;{APR1};;;many;",
        f"gus;;{APR1};;;-5;",
    )
    answer = desk.json("account", "import", file, code=Exit.FAILED)
    refused = {line["line"] for line in answer["lines"] if line["result"] == "refused"}
    assert refused == {4, 5, 6, 7, 8}
    ann, ben = desk.json("account", "list")["accounts"]
    assert ann["addresses"] == ["ann@example.org", "a.s@example.org"]
    assert (ann["may_send_as"], ann["recipients_per_hour"], ann["recipients_per_day"]) == (
        ["office@example.org"],
        5,
        None,
    )
    assert (ben["addresses"], ben["recipients_per_day"]) == (["ben@example.org"], 70)


@pytest.mark.parametrize(
    ("head", "words"),
    [("login,colour", "names the columns"), ("login,hash,hash", "twice"), ('login,hash\nann,"', "not CSV")],
)
def test_a_csv_file_that_is_none_is_refused_whole(desk: Desk, head: str, words: str) -> None:
    assert (
        words in desk.sams("account", "import", wrote(desk, head), "--format", "csv", code=Exit.FAILED).stderr
    )


def test_addresses_come_from_a_domain_or_a_template(desk: Desk) -> None:
    desk.sams("account", "import", wrote(desk, "ann:" + APR1), "--domain", "example.org")
    desk.sams(
        "account", "import", wrote(desk, "ben@example.org:" + APR1),
        "--address", "{name}@example.org", "--address", "{name}.list@example.org",
    )  # fmt: skip
    ann, ben = desk.json("account", "list")["accounts"]
    assert ann["addresses"] == ["ann@example.org"]
    assert ben["addresses"] == ["ben@example.org", "ben.list@example.org"]


def test_a_shadow_file_is_read_and_standard_input_too(desk: Desk) -> None:
    line = "ann:" + crypted("$6$rounds=1000$salt") + ":19000:0:99999:7:::"
    desk.sams("account", "import", "-", "--format", "passwd-file", text=line + "\n")
    assert desk.json("account", "show", "ann")["addresses"] == ["ann@example.org"]


def test_ten_thousand_lines_are_imported_in_seconds(desk: Desk) -> None:
    file = wrote(desk, *(f"member{number:05}:{APR1}" for number in range(10_000)))
    began = time.monotonic()
    answer = desk.json("account", "import", file)
    assert answer["counts"]["added"] == 10_000
    assert time.monotonic() - began < 20
    assert len(desk.json("account", "list")["accounts"]) == 10_000


def test_a_file_of_nothing_says_so(desk: Desk) -> None:
    assert "no account in this file" in desk.sams("account", "import", wrote(desk, "# nothing")).stdout


def test_a_running_service_is_asked_in_pages_that_it_can_take(desk: Desk) -> None:
    asked: list[AccountImport] = []

    def answer(request: AccountImport) -> Response:
        asked.append(request)
        return AccountsImported(tuple(ImportOutcome(one.login, "added") for one in request.accounts))

    answers: Answers = {**supervisor(1), AccountImport: answer}
    file = wrote(
        desk, *(f"m{number}:{APR1}" for number in range(1_500)), *(f"p{n}:{{PLAIN}}w{n}" for n in range(60))
    )
    desk.data_dir.mkdir(mode=0o700)
    with listening(desk.data_dir, answers):
        found = desk.json("account", "import", file)
    assert found["counts"]["added"] == 1_560
    assert len(asked) > 2
    assert all(len(one.accounts) <= 1_000 for one in asked)
    assert all(sum(each.secret.startswith("{PLAIN") for each in one.accounts) <= 50 for one in asked)
    assert APR1 not in repr(asked)
    assert {each.login for one in asked for each in one.accounts} == {
        line["login"] for line in found["lines"]
    }
