"""The active window: the bounded part of the queue that is in memory, in the manner of Postfix's qmgr.

Theory of operation. The queue on disk has no bound; the window has: so many messages, so many octets of content.
A piece of work (the recipients of one message on one route) is in the window once or not at all; the key is
message and route, so what a claim brings a second time is known to be in hand. Work that finds no room is left to
a later claim, which costs nothing but the reading. Content that finds no room is dropped and loaded again when the
attempt begins.

Fairness has two parts. Within a lane (the work of one route) logins take turns, message by message, so a member
with a thousand messages in the window delays another by one message and not by a thousand. And who fills the
window must leave room: a lane or a login above its share gets only the first three quarters of the window; the
last quarter is for those below their share. So new mail of a quiet member is sent from memory, at its login's next
turn, however much another member has waiting in the window and on disk. (Claims read in the order of due times,
whoever's they are: a quiet member's second attempt comes behind what was due before it.)
"""

from __future__ import annotations

import enum
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sams.spool.interface import Content, Spool, Work

DEFAULT_MESSAGES = 1_000
DEFAULT_OCTETS = 64 * 1024 * 1024
_LOGIN_PART = 8
"""A login's share of the window is an eighth."""

Key = tuple[str, str]


class Step(enum.Enum):
    """What is done with a job now. It leaves the window when it is settled."""

    WAITING = "waiting"
    SENDING = "sending"
    SETTLING = "settling"


@dataclass(slots=True, eq=False)
class Job:
    """A piece of work in the window.

    work: without content, so that dropping `content` frees it.
    key: what no two jobs in the window have in common.
    spool: which holds it.
    content: its octets where they are held; None: `Spool.load` brings them.
    octets: how much of the window's octets the content takes; 0 without content.
    is_stale: a claim showed more recipients of it than it has: look again when it is done.
    left: called when it has left the window.
    is_unwanted: it was held or deleted while it was sent: it is not to be sent again from here.
    """

    work: Work
    key: Key
    spool: Spool
    content: Content | None
    octets: int
    step: Step = Step.WAITING
    is_stale: bool = False
    is_unwanted: bool = False
    left: Callable[[], None] | None = None

    def lacks_any(self, work: Work) -> bool:
        """Whether the same message and route, as a claim brings it, has recipients that this job has not."""
        numbers = {one.number for one in self.work.recipients}
        return any(one.number not in numbers for one in work.recipients)


class LoginTurns:
    """Jobs that wait for one route, login by login in turn, each login's in the order they came. `count`: of jobs."""

    __slots__ = ("_queues", "count")

    def __init__(self) -> None:
        self._queues: OrderedDict[str, deque[Job]] = OrderedDict()
        self.count = 0

    def waiting_of(self, login: str) -> int:
        """How many jobs of a login wait."""
        queue = self._queues.get(login)
        return len(queue) if queue else 0

    def put(self, job: Job) -> None:
        """Add a job behind those of its login."""
        login = job.work.message.login
        queue = self._queues.get(login)
        if queue is None:
            self._queues[login] = deque((job,))
        else:
            queue.append(job)
        self.count += 1

    def put_back(self, job: Job) -> None:
        """Return a job that was taken, before those of its login."""
        self.put(job)
        self._queues[job.work.message.login].rotate(1)

    def take(self) -> Job | None:
        """The next job, or None. Its login has its next turn after all others had theirs."""
        if not self.count:
            return None
        login, queue = self._queues.popitem(last=False)
        job = queue.popleft()
        self.count -= 1
        if queue:
            self._queues[login] = queue
        return job

    def remove(self, jobs: Iterable[Job]) -> None:
        """Take these out of their queues, in one go over the queues of their logins."""
        gone = set(jobs)
        for login in {job.work.message.login for job in gone}:
            kept = deque(job for job in self._queues.get(login, ()) if job not in gone)
            self.count -= self.waiting_of(login) - len(kept)
            if kept:
                self._queues[login] = kept
            else:
                self._queues.pop(login, None)

    def __iter__(self) -> Iterator[Job]:
        for queue in self._queues.values():
            yield from queue


