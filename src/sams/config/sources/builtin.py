"""The accounts that SAMS keeps itself, as a source."""

from __future__ import annotations

from typing import Annotated, Literal

from sams.config.key import Key
from sams.config.kinds import Choice
from sams.config.sources.section import SourceSection


class BuiltinSource(SourceSection, frozen=True, kw_only=True, tag_field="kind", tag="builtin"):
    """Accounts that SAMS keeps itself, as `sams account` manages them. This is the source where none is named."""

    type: Annotated[Literal["builtin"], Key(Choice(("builtin",)), "Accounts that SAMS keeps itself.")] = (
        "builtin"
    )
