"""crypt(3) of the system's libcrypt: bcrypt, SHA-crypt and yescrypt, as they were made by the same library.

Python has no crypt module any more (PEP 594). `crypt_r` is asked directly: one function, of a library without which
no Debian or Red Hat system lets anybody log in.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable
from contextlib import suppress

LIBRARIES = ("libcrypt.so.2", "libcrypt.so.1", None)
"""libxcrypt's, glibc's or libxcrypt's, and what the C library itself has (musl)."""
MAX_OCTETS = 512
"""Of a password (CRYPT_MAX_PASSPHRASE_SIZE of libxcrypt)."""
_DATA_OCTETS = 131_232
"""Of the work area: glibc's struct crypt_data, the largest."""
_TRIALS = {
    "2b": b"$2b$04$" + 22 * b".",
    "5": b"$5$rounds=1000$salt",
    "6": b"$6$rounds=1000$salt",
    "y": b"$y$j75$salt",
}
"""The cheapest setting of each method, by which it is found whether a library knows it."""


class LibCrypt:
    """The library, loaded when it is first needed. Threads may share it: each call has its own work area."""

    def __init__(self, libraries: Iterable[str | None] = LIBRARIES) -> None:
        self._libraries = tuple(libraries)
        self._function: Callable[[bytes, bytes, object], bytes | None] | None = None
        self._known: dict[str, bool] = {}

    def knows(self, method: str) -> bool:
        """Whether this system can verify hashes of a method: 2b, 5, 6 or y."""
        if method not in self._known:
            self._known[method] = self.crypt(b"x", _TRIALS[method]) is not None
        return self._known[method]

    def crypt(self, password: bytes, setting: bytes) -> bytes | None:
        """The hash of a password with the salt and cost of a setting (or of another hash); None: it cannot tell.

        A password is at most `MAX_OCTETS` long and has no NUL, at which the library would end it.
        """
        function = self._load()
        if function is None or b"\0" in password or len(password) > MAX_OCTETS:
            return None
        found = function(password, setting, ctypes.create_string_buffer(_DATA_OCTETS))
        if not found or found.startswith(b"*") or not found.startswith(setting[:3]):
            return None
        return found

    def _load(self) -> Callable[[bytes, bytes, object], bytes | None] | None:
        if self._function is None:
            for name in self._libraries:
                with suppress(OSError, AttributeError):
                    function = ctypes.CDLL(name).crypt_r
                    function.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p)
                    function.restype = ctypes.c_char_p
                    self._function = function
                    break
        return self._function
