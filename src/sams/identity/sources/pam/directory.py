"""The system's own accounts as a directory, asked by way of the PAM helper (`helper.py`)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence

import msgspec

from sams.config.sources import PamSource
from sams.core.errors import OperatorError, TemporaryFailure
from sams.core.spawning import clean_environment, spawn
from sams.identity.account_sources import Finding
from sams.identity.logins import Login
from sams.identity.questions import HEARING, LARGEST, ask
from sams.identity.replies import BUSY
from sams.identity.sources.interface import Answer, Member, down
from sams.identity.sources.login_forms import NO_LOGIN, sent_login
from sams.identity.sources.pam.messages import Orders, Outcome, Policy, Question, Told, helper_command

_NO_HELPER = (
    "the source {name} needs the PAM helper, which is made when the service starts: restart the service"
)


class PamDirectory:
    """The source `pam` (`Directory`).

    questions: the end of the helper's socket that was inherited; None: there is no helper.

    Raises:
        OperatorError: there is no helper.
    """

    def __init__(self, section: PamSource, questions: socket.socket | None) -> None:
        if questions is None:
            raise OperatorError(_NO_HELPER.format(name=section.id))
        self._section = section
        self._questions = questions

    @property
    def can_find(self) -> bool:
        """Where members are accounts of this system."""
        return not self._section.virtual_users

    async def verify(self, login: Login, password: str, address: str) -> Answer:
        """Let PAM check the password, then whether the account may sign in."""
        sent = sent_login(login, self._section.login_form)
        if sent is None:
            return NO_LOGIN
        told = await self._ask(Question(self._section.id, sent, password, address))
        member = Member(told.login, suspended=told.suspended) if told.outcome is Outcome.RIGHT else None
        return Answer(Finding[told.outcome.name], member, told.detail)

    async def find(self, login: Login) -> Member | None:
        """The account, where it may sign in at all; its password may have expired."""
        sent = sent_login(login, self._section.login_form)
        if sent is None:
            return None
        told = await self._ask(Question(self._section.id, sent))
        if told.outcome is Outcome.UNAVAILABLE:
            raise down(told.detail)
        return Member(told.login, suspended=told.suspended) if told.outcome is Outcome.RIGHT else None

    async def close(self) -> None:
        """Nothing is open between questions."""

    async def _ask(self, question: Question) -> Told:
        """The helper's answer. One more time where the helper ended meanwhile: it is replaced.

        Raises:
            TemporaryFailure: there is none.
        """
        message = msgspec.msgpack.encode(question)
        data = await self._asked(message) or await self._asked(message)
        if not data:
            raise down(
                "the PAM helper ends before it answers; its last words are on the service's standard error"
            )
        told = msgspec.msgpack.decode(data, type=Told)
        if told.outcome is Outcome.DOWN:
            raise down(told.detail)
        return told

    async def _asked(self, message: bytes) -> bytes:
        with self._answer_to(message) as answers:
            answers.setblocking(False)
            try:
                return await asyncio.get_running_loop().sock_recv(answers, LARGEST)
            except ConnectionError:
                return b""

    def _answer_to(self, message: bytes) -> socket.socket:
        try:
            return ask(self._questions, message)
        except BlockingIOError:
            raise TemporaryFailure(
                BUSY, "more questions wait for the PAM helper than its socket holds"
            ) from None
        except OSError as error:
            raise down(f"the PAM helper cannot be asked: {error.strerror}; restart the service") from None


def orders_for(
    sections: Sequence[PamSource], workers: int, *, keep: bool = False, folder: str = ""
) -> Orders:
    """What the helper of these sources is started with."""
    policies = {
        one.id: Policy(one.service, one.group, one.least_uid, one.virtual_users, one.timeout, folder)
        for one in sections
    }
    return Orders(policies, max(1, workers) * sum(one.connections for one in sections), keep)


def spawn_helper(orders: Orders, hearing: socket.socket, environment: Mapping[str, str] | None = None) -> int:
    """Start a helper that hears what comes on its end of the pair; its pid. It inherits nothing else but stderr."""
    return spawn(helper_command(orders), {HEARING: hearing.fileno()}, environment or clean_environment())
