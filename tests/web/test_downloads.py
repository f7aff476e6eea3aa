"""The probe's page, and the file: it is the one that the page names, and it runs."""

from __future__ import annotations

import hashlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sams.config.offered import MailServer
from sams_probe.bundle import pyz
from sams_probe.options import Security, read_host, read_port
from tests.web.client import Client
from tests.web.markup import markup
from tests.web.rig import HOST, pages


def test_the_file_is_the_probe_and_has_the_sum_that_the_page_names() -> None:
    visitor = Client(pages())
    file, page = visitor.get("/sams-probe.pyz"), visitor.get("/probe?lang=en")
    assert file.status == page.status == 200
    assert file.body == pyz()
    assert hashlib.sha256(file.body).hexdigest() in page.text
    assert file.headers["content-disposition"] == 'attachment; filename="sams-probe.pyz"'
    assert file.headers["content-type"] == "application/x-python-code"
    assert 'href="/sams-probe.pyz"' in page.text


def test_a_browser_that_has_the_file_does_not_load_it_again() -> None:
    visitor = Client(pages())
    tag = visitor.get("/sams-probe.pyz").headers["etag"]
    again = visitor.get("/sams-probe.pyz", if_none_match=tag)
    assert (again.status, again.body) == (304, b"")
    assert visitor.get("/sams-probe.pyz", if_none_match='"another"').status == 200


def test_the_file_runs_alone(tmp_path: Path) -> None:
    path = tmp_path / "sams-probe.pyz"
    path.write_bytes(Client(pages()).get("/sams-probe.pyz").body)
    done = subprocess.run(
        [sys.executable, "-I", path, "--version"], capture_output=True, text=True, check=True, timeout=60
    )
    assert re.search(r"\d+\.\d+", done.stdout)


@pytest.mark.parametrize("system", ["Windows", "macOS", "Linux"])
def test_each_system_has_its_command_for_this_service(system: str) -> None:
    page = markup(Client(pages()).get("/probe?lang=en").text)
    (command,) = [one.text for one in page.all("pre") if one.attributes["aria-label"] == system]
    python = "py" if system == "Windows" else "python3"
    assert command == f"{python} sams-probe.pyz {HOST}"


ODD = (MailServer("smtp", HOST, 10465, "implicit"), MailServer("smtp", HOST, 2525, "starttls"))


@pytest.mark.parametrize(
    ("ways", "arguments"),
    [
        (ODD, f"--port 10465/tls --port 2525/starttls {HOST}"),
        ((MailServer("smtp", HOST, 587, "starttls"),), f"--port 587/starttls {HOST}"),
    ],
)
def test_other_ports_than_the_usual_ones_stand_in_the_command(
    ways: tuple[MailServer, ...], arguments: str
) -> None:
    page = markup(Client(pages(outgoing=ways)).get("/probe?lang=en").text)
    (command,) = [one.text for one in page.all("pre") if one.attributes["aria-label"] == "Linux"]
    assert command == f"python3 sams-probe.pyz {arguments}"


def test_the_probe_reads_the_ports_and_the_host_of_the_command_as_they_are_meant() -> None:
    page = markup(Client(pages(outgoing=ODD)).get("/probe?lang=en").text)
    (command,) = [one.text for one in page.all("pre") if one.attributes["aria-label"] == "Linux"]
    *options, host = shlex.split(command)[2:]
    assert read_host(host) == HOST
    assert options[::2] == ["--port", "--port"]
    ports = [read_port(word) for word in options[1::2]]
    assert [(port.number, port.security) for port in ports] == [
        (10465, Security.TLS),
        (2525, Security.STARTTLS),
    ]


def test_the_page_is_in_both_languages_and_loads_nothing_of_others() -> None:
    visitor = Client(pages())
    for language in ("en", "de"):
        html = visitor.get(f"/probe?lang={language}").text
        assert f'<html lang="{language}"' in html
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:", html)
        assert markup(html).strays == []
