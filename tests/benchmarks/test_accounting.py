from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from benchmarks.compare.accounting import Account, Machine, ProcessTree, close_account, memory, open_account

BURN = """
import os, sys, time
def burn(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until: pass
if child := os.fork():
    os.waitpid(child, 0)
else:
    burn(0.2); os._exit(0)
burn(0.1)
print("burnt", flush=True); sys.stdin.read()
"""


def burn(account: Account, roots: list[int]) -> None:
    """A process burns 0.1 s, and a child that it reaped 0.2 s: both are counted, while it lives."""
    before = account.usage()
    command = account.wrap([sys.executable, "-c", BURN])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        roots.append(process.pid)
        assert process.stdout.readline() == "burnt\n"
        used = account.usage().since(before)
        assert account.processes() == [process.pid]
        assert memory(account.processes()) > 0
        process.stdin.close()
    assert used.total > 0.27
    assert used.user + used.system > 0.2


def test_the_tree_in_proc_has_the_cpu_of_reaped_children() -> None:
    roots: list[int] = []
    burn(ProcessTree(lambda: roots), roots)


def test_the_best_account_of_this_machine_has_it_too() -> None:
    roots: list[int] = []
    account = open_account(f"test-{os.getpid()}", lambda: roots)
    try:
        burn(account, roots)
    finally:
        close_account(account)


def test_what_is_left_in_a_group_is_killed_and_the_group_goes() -> None:
    roots: list[int] = []
    account = open_account(f"left-{os.getpid()}", lambda: roots)
    with subprocess.Popen(account.wrap(["cat"]), stdin=subprocess.PIPE) as process:
        roots.append(process.pid)
        while account.processes() != [process.pid]:
            assert process.poll() is None
        close_account(account, patience=0)
        if isinstance(account, ProcessTree):
            assert process.poll() is None  # a pid from a file may be another's by now
            process.kill()
        assert process.wait() != 0


def test_a_process_that_is_gone_counts_nothing() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    gone: Sequence[int] = [process.pid]
    assert ProcessTree(lambda: gone).processes() == []
    assert memory(gone) == 0


def test_the_machine_is_busy() -> None:
    assert Machine.now().busy > 0
