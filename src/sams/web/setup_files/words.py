"""What people read of a set-up file, in the languages of the pages.

Programs show these texts; they have no page around them, so that the pages' catalogues are not asked for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

DOCUMENTATION: Final[Mapping[str, str]] = {
    "en": "How to set up a mail program",
    "de": "So richtet man ein Mailprogramm ein",
}
PROFILE_NAME: Final[Mapping[str, str]] = {"en": "{name}: mail", "de": "{name}: Mail"}
PROFILE_DESCRIPTION: Final[Mapping[str, str]] = {
    "en": "Sets up mail of {name} in Apple Mail: incoming {incoming}, outgoing {outgoing}. Your password is not in "
    "this profile; you are asked for it when you install it. You can remove the profile at any time.",
    "de": "Richtet Mail von {name} in Apple Mail ein: Empfang {incoming}, Versand {outgoing}. Ihr Passwort steht "
    "nicht in diesem Profil; Sie werden beim Installieren danach gefragt. Das Profil lässt sich jederzeit entfernen.",
}


def said(texts: Mapping[str, str], language: str) -> str:
    """The text in a language; in English where there is none."""
    return texts.get(language, texts["en"])
