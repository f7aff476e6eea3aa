"""Patterns of addresses: one mailbox, or `*@domain`."""

from __future__ import annotations

from collections.abc import Collection

from sams.core.address import AddressError, Mailbox, domain_key, parse_domain, parse_mailbox

ANY = "*@"


def pattern_key(text: str) -> str:
    """The form in which a pattern is compared: a mailbox's key, or `*@` and a domain's.

    Raises:
        AddressError: it is neither. Nor is the mailbox `"*"@domain`, whose key would be taken for all of the domain.
    """
    if text.startswith(ANY):
        return ANY + domain_key(parse_domain(text[len(ANY) :]))
    key = parse_mailbox(text).key
    if key.startswith(ANY):
        raise AddressError("a mailbox that is called * cannot be told from all of its domain")
    return key


def covers(patterns: Collection[str], mailbox: Mailbox) -> bool:
    """Whether a mailbox is covered by its key, by its domain, or as `name+tag` of a pattern that is."""
    if not patterns:
        return False
    key = mailbox.key
    if key in patterns:
        return True
    local, _, domain = key.rpartition("@")
    return ANY + domain in patterns or ("+" in local and _is_tagged(patterns, local, domain))


def narrowed(patterns: Collection[str], allowed: Collection[str]) -> tuple[str, ...]:
    """What both cover. allowed: pattern keys."""
    return tuple(dict.fromkeys(one for pattern in allowed for one in _within(patterns, pattern)))


def _within(patterns: Collection[str], pattern: str) -> tuple[str, ...]:
    """What of a pattern is covered by some others."""
    if pattern in patterns:
        return (pattern,)
    if pattern.startswith(ANY):
        return tuple(one for one in patterns if one.endswith(pattern[1:]))
    return (pattern,) if covers(patterns, parse_mailbox(pattern)) else ()


def _is_tagged(patterns: Collection[str], local: str, domain: str) -> bool:
    local = local.rpartition("+")[0]
    while local:
        if f"{local}@{domain}" in patterns:
            return True
        local = local.rpartition("+")[0]
    return False
