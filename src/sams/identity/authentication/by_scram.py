"""Signing in by SCRAM (RFC 5802): the keys that a proof is checked with, and what a proof that was checked is worth.

The exchange is the mechanism's (`protocol/sasl/scram.py`). It is given the keys of a login's own password and of
its app passwords, all with one salt, and gives back the id of the one that the proof was made by.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import structs

from sams.core.errors import TemporaryFailure
from sams.identity.app_passwords.lookup import AppPasswords
from sams.identity.authentication.by_app_password import ByAppPassword
from sams.identity.authentication.judge import Judge
from sams.identity.authentication.proof import PROVED
from sams.identity.authentication.refusals import Refusals
from sams.identity.authentication.request import SignInRequest
from sams.identity.chain import UNTOLD, Chain
from sams.identity.interface import Decision
from sams.identity.logins import Login, user_of
from sams.protocol.sasl.interface import ScramKey, ScramKeys

OWN = "own:"
"""Before the generation of an account: the id of its own password among SCRAM keys. A change is another id."""

SALT_OCTETS = 16


@dataclass(frozen=True, slots=True)
class ByScram:
    """Gives out keys, and decides by the id of the one that fitted."""

    app_passwords: AppPasswords
    by_app_password: ByAppPassword
    judge: Judge
    refusals: Refusals

    def keys(self, login: Login, hash_name: str, chain: Chain) -> ScramKeys:
        """Of the login's own password and of its app passwords; for nobody, a salt that is the same each time."""
        try:
            return self._keys(login, hash_name, chain)
        except TemporaryFailure as error:
            self.refusals.report(error)
            return ScramKeys(bytes(SALT_OCTETS), self.app_passwords.iterations, ())

    def _keys(self, login: Login, hash_name: str, chain: Chain) -> ScramKeys:
        account = chain.look_up(login)
        if account is not None and user_of(account.identity.login) != user_of(login.bare):
            account = None  # found by another address: its salt would tell strangers that somebody is there
        name = account.identity.login if account is not None else login.bare
        keys = list[ScramKey]()
        if account is not None and not login.device:
            own_id = f"{OWN}{account.identity.generation}"
            keys += [structs.replace(key, id=own_id) for key in chain.scram_keys(login, hash_name)]
        for source in chain.serving(login):
            keys += self.app_passwords.keys_of(source.name, name, hash_name)
        return ScramKeys(self.app_passwords.salt_of(name), self.app_passwords.iterations, tuple(keys))

    def decide(self, sign_in: SignInRequest, password_id: str | None) -> Decision:
        """password_id: of the password that was proved; None: the proof fitted none."""
        locked = self.refusals.locked(sign_in)
        if locked is not None:
            return locked
        if password_id is None:
            return self.refusals.failed(sign_in, UNTOLD, "wrong SCRAM proof, or no such login")
        if not password_id.startswith(OWN):
            app_password = self.app_passwords.get(password_id)
            if app_password is None:
                return self.refusals.failed(sign_in, UNTOLD, "app password revoked meanwhile")
            return self.by_app_password.decide(sign_in, app_password)
        account = sign_in.chain.look_up(sign_in.login)
        if account is None or password_id != f"{OWN}{account.identity.generation}":
            return self.refusals.failed(sign_in, UNTOLD, "the password was changed meanwhile")
        return self.judge.judge(sign_in, account, PROVED)
