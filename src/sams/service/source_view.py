"""The sources of accounts as commands and pages see them, in wire values."""

from __future__ import annotations

from collections.abc import Callable

from sams.control.messages import AccountTest, AccountTested, SourceWord
from sams.control.peers import Peer
from sams.control.server import Handlers
from sams.core.errors import OperatorError
from sams.identity.chain import Chain
from sams.identity.logins import LoginForms, UnpreparableError, map_login
from sams.identity.walk import Word, walk

HERE = "127.0.0.1"
"""Whoever asks by a command is at this machine."""


async def tested(chain: Chain, forms: LoginForms, login: str, password: str | None) -> AccountTested:
    """What each source says of a login.

    Raises:
        OperatorError: the text can be no login.
    """
    try:
        parsed = forms.parse(map_login(login))
    except UnpreparableError as error:
        raise OperatorError(f"This is no login: {error}.") from None
    words = [word_to_wire(word) async for word in walk(chain, parsed, password, HERE)]
    return AccountTested(parsed.bare, tuple(words))


def word_to_wire(word: Word) -> SourceWord:
    """What a source said."""
    account = word.account
    if account is None:
        return SourceWord(word.source, word.finding, word.detail, word.seconds)
    identity = account.identity
    return SourceWord(
        word.source,
        word.finding,
        word.detail,
        word.seconds,
        login=identity.login,
        addresses=identity.addresses,
        may_send_as=identity.may_send_as,
        suspended=account.suspended,
        is_device=account.is_device,
    )


def source_handlers(chain: Callable[[], Chain], forms: Callable[[], LoginForms]) -> Handlers:
    """The table by which the service answers what concerns the sources."""

    async def test(request: AccountTest, _peer: Peer) -> AccountTested:
        return await tested(chain(), forms(), request.login, request.password)

    return {AccountTest: test}