class Window:
    """Counts what is in memory, and says what there is room for.

    open_places: so many more jobs may come in, whoever's they are; below 0 where the reserve is being used.
    octets: of content that is held.
    on_left: called whenever a job has left.
    """

    def __init__(self, messages: int = DEFAULT_MESSAGES, octets: int = DEFAULT_OCTETS) -> None:
        """At most so many jobs (at least 4), and about so many octets of content (checked before each is added)."""
        if messages < 4 or octets < 0:
            raise ValueError("a window has room for at least 4 messages")
        self.messages = messages
        self._max_octets = octets
        self._reserve = messages // 4
        self._open_part = self.open_places = messages - self._reserve
        self._jobs: dict[Key, Job] = {}
        self._moved: dict[Key, Job] = {}
        self.octets = 0
        self.on_left: Callable[[], None] | None = None

    def __len__(self) -> int:
        return len(self._jobs)

    def get(self, key: Key) -> Job | None:
        """The job with this key, if it is in the window."""
        job = self._jobs.get(key)
        return self._moved.get(key) if job is None and self._moved else job

    def share(self, lanes: int) -> int:
        """The share of a lane where so many have work."""
        return max(1, self._open_part // max(1, lanes))

    @property
    def is_full(self) -> bool:
        """Whether nothing may come in."""
        return len(self._jobs) >= self.messages

    @property
    def free(self) -> int:
        """How many there is room for in all, the reserve included."""
        return max(0, self.messages - len(self._jobs))

    @property
    def is_half_empty(self) -> bool:
        """Whether half of what is open to anybody is free."""
        return len(self._jobs) < self._open_part // 2

    def has_reserve_for(self, of_login: int) -> bool:
        """Whether there is anything left for a login that has so many waiting here."""
        return not self.is_full and of_login * _LOGIN_PART < self.messages

    def has_reserve(self, share: int, in_lane: int, of_login: int) -> bool:
        """Whether the last quarter is open to a lane and a login that have so many in the window."""
        return self.has_reserve_for(of_login) and in_lane < share + self._reserve

    def add(self, work: Work, spool: Spool) -> Job:
        """Bring a piece of work in. The caller has asked for room and `get`."""
        key = (work.message.id, work.route)
        content, octets = work.content, 0
        if content is not None:
            work = Work(work.message, work.route, work.recipients)
            octets = work.message.size if content.body.in_memory() is not None else len(content.head)
            if self.octets + octets > self._max_octets:
                content, octets = None, 0
        job = self._jobs[key] = Job(work, key, spool, content, octets)
        self.open_places -= 1
        self.octets += octets
        return job

    def drop_content(self, job: Job) -> None:
        """The octets are needed no more."""
        self.octets -= job.octets
        job.content, job.octets = None, 0

    def remove(self, job: Job) -> None:
        """The job is no longer in hand."""
        if self._jobs.get(job.key) is job:
            del self._jobs[job.key]
            self.open_places += 1
            if job.content is not None:
                self.drop_content(job)
            if self._moved:
                self._moved = {key: its for key, its in self._moved.items() if its is not job}
            if self.on_left is not None:
                self.on_left()

    def move(self, route_of: Callable[[str], str | None]) -> None:
        """Routes changed: know what is being sent or settled by its recipients' new routes too."""
        for job in self._jobs.values():
            for one in job.work.recipients:
                route = route_of(one.recipient.mailbox.domain)
                if route is not None and route != job.work.route:
                    self._moved[job.work.message.id, route] = job
                    job.is_unwanted = True

    def find(self, message_ids: frozenset[str]) -> list[Job]:
        """The jobs of these messages."""
        return [job for job in self._jobs.values() if job.work.message.id in message_ids]

    def all(self) -> list[Job]:
        """Every job."""
        return list(self._jobs.values())
