"""The mutants still fit the code, and the tests that must notice them exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.catalogue import Mutant, names, read

ROOT = Path(__file__).parents[2]
MUTANTS = [
    pytest.param(mutant, id=f"{name}-{number}")
    for name in names()
    for number, mutant in enumerate(read(name), 1)
]


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_changes_text_that_stands_once_in_its_file(mutant: Mutant) -> None:
    source = (ROOT / mutant.file).read_text()
    changed = mutant.applied(source)
    assert changed != source
    if mutant.file.endswith(".py"):
        compile(changed, mutant.file, "exec")


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_names_tests_that_exist(mutant: Mutant) -> None:
    assert mutant.tests
    for test in mutant.tests:
        path, _, name = test.partition("::")
        assert f"def {name.rpartition('::')[2].partition('[')[0]}(" in (ROOT / path).read_text(), test


def test_a_text_that_is_not_there_or_there_twice_is_refused() -> None:
    mutant = Mutant("R1", "nothing", "x.py", "a", "b", ("t",))
    assert mutant.applied("xax") == "xbx"
    for source in ("x", "aa"):
        with pytest.raises(ValueError, match="instead of once"):
            mutant.applied(source)
