"""What an app password looks like: `k7mq2-xw4nr-8hjd3-tbv9c-pyea6`, shown once and typed on small keyboards.

Letters and digits that are taken for each other are not among its characters. It is drawn at random, 123 bits of it,
and nobody chose any: to guess it is hopeless, so a fast hash is enough to keep it, and to find it again by.
"""

from __future__ import annotations

import secrets

ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without i, l, o, 0 and 1."""
GROUPS, GROUP = 5, 5
LENGTH = GROUPS * GROUP
_MOST = 80
"""Characters of what is looked at: with room for separators."""
_CHARACTERS = frozenset(ALPHABET)
_SEPARATORS = str.maketrans("", "", " -\t\u00a0\u2007\u202f\u2009\u00ad\u2010\u2011\u2012\u2013\u2014\u2212")
"""As people and their keyboards put them between groups."""


def make_app_password() -> str:
    """A new one, as it is shown."""
    characters = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    return "-".join(characters[start : start + GROUP] for start in range(0, LENGTH, GROUP))


def canonical(text: str) -> str | None:
    """Its characters alone, however it was typed; None: it is no app password.

    Microseconds, whatever was sent. A member's own password may look like one, too.
    """
    if not LENGTH <= len(text) <= _MOST:
        return None
    bare = text.translate(_SEPARATORS).lower()
    return bare if len(bare) == LENGTH and _CHARACTERS.issuperset(bare) else None
