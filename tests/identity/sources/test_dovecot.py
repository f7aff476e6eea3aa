"""A Dovecot as a directory, asked at a real one."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import uvloop

from sams.config.sources import DovecotSource, LoginForm
from sams.core.errors import TemporaryFailure
from sams.identity.account_sources import Finding
from sams.identity.logins import LoginForms, map_login
from sams.identity.sources import dovecot_link
from sams.identity.sources.dovecot import DovecotDirectory
from sams.identity.sources.interface import Answer, Member
from tests.support.dovecot_server import MISSING, PROGRAM, DovecotServer

FORMS = LoginForms(("example.org",))
HOME = "192.0.2.7"
RIGHT = Member("alice", ("alice@example.org", "a.liddell@example.org", "al@example.org"))

real = pytest.mark.skipif(PROGRAM is None, reason=MISSING)


@pytest.fixture(scope="module")
def dovecot() -> Iterator[DovecotServer]:
    server = DovecotServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def own_dovecot() -> Iterator[DovecotServer]:
    """One that may be stopped."""
    server = DovecotServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One for each connection that is made."""
    made = list[None]()
    dial = dovecot_link.DovecotChannel._dial

    async def counted(channel: dovecot_link.DovecotChannel) -> dovecot_link._Link:
        made.append(None)
        return await dial(channel)

    monkeypatch.setattr(dovecot_link.DovecotChannel, "_dial", counted)
    return made


def run(
    section: DovecotSource, work: Callable[[DovecotDirectory], Awaitable[None]], *, on_uvloop: bool = False
) -> None:
    async def all_of_it() -> None:
        directory = DovecotDirectory(section)
        try:
            await work(directory)
        finally:
            await directory.close()
            await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop if on_uvloop else None) as runner:
        runner.run(all_of_it())


async def verify(directory: DovecotDirectory, login: str, password: str) -> Answer:
    return await directory.verify(FORMS.parse(map_login(login)), password, HOME)


def ask(section: DovecotSource, login: str, password: str) -> Answer:
    answers = list[Answer]()

    async def work(directory: DovecotDirectory) -> None:
        answers.append(await verify(directory, login, password))

    run(section, work)
    return answers[0]


def check(section: DovecotSource, table: list[tuple[str, str, Answer]]) -> None:
    """All at once: Dovecot keeps each refusal for half a second."""

    async def work(directory: DovecotDirectory) -> None:
        answers = await asyncio.gather(*(verify(directory, *one[:2]) for one in table))
        found = [
            (login, password, answer) for (login, password, _), answer in zip(table, answers, strict=True)
        ]
        assert found == table

    run(section, work)


# --- a real Dovecot

PASSWORDS_ALONE = [
    ("alice", "correct horse", Answer(Finding.RIGHT, RIGHT)),
    ("ALICE", "correct horse", Answer(Finding.RIGHT, RIGHT)),
    ("alice", "wrong", Answer(Finding.REFUSED)),
    ("nobody", "wrong", Answer(Finding.REFUSED)),
    ("caro@example.org", "with ümlaut", Answer(Finding.RIGHT, Member("caro@example.org"))),
    ("caro", "with ümlaut", Answer(Finding.REFUSED)),
    ("norm", "right", Answer(Finding.RIGHT, Member("normalised"))),
    ("closed", "right", Answer(Finding.RIGHT, Member("closed", suspended="ask-the-desk"))),
    ("closed", "wrong", Answer(Finding.REFUSED)),
    ("banned", "any", Answer(Finding.WRONG, detail="the user is disabled there")),
    ("odd$(x)", "right", Answer(Finding.RIGHT, Member("odd$(x)"))),
    ("alice*nobody", "correct horse", Answer(Finding.REFUSED)),
    ("*)(uid=*", "' OR 1=1 --", Answer(Finding.REFUSED)),
    ("a" * 254, "p" * 1_024, Answer(Finding.REFUSED)),
    ("ålice\x01t\x85", "x", Answer(Finding.REFUSED)),
]
WITH_USERS = [
    ("alice", "correct horse", Answer(Finding.RIGHT, RIGHT)),
    ("alice", "wrong", Answer(Finding.WRONG)),
    ("nobody", "wrong", Answer(Finding.UNKNOWN)),
    ("norm", "right", Answer(Finding.RIGHT, Member("normalised", ("norm@example.org",)))),
    ("closed", "right", Answer(Finding.RIGHT, Member("closed", suspended="ask-the-desk"))),
    ("banned", "any", Answer(Finding.WRONG, detail="the user is disabled there")),
]


