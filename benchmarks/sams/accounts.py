"""Add the benchmark's users as accounts: accounts.py USERS CACHE TARGET.

USERS has a line `address:password` for each. The hashes have their usual cost, so the accounts are made once,
on all cores, into CACHE, and copied from there.
"""

from __future__ import annotations

import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sams.core.clock import SystemClock
from sams.identity.accounts.store import AccountStore
from sams.identity.passwords.hashes import HashCost, Hashes


def make(users: Path, cache: Path) -> None:
    """Make the accounts beside `cache`, and give it its name when all are there."""
    unfinished = cache.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    accounts = AccountStore(unfinished, SystemClock(), Hashes(HashCost()))

    def add(line: str) -> None:
        address, _, password = line.partition(":")
        accounts.add(address, password, [address])

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        list(threads.map(add, users.read_text().split()))
    unfinished.rename(cache)


def main() -> None:
    """See the file's own words."""
    users, cache, target = map(Path, sys.argv[1:])
    if not cache.exists() or cache.stat().st_mtime < users.stat().st_mtime:
        make(users, cache)
    shutil.copy(cache, target)


if __name__ == "__main__":
    main()
