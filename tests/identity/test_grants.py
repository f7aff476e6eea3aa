from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from sams.config.sender_file import read_senders
from sams.core.address import parse_mailbox
from sams.core.errors import TemporaryFailure
from sams.identity.app_passwords.store import AppPasswordStore
from sams.identity.grants import FileMap, Grants
from sams.identity.interface import Account, Identity, SignInVerdict
from sams.identity.logins import Login, LoginForms
from sams.identity.patterns import covers
from sams.identity.sender_index import make_index
from sams.identity.sources.directory_source import DirectorySource, SourceSettings
from sams.identity.sources.interface import Member, down
from sams.identity.sources.known import KnownMembers
from sams.identity.sources.serves import Serves
from sams.protocol.sasl.interface import PasswordClaim
from tests.identity.rig import HOME, PASSWORD, FakeClock, Rig, rig, sign_in, signs_in
from tests.identity.sources.rig import ToldDirectory

FORMS = LoginForms(["example.org", "lab.example"], ["CORP"])
OFFICE = parse_mailbox("office@example.org")


def in_file(text: str, counts_as: str = "own") -> FileMap:
    return FileMap(make_index(read_senders(text.encode()), FORMS), counts_as)  # type: ignore[arg-type]


def identity(login: str = "alice", source: str = "staff") -> Identity:
    own = ("alice@example.org",)
    return Identity(login, own, (), parse_mailbox(own[0]), 1, source=source)


@dataclass
class Staff:
    """A source of accounts, as far as maps ask it."""

    serves: Serves = field(default_factory=Serves)
    knows_all: bool = False
    accounts: dict[str, str] = field(default_factory=dict)
    name = "staff"
    takes_passwords = True
    remember = None

    def look_up(self, login: Login) -> Account | None:
        known = self.accounts.get(login.typed)
        return Account(identity(known)) if known else None

    async def find(self, login: Login) -> Account | None:
        return self.look_up(login)

    async def verify(self, login: Login, password: str, address: str, *, is_known: bool) -> object:
        raise AssertionError

    def changed(self) -> frozenset[str]:
        return frozenset()


def may_send(grants: Grants, who: str, source: Staff | None = None) -> bool:
    found = grants.known(identity(who), FORMS.parse(who), source or Staff())  # type: ignore[arg-type]
    assert found is not None
    return covers(found.addresses, OFFICE)


# --- whom a file means

MEANT = [
    # written in the file, the source's login, its domains
    ("alice", "alice", ()),
    ("ALICE", "alice", ()),
    ("alice@example.org", "alice", ()),
    ("alice@lab.example", "alice", ()),
    ("CORP\\alice", "alice", ()),
    ("alice", "alice@example.org", ()),
    ("alice@lab.example", "alice@lab.example", ()),
    ("alice@lab.example", "alice", ("lab.example",)),
    ("alice", "alice", ("example.org",)),
    ("alice@elsewhere.example", "alice@elsewhere.example", ()),
]
NOT_MEANT = [
    ("bob", "alice", ()),
    ("alice", "alice@lab.example", ()),
    ("alice@example.org", "alice@lab.example", ()),
    ("alice@example.org", "alice", ("lab.example",)),
    ("alice", "alice", ("lab.example",)),
    ("alice@elsewhere.example", "alice", ()),
    ("alice/phone", "alice", ()),
]


@pytest.mark.parametrize(("written", "login", "domains"), MEANT)
def test_a_login_in_a_file_is_whose_it_is_to_type(written: str, login: str, domains: tuple[str, ...]) -> None:
    grants = Grants(FORMS, [in_file(f"office@example.org carol, {written}")])
    assert may_send(grants, login, Staff(Serves(domains)))


@pytest.mark.parametrize(("written", "login", "domains"), NOT_MEANT)
def test_and_nobody_elses(written: str, login: str, domains: tuple[str, ...]) -> None:
    """Of two sources, or of two domains, each with an alice, the other alice gets nothing."""
    grants = Grants(FORMS, [in_file(f"office@example.org carol, {written}")])
    assert not may_send(grants, login, Staff(Serves(domains)))


