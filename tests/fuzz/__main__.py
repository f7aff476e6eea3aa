"""Runs targets under atheris: `python -m tests.fuzz [--seconds N] [TARGET…]`, all without a name.

Each target runs in a process of its own, and begins with its corpus in this tree. Inputs that reach something new are
put into the folder of what has grown, and what fails into that of findings. `--keep` runs nothing, and copies of what
has grown into the tree what reaches lines of code in an order that no input there does.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path

from tests.fuzz.keeping import contents, worth_keeping

CORPUS = Path(__file__).parent / "corpus"
KEPT = 20_000
"""Octets of a target's corpus that are kept in the tree."""


def main() -> int:
    """All targets, one after the other; the exit status says whether one has failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--findings", type=Path, default=Path("build/fuzz/findings"))
    parser.add_argument("--grown", type=Path, default=Path("build/fuzz/grown"))
    parser.add_argument("--keep", action="store_true", help="put the least of what has grown into the tree")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("targets", nargs="*")
    given = parser.parse_args()
    if given.one:
        return _fuzz_here(given.targets[0], given)
    names = given.targets or [path.name for path in sorted(CORPUS.iterdir()) if path.is_dir()]
    if given.keep:
        return sum(_keep(name, given.grown / name) for name in names)
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
    return subprocess.run(command, check=False).returncode


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


def _keep(name: str, grown: Path) -> int:
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - before it, nothing of SAMS may be imported

    kept = CORPUS / name
    new = list(worth_keeping(TARGETS[name].run, contents(kept), contents(grown), KEPT))
    for octets in new:
        (kept / hashlib.sha256(octets).hexdigest()[:12]).write_bytes(octets)
    _tell(name, f"{len(new)} kept")
    return 0


if __name__ == "__main__":
    sys.exit(main())
