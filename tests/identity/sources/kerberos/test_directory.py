"""A Kerberos realm as a directory, asked at a real KDC."""

from __future__ import annotations

import asyncio
import builtins
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import uvloop

from sams.config.sources import KerberosSource
from sams.core.errors import OperatorError, PeerFault, TemporaryFailure
from sams.identity.account_sources import Finding
from sams.identity.logins import Login, LoginForms, map_login
from sams.identity.sources.interface import Answer, Member
from sams.identity.sources.kerberos.directory import KerberosDirectory
from sams.protocol.sasl.gssapi import GssApi
from sams.protocol.sasl.interface import Challenge, Channel, Malformed, PrincipalClaim, Verify
from tests.support.kerberos_server import IS_THERE, MISSING, PASSWORD, REALM, SERVICE, KerberosServer

gssapi = pytest.importorskip(
    "gssapi", reason="gssapi is missing: apt install libkrb5-dev, or make system, then make env"
)
raw = gssapi.raw
pytestmark = [pytest.mark.real, pytest.mark.skipif(not IS_THERE, reason=MISSING)]

FORMS = LoginForms(("example.org",))
HOME = "192.0.2.7"
NAME = "smtp.example.org"


def login(text: str) -> Login:
    return FORMS.parse(map_login(text))


@pytest.fixture(scope="module")
def realm() -> Iterator[KerberosServer]:
    server = KerberosServer()
    try:
        server.add("alice", "+requires_preauth")
        server.add("bob")
        server.add("alice/admin")
        server.add("gone", "-allow_tix")
        server.add("old", "-expire 2001-01-01")
        server.add("stale", "-pwexpire 2001-01-01")
        server.add("ümlaut", password="pässwörd")
        server.keytab(SERVICE, f"smtp/other.example.org@{REALM}")
        server.keytab(f"imap/{NAME}@{REALM}", name="imap.keytab")
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(autouse=True)
def _asks_it(realm: KerberosServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("KRB5_CONFIG", realm.config)
    monkeypatch.setenv("KRB5RCACHENAME", f"file2:{realm.folder}/replays")
    yield
    realm.point_at(realm.port)


@pytest.fixture
def directory(realm: KerberosServer) -> KerberosDirectory:
    return KerberosDirectory(section(realm), NAME)


def section(realm: KerberosServer, **keys: Any) -> KerberosSource:
    return KerberosSource(**{"realm": REALM, "keytab": realm.folder / "keytab", **keys})


def run(work: Callable[[], Awaitable[Any]], *, on_uvloop: bool = True) -> Any:
    factory = uvloop.new_event_loop if on_uvloop else asyncio.new_event_loop

    async def all_of_it() -> Any:
        return await work()

    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(all_of_it())


def verify(directory: KerberosDirectory, name: str, password: str = PASSWORD) -> Answer:
    answer = run(lambda: directory.verify(login(name), password, HOME))
    assert isinstance(answer, Answer)
    return answer


def find(directory: KerberosDirectory, name: str) -> Member | None:
    return run(lambda: directory.find(login(name)))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("name", "password", "finding"),
    [
        ("alice", PASSWORD, Finding.RIGHT),
        ("Alice@Example.org", PASSWORD, Finding.RIGHT),
        ("alice/phone", PASSWORD, Finding.RIGHT),
        ("alice", "wrong", Finding.WRONG),
        ("bob", PASSWORD, Finding.RIGHT),
        ("bob", "wrong", Finding.WRONG),
        ("ümlaut", "pässwörd", Finding.RIGHT),
        ("nobody", PASSWORD, Finding.UNKNOWN),
        ("gone", PASSWORD, Finding.WRONG),
        ("old", PASSWORD, Finding.WRONG),
        ("stale", PASSWORD, Finding.WRONG),
        ("alice@elsewhere.example", PASSWORD, Finding.UNKNOWN),
        ("alice\\admin", PASSWORD, Finding.UNKNOWN),
        ("x" * 250, PASSWORD, Finding.UNKNOWN),
    ],
)
def test_a_password_is_asked_of_the_realm(
    directory: KerberosDirectory, name: str, password: str, finding: Finding
) -> None:
    answer = verify(directory, name, password)
    assert answer.finding is finding, answer
    assert (answer.member is not None) == (finding is Finding.RIGHT)
    assert password not in answer.detail


