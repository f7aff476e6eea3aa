"""Programs that are started beside the service, and inherit nothing of it but what they are to have."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_ASIDE = 64
"""Above every number that a program finds its descriptors under."""


def python_command(module: str, *arguments: str) -> list[str]:
    """The command that runs `main(arguments)` of a module of the same code as this process, by the same Python.

    Nothing of the environment or of the folder it runs in decides what is loaded (`python -I`).
    """
    program = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); "
        f"from {module} import main; sys.exit(main(sys.argv[1:]))"
    )
    return [sys.executable, "-I", "-c", program, str(_ROOT), *arguments]


def clean_environment() -> dict[str, str]:
    """What such a program finds around it: nothing of the service's."""
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def spawn(command: list[str], descriptors: Mapping[int, int], environment: Mapping[str, str]) -> int:
    """Start a program; its pid.

    It has stderr of this process, an empty stdin and stdout, and `descriptors`: ours, by the number under which the
    program finds each (3 or more). It begins without blocked signals.

    Raises:
        OSError: it cannot be started.
    """
    aside = {number: fcntl.fcntl(ours, fcntl.F_DUPFD_CLOEXEC, _ASIDE) for number, ours in descriptors.items()}
    try:
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_RDWR, 0),
            *((os.POSIX_SPAWN_DUP2, ours, number) for number, ours in aside.items()),
            *((os.POSIX_SPAWN_CLOSE, one) for one in _inheritable() if one not in descriptors),
        ]
        return os.posix_spawn(command[0], command, dict(environment), file_actions=actions, setsigmask=())
    finally:
        for ours in aside.values():
            os.close(ours)


def _inheritable() -> list[int]:
    """Descriptors that the service manager handed over, say: they are not for the program."""
    found = []
    for descriptor in (int(entry.name) for entry in Path("/proc/self/fd").iterdir()):
        with suppress(OSError):  # of the listing itself
            if descriptor > 2 and os.get_inheritable(descriptor):
                found.append(descriptor)
    return found