def test_where_two_spellings_are_two_accounts_each_has_its_own() -> None:
    accounts = Staff(knows_all=True, accounts={"alice": "alice", "alice@example.org": "alice@example.org"})
    for written, other in (("alice", "alice@example.org"), ("alice@example.org", "alice")):
        grants = Grants(FORMS, [in_file(f"office@example.org {written}")])
        assert may_send(grants, written, accounts)
        assert not may_send(grants, other, accounts)


# --- what a map adds


def test_a_shared_mailbox_a_whole_domain_and_tags_are_added_to_what_the_source_says() -> None:
    grants = Grants(FORMS, [in_file("office@example.org alice, bob\n@lab.example alice\n")])
    found = grants.known(identity(), FORMS.parse("alice"), Staff())  # type: ignore[arg-type]
    assert found is not None
    assert found.addresses == ("alice@example.org", "office@example.org", "*@lab.example")
    assert found.default_address == parse_mailbox("alice@example.org")
    for address in ("alice+news@example.org", "Office+2@Example.org", "x+y@lab.example"):
        assert covers(found.addresses, parse_mailbox(address))
    assert not covers(found.addresses, parse_mailbox("bob@example.org"))


def test_several_maps_add_up_each_as_it_counts() -> None:
    files = [in_file("a@example.org alice"), in_file("b@example.org alice\na@example.org alice", "on-behalf")]
    found = Grants(FORMS, files).known(identity(), FORMS.parse("alice"), Staff())  # type: ignore[arg-type]
    assert found is not None
    assert found.addresses == ("alice@example.org", "a@example.org")
    assert found.may_send_as == ("b@example.org", "a@example.org")


def test_who_stands_in_no_map_keeps_the_very_identity_of_the_source() -> None:
    before = identity()
    grants = Grants(FORMS, [in_file("office@example.org bob")])
    assert grants.known(before, FORMS.parse("alice"), Staff()) is before  # type: ignore[arg-type]
    assert Grants(FORMS).is_empty
    assert Grants(FORMS, [in_file("# nothing yet\n")]).is_empty


def test_a_file_costs_next_to_nothing_the_second_time() -> None:
    grants, before, login, source = (
        Grants(FORMS, [in_file("office@example.org alice")]), identity(), FORMS.parse("alice"), Staff(),
    )  # fmt: skip
    grants.known(before, login, source)  # type: ignore[arg-type]
    began = time.thread_time()
    for _ in range(10_000):
        grants.known(before, login, source)  # type: ignore[arg-type]
    assert (time.thread_time() - began) / 10_000 < 10e-6  # 0.3 µs where nothing else runs


# --- databases


@dataclass
class Asked:
    """A map in a database that tests fill, over the real source."""

    path: Path
    directory: ToldDirectory = field(default_factory=lambda: ToldDirectory({}))
    clock: FakeClock = field(default_factory=FakeClock)
    grace: float = 3_600.0

    @contextmanager
    def query(self, name: str = "map offices") -> Iterator[DirectorySource]:
        known = KnownMembers(self.path)
        try:
            yield DirectorySource(
                self.directory,
                SourceSettings(name, takes_passwords=False, grace=self.grace, addresses=()),
                serves=lambda _: True,
                forms=FORMS,
                known=known,
                clock=self.clock,
                tell=lambda _: None,
                report=lambda _: None,
            )
        finally:
            known.close()

    def tell(self, login: str, *own: str, others: tuple[str, ...] = ()) -> None:
        self.directory.members[login] = ("", Member(f"{login}@example.org", own, others))


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    made = Asked(tmp_path / "members.db")
    made.tell("alice", "office@example.org", others=("boss@example.org",))
    made.tell("bob")
    return made


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path, domains=("example.org", "lab.example")) as made:
        made.accounts.add("alice", PASSWORD, ["alice@example.org"])
        made.accounts.add("bob", PASSWORD, ["bob@example.org"])
        yield made


def test_a_database_is_asked_once_and_then_the_sign_in_is_there_at_once(house: Rig, asked: Asked) -> None:
    async def scene() -> None:
        with asked.query() as query:
            authenticator = house.authenticator(grants=Grants(FORMS, queries=[query]))
            first = await sign_in(authenticator)
            assert first.identity is not None
            assert first.identity.addresses == ("alice@example.org", "office@example.org")
            assert first.identity.may_send_as == ("boss@example.org",)
            again = authenticator.verify(PasswordClaim("", "ALICE@example.org", PASSWORD), HOME)
            assert isinstance(again, SignInVerdict)
            assert again.identity is not None
            assert again.identity.addresses == first.identity.addresses
            asked.clock.seconds += 301
            later = authenticator.verify(PasswordClaim("", "alice", PASSWORD), HOME)
            assert isinstance(later, asyncio.Future)
            assert (await later).identity == first.identity
        assert asked.directory.asked == ["find alice", "find alice"]

    asyncio.run(scene())


