"""The command line, the single file, and `sams probe`, which is the same."""

from __future__ import annotations

import io
import json
import shutil
import ssl
import subprocess
import sys
import threading
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

import sams
import sams_probe
from sams.cli.main import main as sams_main
from sams.cli.probe import arguments_of
from sams.cli.probe import probe as sams_probe_command
from sams_probe import command
from sams_probe.bundle import pyz, sources
from sams_probe.options import (
    DnsServer,
    Port,
    Security,
    read_host,
    read_port,
    read_server,
    read_timeout,
)
from sams_probe.parallel import in_parallel, within
from tests.probe.certificates import DAY, HOST, authority, issue
from tests.probe.desk import Desk
from tests.support.middlebox import Script, Smtp, standing

SOURCES = Path(__file__).parents[2] / "src"
PYTHONS = ("3.9", "3.10", "3.12", "3.13")
SECRET = "correct horse battery"


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("smtp.example.org", "smtp.example.org"),
        (" SMTP.Example.ORG. ", "smtp.example.org"),
        ("anna@example.org", "example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("192.0.2.1", "192.0.2.1"),
        ("localhost", "localhost"),
    ],
)
def test_hosts_are_read(text: str, host: str) -> None:
    assert read_host(text) == host


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://smtp.example.org",
        "smtp.example.org:587",
        "a..b",
        "-a.example",
        "a b",
        "x" * 64,
        "a." * 130 + "b",
        "é" * 80,
        "fe80::1%\x1b]0;x\x07",
        "::1%a b",
    ],
)
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="host"):
        read_host(text)


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("587", Port(587, Security.STARTTLS)),
        ("465", Port(465, Security.TLS)),
        ("25", Port(25, Security.RELAY)),
        ("25/starttls", Port(25, Security.STARTTLS)),
        ("10465/tls", Port(10_465, Security.TLS)),
        ("2525", Port(2_525, Security.STARTTLS)),
        ("0", None),
        ("65536", None),
        ("587/ssl", None),
        ("٥٨٧", None),
        ("-1", None),
    ],
)
def test_ports_are_read(text: str, port: Port | None) -> None:
    if port is None:
        with pytest.raises(ValueError, match="no port"):
            read_port(text)
    else:
        assert read_port(text) == port


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.1", DnsServer("192.0.2.1")),
        ("192.0.2.1:5353", DnsServer("192.0.2.1", 5353)),
        ("2001:db8::1", DnsServer("2001:db8::1")),
        ("[2001:db8::1]:5353", DnsServer("2001:db8::1", 5353)),
        ("dns.example", None),
        ("192.0.2.1:0", None),
        ("192.0.2.1:99999", None),
        ("[192.0.2]:5", None),
    ],
)
def test_resolvers_are_read(text: str, server: DnsServer | None) -> None:
    if server is None:
        with pytest.raises(ValueError, match="no resolver"):
            read_server(text)
    else:
        assert read_server(text) == server


@pytest.mark.parametrize("text", ["0", "0.4", "121", "x", "1e9", "", "nan", "1.2.3"])
def test_a_timeout_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no time-out"):
        read_timeout(text)
    assert read_timeout("0.5") == 0.5


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a b"],
        ["--port", "x", HOST],
        ["--timeout", "0", HOST],
        ["--resolver", "x", HOST],
        ["--nosuch"],
        ["a", "b"],
        ["--login", "", HOST],
        ["--ca-file", "/nosuch/file", "127.0.0.1"],
        [*["--port=25"] * 9, HOST],
    ],
)
def test_wrong_use_is_told_in_words_with_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = command.main(arguments)
    except SystemExit as ended:
        code = int(str(ended.code))
    assert code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("sams-probe: ")
    assert "Traceback" not in told.err


