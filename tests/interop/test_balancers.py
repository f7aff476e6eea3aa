"""The real service behind real load balancers, set up as docs/admin/balancers.md says."""

from __future__ import annotations

import json
import re
import shutil
import smtplib
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.interop.test_clients import needs
from tests.support.certificates import Authority
from tests.support.guide import block, changed
from tests.support.service import PASSWORD, PATIENCE, Service, free_ports, message

pytestmark = pytest.mark.real

PAGE = Path(__file__).parents[2] / "docs/admin/balancers.md"
PROXIES = '["127.0.0.1", "::1"]'
MEMBER = "127.0.0.5"
"""A member's address: Linux has all of 127.0.0.0/8, and a balancer connects from 127.0.0.1."""
NGINX_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")


@dataclass
class Balanced:
    """A service, and the ports of the balancer before it."""

    service: Service
    starttls: int
    implicit: int

    def signed_in(self, address: str = "127.0.0.1", source: str = MEMBER) -> smtplib.SMTP:
        client = smtplib.SMTP(address, self.starttls, timeout=PATIENCE, source_address=(source, 0))
        client.starttls(context=self._trust())
        client.login("alice", PASSWORD)
        return client

    def signed_in_implicitly(self, address: str = "127.0.0.1", source: str = MEMBER) -> smtplib.SMTP:
        trust = self._trust()
        client = smtplib.SMTP_SSL(
            address, self.implicit, timeout=PATIENCE, source_address=(source, 0), context=trust
        )
        client.login("alice", PASSWORD)
        return client

    def _trust(self) -> ssl.SSLContext:
        """The certificate is not for `::1`."""
        context = self.service.trust()
        context.check_hostname = False
        return context

    def sessions(self, **facts: Any) -> list[dict[str, Any]]:
        """Sessions of which the log says all this."""
        lines = [json.loads(line) for line in self.service.log.splitlines() if '"session"' in line]
        return [line for line in lines if facts.items() <= line.items()]