def test_who_is_in_no_row_signs_in_as_ever(house: Rig, asked: Asked) -> None:
    async def scene() -> None:
        with asked.query() as query:
            authenticator = house.authenticator(grants=Grants(FORMS, queries=[query]))
            found = (await sign_in(authenticator, "bob")).identity
            assert found is not None
            assert found.addresses == ("bob@example.org",)
            assert found.grant is None

    asyncio.run(scene())


def test_while_a_database_is_down_members_sign_in_and_nobody_may_send_as_more(
    house: Rig, asked: Asked
) -> None:
    async def scene() -> None:
        asked.directory.failure = down("connection refused")
        with asked.query() as query:
            grants = Grants(FORMS, [in_file("a@example.org alice")], [query])
            authenticator = house.authenticator(grants=grants)
            verdict = await sign_in(authenticator)
            found = verdict.identity
            assert found is not None
            assert found.addresses == ("alice@example.org", "a@example.org")
            assert found.grant is not None
            assert found.grant.missing == "map offices: connection refused"
            assert verdict.explanation.endswith(
                "some addresses are not known: map offices: connection refused"
            )
            refused = await sign_in(authenticator, authzid="office@example.org")
            assert str(refused.reply).startswith("454 4.7.0")
            assert authenticator.still_valid(found)
            asked.directory.failure = None
            asked.clock.seconds += 60
            assert authenticator.still_valid(found)  # asks beside the session
            await asyncio.sleep(0.01)
            assert not authenticator.still_valid(found)  # sign in again, and have all
            whole = (await sign_in(authenticator)).identity
            assert whole is not None
            assert covers(whole.addresses, OFFICE)
            assert authenticator.still_valid(whole)
            await grants.close()

    asyncio.run(scene())


def test_what_was_known_holds_through_the_grace_and_no_longer(house: Rig, asked: Asked) -> None:
    async def scene() -> None:
        with asked.query() as query:
            authenticator = house.authenticator(grants=Grants(FORMS, queries=[query]))
            await sign_in(authenticator)
            asked.directory.failure = down("connection refused")
            for seconds, is_known in ((400, True), (3_600, False)):
                asked.clock.seconds += seconds
                found = (await sign_in(authenticator)).identity
                assert found is not None
                assert covers(found.addresses, OFFICE) is is_known

    asyncio.run(scene())


def test_a_directorys_alias_is_asked_about_by_the_members_own_login(asked: Asked) -> None:
    async def scene() -> None:
        with asked.query() as query:
            grants = Grants(FORMS, queries=[query])
            typed = FORMS.parse("al.smith@example.org")
            found = await grants.ask(identity("alice"), typed, Staff())  # type: ignore[arg-type]
            assert covers(found.addresses, OFFICE)
            elsewhere = FORMS.parse("alice")
            await grants.ask(identity("alice@lab.example"), elsewhere, Staff())  # type: ignore[arg-type]
            assert asked.directory.asked == ["find alice", "find alice"]
            assert query.look_up(FORMS.parse("alice@lab.example")) is not None

    asyncio.run(scene())