@real
@pytest.mark.real
def test_the_socket_for_passwords_alone_answers(dovecot: DovecotServer) -> None:
    check(DovecotSource(socket=dovecot.socket), PASSWORDS_ALONE)


@real
@pytest.mark.real
def test_with_user_data_wrong_is_told_from_unknown(dovecot: DovecotServer) -> None:
    check(DovecotSource(socket=f"127.0.0.1:{dovecot.port}", user_socket=dovecot.user_socket), WITH_USERS)


@real
@pytest.mark.real
@pytest.mark.parametrize("login", ["moved", "referred"])
def test_a_user_who_is_sent_elsewhere_is_refused_although_the_password_is_right(
    dovecot: DovecotServer, login: str
) -> None:
    answer = ask(DovecotSource(socket=dovecot.socket), login, "right")
    assert answer.finding is Finding.REFUSED
    assert "another Dovecot" in answer.detail


@real
@pytest.mark.real
def test_a_master_user_signs_in_for_nobody(dovecot: DovecotServer) -> None:
    answer = ask(DovecotSource(socket=dovecot.socket), "alice*root", "master")
    assert answer.finding is Finding.WRONG
    assert "master user" in answer.detail


@real
@pytest.mark.real
def test_who_has_a_password_and_no_user_data_is_refused(dovecot: DovecotServer) -> None:
    answer = ask(DovecotSource(socket=dovecot.socket, user_socket=dovecot.user_socket), "orphan", "right")
    assert answer.finding is Finding.REFUSED
    assert "userdb" in answer.detail


@real
@pytest.mark.real
@pytest.mark.parametrize(
    ("form", "login", "member"),
    [
        ("user", "alice@example.org", RIGHT),
        ("address", "caro", Member("caro@example.org")),
        ("typed", "alice", RIGHT),
    ],
)
def test_a_login_is_told_in_the_form_that_the_section_says(
    dovecot: DovecotServer, form: LoginForm, login: str, member: Member
) -> None:
    section = DovecotSource(socket=dovecot.socket, login_form=form)
    password = "correct horse" if member is RIGHT else "with ümlaut"
    assert ask(section, login, password) == Answer(Finding.RIGHT, member)


@real
@pytest.mark.real
def test_without_a_domain_nobody_of_another_domain_is_asked_for(dovecot: DovecotServer) -> None:
    section = DovecotSource(socket=dovecot.socket, login_form="user")
    assert ask(section, "alice@elsewhere.example", "correct horse").finding is Finding.UNKNOWN


@real
@pytest.mark.real
@pytest.mark.parametrize(
    ("login", "finding"),
    [("strip@elsewhere.example", Finding.REFUSED), ("guest@elsewhere.example", Finding.RIGHT)],
)
def test_whoever_comes_with_a_foreign_domain_is_nobody_of_another(
    dovecot: DovecotServer, login: str, finding: Finding
) -> None:
    section = DovecotSource(socket=dovecot.socket, user_socket=dovecot.user_socket)
    answer = ask(section, login, "right")
    assert answer.finding is finding
    assert answer.member is None or answer.member.login == login


@real
@pytest.mark.real
def test_members_are_found_with_their_addresses(dovecot: DovecotServer) -> None:
    async def work(directory: DovecotDirectory) -> None:
        assert directory.can_find
        assert await directory.find(FORMS.parse("alice")) == RIGHT
        assert await directory.find(FORMS.parse("nobody")) is None
        assert await directory.find(FORMS.parse("guest@elsewhere.example")) is not None

    run(DovecotSource(socket=dovecot.socket, user_socket=dovecot.user_socket), work)


@real
@pytest.mark.real
def test_nobody_is_found_without_user_data(dovecot: DovecotServer) -> None:
    async def work(directory: DovecotDirectory) -> None:
        assert not directory.can_find
        with pytest.raises(TemporaryFailure):
            await directory.find(FORMS.parse("alice"))

    run(DovecotSource(socket=dovecot.socket), work)


@real
@pytest.mark.real
@pytest.mark.parametrize("on_uvloop", [False, True])
def test_many_questions_share_one_connection_and_each_has_its_own_answer(
    dovecot: DovecotServer, dialled: list[None], on_uvloop: bool
) -> None:
    asked = [("alice", "correct horse"), ("alice", "wrong"), ("norm", "right"), ("nobody", "x")] * 25

    async def work(directory: DovecotDirectory) -> None:
        answers = await asyncio.gather(*(verify(directory, *one) for one in asked))
        findings = [answer.finding for answer in answers]
        assert findings == [Finding.RIGHT, Finding.REFUSED, Finding.RIGHT, Finding.REFUSED] * 25
        assert [answer.member.login for answer in answers[::2] if answer.member] == [
            "alice",
            "normalised",
        ] * 25

    run(DovecotSource(socket=dovecot.socket), work, on_uvloop=on_uvloop)
    assert len(dialled) == 1


