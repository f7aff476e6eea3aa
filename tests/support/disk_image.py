"""What a power cut leaves on a disk: all that was synced, and anything of the rest.

Theory of operation
-------------------
A disk is told each step that changes it: what was created, written, cut, synced, moved, linked, removed. It keeps
apart what is durable and what is pending, and promises as little as POSIX does:

- What was written to a file is durable when the file was synced. Until then each sector of each write may be on disk
  or not, in any order, or hold garbage; a file may be as long as any of its writes made it, or empty. (A sector that
  was durable keeps what lay outside the write: SQLite counts on that, and disks hold it.)
- A name is durable when its folder was synced. Until then a new file may have no name, a removed one may have it
  again, and a rename may be undone; but a rename is done or not, never half. Syncing a file does not sync its name.
- What a sync failed on is pending for ever: the system has forgotten that it was to be written.

A `Drawing` says what becomes of what is pending.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol, TypeAlias

SECTOR = 512


@dataclass(frozen=True, slots=True)
class Created:
    """A file or folder that was not there; `inode` is its number from now on."""

    inode: int
    name: str
    is_folder: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """Octets in a file."""

    inode: int
    offset: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class Resized:
    """A file cut or made longer."""

    inode: int
    size: int


@dataclass(frozen=True, slots=True)
class Synced:
    """A file's content, or, `has_failed`, not."""

    inode: int
    has_failed: bool = False


@dataclass(frozen=True, slots=True)
class FolderSynced:
    """The names in a folder; "" is the root."""

    name: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A file has another name, and what had that name is gone."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Linked:
    """A file has a further name."""

    inode: int
    name: str


@dataclass(frozen=True, slots=True)
class Removed:
    """A name is gone."""

    name: str


Step: TypeAlias = Created | Written | Resized | Synced | FolderSynced | Moved | Linked | Removed
Change: TypeAlias = Written | Resized
Image: TypeAlias = dict[str, bytes | None]
"""What is on a disk: the content of each file by its name, None for a folder."""


class Drawing(Protocol):
    """Decides what becomes of what was not synced."""

    def keeps_names(self) -> bool:
        """Whether a change of names is on disk."""
        ...

    def content(self, durable: bytes, pending: list[Change]) -> bytes:
        """What a file holds."""
        ...


class Nothing:
    """Only what was synced is there."""

    def keeps_names(self) -> bool:
        return False

    def content(self, durable: bytes, pending: list[Change]) -> bytes:
        return durable


class Names(Nothing):
    """Each change of names is there, and of the contents only what was synced: folders came first."""

    def keeps_names(self) -> bool:
        return True


class Everything:
    """All is there, as after a kill."""

    def keeps_names(self) -> bool:
        return True

    def content(self, durable: bytes, pending: list[Change]) -> bytes:
        return _applied(durable, pending)


class Chance:
    """Some of it is there, drawn from a seed."""

    def __init__(self, seed: str) -> None:
        self._chance = random.Random(seed)
        self._share_of_names = self._chance.choice((0.2, 0.5, 0.8, 1.0))

    def keeps_names(self) -> bool:
        return self._chance.random() < self._share_of_names

    def content(self, durable: bytes, pending: list[Change]) -> bytes:
        content = bytearray(durable)
        share = self._chance.choice((0.0, 0.3, 0.9, 1.0))
        for change in pending:
            for piece in _sectors(change):
                self._draw(content, piece, share)
        return bytes(content)

    def _draw(self, content: bytearray, piece: Change, share: float) -> None:
        drawn = self._chance.random()
        if drawn < share * 0.95:
            _apply(content, piece)
        elif drawn < share and isinstance(piece, Written):
            _apply(content, Written(piece.inode, piece.offset, self._chance.randbytes(len(piece.octets))))


@dataclass(slots=True)
class _File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[Change] = field(default_factory=list)
    lost: int = 0
    """How many of `pending`, from the first, a sync failed on."""


_Names: TypeAlias = tuple[tuple[str, int | None], ...]
_FOLDER = 0


