"""Three minutes of it: nothing is lost, nothing is doubled without a reason, descriptors come back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.soak import Order, run

pytestmark = [pytest.mark.real, pytest.mark.faults, pytest.mark.long, pytest.mark.timeout(900)]

SEED = 20_261_124


def test_three_minutes_of_faults_lose_nothing_and_leak_no_descriptor(tmp_path: Path) -> None:
    result = run(Order(tmp_path, 180.0, SEED, flat=False))
    wrong = [finding for finding in result.findings if finding.decides and not finding.holds]
    assert wrong == [], (
        result.faults,
        result.balance.missing[:20],
        result.balance.unexplained[:20],
        result.refusals[:20],
    )
    assert result.balance.promised > 200
