"""Who the processes run as, and what others may see of their files."""

from __future__ import annotations

import os
import pwd
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sams.core.errors import OperatorError
from sams.core.rights import ServiceUser, making_user
from sams.spool.layout import make_with_parents

_PASSABLE = 0o711
_PARTS = frozenset({"accounts.db", "control", "guard.state", "lanes", "lock", "members.db", "spool"})
"""What the service itself puts into its data folder; `lost+found` and the like may be anybody's."""
_PATIENCE = 10.0


def service_user(name: str | None, key: str = "[server] user") -> ServiceUser | None:
    """Whom to become; None: stay who we are, as must be where we are not root or where nobody is named.

    key: that names the user.

    Raises:
        OperatorError: there is no such user.
    """
    if os.geteuid() != 0:
        return None
    if not name:
        return None
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise OperatorError(
            f'{key}: there is no user "{name}" on this machine. Make it with: {making_user(name)}'
        ) from None
    return ServiceUser(name, entry.pw_uid, entry.pw_gid)


@contextmanager
def acting_as(user: ServiceUser) -> Iterator[None]:
    """Do what follows with the rights of the user and its groups, and be root again.

    The real and the saved user stay root's: no process of the user may trace or signal this one meanwhile.
    """
    group, groups = os.getegid(), os.getgroups()
    try:
        os.setgroups(os.getgrouplist(user.name, user.gid))
        os.setegid(user.gid)
        os.seteuid(user.uid)
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def may_run_program(user: ServiceUser) -> bool:
    """Whether the user may start this Python and read this program; asked as root.

    Where it may not (an installation below /root), whatever is loaded after the change of user fails.
    """
    return _succeeds(user, [sys.executable, "-c", "import sams.core.errors"])


def may_read(user: ServiceUser, path: Path) -> bool:
    """Whether the user may read a file, by its rights and those of the folders above it; asked as root."""
    return _succeeds(user, ["/usr/bin/test", "-r", str(path)])


def _succeeds(user: ServiceUser, command: list[str]) -> bool:
    try:
        done = subprocess.run(  # noqa: S603 - the two above
            command,
            user=user.uid,
            group=user.gid,
            extra_groups=os.getgrouplist(user.name, user.gid),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def prepare_data_dir(path: Path, user: ServiceUser | None, *, passable: bool = False) -> None:
    """Make the data folder where it is missing, and refuse one that others may write to.

    passable: others may reach the control sockets in it (`[control]` names some), but see nothing of it.

    Raises:
        OperatorError: it cannot be made, belongs to somebody else, or others may write to it.
    """
    try:
        make_with_parents(path)
        if user is not None and path.stat().st_uid == 0:
            os.chown(path, user.uid, user.gid)
        found = path.stat()
    except OSError as error:
        raise OperatorError(f"[server] data_dir: {path}: {error.strerror}") from None
    owner = user.uid if user is not None else os.geteuid()
    if found.st_uid != owner:
        raise OperatorError(_foreign(path, found.st_uid, user))
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        mend = f"chmod go-w {shlex.quote(str(path))}"
        raise OperatorError(
            f"[server] data_dir: others than its owner may write to {path}. Mend it with: {mend}"
        )
    if passable:
        path.chmod(_PASSABLE)


def check_contents(path: Path) -> tuple[str, ...]:
    """Refuse a data folder whose parts have another owner or others may write to; what they may read, as warnings.

    What is below its folders is for those who open it: a shard looks at its own files.

    Raises:
        OperatorError: something of the service's in it belongs to somebody else than the folder, or others may
            write to it.
    """
    warnings = []
    owner = path.stat().st_uid
    for entry in sorted(path.iterdir()):
        try:
            found = entry.lstat()
        except FileNotFoundError:  # a backup that ended just now
            continue
        mode = found.st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            continue
        if entry.name in _PARTS and found.st_uid != owner:
            raise OperatorError(_half_foreign(path, owner, entry, found.st_uid))
        name = shlex.quote(str(entry))
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise OperatorError(
                f"[server] data_dir: others than its owner may write to {entry}. Mend it with: chmod go-w {name}"
            )
        if mode & (stat.S_IRGRP | stat.S_IROTH):
            warnings.append(f"others than its owner may read {entry}; mend it with: chmod go-r {name}")
    return tuple(warnings)


def _half_foreign(path: Path, owner: int, entry: Path, other: int) -> str:
    """A part of somebody else: as a copy leaves it, or a service manager that changed the owner."""
    mend = f"chown -R {_name_of(owner).removeprefix('number ')} {shlex.quote(str(path))}"
    return (
        f"[server] data_dir: {entry} belongs to the user {_name_of(other)}, and {path} to {_name_of(owner)}. "
        f"Mend it with: {mend}"
    )


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"number {uid}"


def _foreign(path: Path, owner: int, user: ServiceUser | None) -> str:
    """A data folder of somebody else: whose, and what is most likely meant."""
    name = _name_of(owner)
    text = f"[server] data_dir: {path} belongs to the user {name}"
    if user is not None:
        return f"{text}, not to {user.name}. Mend it with: chown -R {user.name} {shlex.quote(str(path))}"
    if os.geteuid() == 0:
        return f'{text}, but no user is named to run as. Write in the configuration: [server] user = "{name}"'
    return f"{text}. Start the service as {name}, or as root with [server] user set, or name another data_dir"
