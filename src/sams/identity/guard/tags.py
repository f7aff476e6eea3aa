"""The tags by which the guard finds what it counts, and by which it knows passwords again."""

from __future__ import annotations

from sams.identity.guard import records
from sams.identity.guard.interface import SignInAttempt
from sams.identity.guard.memory import GuardMemory
from sams.identity.origin import network_key, origin_key

_REMEMBERED = 4_096
"""Pairs whose tag is kept."""


class GuardTags:
    """Makes tags, under the keys of a memory."""

    __slots__ = ("_good", "_pairs", "_password_tags", "_tag", "_wrong")

    def __init__(self, memory: GuardMemory) -> None:
        self._tag = memory.counts.tag
        self._password_tags = memory.password_tags
        self._good, self._wrong = memory.password_tags(b"good").of, memory.password_tags(b"wrong").of
        self._pairs: dict[tuple[str, str], bytes] = {}

    def pair(self, attempt: SignInAttempt) -> bytes:
        """Of an address and a login."""
        pair = attempt.address, attempt.login
        tag = self._pairs.get(pair)
        if tag is None:
            about = b"pair\0%b\0%b" % (origin_key(attempt.address), attempt.login.encode())
            if len(self._pairs) >= _REMEMBERED:
                self._pairs.clear()
            tag = self._pairs[pair] = self._tag(about)
        return tag

    def address(self, origin: bytes) -> bytes:
        """Of an origin (`origin.origin_key`)."""
        return self._tag(b"origin\0" + origin)

    def network(self, network: bytes) -> bytes:
        """Of a network (`origin.network_key`)."""
        return self._tag(b"network\0" + network)

    def login(self, login: str) -> bytes:
        """Of a login, wherever it is."""
        return self._tag(b"login\0" + login.encode())

    def login_at_network(self, attempt: SignInAttempt) -> bytes:
        """Of a login in the network around an address."""
        network = network_key(origin_key(attempt.address))
        return self._tag(b"login at network\0%b\0%b" % (network, attempt.login.encode()))

    def wider(self, attempt: SignInAttempt) -> tuple[bytes, bytes]:
        """Of the address and of its network: what is counted for all logins together."""
        origin = origin_key(attempt.address)
        return self.address(origin), self.network(network_key(origin))

    def wrong(self, attempt: SignInAttempt, generation: int) -> bytes:
        """A tag of the password, by which it is counted, and one of it and the generation."""
        login, password, counted = attempt.login, attempt.password, records.COUNTED_OCTETS
        of_generation = self._password_tags(b"wrong in %d" % generation).of(login, password)
        return self._wrong(login, password)[:counted] + of_generation[:counted]

    def good(self, attempt: SignInAttempt) -> int:
        """A tag of the password where it is right; never 0."""
        return int.from_bytes(self._good(attempt.login, attempt.password)[:8], "little") | 1