def test_why_a_principal_gets_no_ticket_is_told_the_journal(directory: KerberosDirectory) -> None:
    assert "disabled" in verify(directory, "gone").detail
    assert "has expired" in verify(directory, "old").detail
    assert "password has expired" in verify(directory, "stale").detail


def test_an_instance_is_asked_for_by_nobody(directory: KerberosDirectory) -> None:
    """`alice/admin` as a login is alice with a device; a slash that stays in is nobody's."""
    assert verify(directory, "alice/admin").member == Member("alice")
    odd = Login("alice/admin", "alice/admin", "example.org")
    assert run(lambda: directory.verify(odd, PASSWORD, HOME)).finding is Finding.UNKNOWN
    assert run(lambda: directory.find(odd)) is None


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("alice", Member("alice")),
        ("stale", Member("stale")),
        ("nobody", None),
        ("alice@elsewhere.example", None),
    ],
)
def test_a_member_is_found_without_a_password(
    directory: KerberosDirectory, name: str, member: Member | None
) -> None:
    assert directory.can_find
    assert find(directory, name) == member


@pytest.mark.parametrize("name", ["gone", "old"])
def test_a_member_who_is_shut_out_of_the_realm_is_found_suspended(
    directory: KerberosDirectory, name: str
) -> None:
    member = find(directory, name)
    assert member is not None
    assert member.suspended


def test_who_is_shut_out_while_the_service_runs_is_seen_at_once(
    realm: KerberosServer, directory: KerberosDirectory
) -> None:
    realm.add("leaver")
    assert find(directory, "leaver") == Member("leaver")
    realm.admin("modprinc -allow_tix leaver")
    member = find(directory, "leaver")
    assert member is not None
    assert member.suspended
    realm.admin("delprinc -force leaver")
    assert find(directory, "leaver") is None


def test_passwords_can_be_left_to_others(realm: KerberosServer) -> None:
    directory = KerberosDirectory(section(realm, passwords=False), NAME)
    assert verify(directory, "alice").finding is Finding.REFUSED


def test_it_works_on_the_standard_loop(directory: KerberosDirectory) -> None:
    answer = run(lambda: directory.verify(login("alice"), PASSWORD, HOME), on_uvloop=False)
    assert answer.finding is Finding.RIGHT


def test_many_are_asked_for_at_once(directory: KerberosDirectory) -> None:
    async def both() -> Sequence[Answer]:
        asked = [
            directory.verify(login("alice"), PASSWORD if number % 2 else "wrong", HOME) for number in range(8)
        ]
        return await asyncio.gather(*asked)

    findings = [answer.finding for answer in run(both)]
    assert findings == [Finding.WRONG, Finding.RIGHT] * 4


