"""The sources of accounts as commands and pages see them, in wire values."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sams.activity.events import AccountChanged as AccountEvent
from sams.control.messages import AccountTest, AccountTested, SourceWord
from sams.control.peers import Peer
from sams.control.server import Handlers
from sams.core.errors import OperatorError
from sams.identity.chain import Chain
from sams.identity.grants import Grants
from sams.identity.interface import Identity
from sams.identity.logins import LoginForms, UnpreparableError, map_login
from sams.identity.walk import Word, walk

HERE = "127.0.0.1"
"""Whoever asks by a command is at this machine."""


async def tested(
    chain: Chain, forms: LoginForms, grants: Grants, login: str, password: str | None
) -> AccountTested:
    """What each source says of a login, with what maps of senders add.

    Raises:
        OperatorError: the text can be no login.
    """
    try:
        parsed = forms.parse(map_login(login))
    except UnpreparableError as error:
        raise OperatorError(f"This is no login: {error}.") from None
    words = list[SourceWord]()
    async for word in walk(chain, parsed, password, HERE):
        source = chain.named(word.source)
        granted = None
        if word.account is not None and source is not None:
            granted = await grants.ask(word.account.identity, parsed, source)
        words.append(word_to_wire(word, granted))
    return AccountTested(parsed.bare, tuple(words))


def word_to_wire(word: Word, granted: Identity | None) -> SourceWord:
    """What a source said. granted: the member, with what maps add; None where it knows nobody."""
    account = word.account
    if account is None or granted is None:
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
        mapped=_more(granted.addresses, identity.addresses),
        mapped_for=_more(granted.may_send_as, identity.may_send_as),
        unmapped=granted.grant.missing if granted.grant is not None else "",
    )


def _more(all_of_them: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    return tuple(one for one in all_of_them if one not in known)


def source_handlers(
    chain: Callable[[], Chain],
    forms: Callable[[], LoginForms],
    grants: Grants,
    tell: Callable[[AccountEvent], None],
) -> Handlers:
    """The table by which the service answers what concerns the sources.

    tell: told of each password that was tried: no guard stands before who may command, but the journal knows.
    """

    async def test(request: AccountTest, peer: Peer) -> AccountTested:
        found = await tested(chain(), forms(), grants, request.login, request.password)
        if request.password is not None:
            said = ", ".join(f"{word.source}: {word.finding}" for word in found.words)
            tell(AccountEvent(found.login, "password tried", peer.name, said))
        return found

    return {AccountTest: test}