class Disk:
    """A disk on which `image` is durable."""

    def __init__(self, image: Mapping[str, bytes | None] | None = None) -> None:
        self._files: dict[int, _File] = {}
        self._names: dict[str, int] = {}
        self._pending: list[_Names] = []
        self.now: dict[str, int] = {}
        """Names as a program sees them: the inodes, 0 for a folder."""
        for number, (name, content) in enumerate((image or {}).items(), 1):
            self._names[name] = self.now[name] = _FOLDER if content is None else number
            if content is not None:
                self._files[number] = _File(bytearray(content))
        self.next_inode = len(self._names) + 1

    def take(self, step: Step) -> None:
        """Something happens."""
        match step:
            case Created():
                self._rename(((step.name, _FOLDER if step.is_folder else step.inode),))
                if not step.is_folder:
                    self._files[step.inode] = _File()
                self.next_inode = max(self.next_inode, step.inode + 1)
            case Written() | Resized():
                self._files[step.inode].pending.append(step)
            case Synced():
                _sync(self._files[step.inode], has_failed=step.has_failed)
            case FolderSynced():
                self._sync_names(step.name)
            case Moved():
                self._rename(((step.target, self.now[step.source]), (step.source, None)))
            case Linked():
                self._rename(((step.name, step.inode),))
            case Removed():
                self._rename(((step.name, None),))

    @property
    def has_pending(self) -> bool:
        """Whether a power cut could lose anything."""
        return bool(self._pending) or any(file.pending for file in self._files.values())

    def content(self, inode: int) -> bytes:
        """A file as a program sees it."""
        file = self._files[inode]
        return _applied(file.durable, file.pending)

    def survivors(self, drawing: Drawing) -> Image:
        """What is there after the power was cut."""
        names = dict(self._names)
        for change in self._pending:
            if drawing.keeps_names():
                _name(names, change)
        image: Image = {}
        for name in sorted(names):
            if all(str(folder) in image for folder in PurePosixPath(name).parents[:-1]):
                image[name] = self._drawn(names[name], drawing)
        return image

    def _drawn(self, inode: int, drawing: Drawing) -> bytes | None:
        if inode == _FOLDER:
            return None
        file = self._files[inode]
        return drawing.content(bytes(file.durable), file.pending)

    def _rename(self, change: _Names) -> None:
        self._pending.append(change)
        _name(self.now, change)

    def _sync_names(self, folder: str) -> None:
        durable = [change for change in self._pending if any(parent_of(name) == folder for name, _ in change)]
        for change in durable:
            _name(self._names, change)
            self._pending.remove(change)


def parent_of(name: str) -> str:
    """The folder that a name is in."""
    return name.rpartition("/")[0]


def image_of(root: Path) -> Image:
    """What is in a folder."""
    return {
        str(path.relative_to(root)): None if path.is_dir() else path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_dir() or path.is_file()
    }


def write_image(image: Image, root: Path) -> None:
    """Make a folder of it, as private as it was."""
    root.mkdir(0o700)
    for name, content in image.items():
        path = root / name
        if content is None:
            path.mkdir(0o700)
        else:
            path.touch(0o600)
            path.write_bytes(content)


@dataclass(frozen=True, slots=True)
class Cut:
    """A moment at which the power may go: just before the step with this number."""

    step: int
    disk: Disk

    def images(self, seed: str, draws: int) -> Iterator[tuple[str, Image]]:
        """What may be left, each with words that say how it was drawn."""
        yield "nothing unsynced is left", self.disk.survivors(Nothing())
        if not self.disk.has_pending:
            return
        yield "names and nothing else unsynced are left", self.disk.survivors(Names())
        yield "all is left", self.disk.survivors(Everything())
        for number in range(draws):
            words = f"{seed}/{self.step}/{number}"
            yield words, self.disk.survivors(Chance(words))


def cuts(image: Image, steps: list[Step], is_wanted: Callable[[int], bool] = lambda _: True) -> Iterator[Cut]:
    """Each moment of a run that began with `image`; use one before taking the next."""
    disk = Disk(image)
    for number, step in enumerate(steps):
        if is_wanted(number):
            yield Cut(number, disk)
        disk.take(step)
    yield Cut(len(steps), disk)


def _sync(file: _File, *, has_failed: bool) -> None:
    if has_failed:
        file.lost = len(file.pending)
        return
    for change in file.pending[file.lost :]:
        _apply(file.durable, change)
    del file.pending[file.lost :]


def _name(names: dict[str, int], change: _Names) -> None:
    for name, inode in change:
        if inode is None:
            names.pop(name, None)
        else:
            names[name] = inode


def _sectors(change: Change) -> Iterator[Change]:
    if isinstance(change, Resized):
        yield change
        return
    start, end = change.offset, change.offset + len(change.octets)
    while start < end:
        stop = min(end, (start // SECTOR + 1) * SECTOR)
        yield Written(change.inode, start, change.octets[start - change.offset : stop - change.offset])
        start = stop


def _applied(durable: bytes | bytearray, pending: list[Change]) -> bytes:
    content = bytearray(durable)
    for change in pending:
        _apply(content, change)
    return bytes(content)


def _apply(content: bytearray, change: Change) -> None:
    if isinstance(change, Resized):
        del content[change.size :]
        content.extend(bytes(change.size - len(content)))
        return
    content.extend(bytes(max(0, change.offset - len(content))))
    content[change.offset : change.offset + len(change.octets)] = change.octets