def test_nothing_is_left_in_files_or_in_the_environment(
    realm: KerberosServer, directory: KerberosDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/ccache")
    monkeypatch.chdir(tmp_path)
    assert verify(directory, "alice").finding is Finding.RIGHT
    assert find(directory, "alice") == Member("alice")
    assert list(tmp_path.iterdir()) == []


# --- who answers in the realm's place


@pytest.fixture
def impostor(realm: KerberosServer) -> Iterator[KerberosServer]:
    """Another realm of the same name, whose owner knows which password alice has there, and not our key."""
    server = KerberosServer()
    try:
        server.add("alice", password="made up")
        server.keytab(SERVICE)
        server.start()
        yield server
    finally:
        server.remove()


def test_somebody_who_answers_as_the_realm_lets_nobody_in(
    realm: KerberosServer, impostor: KerberosServer, directory: KerberosDirectory
) -> None:
    realm.point_at(impostor.port)
    with pytest.raises(TemporaryFailure, match="somebody answers as the realm"):
        verify(directory, "alice", "made up")
    with pytest.raises(TemporaryFailure):
        find(directory, "alice")
    realm.point_at(realm.port)
    assert verify(directory, "alice").finding is Finding.RIGHT


def test_a_realm_without_our_principal_is_down(realm: KerberosServer) -> None:
    directory = KerberosDirectory(section(realm), "elsewhere.example.org")
    with pytest.raises(TemporaryFailure, match="add this principal to the realm"):
        verify(directory, "alice")


def test_a_keytab_that_is_missing_is_down(realm: KerberosServer, tmp_path: Path) -> None:
    directory = KerberosDirectory(section(realm, keytab=tmp_path / "none"), NAME)
    with pytest.raises(TemporaryFailure, match="keytab"):
        verify(directory, "alice")
    with pytest.raises(TemporaryFailure, match="keytab"):
        find(directory, "alice")
    with pytest.raises(TemporaryFailure, match="keytab"):
        directory.accept_context().step(b"x")


def test_keys_that_were_renewed_are_used_without_a_restart(realm: KerberosServer) -> None:
    principal = f"smtp/renewed.example.org@{REALM}"
    keytab = realm.keytab(principal, name="renewed.keytab")
    directory = KerberosDirectory(section(realm, keytab=keytab), "renewed.example.org")
    assert verify(directory, "alice").finding is Finding.RIGHT
    keytab.unlink()
    realm.admin(f"ktadd -k {keytab} {principal}")
    assert verify(directory, "alice").finding is Finding.RIGHT


def test_a_realm_that_is_silent_keeps_nobody_waiting_for_ever(realm: KerberosServer) -> None:
    directory = KerberosDirectory(section(realm, connections=1), NAME)

    async def ask() -> None:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(directory.verify(login("alice"), PASSWORD, HOME), 0.1)
        begun = time.monotonic()
        with pytest.raises(TemporaryFailure, match="silent"):
            await directory.verify(login("alice"), PASSWORD, HOME)
        assert time.monotonic() - begun < 1
        await directory.close()

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        realm.point_at(silent.getsockname()[1])
        run(ask)


def test_a_realm_that_was_down_is_asked_again_when_it_is_back(
    realm: KerberosServer, directory: KerberosDirectory
) -> None:
    realm.stop()
    try:
        with pytest.raises(TemporaryFailure, match=r"contact any KDC .*port 88"):
            verify(directory, "alice")
        with pytest.raises(TemporaryFailure, match="contact any KDC"):
            find(directory, "alice")
    finally:
        realm.start()
    assert verify(directory, "alice").finding is Finding.RIGHT
    assert find(directory, "alice") == Member("alice")


def test_without_the_library_it_is_said_what_to_install(
    realm: KerberosServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_import = builtins.__import__

    def without(name: str, *arguments: Any, **named: Any) -> Any:
        if name == "sams.identity.sources.kerberos.realm":
            raise ImportError(name)
        return real_import(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(OperatorError, match="libkrb5-dev"):
        KerberosDirectory(section(realm), NAME)


# --- tickets


def client(user: str, target: str = SERVICE, mech: Any = None) -> Any:
    """A member's program with a ticket."""
    kerberos = raw.MechType.kerberos
    name = raw.import_name(f"{user}@{REALM}".encode(), raw.NameType.kerberos_principal)
    ticket = raw.acquire_cred_with_password(name, PASSWORD.encode(), mechs={kerberos}, usage="initiate").creds
    to = gssapi.Name(target, gssapi.NameType.kerberos_principal)
    return gssapi.SecurityContext(
        name=to, creds=gssapi.Credentials(base=ticket), mech=mech or kerberos, usage="initiate"
    )


def exchange(directory: KerberosDirectory, member: Any, authzid: bytes = b"", *, layer: int = 1) -> Any:
    """The whole of RFC 4752, with the mechanism that the service has."""
    mechanism = GssApi(Channel(accept_context=directory.accept_context))
    step = mechanism.start(member.step())
    while not member.complete:
        assert isinstance(step, Challenge)
        step = mechanism.respond(member.step(step.data) or b"")
    assert isinstance(step, Challenge)
    offer = member.unwrap(step.data).message
    assert offer[0] & 1
    choice = member.wrap(bytes((layer, 0, 0, 0)) + authzid, encrypt=False).message
    return mechanism.respond(choice)


def test_a_ticket_stands_for_its_principal(directory: KerberosDirectory) -> None:
    step = exchange(directory, client("alice"), b"alice")
    assert step == Verify(PrincipalClaim("alice", f"alice@{REALM}"))


def test_a_ticket_for_another_name_of_the_service_is_taken(directory: KerberosDirectory) -> None:
    step = exchange(directory, client("bob", f"smtp/other.example.org@{REALM}"))
    assert step == Verify(PrincipalClaim("", f"bob@{REALM}"))


def test_no_other_layer_than_none_is_taken(directory: KerberosDirectory) -> None:
    assert isinstance(exchange(directory, client("alice"), layer=4), Malformed)


def test_a_ticket_for_another_service_is_refused(realm: KerberosServer) -> None:
    """Even where the keytab has its key: it is not for sending mail."""
    keytab = realm.folder / "both.keytab"
    keytab.write_bytes(
        (realm.folder / "keytab").read_bytes() + (realm.folder / "imap.keytab").read_bytes()[2:]
    )
    directory = KerberosDirectory(section(realm, keytab=keytab), NAME)
    with pytest.raises(PeerFault) as caught:
        directory.accept_context().step(client("alice", f"imap/{NAME}@{REALM}").step())
    assert caught.value.reply.code == 535


def test_a_ticket_that_was_shown_before_is_refused(directory: KerberosDirectory) -> None:
    token = client("alice").step()
    assert directory.accept_context().step(token)
    with pytest.raises(PeerFault, match="replay"):
        directory.accept_context().step(token)


def test_a_ticket_of_an_impostor_is_refused(
    realm: KerberosServer,
    impostor: KerberosServer,
    directory: KerberosDirectory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    impostor.add("mallory")
    monkeypatch.setenv("KRB5_CONFIG", impostor.config)
    token = client("mallory").step()
    monkeypatch.setenv("KRB5_CONFIG", realm.config)
    with pytest.raises(PeerFault):
        directory.accept_context().step(token)


@pytest.mark.parametrize("cut", [0, 1, 20, 200])
def test_a_token_that_was_changed_is_refused(directory: KerberosDirectory, cut: int) -> None:
    token = client("alice").step()
    changed = (
        token[:cut] + bytes(256 - octet if octet else 1 for octet in token[cut : cut + 1]) + token[cut + 1 :]
    )
    for one in (token[:cut], changed):
        with pytest.raises(PeerFault):
            directory.accept_context().step(one)


def test_what_was_wrapped_and_changed_is_refused(directory: KerberosDirectory) -> None:
    member, context = client("alice"), directory.accept_context()
    answer = context.step(member.step())
    member.step(answer)
    assert context.is_complete
    wrapped = bytearray(member.wrap(b"\x01\0\0\0", encrypt=False).message)
    wrapped[-1] ^= 1
    with pytest.raises(PeerFault):
        context.unwrap(bytes(wrapped))


def test_another_mechanism_than_kerberos_is_refused(directory: KerberosDirectory) -> None:
    negotiating = gssapi.OID.from_int_seq("1.3.6.1.5.5.2")
    name = raw.import_name(f"alice@{REALM}".encode(), raw.NameType.kerberos_principal)
    creds = raw.acquire_cred_with_password(
        name, PASSWORD.encode(), mechs={negotiating}, usage="initiate"
    ).creds
    to = gssapi.Name(SERVICE, gssapi.NameType.kerberos_principal)
    member = gssapi.SecurityContext(
        name=to, creds=gssapi.Credentials(base=creds), mech=negotiating, usage="initiate"
    )
    with pytest.raises(PeerFault):
        directory.accept_context().step(member.step())


def test_tickets_are_taken_while_the_realm_is_down(
    realm: KerberosServer, directory: KerberosDirectory
) -> None:
    member = client("alice")
    token = member.step()
    realm.stop()
    try:
        context = directory.accept_context()
        assert context.step(token)
        assert context.principal == f"alice@{REALM}"
    finally:
        realm.start()


def test_taking_a_ticket_holds_the_loop_for_less_than_a_millisecond(directory: KerberosDirectory) -> None:
    tokens = [client("alice").step() for _ in range(20)]
    times = []
    for token in tokens:
        begun = time.perf_counter()
        directory.accept_context().step(token)
        times.append(time.perf_counter() - begun)
    assert sorted(times)[len(times) // 2] < 0.001


@pytest.mark.parametrize(
    ("principal", "member"),
    [
        (f"alice@{REALM}", Member("alice")),
        (f"Alice@{REALM}", Member("Alice")),
        (f"alice/admin@{REALM}", None),
        (f"host/{NAME}@{REALM}", None),
        ("alice@OTHER.EXAMPLE", None),
        ("alice@example.org", None),
        (f"@{REALM}", None),
        ("alice", None),
        (f"ali\\@ce@{REALM}", None),
        (f"a@b@{REALM}", None),
        (f"al\x00ice@{REALM}", None),
        ("", None),
        (f"{'a' * 255}@{REALM}", None),
    ],
)
def test_only_plain_principals_of_the_realm_are_members(
    directory: KerberosDirectory, principal: str, member: Member | None
) -> None:
    answer = run(lambda: directory.find_principal(PrincipalClaim("", principal)))
    assert answer.member == member
    assert answer.finding is (Finding.RIGHT if member else Finding.UNKNOWN)
