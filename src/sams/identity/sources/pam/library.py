"""The system's libpam, as far as a check needs it: a password or none, the account, and nothing else.

For the child process of one check: what a module does to the process stays in it.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import enum
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_uint, c_void_p
from typing import Any

_LIBRARY = "libpam.so.0"
_USER, _TTY, _RHOST, _FAIL_DELAY = 2, 3, 4, 10
_TERMINAL = b"smtp"
_ECHO_OFF, _ERROR, _INFO = 1, 3, 4
_SILENT = 0x8000
_MOST_PROMPTS = 32
"""Messages of one call; what libpam itself allows."""


class Code(enum.IntEnum):
    """What libpam's functions return."""

    SUCCESS = 0
    OPEN_ERR = 1
    SERVICE_ERR = 3
    SYSTEM_ERR = 4
    PERM_DENIED = 6
    AUTH_ERR = 7
    AUTHINFO_UNAVAIL = 9
    USER_UNKNOWN = 10
    MAXTRIES = 11
    NEW_AUTHTOK_REQD = 12
    ACCT_EXPIRED = 13
    CRED_EXPIRED = 16
    CONV_ERR = 19
    ABORT = 26
    AUTHTOK_EXPIRED = 27
    MODULE_UNKNOWN = 28


class _Message(Structure):
    _fields_ = (("style", c_int), ("text", c_char_p))


class _Response(Structure):
    _fields_ = (("text", c_void_p), ("code", c_int))


_Converse = CFUNCTYPE(c_int, c_int, POINTER(POINTER(_Message)), POINTER(POINTER(_Response)), c_void_p)
_Delay = CFUNCTYPE(None, c_int, c_uint, c_void_p)


class _Conversation(Structure):
    _fields_ = (("converse", _Converse), ("data", c_void_p))


class Transaction:
    """One use of a PAM service for one user.

    password: what is answered to prompts that do not echo; None: nothing is. To any other prompt nothing is answered,
        and the module gets an error.
    folder: of the services, instead of the system's.

    Raises:
        OSError: there is no libpam, or it does not start; says why.
    """

    def __init__(self, service: str, user: str, *, password: str | None, address: str, folder: str) -> None:
        self._password = None if password is None else password.encode()
        self._c = ctypes.CDLL(None)
        self._c.calloc.restype = self._c.strdup.restype = c_void_p
        self._library = ctypes.CDLL(_LIBRARY)
        self._library.pam_strerror.restype = c_char_p
        self._conversation = _Conversation(_Converse(self._converse), None)
        self._no_delay = _Delay(lambda *_: None)
        self._handle = c_void_p()
        self._start(service.encode(), user.encode(), folder.encode())
        self._set(_TTY, c_char_p(_TERMINAL))
        if address:
            self._set(_RHOST, c_char_p(address.encode()))
        self._set(_FAIL_DELAY, ctypes.cast(self._no_delay, c_void_p))  # the service delays its answers itself

    @property
    def user(self) -> str:
        """Whom it is about: a module may have found another name."""
        name = c_char_p()
        code = self._library.pam_get_item(self._handle, _USER, ctypes.byref(name))
        return name.value.decode("utf-8", "replace") if code == Code.SUCCESS and name.value else ""

    def authenticate(self) -> int:
        """Whether the password is the user's."""
        return int(self._library.pam_authenticate(self._handle, _SILENT))

    def check_account(self) -> int:
        """Whether the user may sign in now."""
        return int(self._library.pam_acct_mgmt(self._handle, _SILENT))

    def words(self, code: int) -> str:
        """What libpam says of a code."""
        text: bytes | None = self._library.pam_strerror(self._handle, code)
        return f"{(text or b'unknown').decode('utf-8', 'replace')} ({code})"

    def end(self, code: int) -> None:
        """Let the modules tidy up."""
        self._library.pam_end(self._handle, code)

    def _start(self, service: bytes, user: bytes, folder: bytes) -> None:
        conversation, handle = ctypes.byref(self._conversation), ctypes.byref(self._handle)
        if folder:
            code = self._library.pam_start_confdir(service, user, conversation, folder, handle)
        else:
            code = self._library.pam_start(service, user, conversation, handle)
        if code != Code.SUCCESS:
            raise OSError(f"PAM does not start: {self.words(code)}")

    def _set(self, item: int, value: Any) -> None:
        code = self._library.pam_set_item(self._handle, item, value)
        if code != Code.SUCCESS:
            raise OSError(f"PAM does not take item {item}: {self.words(code)}")

    def _converse(self, count: int, messages: Any, responses: Any, _: Any) -> int:
        """The modules' questions. What is answered is theirs to free."""
        if not 0 < count <= _MOST_PROMPTS or any(
            not self._has_answer(messages[at].contents.style) for at in range(count)
        ):
            return Code.CONV_ERR
        memory = self._c.calloc(count, ctypes.sizeof(_Response))
        if not memory:
            return Code.CONV_ERR
        answers = ctypes.cast(memory, POINTER(_Response))
        for at in range(count):
            if messages[at].contents.style == _ECHO_OFF:
                answers[at].text = self._c.strdup(self._password)
        responses[0] = answers
        return Code.SUCCESS

    def _has_answer(self, style: int) -> bool:
        return style in {_ERROR, _INFO} or (style == _ECHO_OFF and self._password is not None)
