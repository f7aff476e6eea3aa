"""The parts of one worker, each made from the configuration and what the fork handed on."""

from __future__ import annotations

import ipaddress
import math
import os
from collections.abc import Callable
from pathlib import Path

from sams.activity.journal import Journal, keep_times
from sams.app.inherited import Inherited
from sams.app.settings import postmaster
from sams.config.model import Config
from sams.config.sources import BuiltinSource
from sams.core.clock import Clock
from sams.delivery.bounces import Bounces, ReportSettings
from sams.identity.accounts.store import AccountStore
from sams.identity.app_passwords.store import AppPasswordStore
from sams.identity.app_passwords.uses import FILE as USES_FILE
from sams.identity.guard.interface import GuardSettings
from sams.identity.origin import Network
from sams.identity.passwords.hasher.asking import PATIENCE, SILENCE, HasherLine
from sams.identity.passwords.hashes import HashCost, Hashes
from sams.identity.passwords.lanes import Lanes
from sams.identity.passwords.new_passwords import PasswordRules
from sams.identity.passwords.pool import HashPool
from sams.policy.admission import Admission, AdmissionLimits
from sams.policy.quota import Quota, QuotaSettings
from sams.service.app_password_view import LocalAppPasswords
from sams.spool.layout import Layout

ACCOUNTS_FILE = "accounts.db"
JOURNAL_FILE = "activity.db"
JOURNAL_FREE = 64 * 2**20
_BESIDE_THE_HASHER = 1
"""Lanes for what threads compute then: with the hasher's own, no more at once than the machine has cores."""


def accounts_path(config: Config) -> Path:
    """Where the built-in accounts are."""
    return config.server.data_dir / ACCOUNTS_FILE


def open_accounts(config: Config, clock: Clock) -> AccountStore:
    """What changes accounts."""
    return AccountStore(accounts_path(config), clock, Hashes(HashCost()), password_rules(config))


def password_rules(config: Config) -> PasswordRules:
    """Which new passwords are refused."""
    return PasswordRules(config.accounts.domains, config.accounts.breached_passwords)


def local_app_passwords(config: Config, clock: Clock, accounts: AccountStore) -> LocalAppPasswords:
    """What changes app passwords."""
    names = [source.id for source in config.accounts.sources if isinstance(source, BuiltinSource)]
    store = AppPasswordStore(accounts.file, clock)
    return LocalAppPasswords(accounts, store, names[0] if names else None, config.server.data_dir / USES_FILE)


def checks_at_once(config: Config) -> int:
    """How many passwords are hashed at once, over all workers: one core is left to who is signed in."""
    return config.limits.password_checks or max(1, (os.cpu_count() or 1) - 1)


def lanes_folder(config: Config) -> Path:
    """Where the lanes of hashes are."""
    return config.server.data_dir / "lanes"


def hash_pool(inherited: Inherited, number: int) -> HashPool:
    """Where this worker has passwords hashed."""
    config = inherited.material.config
    lanes = at_once = checks = checks_at_once(config)
    hasher = None
    if inherited.hasher is not None:
        # all workers together ask about twice as much at once as is answered at once, and wait for all of that
        lanes, at_once = _BESIDE_THE_HASHER, min(checks, math.ceil(2 * checks / inherited.workers))
        patience = PATIENCE * math.ceil(inherited.workers * at_once / checks)
        hasher = HasherLine(inherited.hasher.questions, lambda: _tell_of_silence(inherited), patience)
    return HashPool(
        Lanes(lanes_folder(config), lanes),
        inherited.memory.hashing,
        number,
        at_once=at_once,
        max_waiting=config.limits.password_checks_waiting,
        hasher=hasher,
    )


def _tell_of_silence(inherited: Inherited) -> None:
    inherited.log.error("the hasher does not answer: workers hash passwords meanwhile", seconds=SILENCE)


def guard_settings(config: Config) -> GuardSettings:
    """The guard's numbers."""
    guard = config.guard
    return GuardSettings(
        allow=networks(config),
        window=guard.window,
        pair_failures=guard.pair_failures,
        known_failures=guard.known_failures,
        address_failures=guard.address_failures,
        network_failures=guard.network_failures,
        day_factor=guard.day_factor,
        login_failures=guard.login_failures,
        login_window=guard.login_window,
        lock=guard.lock,
        lock_longest=guard.lock_longest,
        known=guard.known,
    )


def networks(config: Config) -> tuple[Network, ...]:
    """The networks free of the guard and of the caps on connections."""
    return tuple(ipaddress.ip_network(text) for text in config.guard.allow)


def admission_limits(config: Config) -> AdmissionLimits:
    """How many may connect."""
    limits = config.limits
    return AdmissionLimits(
        connections=limits.connections,
        per_address=limits.connections_per_address,
        new_per_minute=limits.new_connections_per_minute,
        per_login=limits.connections_per_login,
        pressure_at=limits.pressure_at,
        allow=networks(config),
    )


def admission(inherited: Inherited, number: int) -> Admission:
    """Who may connect."""
    limits = admission_limits(inherited.material.config)
    return Admission(inherited.memory.admission, number, inherited.clock, limits)


def quota(inherited: Inherited) -> Quota:
    """How much each account may send."""
    limits = inherited.material.config.limits
    settings = QuotaSettings(limits.recipients_per_hour, limits.recipients_per_day, limits.notice_at)
    return Quota(inherited.memory.quota, inherited.clock, settings)


def journal(inherited: Inherited, shard: int, on_trouble: Callable[[str], None]) -> Journal:
    """The activity journal beside a shard, whose folder exists."""
    config = inherited.material.config
    return Journal(
        Layout(config.server.data_dir, shard).folder / JOURNAL_FILE,
        clock=inherited.clock,
        keep=keep_times(config.activity),
        max_octets=config.activity.size,
        min_free=min(JOURNAL_FREE, config.limits.min_free),
        on_trouble=on_trouble,
    )


def reporter(config: Config, clock: Clock, route_of: Callable[[str], str | None]) -> Bounces:
    """Who writes reports to senders."""
    facts = ReportSettings(
        reporting_mta=config.server.name, sender=postmaster(config), expire=config.retry.expire
    )
    return Bounces(facts, clock, route_of)
