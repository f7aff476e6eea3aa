"""A sign-in by PLAIN (RFC 4616) or LOGIN, once, and what the answer means. Only ever called inside verified TLS."""

from __future__ import annotations

import base64
import enum
from typing import NamedTuple

from sams_probe.smtp.dialogue import Dialogue
from sams_probe.smtp.replies import Reply

KNOWN = ("PLAIN", "LOGIN")
LONGEST = 1_024
"""Octets of a login, and of a password."""
_TELLING = 6
_SHARED = 8
"""So many characters in a row that a reply and a secret share are no chance."""


class SignedIn(enum.Enum):
    """What came of it."""

    ACCEPTED = "accepted"
    WRONG = "wrong"
    APP_PASSWORD = "app-password"  # noqa: S105 - a word, no password
    MAY_NOT = "may-not"
    """The password is right, and the account may not send, or not from here."""
    LOCKED = "locked"
    """Later: too many wrong ones, or the service cannot tell just now."""
    NO_MECHANISM = "no-mechanism"
    REFUSED = "refused"
    ELSEWHERE = "elsewhere"
    """Not tried: the server is in another domain than the one that was asked for."""
    BROKEN = "broken"


class SignIn(NamedTuple):
    """words: the server's reply, without anything of the password. mechanism: empty: none was tried."""

    result: SignedIn
    mechanism: str = ""
    words: str = ""


def sign_in(talk: Dialogue, offered: tuple[str, ...], login: str, password: str) -> SignIn:
    """Try it.

    Raises:
        Broken, NotAReply: the other side went away, or said something else.
    """
    mechanism = next((one for one in KNOWN if one in offered), "")
    if not mechanism:
        return SignIn(SignedIn.NO_MECHANISM)
    reply = _plain(talk, login, password) if mechanism == "PLAIN" else _by_steps(talk, login, password)
    return SignIn(meaning(reply), mechanism, _without(reply.text, login, password))


def meaning(reply: Reply) -> SignedIn:
    """What a final reply to AUTH means (RFC 4954 section 6, RFC 3463, and the words of common servers)."""
    text = reply.text.lower()
    if reply.code == 235:
        return SignedIn.ACCEPTED
    if reply.code in {421, 432, 450, 451, 454}:
        return SignedIn.LOCKED
    if "app password" in text or "application-specific" in text or "app-specific" in text:
        return SignedIn.APP_PASSWORD
    if reply.code in {534, 535} and reply.status in {"5.7.0", "5.7.1", "5.7.13"}:
        return SignedIn.MAY_NOT
    if reply.code == 535:
        return SignedIn.WRONG
    return SignedIn.NO_MECHANISM if reply.code == 504 else SignedIn.REFUSED


def _plain(talk: Dialogue, login: str, password: str) -> Reply:
    return talk.say(f"AUTH PLAIN {_coded(_message(login, password))}")


def _by_steps(talk: Dialogue, login: str, password: str) -> Reply:
    reply = talk.say("AUTH LOGIN")
    for text in (login, password):
        if reply.code != 334:
            break
        reply = talk.say(_coded(text))
    return reply


def _message(login: str, password: str) -> str:
    return f"\0{login}\0{password}"


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _without(text: str, login: str, password: str) -> str:
    """The words of the server, should it say back what was sent, be it in part: then nothing is left but the code."""
    secrets = (_coded(_message(login, password)), _coded(password), password)
    for secret in filter(None, secrets):
        if secret in text:  # a short one may be any word
            text = text.replace(secret, "…") if len(secret) >= _TELLING else text[:3]
    said = _pieces(text)
    return text[:3] if any(not said.isdisjoint(_pieces(secret)) for secret in secrets) else text


def _pieces(text: str) -> set[str]:
    """All that stands in a row, of letters and digits alone: servers cut, fold and quote what they say back."""
    bare = "".join(filter(str.isalnum, text.lower()))
    return {bare[at : at + _SHARED] for at in range(len(bare) - _SHARED + 1)}