@real
@pytest.mark.real
def test_a_cancelled_question_leaves_no_answer_to_another(dovecot: DovecotServer) -> None:
    async def work(directory: DovecotDirectory) -> None:
        await verify(directory, "nobody", "x")
        for _ in range(3):
            question = asyncio.create_task(verify(directory, "alice", "correct horse"))
            await asyncio.sleep(0)
            question.cancel()
            assert (await verify(directory, "alice", "wrong")).finding is Finding.REFUSED
            assert (await verify(directory, "norm", "right")).finding is Finding.RIGHT

    run(DovecotSource(socket=dovecot.socket), work)


@real
@pytest.mark.real
def test_an_old_connection_is_left_for_dovecot_may_have_been_reloaded(
    dovecot: DovecotServer, dialled: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dovecot_link, "LONGEST_USE", 0.0)

    async def work(directory: DovecotDirectory) -> None:
        before = open_files()
        for _ in range(5):
            assert (await verify(directory, "alice", "correct horse")).finding is Finding.RIGHT
        await asyncio.sleep(0.01)  # the loop closes what was left
        assert open_files() <= before + 2

    run(DovecotSource(socket=dovecot.socket), work)
    assert len(dialled) == 5


@real
@pytest.mark.real
def test_after_a_restart_in_the_middle_it_works_again(own_dovecot: DovecotServer) -> None:
    section = DovecotSource(socket=own_dovecot.socket, user_socket=own_dovecot.user_socket)

    async def work(directory: DovecotDirectory) -> None:
        assert (await verify(directory, "alice", "correct horse")).finding is Finding.RIGHT
        own_dovecot.stop()
        with pytest.raises(TemporaryFailure) as failure:
            await verify(directory, "alice", "correct horse")
        assert own_dovecot.socket in failure.value.detail
        own_dovecot.start()
        assert (await verify(directory, "alice", "correct horse")).finding is Finding.RIGHT
        own_dovecot.stop()
        own_dovecot.start()  # the old connection is found dead by the question
        assert (await verify(directory, "alice", "wrong")).finding is Finding.WRONG

    run(section, work)


@real
@pytest.mark.real
def test_a_dovecot_that_hangs_and_goes_on_works_again_on_another_connection(
    own_dovecot: DovecotServer,
) -> None:
    async def work(directory: DovecotDirectory) -> None:
        await verify(directory, "alice", "correct horse")
        own_dovecot.pause()
        try:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await verify(directory, "alice", "correct horse")
        finally:
            own_dovecot.go_on()
        assert (await verify(directory, "alice", "correct horse")).finding is Finding.RIGHT

    run(DovecotSource(socket=own_dovecot.socket), work)


@real
@pytest.mark.real
def test_a_dovecot_without_plain_is_down_and_says_what_to_do() -> None:
    server = DovecotServer(mechanisms="cram-md5")
    try:
        server.start()
        with pytest.raises(TemporaryFailure) as failure:
            ask(DovecotSource(socket=server.socket), "alice", "correct horse")
    finally:
        server.remove()
    assert "auth_mechanisms" in failure.value.detail


@real
@pytest.mark.real
def test_a_database_of_dovecot_that_fails_is_down_and_no_wrong_password(own_dovecot: DovecotServer) -> None:
    shutil.rmtree(own_dovecot.folder / "passwords")
    (own_dovecot.folder / "passwords").touch()
    with pytest.raises(TemporaryFailure) as failure:
        ask(DovecotSource(socket=own_dovecot.socket), "alice", "correct horse")
    assert "database" in failure.value.detail


# --- peers that are no Dovecot

HELLO = b"VERSION\t1\t2\nMECH\tPLAIN\nSPID\t1\nCUID\t1\nCOOKIE\t00\nDONE\n"


