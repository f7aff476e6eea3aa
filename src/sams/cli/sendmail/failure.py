"""How it ends: the exit codes of sysexits.h, which programs that call sendmail expect."""

from __future__ import annotations

import enum


class SysExit(enum.IntEnum):
    """sysexits(3head)."""

    OK = 0
    USAGE = 64
    DATAERR = 65
    NOUSER = 67
    UNAVAILABLE = 69
    TEMPFAIL = 75
    PROTOCOL = 76
    NOPERM = 77
    CONFIG = 78


class SendmailError(Exception):
    """The message was not sent, or not to everybody; the text says what to do."""

    def __init__(self, code: SysExit, text: str) -> None:
        super().__init__(text)
        self.code = code
