"""LOGIN, the pre-standard mechanism (draft-murchison-sasl-login): two challenges, user name and password.

Old mail programs look for exactly these two prompts. An initial response, which the draft does not have, is
taken as the user name: many programs send it.
"""

from __future__ import annotations

from sams.protocol.sasl.interface import (
    MAX_PASSWORD_OCTETS,
    Challenge,
    Malformed,
    PasswordClaim,
    Step,
    Verify,
    decode_name,
    decode_password,
)

_ASK_NAME = Challenge(b"Username:")
_ASK_PASSWORD = Challenge(b"Password:")


class Login:
    """One exchange of LOGIN."""

    __slots__ = ("_authcid",)

    def __init__(self) -> None:
        self._authcid: str | None = None

    def start(self, initial: bytes | None) -> Step:
        """Ask for the user name, unless the initial response is it."""
        return self.respond(initial) if initial else _ASK_NAME

    def respond(self, data: bytes) -> Step:
        """Take the user name, then the password. Some programs end each with a NUL of their own."""
        data = data.removesuffix(b"\0")
        return self._take_name(data) if self._authcid is None else self._take_password(self._authcid, data)

    def _take_name(self, data: bytes) -> Step:
        self._authcid = decode_name(data)
        return (
            _ASK_PASSWORD if self._authcid else Malformed("the user name is missing, too long, or not UTF-8")
        )

    @staticmethod
    def _take_password(authcid: str, data: bytes) -> Step:
        password = decode_password(data)
        if password is None:
            return Malformed(
                f"the password is missing, longer than {MAX_PASSWORD_OCTETS} octets, or not UTF-8"
            )
        return Verify(PasswordClaim("", authcid, password))
