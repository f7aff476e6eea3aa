"""Runs a program as an unprivileged user on a system that may only be read, but for one folder.

    unshare --mount python3 -m tests.support.confined FOLDER USER PROGRAM…

What a service manager does with ProtectSystem=strict, ProcSubset=pid, NoNewPrivileges=yes and User=.
"""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
import sys
import tempfile
from pathlib import Path


def main(folder: str, user: str, *program: str) -> None:
    """Confine this process, and become the program. As root, in a mount namespace of its own."""
    writable = Path(folder).resolve()
    _mount("--make-rprivate", "/")
    _open_way(Path(sys.base_prefix))
    _mount("-t", "proc", "-o", "subset=pid,hidepid=invisible", "none", "/proc")
    _mount("--bind", str(writable), str(writable))
    for mounted in _mounted():
        if mounted != writable:
            _mount("-o", "remount,bind,ro", str(mounted), check=False)  # some are read-only as they are
    entry = pwd.getpwnam(user)
    ids = f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"
    rights = "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"
    os.execvp("setpriv", ["setpriv", *ids, *rights, *program])  # noqa: S606 - no shell is wanted


def _open_way(target: Path) -> None:
    """An interpreter below a folder that is closed to others is mounted into an open folder of that name."""
    closed = next((one for one in reversed(target.parents) if not one.stat().st_mode & stat.S_IXOTH), None)
    if closed is None:
        return
    aside = tempfile.mkdtemp(prefix="confined-")
    _mount("--bind", str(target), aside)
    _mount("-t", "tmpfs", "-o", "mode=755", "none", str(closed))
    target.mkdir(parents=True)
    _mount("--bind", aside, str(target))


def _mounted() -> list[Path]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [Path(line.split()[4].replace("\\040", " ")) for line in lines]


def _mount(*arguments: str, check: bool = True) -> None:
    subprocess.run(["mount", *arguments], check=check, stderr=None if check else subprocess.DEVNULL)


if __name__ == "__main__":
    main(*sys.argv[1:])