def until(condition: Callable[[], object], what: Callable[[], str]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, what()
        time.sleep(0.05)


@contextmanager
def running(command: list[str], port: int, folder: Path) -> Iterator[None]:
    """A program that is ended with the test, once it accepts at the port."""
    with (folder / "balancer.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder)

    def accepts() -> bool:
        assert process.poll() is None, (folder / "balancer.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        until(accepts, lambda: "the balancer does not listen")
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


def listeners() -> str:
    """The page's, at both loopback addresses."""
    text = changed(
        block(PAGE, "[[listener]]"),
        {
            "10587": "{starttls}",
            "10465": "{implicit}",
            '["10.0.0.11", "10.0.0.12"]': PROXIES,
        },
    )
    both = (text.replace("port =", f'address = "{address}"\nport =') for address in ("127.0.0.1", "::1"))
    return "\n".join(both) + "\n[trace]\nclient_address = true\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    made = Service(
        tmp_path_factory.mktemp("behind a balancer"),
        workers=2,
        listeners=listeners(),
        allow="[]",
        limits="connections_per_address = 2\n",
        authority=Authority.make(),
    )
    made.add_account("alice")
    with made.running():
        yield made


def backends(service: Service) -> dict[str, str]:
    return {
        "10.0.0.21:10587": f"127.0.0.1:{service.starttls}",
        "10.0.0.22:10587": f"[::1]:{service.starttls}",
        "10.0.0.21:10465": f"127.0.0.1:{service.implicit}",
        "10.0.0.22:10465": f"[::1]:{service.implicit}",
    }


@contextmanager
def haproxy(service: Service, folder: Path, version: int) -> Iterator[Balanced]:
    starttls, implicit = free_ports(2)
    text = changed(
        block(PAGE, "defaults"),
        {
            ":::587 v4v6": f"127.0.0.1:{starttls},[::1]:{starttls}",
            ":::465 v4v6": f"127.0.0.1:{implicit},[::1]:{implicit}",
            "inter 10s": "inter 500ms",
            **backends(service),
        },
    )
    if version == 1:
        text = text.replace("send-proxy-v2", "send-proxy")
    (folder / "haproxy.cfg").write_text(text)
    with running(["haproxy", "-db", "-f", "haproxy.cfg"], starttls, folder):
        yield Balanced(service, starttls, implicit)


@contextmanager
def nginx(service: Service, folder: Path) -> Iterator[Balanced]:
    starttls, implicit = free_ports(2)
    text = changed(
        block(PAGE, "stream {"),
        {
            "listen 587;": f"listen 127.0.0.1:{starttls};",
            "listen [::]:587;": f"listen [::1]:{starttls};",
            "listen 465;": f"listen 127.0.0.1:{implicit};",
            "listen [::]:465;": f"listen [::1]:{implicit};",
            **backends(service),
        },
    )
    head = f"load_module {NGINX_MODULE};\npid nginx.pid;\nerror_log stderr;\nevents {{}}\n"
    (folder / "nginx.conf").write_text(head + text)
    command = ["nginx", "-p", str(folder), "-c", "nginx.conf", "-e", "stderr", "-g", "daemon off;"]
    with running(command, starttls, folder):
        yield Balanced(service, starttls, implicit)


def check_clients(balanced: Balanced, version: int) -> None:
    """Members of both families, on both listeners, each time over both backends, are known by their own address."""
    service = balanced.service
    shutil.rmtree(service.folder / "Maildir", ignore_errors=True)
    doors = (balanced.signed_in, balanced.signed_in_implicitly)
    for number, (way, sign_in) in enumerate(
        (way, sign_in) for way in ((MEMBER, "127.0.0.1"), ("::1", "::1")) for sign_in in (*doors, *doors)
    ):
        with sign_in(way[1], way[0]) as client:
            client.send_message(message("alice@example.org", f"number {number}"))
    received = [re.sub(r"\s+", " ", text.partition("\n\n")[0]) for text in service.delivered(8)]
    for literal in ("([127.0.0.5])", "([IPv6:::1])"):
        assert len([head for head in received if literal in head]) == 4
    until(lambda: len(balanced.sessions(client=MEMBER, login="alice")) >= 4, lambda: service.log)
    proxies = {line["proxy"] for line in balanced.sessions(client=MEMBER, login="alice")}
    assert proxies == {"127.0.0.1", "::1"}
    until(lambda: f"(PROXY version {version})" in story(service), lambda: story(service))


def story(service: Service) -> str:
    return service.sams("activity", "show", MEMBER, check=False).stdout


@needs("haproxy")
@pytest.mark.parametrize("version", [1, 2])
def test_haproxy_as_the_page_sets_it_up(service: Service, tmp_path: Path, version: int) -> None:
    with haproxy(service, tmp_path, version) as balanced:
        check_clients(balanced, version)
        members = [balanced.signed_in_implicitly() for _ in range(3)]
        held = [smtplib.SMTP("127.0.0.1", balanced.starttls, timeout=PATIENCE) for _ in range(2)]
        with pytest.raises(smtplib.SMTPConnectError) as refused:
            smtplib.SMTP("127.0.0.1", balanced.starttls, timeout=PATIENCE)
        assert refused.value.smtp_code == 421
        balanced.signed_in().quit()
        for client in (*members, *held):
            client.quit()
        checks = {"helo": "lb.example.ac.uk", "how": "quit"}
        for own in ("127.0.0.1", "::1"):
            until(lambda own=own: balanced.sessions(client=own, **checks), lambda: service.log)  # type: ignore[misc]
        assert " is DOWN" not in (tmp_path / "balancer.log").read_text()


@pytest.mark.skipif(not NGINX_MODULE.exists(), reason="nginx with its stream module is missing: make system")
def test_nginx_as_the_page_sets_it_up(service: Service, tmp_path: Path) -> None:
    with nginx(service, tmp_path) as balanced:
        check_clients(balanced, 1)


def swaks(port: int, *more: str) -> str:
    """A message of alice's by swaks, which speaks the PROXY protocol and XCLIENT itself; what was said."""
    member = ("--from", "alice@example.org", "--to", "friend@example.net", "--auth-user", "alice")
    command = [
        "swaks",
        "--server",
        "127.0.0.1",
        "--port",
        str(port),
        *member,
        "--auth-password",
        PASSWORD,
        *more,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return done.stdout + done.stderr


@needs("swaks")
@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize(
    ("family", "client", "server"),
    [("TCP4", "192.0.2.7", "198.51.100.1"), ("TCP6", "2001:db8::7", "2001:db8:1::1")],
)
def test_swaks_says_itself_who_it_is(
    service: Service, version: str, family: str, client: str, server: str
) -> None:
    kind = family if version == "1" else f"AF_INET{'6' if family == 'TCP6' else ''}"
    header = {
        "--proxy-version": version,
        "--proxy-family": kind,
        "--proxy-source": client,
        "--proxy-source-port": "40000",
        "--proxy-dest": server,
        "--proxy-dest-port": "587",
    }
    for port, tls in ((service.starttls, "--tls"), (service.implicit, "--tlsc")):
        said = swaks(port, tls, *(part for option in header.items() for part in option))
        assert "250 2.0.0 Message accepted" in said, said
    until(
        lambda: f"through the load balancer 127.0.0.1 (PROXY version {version})" in shown(service, client),
        lambda: shown(service, client),
    )


def shown(service: Service, client: str) -> str:
    return service.sams("activity", "show", client, check=False).stdout


@needs("swaks")
@needs("haproxy")
def test_xclient_and_xforward_are_unknown_behind_a_balancer_too(service: Service, tmp_path: Path) -> None:
    claim = ("--xclient-addr", "192.0.2.99", "--local-interface", MEMBER)
    with haproxy(service, tmp_path, 2) as balanced:
        for port, tls in ((balanced.starttls, "--tls"), (balanced.implicit, "--tlsc")):
            for when in ((), ("--xclient-before-starttls",)):
                assert "Host did not advertise XCLIENT" in swaks(port, tls, *claim, *when)
        for sign_in in (balanced.signed_in, balanced.signed_in_implicitly):
            with sign_in() as client:
                offered = client.esmtp_features.keys()
                assert not {"xclient", "xforward", "proxy"} & offered
                for command in ("XCLIENT ADDR=192.0.2.99", "XFORWARD ADDR=192.0.2.99"):
                    code, text = client.docmd(command)
                    assert (code, text[:5]) == (500, b"5.5.1")
                client.send_message(message("alice@example.org"))
    until(lambda: len(balanced.sessions(client=MEMBER, refused=2, accepted=1)) == 2, lambda: service.log)
    assert balanced.sessions(client="192.0.2.99") == []


def test_nobody_else_gets_a_word_there(service: Service) -> None:
    balanced = Balanced(service, 0, 0)
    for source, begins in ((MEMBER, b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n"), ("127.0.0.1", b"EHLO x\r\n")):
        for port in (service.starttls, service.implicit):
            with socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0)) as client:
                client.sendall(begins)
                with suppress(ConnectionResetError):
                    assert client.recv(100) == b""
    ends = {
        MEMBER: "refused: it is not from a network that proxy_from names",
        "127.0.0.1": "refused: it does not begin with a PROXY header",
    }
    for address, why in ends.items():
        until(lambda: len(balanced.sessions(client=address, proxy=why)) == 2, lambda: service.log)  # noqa: B023 - called at once
