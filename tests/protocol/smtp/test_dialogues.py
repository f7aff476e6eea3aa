from __future__ import annotations

from pathlib import Path

import pytest

from tests.protocol.smtp.harness import Dialogue

FILES = sorted((Path(__file__).parents[2] / "dialogues").glob("*.txt"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_dialogue_goes_as_it_is_written(path: Path) -> None:
    Dialogue(path).run()


def test_there_are_dialogues() -> None:
    assert len(FILES) > 20