def test_whatever_domain_is_typed_nobody_gets_what_is_for_another_sources_member(
    house: Rig, tmp_path: Path
) -> None:
    """Each of two sources has an alice; one types the other's address, with an app password of her own."""

    class ByAddress(ToldDirectory):
        async def find(self, login: Login) -> Member | None:
            return Member(login.address, (f"boss@{login.domain}",))

    def source(name: str, domain: str) -> DirectorySource:
        return DirectorySource(
            ToldDirectory({"alice": ("", Member("alice", (f"alice@{domain}",)))}),
            SourceSettings(name),
            serves=Serves([domain]),
            forms=FORMS,
            known=known,
            clock=house.clock,
            tell=lambda _: None,
            report=house.reported.append,
        )

    known = KnownMembers(tmp_path / "known.db")
    store = AppPasswordStore(house.accounts.file, house.clock)

    async def scene() -> None:
        with Asked(tmp_path / "members.db", ByAddress()).query() as query:
            sources = [source("staff", "example.org"), source("lab", "lab.example")]
            authenticator = house.authenticator(sources, grants=Grants(FORMS, queries=[query]))
            for name, domain in (("staff", "example.org"), ("lab", "lab.example")):
                _, password = store.add(name, "alice", "phone")
                for typed in ("alice", "alice@example.org", "alice@lab.example"):
                    found = (await sign_in(authenticator, typed, password)).identity
                    assert found is not None
                    assert found.addresses == (f"alice@{domain}", f"boss@{domain}")

    asyncio.run(scene())
    known.close()


# --- with app passwords, and in sessions that run


def test_an_app_password_narrows_what_the_maps_have_added(house: Rig) -> None:
    store = AppPasswordStore(house.accounts.file, house.clock)
    _, password = store.add("builtin", "alice", "scanner", networks=(), senders=["office@example.org"])
    grants = Grants(FORMS, [in_file("office@example.org alice\nsales@example.org alice")])
    found = signs_in(house.authenticator(grants=grants), "alice", password).identity
    assert found is not None
    assert found.addresses == ("office@example.org",)
    assert found.may_send_as == ()
    assert found.default_address == OFFICE


def test_an_address_of_a_map_may_be_an_authzid(house: Rig) -> None:
    grants = Grants(FORMS, [in_file("office@example.org alice")])
    assert signs_in(house.authenticator(grants=grants), authzid="office@example.org").identity is not None
    assert signs_in(house.authenticator(grants=grants), authzid="sales@example.org").identity is None


def test_a_session_ends_when_its_maps_say_something_else(house: Rig) -> None:
    grants = Grants(FORMS, [in_file("office@example.org alice\nsales@example.org bob")])
    authenticator = house.authenticator(grants=grants)
    alice, bob = (signs_in(authenticator, login).identity for login in ("alice", "bob"))
    assert alice is not None
    assert bob is not None
    grants.use(FORMS, [in_file("office@example.org carol, alice\nsales@example.org carol")], ())
    assert authenticator.still_valid(alice)
    assert not authenticator.still_valid(bob)
    assert signs_in(authenticator, "bob").identity == replace(bob, addresses=("bob@example.org",), grant=None)
    grants.use(FORMS, (), ())
    assert not authenticator.still_valid(alice)


def test_a_row_that_goes_ends_a_session_as_soon_as_it_is_known(house: Rig, asked: Asked) -> None:
    async def scene() -> None:
        with asked.query() as query:
            authenticator = house.authenticator(grants=Grants(FORMS, queries=[query]))
            found = (await sign_in(authenticator)).identity
            assert found is not None
            assert authenticator.still_valid(found)
            asked.tell("alice")
            asked.clock.seconds += 301
            assert authenticator.still_valid(found)
            await asyncio.sleep(0.01)
            assert not authenticator.still_valid(found)
            await query.close()

    asyncio.run(scene())


def test_a_map_that_is_taken_out_ends_the_sessions_that_had_of_it(house: Rig, asked: Asked) -> None:
    async def scene() -> None:
        with asked.query() as query:
            grants = Grants(FORMS, queries=[query])
            authenticator = house.authenticator(grants=grants)
            alice, bob = [(await sign_in(authenticator, login)).identity for login in ("alice", "bob")]
            assert alice is not None
            assert bob is not None
            grants.use(FORMS, (), ())
            assert not authenticator.still_valid(alice)
            assert authenticator.still_valid(bob)

    asyncio.run(scene())


def test_a_source_that_cannot_tell_whom_a_file_means_makes_it_454(house: Rig) -> None:
    class Damaged(Staff):
        def look_up(self, login: Login) -> Account | None:
            raise TemporaryFailure(down("x").reply, "accounts.db cannot be read")

    grants = Grants(FORMS, [in_file("office@example.org alice@example.org")])
    with pytest.raises(TemporaryFailure):
        grants.known(identity(), FORMS.parse("alice"), Damaged(knows_all=True))  # type: ignore[arg-type]
