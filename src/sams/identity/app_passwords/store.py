"""Makes and revokes app passwords. Every change tells the login to whoever watches accounts: sessions end at once."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence

from sams.core.clock import Clock
from sams.core.errors import OperatorError
from sams.core.text import visible
from sams.identity.accounts.file import AccountsFile, Change, Value
from sams.identity.accounts.records import checked_expiry, checked_login, checked_networks, checked_patterns
from sams.identity.accounts.schema import Keyring
from sams.identity.app_passwords.lookup import COLUMNS, AppPassword, app_password_of, tag_of
from sams.identity.app_passwords.text import ALPHABET, canonical, make_app_password
from sams.identity.passwords.stored_password import make_keys
from sams.identity.patterns import pattern_key

MAX_PER_LOGIN = 50
"""App passwords of one login: a SCRAM proof is tried with the keys of each."""
MAX_NAME = 60
_ID_LENGTH = 12
_SELECT = f"SELECT {COLUMNS} FROM app_passwords"  # noqa: S608 - made of constants
_ADD = """
INSERT INTO app_passwords
    (id, source, login, name, name_key, tag, scram, networks, senders, created, expires, generation, is_builtin)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class AppPasswordStore:
    """Changes app passwords. Blocks on the disk: for commands and threads.

    Raises (every method):
        OperatorError: what was asked for cannot be; says why. Also where the file cannot be written.
        apsw.Error: the file cannot be read.
    """

    def __init__(self, file: AccountsFile, clock: Clock) -> None:
        self._file = file
        self._clock = clock

    def add(
        self,
        source: str,
        login: str,
        name: str,
        *,
        expires: float | None = None,
        networks: Sequence[str] = (),
        senders: Sequence[str] = (),
        is_builtin: bool = False,
    ) -> tuple[AppPassword, str]:
        """Make one; the second value is the password itself, which is kept nowhere.

        It takes the place of an expired one of the same name.

        source, login: whose it is; that there is this member, who calls has made sure of.
        expires: UNIX seconds. is_builtin: the source is the built-in one; then it ends with the account.
        """
        now, new_id = self._clock.now(), _new_id()
        key, shown_name = checked_login(login), _name(name)
        ends = checked_expiry(expires, now)
        limits = (checked_networks(networks), _senders(senders), now, ends)
        password = make_app_password()
        kept = _kept_of(self._file.keyring(), key, password)
        with self._file.change() as change:
            if is_builtin and not change.rows("SELECT 1 FROM accounts WHERE login = ?", (key,)):
                raise OperatorError(f"there is no account {visible(key)}: see `sams account list`")
            _make_room(change, (source, key, shown_name.casefold()), now)
            row = (new_id, source, key, shown_name, shown_name.casefold(), *kept, *limits)
            change.execute(_ADD, (*row, change.note(key), int(is_builtin)))
            (added,) = change.rows(_SELECT + " WHERE id = ?", (new_id,))
        return app_password_of(added), password

    def list(
        self, login: str | None = None, *, after: tuple[str, str] = ("", ""), limit: int = 1_000
    ) -> tuple[AppPassword, ...]:
        """A page by rising login and id, behind `after` (login, id). login: of this one only, of all sources."""
        which, values = ("login = ? AND ", (checked_login(login),)) if login is not None else ("", ())
        statement = f"{_SELECT} WHERE {which}(login, id) > (?, ?) ORDER BY login, id LIMIT ?"
        with self._file.reading() as connection:
            if connection is None:
                return ()
            return tuple(map(app_password_of, connection.execute(statement, (*values, *after, limit))))

    def revoke(self, login: str, name: str, source: str | None = None) -> tuple[AppPassword, ...]:
        """End the one of this name. source: of this one; None: whichever has it."""
        found = self._revoke(
            "login = ? AND name_key = ?", (checked_login(login), _name(name).casefold()), source
        )
        if not found:
            shown = f"{visible(login)} has no app password {visible(name)!r}"
            raise OperatorError(f"{shown}: see `sams account app-password list {visible(login)}`")
        return found

    def revoke_all(self, login: str, source: str | None = None) -> tuple[AppPassword, ...]:
        """End all of a login. source: in this one; None: in all."""
        return self._revoke("login = ?", (checked_login(login),), source)

    def revoke_source(self, source: str) -> tuple[AppPassword, ...]:
        """End all of a source."""
        return self._revoke("1", (), source)

    def _revoke(self, which: str, values: tuple[Value, ...], source: str | None) -> tuple[AppPassword, ...]:
        if source is not None:
            which, values = f"{which} AND source = ?", (*values, source)
        with self._file.change() as change:
            found = tuple(
                map(app_password_of, change.rows(f"{_SELECT} WHERE {which} ORDER BY login, id", values))
            )
            for login in dict.fromkeys(one.login for one in found):
                change.note(login)
            change.execute(f"DELETE FROM app_passwords WHERE {which}", values)  # noqa: S608 - from this file
        return found


def _kept_of(keyring: Keyring, login: str, password: str) -> tuple[bytes, bytes]:
    """By what an app password is found, and its SCRAM keys."""
    characters = canonical(password)
    assert characters is not None, "it was made just now"
    return tag_of(keyring, characters), make_keys(keyring, login, password)


def _make_room(change: Change, key: tuple[str, str, str], now: float) -> None:
    """Let an expired one of the same name go.

    Raises:
        OperatorError: there is one of this name, or there are too many.
    """
    which = "source = ? AND login = ? AND name_key = ?"
    change.execute(f"DELETE FROM app_passwords WHERE {which} AND expires <= ?", (*key, now))  # noqa: S608 - constants
    _, login, name = key
    if change.rows(f"SELECT 1 FROM app_passwords WHERE {which}", key):  # noqa: S608 - the same
        raise OperatorError(
            f"{visible(login)} has an app password {visible(name)!r} already: revoke it, or take another name"
        )
    ((count,),) = change.rows("SELECT count(*) FROM app_passwords WHERE source = ? AND login = ?", key[:2])
    if count >= MAX_PER_LOGIN:
        raise OperatorError(
            f"{visible(login)} has {MAX_PER_LOGIN} app passwords, as many as there may be: revoke what is not used"
        )


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise OperatorError(
            f"An app password has a name of 1 to {MAX_NAME} characters, such as the device it is for."
        )
    return name


def _senders(texts: Sequence[str]) -> str:
    checked = json.loads(checked_patterns(texts, at_least=0))
    return json.dumps([pattern_key(text) for text in checked], ensure_ascii=False)


def _new_id() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(_ID_LENGTH))
