from __future__ import annotations

import pytest

from sams.core.errors import OperatorError, PeerFault, PermanentFailure, SamsError, TemporaryFailure
from sams.core.reply import EnhancedStatus, Reply, reply


@pytest.mark.parametrize("text", ["2.0.0", "4.7.0", "5.7.11", "5.999.999"])
def test_an_enhanced_status_reads_and_writes_the_same(text: str) -> None:
    assert str(EnhancedStatus.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "5", "5.7", "5.7.1.1", "3.0.0", "5.-1.0", "5.7.1000", "5..1", "5.7.x", "5.7.²", "\u0665.7.1"]
)
def test_what_is_no_enhanced_status_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        EnhancedStatus.parse(text)


@pytest.mark.parametrize(
    ("code", "positive", "temporary", "permanent"),
    [
        (250, True, False, False),
        (354, True, False, False),
        (452, False, True, False),
        (550, False, False, True),
    ],
)
def test_a_code_says_how_it_goes_on(code: int, positive: bool, temporary: bool, permanent: bool) -> None:
    it = reply(code, None, "x")
    assert (it.is_positive, it.is_temporary, it.is_permanent) == (positive, temporary, permanent)


def test_a_reply_shows_as_one_line_with_its_reference() -> None:
    it = reply(550, "5.7.1", "Not", "yours")
    assert str(it) == "550 5.7.1 Not yours"
    assert str(it.with_reference("K7Q2-4F")) == "550 5.7.1 Not yours (ref K7Q2-4F)"
    assert str(Reply(354, ("Go",))) == "354 Go"
    assert it.reference is None


@pytest.mark.parametrize("kind", [PeerFault, TemporaryFailure, PermanentFailure])
def test_an_error_keeps_what_the_peer_may_read_apart_from_the_detail(kind: type[SamsError]) -> None:
    public = reply(451, "4.3.0", "Try again")
    error = kind(public, "disk 7 is on fire")
    assert (error.reply, error.detail, str(error)) == (public, "disk 7 is on fire", "disk 7 is on fire")
    assert str(kind(public)) == "451 4.3.0 Try again"
    assert not isinstance(error, OperatorError)


def test_a_long_reply_is_shortened_to_what_is_shown_and_a_short_one_stays() -> None:
    short = Reply(250, ("one", "two"), EnhancedStatus(2, 0, 0))
    assert short.shortened(6) is short
    assert short.shortened(4) == Reply(250, ("one", "…"), EnhancedStatus(2, 0, 0))
    assert short.shortened(3).lines == ("one",)
    assert short.shortened(2).lines == ("o…",)
    long = Reply(550, ("x" * 700,) * 10, None, "K7Q2-4F").shortened()
    assert [len(line) for line in long.lines] == [700, 300]
    assert long.reference == "K7Q2-4F"
