"""Who a login is, as the sources of the running service say: for commands that make something for a member."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sams.core.errors import OperatorError, TemporaryFailure
from sams.core.text import visible
from sams.identity.account_sources import Source
from sams.identity.accounts.builtin import BuiltinAccounts
from sams.identity.grants import Grants
from sams.identity.interface import Account
from sams.identity.logins import Login, LoginForms, UnpreparableError, prepare_login
from sams.service.app_password_view import FoundMember


async def find_member(
    sources: Iterable[Source], forms: LoginForms, grants: Grants, login: str, name: str
) -> FoundMember:
    """The member of a login, by the first source that knows it, with what maps of senders add.

    name: of the one source that is asked; empty: all are.

    Raises:
        OperatorError: no source knows the login, there is no such source, or one cannot tell now.
    """
    try:
        parsed = forms.parse(prepare_login(login))
    except UnpreparableError as error:
        raise OperatorError(f"This is no login: {error}.") from None
    asked = [source for source in sources if name in {"", source.name}]
    if name and not asked:
        raise OperatorError(f"there is no source of accounts {visible(name, 100)}: see `sams config show`")
    for source in asked:
        account = await _ask(source, parsed, grants) if source.serves(parsed) else None
        if account is not None:
            return _found(source, account)
    who = f"the source {visible(name, 100)} does not know" if name else "no source of accounts knows"
    raise OperatorError(f"{visible(login, 100)} is nobody here: {who} such a login")


async def _ask(source: Source, login: Login, grants: Grants) -> Account | None:
    try:
        account = await source.find(login)
        if account is None:
            return None
        return replace(account, identity=await grants.ask(account.identity, login, source))
    except TemporaryFailure as failure:
        raise OperatorError(
            f"the source of accounts {source.name} cannot be asked now: {failure.detail}"
        ) from None


def _found(source: Source, account: Account) -> FoundMember:
    identity = account.identity
    return FoundMember(
        source.name,
        identity.login,
        (*identity.addresses, *identity.may_send_as),
        is_builtin=isinstance(source, BuiltinAccounts),
        is_device=account.is_device,
    )
