"""A real Thunderbird: it sets itself up from the pages of the real service, and sends through it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from sams.config.web import UserName
from sams.web.setup_files.autoconfig import autoconfig
from tests.support.certificates import Authority
from tests.support.imap_server import IS_THERE, ImapServer
from tests.support.imap_server import MISSING as NO_IMAP
from tests.support.relay import Relay, relay
from tests.support.service import PASSWORD, Service, free_ports, smarthost
from tests.support.sink import Sink, sink
from tests.support.thunderbird import MISSING, PROGRAM, SSL, STARTTLS, Thunderbird
from tests.web.setup_files.sites import IMAP, POP3, SUBMISSION, SUBMISSIONS, site
from tests.web.setup_files.thunderbird_rules import Found, NotTaken, read_autoconfig

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(PROGRAM is None, reason=MISSING),
    pytest.mark.skipif(not IS_THERE, reason=NO_IMAP),
    pytest.mark.timeout(300),
]

ALICE = "alice@example.org"
PAGES = """
[web]
port = {web}
security = "tls"
url = "https://smtp.example.org"

[organisation]
name = "University of <Example> & Sons"
short_name = "Example"

[incoming]
host = "imap.example.org"
port = {imap}
"""
NAMES = ("smtp.example.org", "autoconfig.example.org", "autodiscover.lab.example.org")


@dataclass
class Scene:
    """A member's Thunderbird, and all that it talks to."""

    program: Thunderbird
    service: Service
    imap: ImapServer
    hop: Sink
    names: Relay
    web: int


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder, authority = tmp_path_factory.mktemp("thunderbird"), Authority.make()
    (web,) = free_ports(1)
    imap = ImapServer(authority, "imap.example.org", ALICE, PASSWORD)
    with sink() as hop, relay({}) as names:
        pages = PAGES.format(web=web, imap=imap.port)
        service = Service(folder / "service", route=smarthost(hop.port) + pages, authority=authority)
        _certify(service)
        service.add_account("alice", ALICE)
        program = Thunderbird(folder / "program", names.port, authority)
        try:
            imap.start()
            with service.running():
                program.start()
                yield Scene(program, service, imap, hop, names, web)
        finally:
            program.stop()
            imap.remove()


def _certify(service: Service) -> None:
    """The names under which programs look for set-up files are in the certificate as well."""
    pair = service.authority.host(*NAMES).pairs[0]
    (service.folder / "certificate.pem").write_bytes(pair.chain)
    (service.folder / "key.pem").write_bytes(pair.key)


def test_it_sets_itself_up_by_autoconfig_and_sends_through_the_service(scene: Scene) -> None:
    scene.names.ports = {"autoconfig.example.org:443": scene.web}
    shown = scene.program.set_up("Alice Liddell", ALICE, PASSWORD)
    assert shown == {
        "incomingHost": "imap.example.org",
        "incomingPort": str(scene.imap.port),
        "incomingUsername": ALICE,
        "outgoingHost": "smtp.example.org",
        "outgoingPort": str(scene.service.implicit),
        "outgoingType": "smtp",
    }
    assert scene.program.accounts() == [
        {
            "name": "Alice Liddell",
            "address": ALICE,
            "incoming": ["imap", "imap.example.org", scene.imap.port, SSL, ALICE],
            "outgoing": ["smtp", "smtp.example.org", scene.service.implicit, SSL, ALICE],
        }
    ]
    scene.program.send("friend@example.net", "From a real Thunderbird", "It set itself up.")
    message = arrived(scene, b"From a real Thunderbird")
    assert b"\r\nFrom: Alice Liddell <alice@example.org>\r\n" in message
    assert b"\r\n\r\nIt set itself up." in message
    assert b"X-Mozilla" not in message
    assert scene.imap.sent


def arrived(scene: Scene, subject: bytes) -> bytes:
    """The message with this subject, once the next hop has it."""
    end = time.monotonic() + 60
    while True:
        with scene.hop.lock:
            found = [one for one in scene.hop.messages if b"\r\nSubject: " + subject + b"\r\n" in one]
        if found:
            return found[0]
        assert time.monotonic() < end, f"nothing arrived:\n{scene.service.log}\n{scene.program.log}"
        time.sleep(0.05)


def test_where_there_is_no_autoconfig_it_finds_the_same_by_autodiscover(scene: Scene) -> None:
    scene.names.ports = {"autodiscover.lab.example.org:443": scene.web}
    address = "alice@lab.example.org"
    assert scene.program.run(LOOK_UP, "lab.example.org", address, PASSWORD) == {
        "source": "exchange-from-url1",
        "incoming": [["imap", "imap.example.org", scene.imap.port, SSL, address]],
        "outgoing": [["smtp", "smtp.example.org", scene.service.implicit, SSL, address]],
    }


_SERVERS = """
const server = one => [one.type, one.hostname, one.port, one.socketType, one.username];
const servers = config => ({
  source: config.subSource,
  incoming: [config.incoming, ...config.incomingAlternatives].map(server),
  outgoing: [config.outgoing, ...config.outgoingAlternatives].map(server),
});
"""
LOOK_UP = (
    _SERVERS
    + """
const {FindConfig} = ChromeUtils.importESModule("resource:///modules/accountcreation/FindConfig.sys.mjs");
const [domain, address, password] = arguments;
const search = FindConfig.parallelAutoDiscovery(domain, address, new window.AbortController().signal, password);
return servers((await search.next()).value);
"""
)
READ = (
    _SERVERS
    + """
const {JXON} = ChromeUtils.importESModule("resource:///modules/JXON.sys.mjs");
const {readFromXML} = ChromeUtils.importESModule("resource:///modules/accountcreation/readFromXML.sys.mjs");
const document = new window.DOMParser().parseFromString(arguments[0], "text/xml");
try {
  const config = readFromXML(JXON.build(document), "test");
  return {...servers(config), name: config.displayName};
} catch (error) {
  return {refused: String(error)};
}
"""
)
_SITES: dict[str, dict[str, Any]] = {
    "both": {},
    "POP3": {"incoming": (POP3,), "outgoing": (SUBMISSION,)},
    "nothing incoming": {"incoming": ()},
    "several domains": {"domains": ("example.ac.uk", "xn--mnchen-3ya.example", "a.b.c.d.example")},
}


@pytest.mark.parametrize("user_name", ["address", "local-part", "login"])
@pytest.mark.parametrize("kind", sorted(_SITES))
def test_it_reads_each_file_as_the_rules_of_the_other_tests_say(
    scene: Scene, kind: str, user_name: UserName
) -> None:
    fields = {"incoming": (IMAP,), "outgoing": (SUBMISSIONS, SUBMISSION), **_SITES[kind]}
    for way in ("incoming", "outgoing"):
        fields[way] = tuple(msgspec.structs.replace(one, user_name=user_name) for one in fields[way])
    octets = autoconfig(site(**fields)).octets
    read = scene.program.run(READ, octets.decode())
    try:
        expected = read_autoconfig(octets)
    except NotTaken:
        assert "refused" in read
        return
    assert read["name"] == expected.name
    assert read["incoming"] == [_as_read(one) for one in expected.incoming]
    assert read["outgoing"] == [_as_read(one) for one in expected.outgoing]


def _as_read(found: Found) -> list[object]:
    types = {"SSL": SSL, "STARTTLS": STARTTLS}
    return [found.kind, found.host, found.port, types[found.socket_type], found.user_name]
