from __future__ import annotations

from pathlib import Path

import pytest

from sams.cli.sendmail.arguments import Arguments, parse
from sams.cli.sendmail.failure import SendmailError, SysExit


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-FCronDaemon -i -B8BITMIME -oem root", Arguments(["root"], dot_ends=False, name="CronDaemon")),
        ("-t -i", Arguments(from_header=True, dot_ends=False)),
        ("-t -oi -f ann@example.org", Arguments(from_header=True, dot_ends=False, sender="ann@example.org")),
        ("-ti -fann@example.org", Arguments(from_header=True, dot_ends=False, sender="ann@example.org")),
        ("-bm -oem -odi -em a@example.net,b@example.net", Arguments(["a@example.net", "b@example.net"])),
        ("-r ann@example.org -- a@example.net", Arguments(["a@example.net"], sender="ann@example.org")),
        (
            "-N success,failure -R hdrs -V id1 a",
            Arguments(["a"], notify="SUCCESS,FAILURE", ret="HDRS", envid="id1"),
        ),
        ("-N never -R FULL a", Arguments(["a"], notify="NEVER", ret="FULL")),
        ("a -f ann@example.org", Arguments(["a"], sender="ann@example.org")),
        ("-v -U -m -n -p x -L tag -h 3 -X log a", Arguments(["a"])),
        (
            "-C file --account bob --password-file pw a",
            Arguments(["a"], settings=Path("file"), account="bob", password_file=Path("pw")),
        ),
        ("-q", Arguments(idle=True)),
        ("-q30m", Arguments(idle=True)),
        ("-bi", Arguments(idle=True)),
    ],
)
def test_what_programs_say_is_understood(line: str, expected: Arguments) -> None:
    assert parse(line.split()) == expected


@pytest.mark.parametrize(
    "line",
    ["", "-i", "-bs a", "-bp", "-bd", "-N sometimes a", "-N never,delay a", "-R no a", "-f", "--burn a"],
)
def test_what_cannot_be_done_is_wrong_use(line: str) -> None:
    with pytest.raises(SendmailError) as caught:
        parse(line.split())
    assert caught.value.code is SysExit.USAGE
