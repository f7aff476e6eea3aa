"""What is made before the fork and inherited by every worker: sockets, TLS contexts, shared memory."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from sams.activity.logs import FactLog
from sams.activity.metrics import Board as MetricsBoard
from sams.app.pam import pam_sections
from sams.app.settings import worker_count
from sams.config.definition import settings
from sams.config.key import Section
from sams.config.model import Config, Listener
from sams.config.showing import written
from sams.core.clock import Clock
from sams.core.courtesy import Courtesy
from sams.core.down_board import DownBoard
from sams.core.errors import OperatorError
from sams.identity.guard.memory import GuardMemory
from sams.identity.passwords.remembered import Remembered
from sams.identity.questions import Ends
from sams.identity.shared_table import Columns
from sams.policy.admission import AdmissionBooks
from sams.policy.quota import QuotaBooks
from sams.service.board import StatusBoard
from sams.service.material import Material
from sams.service.sockets import Activated, Endpoint, match_activated, open_listener, share
from sams.service.tls_contexts import ListenerTls

_KEY_OCTETS = 32
SECTIONS_AT_START = ("retry", "activity", "log")
KEYS_AT_START = {
    "limits": ("min_free", "password_checks", "password_checks_waiting"),
    "accounts": ("remember",),
    "tls": ("expiry_warnings",),
    "server": ("grace",),
}
"""What parts read when they are made, and which changes so seldom that a restart may be asked for."""
KEYS_FOR_GOOD = {
    "server": ("name", "data_dir", "user", "workers"),
    "listener": ("address", "port", "security", "min_tls"),
    "web": ("address", "port", "user"),
    "pam": ("name", "service", "group", "least_uid", "virtual_users", "timeout", "connections"),
}
"""What was settled before the fork, and cannot change in place."""


@dataclass(frozen=True, slots=True)
class OpenListener:
    """A listener with its TLS and its sockets: one for each worker, or those of the service manager."""

    listener: Listener
    tls: ListenerTls
    sockets: tuple[socket.socket, ...]

    def share(self, number: int, workers: int) -> Sequence[socket.socket]:
        """Where worker `number` of so many listens."""
        return share(self.sockets, number, workers)


@dataclass(frozen=True, slots=True)
class SharedMemory:
    """Memory that all workers share, and the keys without which nobody can read anything out of it."""

    remembered: Remembered
    graced: Remembered
    guard: GuardMemory
    hashing: Columns
    quota: QuotaBooks
    admission: AdmissionBooks
    metrics: MetricsBoard
    board: StatusBoard
    routes: DownBoard
    sources: DownBoard
    courtesy: Courtesy


@dataclass(slots=True)
class Inherited:
    """Everything that the fork hands on.

    material: as it was last read; a worker that is forked later gets the newest.
    workers: processes that serve, at least 1 (the supervisor's own one counts when it serves itself).
    facts: the log of what every message brings.
    started: UNIX seconds.
    pam: of the PAM helper; None: no source needs it.
    hasher: of the process that hashes passwords; None: threads of this one do.
    """

    material: Material
    config_path: Path
    clock: Clock
    log: FilteringBoundLogger
    listeners: tuple[OpenListener, ...]
    memory: SharedMemory
    workers: int
    started: float
    facts: FactLog
    pam: Ends | None = None
    hasher: Ends | None = None
    began_with: Config = field(init=False)
    """The configuration at the start: what is read there only is in force as it was then."""

    def __post_init__(self) -> None:
        self.began_with = self.material.config

    def renew(self, material: Material) -> None:
        """Use new certificates from now on, here and in workers forked later.

        Raises:
            OperatorError: a pair cannot be used; nothing changed.
        """
        renewals = [
            (listener.tls, listener.tls.prepare(material.hosts, material.clients_of(place)))
            for place, listener in enumerate(self.listeners)
        ]
        for tls, renewal in renewals:
            tls.renew(renewal)
        self.material = material


def open_listeners(
    material: Material, workers: int, activated: Sequence[Activated]
) -> tuple[OpenListener, ...]:
    """Open every listener, or take what the service manager opened for us.

    Raises:
        OperatorError: one cannot be opened, its certificate cannot be used, or a socket was handed over that no
            listener asks for: connections to it would wait for ever.
    """
    _refuse_strays(activated, material.config)
    places = range(len(material.config.listeners))
    return tuple(_open(place, material, workers, activated) for place in places)


def make_memory(config: Config, clock: Clock, guard: GuardMemory | None = None) -> SharedMemory:
    """Make the shared memory, under keys that exist nowhere else.

    guard: with what was kept of it, under the key that was kept with it; None: an empty one.
    """
    workers = max(1, worker_count(config))
    return SharedMemory(
        graced=Remembered(secrets.token_bytes(_KEY_OCTETS), clock, 0),
        remembered=Remembered(secrets.token_bytes(_KEY_OCTETS), clock, int(config.accounts.remember)),
        guard=guard or GuardMemory(),
        hashing=Columns(workers),
        quota=QuotaBooks(secrets.token_bytes(_KEY_OCTETS)),
        admission=AdmissionBooks(workers, secrets.token_bytes(_KEY_OCTETS)),
        metrics=MetricsBoard(workers),
        board=StatusBoard(workers),
        routes=DownBoard(workers),
        sources=DownBoard(workers),
        courtesy=Courtesy(),
    )


def unchangeable(old: Config, new: Config) -> tuple[str, ...]:
    """What a reload cannot change in place, with both values; empty where the new configuration can be used."""
    found = [*_changed("server", old.server, new.server, KEYS_FOR_GOOD["server"])]
    before, after = len(old.listeners), len(new.listeners)
    if before != after:
        return (*found, f"the number of [[listener]]: {before} → {after}")
    for number, pair in enumerate(zip(old.listeners, new.listeners, strict=True), 1):
        found += _changed(f"listener[{number}]", *pair, KEYS_FOR_GOOD["listener"])
    return (*found, *_changed_for_pam(old, new), *_changed_for_pages(old, new))


def waits_for_restart(old: Config, new: Config) -> tuple[str, ...]:
    """What a reload takes in and a restart only puts into force, by key. All else is in force at once."""
    found = [f"[{name}]" for name in SECTIONS_AT_START if getattr(old, name) != getattr(new, name)]
    for section, keys in KEYS_AT_START.items():
        before, after = getattr(old, section), getattr(new, section)
        found += [f"[{section}] {key}" for key in keys if getattr(before, key) != getattr(after, key)]
    return tuple(found)


def check_changeable(old: Config, new: Config) -> None:
    """Refuse a reload that needs a restart.

    Raises:
        OperatorError: it names the keys and their values.
    """
    found = unchangeable(old, new)
    if found:
        raise OperatorError(
            f"{', '.join(found)} cannot change while the service runs: restart it, or put the old value back"
        )


def _changed(path: str, old: Section, new: Section, keys: Iterable[str]) -> Iterator[str]:
    for setting in settings(type(old)):
        before, after = getattr(old, setting.attribute), getattr(new, setting.attribute)
        if setting.name in keys and before != after:
            yield f"{path}.{setting.name}: {written(setting, before)} → {written(setting, after)}"


def _changed_for_pam(old: Config, new: Config) -> Iterator[str]:
    """What the PAM helper holds to, whatever a worker asks for."""
    before, after = pam_sections(old), pam_sections(new)
    if len(before) != len(after):
        yield f"the number of sources of the type pam: {len(before)} → {len(after)}"
        return
    for one, other in zip(before, after, strict=True):
        yield from _changed(f"accounts.source {one.id}", one, other, KEYS_FOR_GOOD["pam"])


def _changed_for_pages(old: Config, new: Config) -> Iterator[str]:
    """What the web process is started with: its socket is opened before rights are given up."""
    if old.web is not None and new.web is not None:
        yield from _changed("web", old.web, new.web, KEYS_FOR_GOOD["web"])
    elif (new.web is None) != (old.web is None):
        yield "whether there are pages ([web])"


def _refuse_strays(activated: Sequence[Activated], config: Config) -> None:
    wanted = [Endpoint(listener.address, listener.port) for listener in config.listeners]
    if config.web is not None:
        wanted.append(Endpoint(config.web.address, config.web.port))
    taken = [one for endpoint in wanted for one in match_activated(activated, endpoint)]
    strays = [str(one) for one in activated if one not in taken]
    if strays:
        raise OperatorError(
            f"the service manager hands over {', '.join(strays)}, but the configuration listens on "
            f"{', '.join(map(str, wanted))}: make the socket unit agree with [[listener]] and [web]"
        )


def _open(place: int, material: Material, workers: int, activated: Sequence[Activated]) -> OpenListener:
    listener = material.config.listeners[place]
    endpoint = Endpoint(listener.address, listener.port)
    tls = ListenerTls(material.hosts, listener.min_tls, material.clients_of(place))
    handed = match_activated(activated, endpoint)
    if handed:
        return OpenListener(listener, tls, tuple(one.listening for one in handed))
    return OpenListener(listener, tls, tuple(open_listener(endpoint, workers)))