def peer(path: Path, hello: bytes, *answers: bytes) -> Callable[[], Awaitable[asyncio.Server]]:
    """Says hello, and one answer for each line that asks something; then nothing."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(hello)
        rest = list(answers)
        try:
            while line := await reader.readline():
                if line.startswith((b"AUTH", b"USER")) and rest:
                    answer = rest.pop(0)
                    writer.write(answer.replace(b"%n", line.split(b"\t")[1]))
        finally:
            writer.close()

    return lambda: asyncio.start_unix_server(serve, path)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def ask_peer(tmp_path: Path, hello: bytes, *answers: bytes, timeout: float = 5.0) -> Answer:
    path = tmp_path / "s"
    found = list[Answer]()

    async def work(directory: DovecotDirectory) -> None:
        async with await peer(path, hello, *answers)():
            try:
                found.append(await verify(directory, "alice", "s3cret"))
            finally:
                await directory.close()  # the server waits for its clients

    run(DovecotSource(socket=str(path), timeout=timeout), work)
    return found[0]


@pytest.mark.parametrize(
    ("fields", "finding"),
    [
        (b"user=alice\tcode=user_disabled", Finding.WRONG),
        (b"user=alice\tuser_disabled", Finding.WRONG),
        (b"user=alice\tcode=pass_expired", Finding.WRONG),
        (b"user=alice\tpass_expired", Finding.WRONG),
        (b"user=alice\tauthz", Finding.REFUSED),
        (b"user=alice\tcode=authz_fail\treason=no", Finding.REFUSED),
    ],
)
def test_codes_of_both_versions_are_known(tmp_path: Path, fields: bytes, finding: Finding) -> None:
    assert ask_peer(tmp_path, HELLO, b"FAIL\t%n\t" + fields + b"\n").finding is finding


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (b"FAIL\t%n\ttemp\n", "log"),
        (b"FAIL\t%n\tcode=temp_fail\n", "log"),
        (b"FAIL\t%n\tcode=auth_mech_invalid\n", "auth_mechanisms"),
        (b"CONT\t%n\t\n", "CONT"),
    ],
)
def test_what_is_no_verdict_is_down(tmp_path: Path, answer: bytes, hint: str) -> None:
    with pytest.raises(TemporaryFailure) as failure:
        ask_peer(tmp_path, HELLO, answer)
    assert hint in failure.value.detail
    assert "s3cret" not in failure.value.detail


@pytest.mark.parametrize(
    ("hello", "hint"),
    [(b"* OK ready\r\n", "socket"), (b"VERSION\t2\t0\n", "version"), (b"x" * 100_000, "octets")],
)
def test_another_protocol_is_down(tmp_path: Path, hello: bytes, hint: str) -> None:
    with pytest.raises(TemporaryFailure) as failure:
        ask_peer(tmp_path, hello)
    assert hint in failure.value.detail


def test_a_peer_that_answers_nonsense_twice_is_down(tmp_path: Path) -> None:
    with pytest.raises(TemporaryFailure):
        ask_peer(tmp_path, HELLO, b"OK\t77777\tuser=alice\n")


def test_a_peer_that_accepts_and_says_nothing_is_down_in_time(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(TemporaryFailure) as failure:
        ask_peer(tmp_path, b"", timeout=0.2)
    assert "handshake" in failure.value.detail
    assert time.monotonic() - began < 5


def test_no_socket_is_down_and_named(tmp_path: Path) -> None:
    with pytest.raises(TemporaryFailure) as failure:
        ask(DovecotSource(socket=str(tmp_path / "none")), "alice", "s3cret")
    assert str(tmp_path / "none") in failure.value.detail


def test_no_connection_is_left_open(tmp_path: Path) -> None:
    before = open_files()
    for _ in range(3):
        with pytest.raises(TemporaryFailure):
            ask_peer(tmp_path, b"", timeout=0.1)
        assert ask_peer(tmp_path, HELLO, b"OK\t%n\tuser=alice\n").finding is Finding.RIGHT
    assert open_files() <= before


def test_a_closed_directory_is_down(tmp_path: Path) -> None:
    async def work(directory: DovecotDirectory) -> None:
        await directory.close()
        with pytest.raises(TemporaryFailure):
            await verify(directory, "alice", "s3cret")

    run(DovecotSource(socket=str(tmp_path / "s")), work)


def test_a_question_that_nobody_answers_is_not_asked_on_that_connection_again(tmp_path: Path) -> None:
    path = tmp_path / "s"

    async def work(directory: DovecotDirectory) -> None:
        async with await peer(path, HELLO)() as server:
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await verify(directory, "alice", "s3cret")
            server.close()
            await directory.close()
        path.unlink(missing_ok=True)
        async with await peer(path, HELLO, b"OK\t%n\tuser=alice\n")():
            with pytest.raises(TemporaryFailure):
                await verify(directory, "alice", "s3cret")

    run(DovecotSource(socket=str(path)), work)


def test_a_login_that_cannot_be_sent_is_nobody(tmp_path: Path) -> None:
    answer = ask(DovecotSource(socket=str(tmp_path / "none")), "a\ud800b", "x")
    assert answer.finding is Finding.UNKNOWN
