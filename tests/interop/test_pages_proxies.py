"""The real pages behind real web servers, set up as docs/admin/pages.md says: who the visitor is, is known."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.interop.test_clients import needs
from tests.support.guide import block, changed
from tests.support.service import MAILDIR, PATIENCE, Service, free_ports

pytestmark = pytest.mark.real

PAGE = Path(__file__).parents[2] / "docs/admin/pages.md"
VISITOR, PROXY = "127.0.0.5", "127.0.0.1"
URL = "https://smtp.example.org"
MODULES = Path("/usr/lib/apache2/modules")


def until(condition: Callable[[], object], what: Callable[[], str]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, what()
        time.sleep(0.05)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, int]]:
    """A service with pages, and their port."""
    (port,) = free_ports(1)
    pages = f'[web]\nport = {port}\nurl = "{URL}"\nproxies = ["{PROXY}"]\n'
    made = Service(tmp_path_factory.mktemp("behind-a-web-server"), route=MAILDIR + pages)
    made.add_account("alice")
    with made.running():
        yield made, port


@contextmanager
def running(command: list[str], port: int, folder: Path) -> Iterator[int]:
    """A web server that is ended with the test, once it accepts at the port."""
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder)

    def accepts() -> bool:
        assert process.poll() is None, (folder / "server.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex((PROXY, port)) == 0

    try:
        until(accepts, lambda: "the web server does not listen")
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


@contextmanager
def nginx(service: Service, pages: int, folder: Path) -> Iterator[int]:
    (port,) = free_ports(1)
    text = changed(
        block(PAGE, "server {"),
        {
            "listen 443 ssl;": f"listen {PROXY}:{port} ssl;",
            "listen [::]:443 ssl;": "",
            "/etc/ssl/fullchain.pem": str(service.folder / "certificate.pem"),
            "/etc/ssl/privkey.pem": str(service.folder / "key.pem"),
            "127.0.0.1:8025": f"{PROXY}:{pages}",
        },
    )
    names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{name}_temp_path {folder}/{name};\n" for name in names)
    head = f"pid nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{paths}"
    (folder / "nginx.conf").write_text(f"{head}{text}\n}}\n")
    command = ["nginx", "-p", str(folder), "-c", "nginx.conf", "-e", "stderr", "-g", "daemon off;"]
    with running(command, port, folder) as listening:
        yield listening


@contextmanager
def apache(service: Service, pages: int, folder: Path) -> Iterator[int]:
    (port,) = free_ports(1)
    text = changed(
        block(PAGE, "<VirtualHost *:443>"),
        {
            "*:443": f"{PROXY}:{port}",
            "/etc/ssl/fullchain.pem": str(service.folder / "certificate.pem"),
            "/etc/ssl/privkey.pem": str(service.folder / "key.pem"),
            "http://127.0.0.1:8025/": f"http://{PROXY}:{pages}/",
        },
    )
    modules = "".join(
        f"LoadModule {name}_module {MODULES}/mod_{name}.so\n"
        for name in ("mpm_event", "authz_core", "proxy", "proxy_http", "headers", "socache_shmcb", "ssl")
    )
    head = f"ServerRoot {folder}\nServerName localhost\nPidFile {folder}/pid\nMutex file:{folder}\n"
    head += f"ErrorLog /dev/stderr\nListen {PROXY}:{port}\nUser www-data\nGroup www-data\n"
    (folder / "apache.conf").write_text(f"{modules}{head}{text}")
    with running(["apache2", "-f", str(folder / "apache.conf"), "-DFOREGROUND"], port, folder) as listening:
        yield listening


def asked(
    service: Service, port: int, method: str, path: str, body: str = "", **headers: str
) -> tuple[int, str]:
    """What a visitor at `VISITOR` gets by way of the web server."""
    context = service.trust()
    client = http.client.HTTPSConnection(
        "localhost", port, timeout=PATIENCE, context=context, source_address=(VISITOR, 0)
    )
    with closing(client):
        client.request(method, path, body or None, {"Host": "smtp.example.org", **headers})
        answer = client.getresponse()
        return answer.status, answer.read().decode()


def check(service: Service, port: int) -> None:
    """Pages come, and who signs in there is known by the address it came from, whatever it claims."""
    status, text = asked(service, port, "GET", "/")
    assert status == 200
    assert "smtp.example.org" in text
    for number, claim in enumerate(("", "192.0.2.99", "192.0.2.98, 127.0.0.1", "[::1]:25, unknown")):
        form = urlencode({"login": f"visitor-{number}", "password": "not the password"})
        forged = {"X-Forwarded-For": claim} if claim else {}
        fields = {"Content-Type": "application/x-www-form-urlencoded", "Origin": URL, **forged}
        status, text = asked(service, port, "POST", "/sign-in", form, **fields)
        assert status == 403, text
        until(lambda: sessions(service, f"visitor-{number}"), lambda: service.log)  # noqa: B023 - called at once
        (session,) = sessions(service, f"visitor-{number}")
        assert session["client"] == VISITOR


def sessions(service: Service, login: str) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in service.log.splitlines() if '"session"' in line]
    return [line for line in lines if line.get("login") == login]


@needs("nginx")
def test_nginx_as_the_page_sets_it_up(service: tuple[Service, int], tmp_path: Path) -> None:
    with nginx(*service, tmp_path) as port:
        check(service[0], port)


@needs("apache2")
def test_apache_as_the_page_sets_it_up(service: tuple[Service, int], tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with apache(*service, tmp_path) as port:
        check(service[0], port)


def test_who_comes_past_the_web_server_is_believed_nothing(service: tuple[Service, int]) -> None:
    made, port = service
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE, source_address=(VISITOR, 0))
    form = urlencode({"login": "past-it", "password": "not the password"})
    fields = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Origin": URL,
        "X-Forwarded-For": "192.0.2.99",
    }
    with closing(client):
        client.request("POST", "/sign-in", form, {"Host": "smtp.example.org", **fields})
        assert client.getresponse().status == 403
    until(lambda: sessions(made, "past-it"), lambda: made.log)
    assert [one["client"] for one in sessions(made, "past-it")] == [VISITOR]
