"""Which columns a query may give."""

from __future__ import annotations

from collections.abc import Sequence

from sams.core.text import visible
from sams.identity.sources.interface import down


def check_columns(names: Sequence[str], known: Sequence[str], needed: str, holds: str) -> None:
    """That the columns are some of those known, each once, and the needed one is there. holds: what that one has.

    Raises:
        TemporaryFailure: they are not; says how to write the query.
    """
    for name in names:
        if name not in known:
            text = f"the query gives a column {visible(name, 60)}, which means nothing"
            raise down(f"{text}: name its columns {', '.join(known[:-1])} and {known[-1]}")
    if len(set(names)) != len(names):
        raise down("the query gives two columns of one name: give each its own, with AS")
    if needed not in names:
        raise down(f"the query gives no column {needed}: name the one with {holds}, with AS {needed}")
