"""Sign-ins as stages. What the reply does not tell is internal, such as why a source did not answer."""

from __future__ import annotations

import re

from sams.activity.events import GuardLocked, SignedIn, SignInRefused
from sams.activity.explaining.making import Said, said, stage
from sams.activity.explaining.stages import Fact, Stage

PAGE = "page"
"""The mechanism of a sign-in at the pages, which stands in the journal as a session of its own."""
_LOCKED = re.compile(r"locked for ([0-9]{1,9}) s more \(([a-z]+)\)")
_OF_MANY = frozenset({"address", "network"})
"""Locks that are not about one login."""
_BY_REPLY = (
    ("an app password is needed", "sign-in-app-password-needed"),
    ("app password has expired", "sign-in-app-password-expired"),
    ("allowed from other networks only", "sign-in-other-network"),
    ("for devices only", "sign-in-devices-only"),
    ("Too many sign-ins at the moment", "sign-in-busy"),
    ("This account has", "sign-in-too-many-connections"),
    ("clock and ours differ", "sign-in-ticket-clock"),
    ("Kerberos ticket", "sign-in-ticket"),
)
_BY_MECHANISM = {
    "OAUTHBEARER": "sign-in-wrong-token",
    "XOAUTH2": "sign-in-wrong-token",
    "EXTERNAL": "sign-in-wrong-certificate",
    "GSSAPI": "sign-in-ticket",
}
_BY_WHY = {"suspended": "sign-in-suspended", "unavailable": "sign-in-unavailable", "busy": "sign-in-busy"}


def signed_in(at: float, event: SignedIn) -> Stage:
    """Somebody signed in."""
    is_app = event.how.startswith("app password")
    kind = "signed-in-app-password" if is_app else "signed-in"
    return stage(
        at,
        "signed-in-page" if event.mechanism == PAGE else kind,
        {"mechanism": event.mechanism},
        {"login": event.login, "app_password": event.how if is_app else ""},
        {"source": event.source, "how": "" if is_app else event.how},
    )


def sign_in_refused(at: float, event: SignInRefused) -> Stage:
    """A sign-in was refused."""
    reply = said(event.reply, event.reference)
    facts: dict[str, Fact] = reply.facts | {"mechanism": event.mechanism}
    kind = _kind(event, reply)
    lock = _LOCKED.match(event.explanation)
    if lock is not None and kind == "sign-in-locked":
        facts["until"] = at + int(lock[1])
        kind = "sign-in-locked-network" if lock[2] in _OF_MANY else kind
    private: dict[str, Fact] = {"login": event.login, "reply": reply.text or "?"}
    return stage(at, kind, facts, private, {"explanation": event.explanation})


def guard_locked(at: float, event: GuardLocked) -> Stage:
    """The guard locked something."""
    facts: dict[str, Fact] = {"until": at + event.seconds, "guesses": event.guesses}
    internal: dict[str, Fact] = {"level": event.level, "address": event.address}
    return stage(at, "guard-locked", facts, {"login": event.login}, internal)


def _kind(event: SignInRefused, reply: Said) -> str:
    if event.why == "locked":
        return "sign-in-locked"
    for words, kind in _BY_REPLY:
        if words in reply.text:
            return kind
    if event.why in _BY_WHY:
        return _BY_WHY[event.why]
    if event.why not in {"password", "unknown"}:
        return "sign-in-refused"
    return _BY_MECHANISM.get(event.mechanism) or _wrong(event)


def _wrong(event: SignInRefused) -> str:
    if event.explanation.startswith("previous password"):
        return "sign-in-previous-password"
    return "sign-in-unknown" if event.why == "unknown" else "sign-in-wrong"
