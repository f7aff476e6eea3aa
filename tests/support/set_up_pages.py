"""The set-up pages of a service that runs, and what a member copies out of them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sams.config.offered import MailServer
from tests.support.service import PATIENCE, Service
from tests.web.client import Client
from tests.web.markup import markup
from tests.web.rig import pages

EXAMPLE = "alice@example.org"
"""Whom the pages write to, and as whom; the service has such an account."""
_SECRET_TOOL = """\
#!/bin/sh
# A keyring in a file: gives the password out for the very words that it was stored under.
cd "$(dirname "$0")" || exit 1
case $1 in
  store) shift 2; cat > "secret-$(echo "$*" | tr ' /' '__')" ;;
  lookup) shift; cat "secret-$(echo "$*" | tr ' /' '__')" ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Page:
    """One page. listings: by their names. errors: the words of programs, by what they mean."""

    listings: Mapping[str, str]
    errors: Mapping[str, tuple[str, ...]]

    def tells_of(self, kind: str, output: str) -> bool:
        """Whether one of the page's words for this kind of mistake is in what a program said."""
        return any(word.partition("…")[0].strip(" ()0,") in output for word in self.errors[kind])


def page_of(service: Service, slug: str, tls: str) -> Page:
    """The page of a program, for this service. tls: `implicit` or `starttls`, which is then the only way."""
    port = service.implicit if tls == "implicit" else service.starttls
    way = MailServer("smtp", "localhost", port, "implicit" if tls == "implicit" else "starttls")
    site = pages(server_name="localhost", domains=("example.org",), outgoing=(way,), incoming=())
    answer = Client(site).get(f"/programs/{slug}?lang=en")
    assert answer.status == 200
    html = markup(answer.text)
    listings = {one.attributes["aria-label"]: one.text for one in html.all("pre")}
    meanings: dict[str, tuple[str, ...]] = {}
    for term in html.all("dt"):
        around = term.within("div")
        kind = around.attributes.get("id", "").removeprefix("error-") if around is not None else ""
        meanings[kind] = (*meanings.get(kind, ()), term.words)
    return Page(listings, meanings)


@dataclass(frozen=True, slots=True)
class Said:
    """What a command said, and its exit status."""

    output: str
    status: int


@dataclass(frozen=True, slots=True)
class Home:
    """A member's machine: a home, a keyring, a shell. environment: besides, such as the test's authority."""

    folder: Path
    environment: Mapping[str, str]

    @classmethod
    def make(cls, folder: Path, **environment: str) -> Home:
        """An empty one in an empty folder."""
        tool = folder / "bin" / "secret-tool"
        tool.parent.mkdir(parents=True)
        tool.write_text(_SECRET_TOOL)
        tool.chmod(0o755)
        paths = {"HOME": str(folder), "PATH": f"{tool.parent}:{os.environ['PATH']}"}
        return cls(folder, {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "vt100", **paths, **environment})

    def write(self, name: str, text: str) -> Path:
        """A file that only its owner reads. name: as a page has it, with `~`."""
        path = self.folder / name.removeprefix("~/")
        path.touch(mode=0o600)
        path.write_text(text)
        return path

    def say(self, command: str, text: str = "") -> Said:
        """What a shell answers to a command, with what goes wrong."""
        done = subprocess.run(
            ["sh", "-c", command],
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=self.folder,
            env=self.environment,
            check=False,
            timeout=2 * PATIENCE,
        )
        return Said(done.stdout, done.returncode)

    def do(self, command: str, text: str = "") -> str:
        """The same for one that succeeds."""
        said = self.say(command, text)
        assert said.status == 0, f"{command}: {said.output}"
        return said.output
