"""R5 beside the queue: accounts, folders, a backup and its way back survive a power cut at any step."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path

import apsw
import pytest
from click.testing import CliRunner

from sams.cli.main import main
from sams.identity.accounts.store import AccountStore
from sams.identity.passwords.hashes import Hashes
from sams.service.privileges import prepare_data_dir
from tests.cli.desk import Desk
from tests.identity.rig import CHEAP, PASSWORD, FakeClock
from tests.spool.rig import Told, on_loop
from tests.support.power import cut_everywhere, recorded
from tests.support.promises import LARGE, Client, Offered, broken_promises, found_in, storage
from tests.support.recorded_disk import RecordedDisk, without_syncs

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]


def accounts_in(folder: Path) -> AccountStore:
    return AccountStore(folder / "accounts.db", FakeClock(epoch=time.time()), Hashes(CHEAP))


def rows_of(folder: Path) -> tuple[tuple[object, ...], ...]:
    """All that is stored of accounts."""
    connection = apsw.Connection(str(folder / "accounts.db"))
    try:
        rows = connection.execute(
            "SELECT login, password, addresses, may_send_as, suspended, generation FROM accounts ORDER BY login"
        )
        return tuple(rows)
    finally:
        connection.close()


def change_accounts(disk: RecordedDisk) -> None:
    """Each change is acknowledged with all that is there behind it."""
    accounts = accounts_in(disk.root)
    changes: list[Callable[[], object]] = [
        accounts.prepare,
        lambda: accounts.add("alice", PASSWORD, ["alice@example.org"]),
        lambda: accounts.add("bob", PASSWORD, ["bob@example.org"]),
        lambda: accounts.passwd("alice", PASSWORD + " new"),
        lambda: accounts.suspend("bob", "left"),
        lambda: accounts.set_addresses("alice", ["a@example.org"] * 30, ["info@example.org"]),
        lambda: accounts.remove("bob"),
    ]
    for change in changes:
        change()
        disk.say(rows_of(disk.root))


def test_a_change_of_accounts_that_was_told_survives_and_none_is_half_done(tmp_path: Path) -> None:
    disk = recorded(tmp_path / "run", change_accounts)
    states: list[Hashable] = [what for _, what in disk.said]

    def look(folder: Path, said: list[Hashable]) -> list[str]:
        with without_syncs():
            accounts = accounts_in(folder)
            accounts.prepare()
            found = rows_of(folder)
            before = max((record.generation for record in accounts.list()), default=0)
            later = accounts.add("zoe", PASSWORD, ["zoe@example.org"])
        broken = [] if later.generation > before else ["a generation came twice"]
        allowed = [said[-1] if said else (), *states[len(said) : len(said) + 1]]
        return broken if found in allowed else [*broken, f"{found} is none of {allowed}"]

    tally = cut_everywhere(disk, look, draws=2)
    assert len(states) == 7
    assert tally.steps["Written"] > 50
    assert tally.steps["Synced"] > 20


def test_a_data_folder_that_was_made_is_there_with_the_mail_in_it(tmp_path: Path) -> None:
    offered: dict[str, Offered] = {}

    @on_loop
    async def first_start(disk: RecordedDisk) -> None:
        data_dir = disk.root / "var" / "lib" / "sams"
        prepare_data_dir(data_dir, None)
        opened = storage(data_dir, Told())
        client = Client(disk, opened.primary)
        await client.accept("first")
        offered.update(client.offered)
        await opened.close()

    def look(folder: Path, said: list[Hashable]) -> list[str]:
        data_dir = folder / "var" / "lib" / "sams"
        prepare_data_dir(data_dir, None)
        return broken_promises(offered, said, found_in(data_dir))

    tally = cut_everywhere(recorded(tmp_path / "run", first_start), look)
    assert tally.steps["Created"] > 9


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is stopped, with an account and mail that waits: its folder, and what was promised."""

    root: Path
    offered: dict[str, Offered]
    said: list[Hashable]

    def is_whole(self, root: Path) -> list[str]:
        """Whether all is there."""
        data_dir = root / "server" / "data"
        logins = [record.login for record in accounts_in(data_dir).list()]
        broken = [] if logins == ["ann"] else [f"there are accounts of {logins}"]
        return broken + broken_promises(self.offered, self.said, found_in(data_dir))


def sams(root: Path, *arguments: str) -> None:
    """Run a command on the server below a folder."""
    environment = {"SAMS_CONFIG": str(root / "server" / "sams.toml")}
    result = CliRunner(env=environment).invoke(main, arguments)
    assert result.exit_code == 0, (result.output, result.exception)


def back_up(root: Path) -> None:
    sams(root, "backup", str(root / "backups" / "monday"))


def bring_back(root: Path) -> None:
    sams(root, "restore", str(root / "backups" / "monday"))


def bring_back_into_nothing(root: Path) -> None:
    """What is there is moved away first, as the command says."""
    shutil.rmtree(root / "server" / "data", ignore_errors=True)
    with without_syncs():
        bring_back(root)


@pytest.fixture
def server(tmp_path: Path) -> Server:
    root = tmp_path / "root"
    root.mkdir(0o700)
    desk = Desk.at(root / "server")
    desk.add_account("ann", "ann@example.org")
    offered: dict[str, Offered] = {}

    @on_loop
    async def fill(disk: RecordedDisk) -> None:
        opened = storage(desk.data_dir, Told())
        client = Client(disk, opened.primary)
        await client.accept("small", recipients=2)
        await client.accept("large", size=LARGE)
        await opened.close()
        offered.update(client.offered)

    disk = RecordedDisk(root)
    with disk.running():
        fill(disk)
    return Server(root, offered, disk.said_before(len(disk.steps)))


def run_on(server: Server, command: Callable[[Path], None]) -> RecordedDisk:
    """Note what a command does, and when it has told that it is done."""
    disk = RecordedDisk(server.root)
    with disk.running():
        command(disk.root)
        disk.say("told")
    return disk


def test_a_backup_that_was_told_is_there_and_brings_all_back(server: Server) -> None:
    disk = run_on(server, back_up)

    def look(root: Path, said: list[Hashable]) -> list[str]:
        if said:
            bring_back_into_nothing(root)
        return server.is_whole(root)

    tally = cut_everywhere(disk, look)
    assert tally.steps["Created"] >= 8
    assert tally.steps["Synced"] >= 6


def test_what_was_brought_back_is_whole_or_can_be_brought_back_again(server: Server) -> None:
    back_up(server.root)
    shutil.rmtree(server.root / "server" / "data")
    disk = run_on(server, bring_back)

    def look(root: Path, said: list[Hashable]) -> list[str]:
        if not said:
            bring_back_into_nothing(root)
        return server.is_whole(root)

    tally = cut_everywhere(disk, look)
    assert tally.steps["Created"] >= 7
    assert tally.steps["Synced"] >= 3
