r"""A file of who may send as whom, turned around: from logins to addresses.

One dict of texts: 100,000 logins are 20 MB, which the garbage collector never looks at and workers share with whom
they were forked from; it passes a worker's channel at a reload. A key is a login without a domain of the accounts, a
value its patterns by lines; behind a tab stands the domain where the login was written with one of the accounts':

    {"alice": "office@example.org\nsales@example.org\tlab.example.org", "bob@elsewhere.example": "*@example.org"}
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sams.config.sender_file import MAX_FILE, SenderLines, read_senders
from sams.core.address import AddressError, domain_key
from sams.core.errors import OperatorError
from sams.identity.logins import LoginForms, UnpreparableError, map_login

SenderIndex = dict[str, str]
_BETWEEN, _DOMAIN = "\n", "\t"


def read_index(path: Path, forms: LoginForms) -> SenderIndex:
    """The index of a file.

    Raises:
        OperatorError: it cannot be read, or a line is wrong; says which.
    """
    try:
        with path.open("rb") as file:
            found = read_senders(file.read(MAX_FILE + 1))
    except OSError as error:
        raise OperatorError(f"cannot read {path}: {error.strerror}") from None
    for mistake in found.mistakes:
        raise OperatorError(f"{path}:{mistake.line}: {mistake.text}")
    return make_index(found, forms)


def make_index(found: SenderLines, forms: LoginForms) -> SenderIndex:
    """The same of what was read. What can be nobody's login is left out."""
    index: SenderIndex = {}
    for pattern, logins in found.lines:
        for written in logins:
            key, domain = _place(written, forms)
            item = f"{pattern}{_DOMAIN}{domain}" if domain else pattern
            before = index.get(key)
            index[key] = item if before is None else f"{before}{_BETWEEN}{item}"
    index.pop("", None)
    return index


def entries(index: SenderIndex, bare: str) -> Iterator[tuple[str, str]]:
    """The patterns of a login without a domain of the accounts, each with the domain it was written with."""
    found = index.get(bare)
    for item in found.split(_BETWEEN) if found else ():
        pattern, _, domain = item.partition(_DOMAIN)
        yield pattern, domain


def _place(written: str, forms: LoginForms) -> tuple[str, str]:
    """A login without a domain of the accounts, and that domain; empty: it can be none."""
    try:
        login = map_login(written)
        if "\\" in login:
            login = forms.parse(login).typed
        bare = forms.bare(login)
        return (bare, "") if bare == login else (bare, domain_key(login.rpartition("@")[2]))
    except (UnpreparableError, AddressError):
        return "", ""
