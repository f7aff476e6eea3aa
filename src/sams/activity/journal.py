"""The activity journal of one worker: rows come from the loop and are written off the commit path.

Theory of operation. The loop calls `put`, which only keeps the row; a thread of the journal's own gathers what
comes within half a second and writes it in one transaction of a few statements, whatever their number, because
a thread that runs a statement per row beside a busy loop waits for the GIL at each. A kill costs the rows of
that half second; `synchronous=NORMAL`: a power cut may cost some more, never the file.

A row may be put again under its number while its session lasts; what still waits is replaced.

The journal never harms mail. What cannot be written waits in memory up to a limit and is counted beyond it;
the count is told when there is room again, and trouble is told when it begins. Nothing is written while the
disk has less than `min_free`, which is the spool's. A damaged file is set aside and a new one begun.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import apsw

from sams.activity.journal_file import DAMAGED, JournalFile, JournalFull, set_aside
from sams.activity.rows import Keep, Row
from sams.config.model import ActivityTimes
from sams.core.clock import Clock

FILE_NAME = "activity.db"
GATHER = 0.5
RETRY = 5.0
CLEAN_EVERY = 60.0
MAX_ROWS = 20_000
MAX_OCTETS = 32 * 2**20
_ROW_OVERHEAD = 200
_TROUBLE = (apsw.Error, OSError, JournalFull, ValueError, LookupError, TypeError)
"""With what a damaged row or index raises when it is taken apart: the file is opened anew, and the thread goes on."""


class Journal:
    """Writes one journal file. `put` and `next_number` are called on the loop.

    path: the file; its folder exists.
    keep: seconds for each kind of row.
    max_octets: beyond this size the oldest rows go, those of strangers first.
    min_free: octets that have to be free on the disk.
    on_trouble: told when writing begins to fail, with the reason; called on the journal's thread.
    gather: seconds to wait for more before a batch is written.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        keep: Mapping[Keep, float],
        max_octets: int,
        min_free: int,
        on_trouble: Callable[[str], None],
        gather: float = GATHER,
    ) -> None:
        self._path = path
        self._clock = clock
        self._keep, self._max_octets, self._min_free = keep, max_octets, min_free
        self._on_trouble = on_trouble
        self._gather = gather
        self._file: JournalFile | None = None
        self._last_number = 0
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waiting: dict[int, Row] = {}
        self._octets = 0
        self._lost = 0
        self._is_writing = False
        self._is_closing = False
        self._trouble = ""
        self._clean_at = 0.0
        self._thread = threading.Thread(target=self._run, name="activity-journal", daemon=True)

    def start(self) -> None:
        """Begin to write. A journal that cannot be opened is told of and tried again."""
        try:
            self._last_number = self._opened().last_number
        except _TROUBLE as error:
            self._fail(error)
        self._thread.start()

    def next_number(self, now: float) -> int:
        """A number for a new row, greater than all before. now: UNIX seconds."""
        number = int(now * 1_000_000)
        self._last_number = number if number > self._last_number else self._last_number + 1
        return self._last_number

    def put(self, row: Row) -> None:
        """Write this row soon, in place of one with its number. Never waits for the disk, never raises."""
        number, octets = row.number, len(row.record) + _ROW_OVERHEAD
        with self._lock:
            waiting = self._waiting
            if number in waiting:
                octets -= _size(waiting[number])
            elif not waiting:
                self._changed.notify_all()
            elif len(waiting) >= MAX_ROWS or self._octets + octets > MAX_OCTETS:
                self._lost += 1
                return
            self._octets += octets
            waiting[number] = row

    def take_lost(self) -> int:
        """How many rows were lost since the last call; 0 while there is no room for a row that tells it."""
        with self._changed:
            if len(self._waiting) >= MAX_ROWS or self._octets + _ROW_OVERHEAD > MAX_OCTETS:
                return 0
            lost, self._lost = self._lost, 0
        return lost

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all that was put is written; False: it was not in this time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._is_writing, timeout)

    def close(self) -> None:
        """Write what waits, with one try, and let go of the file."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _run(self) -> None:
        while not self._is_closing:
            self._pause()
            rows = self._taken()
            if rows and not self._wrote(rows):
                self._put_back(rows)
            self._written()
            self._clean()

    def _pause(self) -> None:
        """Wait for the first row, then a moment for more; after trouble, longer."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closing, CLEAN_EVERY)
            self._changed.wait_for(lambda: self._is_closing, RETRY if self._trouble else self._gather)

    def _taken(self) -> list[Row]:
        with self._changed:
            rows = list(self._waiting.values())
            self._waiting.clear()
            self._octets = 0
            self._is_writing = True
        return rows

    def _put_back(self, rows: list[Row]) -> None:
        with self._changed:
            newer = self._waiting
            self._waiting = {row.number: row for row in rows} | newer
            self._octets = sum(map(_size, self._waiting.values()))

    def _written(self) -> None:
        with self._changed:
            self._is_writing = False
            self._changed.notify_all()

    def _clean(self) -> None:
        now = self._clock.now()
        if now < self._clean_at and self._clean_at - now <= CLEAN_EVERY:
            return
        try:
            while self._opened().clean(now):
                if self._waiting or self._is_closing:
                    return  # go on after the next batch
        except _TROUBLE as error:
            self._fail(error)
        self._clean_at = now + CLEAN_EVERY

    def _opened(self) -> JournalFile:
        if self._file is None:
            file = JournalFile(
                self._path, keep=self._keep, max_octets=self._max_octets, min_free=self._min_free
            )
            file.end_running()
            self._file = file
        return self._file

    def _wrote(self, rows: list[Row]) -> bool:
        """Whether the rows are stored; the first failure after a success is told."""
        try:
            self._opened().write(rows)
        except _TROUBLE as error:
            self._fail(error)
            return False
        self._trouble = ""
        return True

    def _fail(self, error: Exception) -> None:
        text = f"{self._path}: {str(error) or type(error).__name__}"
        if self._file is not None and not isinstance(error, JournalFull):
            self._file.close()
            self._file = None
        is_damaged = isinstance(error, DAMAGED) or not self._path.is_file()
        if is_damaged and self._path.exists():
            text += self._set_aside()
        if not self._trouble:
            self._on_trouble(text)
        self._trouble = text

    def _set_aside(self) -> str:
        """What became of it, in words."""
        try:
            set_aside(self._path)
        except OSError as error:
            return f"; the file cannot be set aside: {error}"
        return "; the file was set aside, and a new one begun"


def keep_times(times: ActivityTimes) -> dict[Keep, float]:
    """What the configuration says of each kind of row."""
    return {
        Keep.STRANGERS: times.strangers,
        Keep.SESSIONS: times.sessions,
        Keep.DELIVERIES: times.deliveries,
        Keep.SERVICE: times.service,
    }


def _size(row: Row) -> int:
    return len(row.record) + _ROW_OVERHEAD
