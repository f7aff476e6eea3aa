"""The account of a directory's member: what the directory writes, in the forms that the service works with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec

from sams.core.address import AddressError, Mailbox, parse_mailbox
from sams.identity.interface import Account, Identity
from sams.identity.logins import LoginForms, UnpreparableError, is_disguised, prepare_login, user_of
from sams.identity.patterns import ANY, pattern_key
from sams.identity.sources.interface import Member

MAX_ADDRESSES = 1_000


@dataclass(frozen=True, slots=True)
class MemberAccounts:
    """Makes the accounts of one source.

    source: its name. templates: of addresses, with `{user}` and `{domain}`, for members of whom it tells none.
    domain: of logins without one; empty: the accounts' first.
    """

    source: str
    templates: tuple[str, ...]
    domain: str
    forms: LoginForms

    def account(self, member: Member) -> Account | None:
        """None: what the directory calls the member can be no login."""
        name = prepared(member.login)
        if not name:
            return None
        own = _patterns(member.addresses) or self._by_rule(name)
        identity = Identity(
            login=name,
            addresses=own,
            may_send_as=_patterns(member.may_send_as),
            default_address=_default_address(own, name, self.forms.parse(name).domain),
            generation=_generation(self.source, member, own),
            recipients_per_hour=member.recipients_per_hour,
            recipients_per_day=member.recipients_per_day,
            source=self.source,
        )
        return Account(identity, member.suspended)

    def _by_rule(self, name: str) -> tuple[str, ...]:
        """Of what the directory calls the member: what was typed may have another domain, or any."""
        user, at, domain = name.rpartition("@")
        if not at:
            user, domain = name, self.domain or self.forms.default
        values = {"user": user, "domain": domain}
        return _patterns(tuple(_filled(template, values) for template in self.templates))


def prepared(login: str) -> str:
    """A login as the directory writes it, prepared (RFC 8265); empty: it can be none.

    At many a directory people choose their names themselves: one that another one's can be made of (`is_disguised`)
    is nobody's, nor is `*`, of which the rule would make the whole domain.
    """
    try:
        name = prepare_login(login)
    except UnpreparableError:
        return ""
    return "" if is_disguised(login) or user_of(name) == "*" else name


def _filled(template: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        template = template.replace(f"{{{name}}}", value)
    return template


def _patterns(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Those that are addresses; a directory may hold others."""
    found: dict[str, None] = {}
    for text in texts[:MAX_ADDRESSES]:
        try:
            found[pattern_key(text.strip())] = None
        except AddressError:
            continue
    return tuple(found)


def _default_address(patterns: tuple[str, ...], login: str, domain: str) -> Mailbox:
    for pattern in patterns:
        if not pattern.startswith(ANY):
            return parse_mailbox(pattern)
    domain = patterns[0].removeprefix(ANY) if patterns else domain
    try:
        return parse_mailbox(f"{login.partition('@')[0]}@{domain}")
    except AddressError:
        return Mailbox("postmaster", domain)


def _generation(source: str, member: Member, addresses: tuple[str, ...]) -> int:
    """A number of what the account holds; positive, as those of built-in accounts are."""
    content = msgspec.msgpack.encode((source, member, addresses))
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big") >> 1