@pytest.mark.parametrize("text", ["", "\n", "a\0b\n", "x" * 1_025 + "\n"])
def test_a_password_that_cannot_be_one_is_refused(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert command.main(["--login", "anna", "--password-stdin", "127.0.0.1"]) == 2
    assert "password" in capsys.readouterr().err


def test_the_password_is_asked_for_and_no_option_takes_it(
    monkeypatch: pytest.MonkeyPatch, desk: Desk
) -> None:
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return SECRET

    monkeypatch.setattr("getpass.getpass", ask)
    box = Smtp(desk.good.context(), implicit=True)
    with standing(box) as port:
        assert command.main(["--login", "anna", *common(desk), f"--port={port}/tls", HOST]) == 0
    assert asked == ["Password: "]
    assert len(box.signed) == 1
    assert not [name for name in options_of_the_probe() if "password" in name and name != "--password-stdin"]


def common(desk: Desk) -> list[str]:
    return [f"--ca-file={desk.ca_file}", f"--resolver=127.0.0.1:{desk.names.port}", "--ipv4", "--quick"]


def options_of_the_probe() -> set[str]:
    actions = command._parser("x")._actions
    return {option for action in actions for option in action.option_strings if option.startswith("--")}


def test_sams_probe_has_the_same_options() -> None:
    mine = {
        option
        for parameter in sams_probe_command.params
        for option in parameter.opts
        if option.startswith("--")
    }
    assert mine == options_of_the_probe() - {"--help", "--version"}


@pytest.mark.parametrize(
    ("given", "arguments"),
    [
        ({"host": "", "ports": (), "quick": False, "login": None}, []),
        (
            {"host": "-x", "ports": ("25", "587"), "as_json": True},
            ["--port=25", "--port=587", "--json", "--", "-x"],
        ),
        ({"host": "h", "login": "-n", "ca_file": "a b"}, ["--login=-n", "--ca-file=a b", "--", "h"]),
    ],
)
def test_options_are_handed_on(given: Mapping[str, object], arguments: list[str]) -> None:
    assert arguments_of(dict(given)) == arguments


def test_sams_probe_ends_with_the_verdicts_code(desk: Desk) -> None:
    with standing(Smtp(desk.good.context(), implicit=True)) as port:
        arguments = ["probe", *common(desk), f"--port={port}/tls", "--json", HOST]
        done = CliRunner().invoke(sams_main, arguments)
        text = CliRunner().invoke(sams_main, [*arguments[:-2], HOST])
    assert done.exit_code == text.exit_code == 0
    assert json.loads(done.output)["verdicts"][0]["kind"] == "well"
    assert "All is well" in text.output
    missing = CliRunner().invoke(sams_main, ["probe", *common(desk), "nosuch.example.org"])
    assert missing.exit_code == 10


def test_the_versions_are_one() -> None:
    assert sams_probe.__version__ == sams.__version__


def test_the_single_file_has_the_same_octets_each_time_and_all_modules() -> None:
    octets = pyz()
    assert octets == pyz()
    assert octets.startswith(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(io.BytesIO(octets)) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    here = {str(path.relative_to(SOURCES)) for path in (SOURCES / "sams_probe").rglob("*.py")}
    assert names[0] == "__main__.py"
    assert set(names[1:]) == here
    assert names[1:] == sorted(name for name, _ in sources())


def test_an_existing_file_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "sams-probe.pyz"
    assert command.main(["--save", str(path)]) == 0
    assert path.read_bytes() == pyz()
    assert command.main(["--save", str(path)]) == 2
    assert "exists" in capsys.readouterr().err.lower()


def python(version: str) -> str:
    """Where this Python is; the test is left out where it is not installed."""
    candidates = [*Path.home().glob(f".pyenv/versions/{version}.*/bin/python")]
    found = str(candidates[0]) if candidates else shutil.which(f"python{version}")
    if found is None:
        pytest.skip(f"Python {version} is not installed")
    return found


@pytest.fixture(scope="module")
def single_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("probe") / "sams-probe.pyz"
    path.write_bytes(pyz())
    return path


@pytest.mark.parametrize("version", PYTHONS)
def test_the_single_file_runs_alone(desk: Desk, single_file: Path, version: str) -> None:
    """`-I -S`: nothing but the standard library can be imported; `-W error`: and nothing of it is about to go."""
    interpreter = [python(version), "-I", "-S", "-W", "error", str(single_file)]
    well, strip = Smtp(desk.good.context(), implicit=True), Smtp(starttls="500 unsupported command", clear=())
    with standing(well) as good, standing(strip) as bad:
        arguments = [
            *common(desk)[:-1],
            f"--port={good}/tls",
            f"--port={bad}/starttls",
            "--json",
            "--login=anna",
        ]
        done = subprocess.run(
            [*interpreter, *arguments, "--password-stdin", HOST],
            input=f"{SECRET}\n",
            text=True,
            capture_output=True,
            check=False,
            timeout=100,
        )
    assert (done.returncode, done.stderr) == (1, "")
    told = json.loads(done.stdout)
    assert [one["kind"] for one in told["verdicts"]] == ["partly", "starttls-unsupported"]
    assert told["sign_in"]["result"] == "accepted"
    assert told["ports"][0]["tls"]["certificate"]["sent"] == 1
    assert told["ports"][0]["tls"]["versions"]["TLSv1.3"] is True


def boxes(desk: Desk) -> list[tuple[str, Script, str]]:
    """What is wrong with eight ports, each in a way of its own."""
    good, scanner = desk.good.context(), authority("ESET SSL Filter CA", "ESET")
    between = authority("Between", by=desk.root)
    return [
        ("starttls", Smtp(good, clear=("XXXXXXXA",), starttls="500 what"), "starttls-mangled"),
        ("starttls", Smtp(good, starttls="454 TLS not available"), "starttls-unavailable"),
        ("tls", Smtp(issue(desk.root, HOST, begins=-9 * DAY, ends=-DAY).context(), implicit=True), "expired"),
        ("tls", Smtp(issue(None, HOST).context(), implicit=True), "self-signed"),
        ("starttls", Smtp(issue(between, HOST, public=True).context()), "chain-incomplete"),
        ("starttls", Smtp(issue(scanner, HOST).context()), "intercepted"),
        ("tls", Smtp(desk.good.context(newest=ssl.TLSVersion.TLSv1), implicit=True), "old-tls"),
        ("tls", Smtp(good), "plain-on-tls-port"),
    ]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", PYTHONS)
def test_the_single_file_finds_the_same_in_each_python(desk: Desk, single_file: Path, version: str) -> None:
    interpreter = [python(version), "-I", "-S", "-W", "error", str(single_file)]
    with ExitStack() as stack:
        every = boxes(desk)
        ports = [f"--port={stack.enter_context(standing(box))}/{security}" for security, box, _ in every]
        done = subprocess.run(
            [*interpreter, *common(desk)[:-1], *ports, "--json", HOST],
            text=True,
            capture_output=True,
            check=False,
            timeout=100,
        )
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert [one["troubles"] for one in told["ports"]] == [[kind] for _, _, kind in every]
    assert (told["settings"], done.returncode) == (None, 12)
    assert told["verdicts"][0]["kind"] == "intercepted"


@pytest.mark.parametrize("version", PYTHONS)
def test_the_single_file_makes_itself(single_file: Path, tmp_path: Path, version: str) -> None:
    again = tmp_path / "again.pyz"
    subprocess.run([python(version), "-I", str(single_file), "--save", str(again)], check=True, timeout=100)
    assert again.read_bytes() == single_file.read_bytes()


def test_a_reader_that_goes_away_ends_it_without_a_trace(single_file: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, str(single_file), "--port=9", "127.0.0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_an_older_python_is_told_so(single_file: Path) -> None:
    done = subprocess.run(
        [python("3.8"), str(single_file), HOST], text=True, capture_output=True, check=False, timeout=100
    )
    assert done.returncode == 1
    assert done.stderr == "sams-probe needs Python 3.9 or newer, and this is 3.8.\n"


def test_a_terminal_that_lacks_a_character_does_not_end_it(single_file: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(single_file), "--help"],
        env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"},
        capture_output=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0


def test_tasks_give_their_results_in_order_and_their_errors() -> None:
    assert in_parallel([partial(abs, -number) for number in range(60)]) == list(range(60))

    def fail() -> int:
        raise KeyError("x")

    with pytest.raises(KeyError):
        in_parallel([fail, lambda: 1])
    assert within(30.0, lambda: 1) == 1
    with pytest.raises(KeyError):
        within(30.0, fail)


def test_what_takes_too_long_goes_on_unheard() -> None:
    ended = threading.Event()
    assert within(0.05, lambda: ended.wait(30.0)) is None
    ended.set()
