"""What the fuzzer has found goes on holding; and each target on words put together by chance."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.keeping import worth_keeping
from tests.fuzz.target import pieces
from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
MOST_IN_ALL = 200_000


@pytest.mark.parametrize("name", TARGETS)
def test_every_input_of_the_corpus_holds(name: str) -> None:
    inputs = sorted((CORPUS / name).iterdir())
    assert inputs
    for path in inputs:
        try:
            TARGETS[name].run(path.read_bytes())
        except Exception as error:
            error.add_note(f"input: {path}")
            raise


@pytest.mark.parametrize("name", TARGETS)
def test_words_put_together_hold(name: str) -> None:
    target = TARGETS[name]
    words = st.lists(st.sampled_from(target.words) | st.binary(max_size=3), max_size=25)

    @settings(max_examples=150, deadline=None)
    @given(st.binary(min_size=4, max_size=4), words.map(b"".join))
    def holds(choices: bytes, stream: bytes) -> None:
        target.run((choices + stream)[: target.longest])

    holds()


def test_the_corpus_is_small_and_of_known_targets() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
    assert sum(path.stat().st_size for path in CORPUS.glob("*/*")) <= MOST_IN_ALL


def test_an_input_is_worth_keeping_that_runs_what_none_before_it_has() -> None:
    run = TARGETS["sasl"].run
    plain, longer, malformed = b"\0\0alice\0sesame", b"\0\0alice\0sesame2", b"\0\0\0"
    assert list(worth_keeping(run, [plain], [longer, malformed, plain], 100)) == [malformed]
    assert list(worth_keeping(run, [], [longer, plain], 100)) == [plain]
    assert not list(worth_keeping(run, [], [plain], 5))


@pytest.mark.parametrize("style", range(4))
@pytest.mark.parametrize("stream", [b"", b"a", b"a\r\nb\r\n", b"\n\n", b"abcdefgh"])
def test_pieces_are_the_stream(stream: bytes, style: int) -> None:
    assert b"".join(pieces(stream, style)) == stream
