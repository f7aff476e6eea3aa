"""`make translations`: collects every text of the pages and brings each catalogue up to date with them.

A text that is new stands in the catalogue without a translation, one that changed is marked as fuzzy; the tests fail
until somebody has translated them. Places of texts are left out, so that a catalogue changes only where texts do.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "sams"
LOCALE = SOURCE / "web" / "locale"
_METHODS = [("**.py", "python"), ("web/templates/**.html", "jinja2.ext:babel_extract")]
_JINJA = {"extensions": "jinja2.ext.i18n", "trimmed": "true", "silent": "false", "newstyle_gettext": "true"}
"""As `web/rendering.py` has it: a percent sign would be another text otherwise."""
_OPTIONS = {"web/templates/**.html": _JINJA}
_KEYWORDS = {"translatable": None, "_": None, "gettext": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}
"""`pgettext` names a program whose own word for something is not that of the others."""
_WIDTH = 110


def collect() -> Catalog:
    """All texts of the tree, without translations."""
    found = Catalog(project="SAMS", fuzzy=False)
    for _, _, message, _, context in extract_from_dir(
        SOURCE, _METHODS, _OPTIONS, _KEYWORDS, strip_comment_tags=True
    ):
        found.add(message, context=context)
    return found


def read(language: str) -> Catalog:
    """The catalogue of a language as it lies there."""
    with (LOCALE / language / "LC_MESSAGES" / "sams.po").open("rb") as source:
        return read_po(source, locale=language)


def updated(language: str, texts: Catalog) -> bytes:
    """It, brought up to date."""
    catalog = read(language)
    catalog.update(texts, update_header_comment=False)
    catalog.obsolete.clear()
    written = io.BytesIO()
    write_po(written, catalog, width=_WIDTH, no_location=True, omit_header=True, sort_output=False)
    return _HEADER.format(language=language).encode() + written.getvalue()


_HEADER = r"""msgid ""
msgstr ""
"Project-Id-Version: SAMS\n"
"Language: {language}\n"
"MIME-Version: 1.0\n"
"Content-Type: text/plain; charset=UTF-8\n"
"Content-Transfer-Encoding: 8bit\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\n"

"""
"""Without dates and names of people: the history has them."""


def main() -> int:
    """Bring all up to date, and say how many texts wait for a translation."""
    texts = collect()
    for folder in sorted(path for path in LOCALE.iterdir() if path.is_dir()):
        octets = updated(folder.name, texts)
        (folder / "LC_MESSAGES" / "sams.po").write_bytes(octets)
        catalog = read(folder.name)
        waiting = sum(1 for message in catalog if message.id and (message.fuzzy or not message.string))
        sys.stdout.write(f"{folder.name}: {len(catalog)} texts, {waiting} without a translation\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
