from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from sams.core.memory_files import as_path, memory_file, read_all
from sams.core.spawning import clean_environment, python_command, spawn

_TELL = (
    "import os, sys, json; "
    "told = [sorted(int(n) for n in os.listdir('/proc/self/fd')), sorted(os.environ), "
    "os.read(0, 9).decode(), os.pread(4, 99, 0).decode()]; "
    "os.write(3, json.dumps(told).encode())"
)


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_program_inherits_what_it_is_to_have_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "x")
    reader, writer = os.pipe()
    stray = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(stray, True)
    given = memory_file(b"for you")
    try:
        # what is to be found under 3 may have the number 4 here, and the other way round
        pid = spawn([sys.executable, "-I", "-c", _TELL], {3: writer, 4: given}, clean_environment())
        os.close(writer)
        told = os.read(reader, 4_096).decode()
        assert ended(pid) == 0
    finally:
        for one in (reader, stray, given):
            os.close(one)
    fds, names, stdin, content = eval(told)  # noqa: S307 - a list of ours
    assert [one for one in fds if one <= 4] == [0, 1, 2, 3, 4]
    assert len(fds) == 6, "one more is the listing itself"
    assert "A_SECRET" not in names
    assert {"PATH", "LC_ALL"} <= set(names)
    assert (stdin, content) == ("", "for you")


def test_a_descriptor_may_have_the_number_that_another_is_to_get() -> None:
    first, second = memory_file(b"first"), memory_file(b"second")
    reader, writer = os.pipe()
    tell = (
        f"import os; os.write({max(first, second, writer) + 1}, "
        f"os.pread({second}, 9, 0) + b' ' + os.pread({first}, 9, 0))"
    )
    try:
        pid = spawn(
            [sys.executable, "-I", "-c", tell],
            {second: first, first: second, max(first, second, writer) + 1: writer},
            clean_environment(),
        )
        os.close(writer)
        assert os.read(reader, 99) == b"first second"
        assert ended(pid) == 0
    finally:
        for one in (first, second, reader):
            os.close(one)


def test_a_module_of_the_same_code_is_run_whatever_lies_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sams").mkdir()
    (tmp_path / "sams" / "__init__.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    command = python_command("sams.core.text", "argument")
    assert command[0] == sys.executable
    assert command[-1] == "argument"
    command[3] = command[3].replace(
        "from sams.core.text import main; sys.exit(main(sys.argv[1:]))", "import sams.core.text"
    )
    assert ended(spawn(command, {}, clean_environment())) == 0


def test_a_file_in_memory_is_read_whole_wherever_others_have_read_to() -> None:
    content = os.urandom(3_000_000)
    descriptor = memory_file(content)
    try:
        os.lseek(descriptor, 7, os.SEEK_SET)
        assert read_all(descriptor) == content
        assert read_all(descriptor) == content
        assert not os.get_inheritable(descriptor)
    finally:
        os.close(descriptor)


def test_a_path_to_it_can_be_opened_while_it_is_needed_and_not_afterwards() -> None:
    with as_path(b"content") as path:
        assert Path(path).read_bytes() == b"content"
    assert not Path(path).exists()
