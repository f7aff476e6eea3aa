"""Runs targets under atheris: `python -m tests.fuzz [--seconds N] [--keep] [TARGET…]`, all without a name.

Each target runs in a process of its own, and begins with its corpus in this tree. Inputs that reach something new are
put into the folder of what has grown, and what fails into that of findings.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
KEPT = 20_000
"""Octets of a target's corpus that are kept in the tree."""


def main() -> int:
    """All targets, one after the other; the exit status says whether one has failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--findings", type=Path, default=Path("build/fuzz/findings"))
    parser.add_argument("--grown", type=Path, default=Path("build/fuzz/grown"))
    parser.add_argument("--keep", action="store_true", help="put what has grown, made small, into the tree")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("targets", nargs="*")
    given = parser.parse_args()
    if given.one:
        return _fuzz_here(given.targets[0], given)
    names = given.targets or [path.name for path in sorted(CORPUS.iterdir()) if path.is_dir()]
    failed = [name for name in names if _in_a_process(name, given)]
    _tell(f"{len(names) - len(failed)} of {len(names)} targets without a finding", *failed)
    return bool(failed)


def _tell(*words: str) -> None:
    sys.stdout.write(f"fuzz: {' '.join(words)}\n")
    sys.stdout.flush()


def _in_a_process(name: str, given: argparse.Namespace) -> int:
    _tell(f"{name}, {given.seconds} s")
    command = [sys.executable, "-m", "tests.fuzz", "--one", "--seconds", str(given.seconds)]
    command += ["--findings", str(given.findings), "--grown", str(given.grown), name]
    done = subprocess.run(command, check=False)
    if given.keep and not done.returncode:
        _keep(given.grown / name, CORPUS / name)
    return done.returncode


def _fuzz_here(name: str, given: argparse.Namespace) -> int:
    import atheris  # noqa: PLC0415 - only who fuzzes has it

    with atheris.instrument_imports(include=["sams"]):
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - after the hook that instruments
    target = TARGETS[name]
    grown, findings = given.grown / name, given.findings / name
    for folder in (grown, findings):
        folder.mkdir(parents=True, exist_ok=True)
    words = grown.parent / f"{name}.words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
    options = [
        f"-max_total_time={given.seconds}",
        f"-max_len={target.longest}",
        f"-artifact_prefix={findings}/",
        f"-dict={words}",
        "-timeout=20",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        "-verbosity=1",
        str(grown),
        str(CORPUS / name),
    ]
    atheris.Setup([f"fuzz {name}", *options], target.run)
    atheris.Fuzz()
    return 0


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{octet:02x}" for octet in word)


def _keep(grown: Path, kept: Path) -> None:
    """The smallest inputs first, as many as there is room for."""
    known = {path.read_bytes() for path in kept.iterdir()}
    size = sum(map(len, known))
    new = {path.read_bytes() for path in grown.iterdir() if path.is_file()} - known
    for number, octets in enumerate(sorted(new, key=lambda octets: (len(octets), octets)), len(known) + 1):
        size += len(octets)
        if size > KEPT:
            return
        (kept / f"{number:03}").write_bytes(octets)


if __name__ == "__main__":
    sys.exit(main())
