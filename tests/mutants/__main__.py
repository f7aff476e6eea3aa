"""`python -m tests.mutants [NAME…]`: does each promise's test notice when the promise is broken?"""

from __future__ import annotations

import argparse
import queue
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants.catalogue import Mutant, names, read
from tests.mutants.trial import Tree

_ROOT = Path(__file__).parents[2]


def main() -> int:
    """Try the mutants of the files that are named (all of them, if none is); 1 if one was not noticed."""
    options = _options()
    chosen = [(name, mutant) for name in options.names or names() for mutant in read(name)]
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        trees: queue.SimpleQueue[Tree] = queue.SimpleQueue()
        for number in range(options.jobs):
            trees.put(Tree.copied(_ROOT, Path(folder) / f"tree-{number}"))
        with ThreadPoolExecutor(options.jobs) as pool:
            missed = sum(pool.map(lambda pair: _tried(trees, *pair), chosen))
    _say(f"{len(chosen)} mutants, {missed} of them not noticed")
    return 1 if missed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        choices=[[], *names()],
        help="files of mutants; all, if none is named",
    )
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="how many at once (2)")
    return parser.parse_args()


def _tried(trees: queue.SimpleQueue[Tree], name: str, mutant: Mutant) -> bool:
    tree, begun = trees.get(), time.monotonic()
    try:
        with tree.mutated(mutant):
            found = {test: why for test in mutant.tests if (why := tree.survived(test))}
    finally:
        trees.put(tree)
    took = time.monotonic() - begun
    word = "MISSED " if found else "noticed"
    lines = [f"{word} {took:5.1f} s  {name}: {mutant.promise}: {mutant.breaks}"]
    _say("\n".join(lines + [f"        {test} {why}" for test, why in found.items()]))
    return bool(found)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a report


sys.exit(main())
