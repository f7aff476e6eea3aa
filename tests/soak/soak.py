"""A soak from its beginning to its verdict.

The real service with two workers on a disk of its own, members and attackers, a next hop with moods, and all the
faults of the plan. In the end the faults stop, the queue runs empty, everybody goes, and the books are compared.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sams import __version__
from tests.soak import verdict
from tests.soak.attackers import attackers
from tests.soak.clients import Setting, make_clients
from tests.soak.faults import FICKLE, Faults, make_plan
from tests.soak.hop import Hop, hop
from tests.soak.ledger import Balance, Disturbance, Ledger, Refusal, balance
from tests.soak.sampling import SUPERVISOR, Sample, Sampler
from tests.soak.steady import LOGIN, Sent, steady
from tests.soak.verdict import Finding
from tests.support.service import Service, free_ports, smarthost

WORKERS = 2
SURVIVOR = "worker 0"
DISK = "1500M"
LIMITS = """\
recipients_per_hour = 10_000_000
recipients_per_day = 100_000_000
"""
"""The quotas' own refusals are no fault: members here send more than one person would. All else is the default."""
_PATIENCE = 240.0
_BUGS = ('"bug"', "in an unexpected way", "Traceback", '"control request failed"')


class Result(msgspec.Struct, frozen=True):
    """All of it, as it is kept. began: UNIX seconds. disk: whether a full disk was tried."""

    seed: int
    began: float
    seconds: float
    disk: bool
    version: str
    findings: list[Finding]
    balance: Balance
    accepted: dict[str, int]
    refused: dict[str, int]
    faults: list[str]
    refusals: list[Refusal]
    disturbances: list[Disturbance]
    samples: list[Sample]
    sent: list[Sent]

    @property
    def holds(self) -> bool:
        return all(finding.holds for finding in self.findings if finding.decides)


@dataclass(frozen=True)
class Order:
    """seconds: how long members send. flat: whether memory and latency decide, too: a short soak shows no slope."""

    folder: Path
    seconds: float
    seed: int
    flat: bool = True


def run(order: Order) -> Result:
    """Soak, and judge."""
    data = order.folder / "service" / "data"
    with own_disk(order.folder, data) as disk, hop(free_ports(1)[0], order.folder / "book") as next_hop:
        service = Service(
            order.folder / "service", smarthost(next_hop.port), workers=WORKERS, limits=LIMITS, allow="[]"
        )
        for login in (*(f"member{number}" for number in range(4)), LOGIN, FICKLE):
            service.add_account(login)
        ledger = Ledger()
        service.start()
        try:
            return _soak(order, service, next_hop, ledger, disk)
        finally:
            if service.process is not None:
                service.kill()


@contextlib.contextmanager
def own_disk(folder: Path, data: Path) -> Iterator[Path | None]:
    """A small disk for the data folder, so that it can be filled; None: none can be made here."""
    image = folder / "disk"
    data.mkdir(parents=True, mode=0o700)
    data.parent.chmod(0o700)
    if os.geteuid() != 0 or not _mounted(image, data):
        yield None
        return
    try:
        data.chmod(0o700)
        yield data
    finally:
        subprocess.run(["umount", "-l", str(data)], check=True)
        image.unlink()


def _mounted(image: Path, data: Path) -> bool:
    steps = (
        ["truncate", "-s", DISK, str(image)],
        ["mkfs.ext4", "-q", "-F", str(image)],
        ["mount", "-o", "loop", str(image), str(data)],
    )
    try:
        return all(subprocess.run(step, check=False, capture_output=True).returncode == 0 for step in steps)
    except FileNotFoundError:
        return False


def _soak(order: Order, service: Service, next_hop: Hop, ledger: Ledger, disk: Path | None) -> Result:
    sampler = Sampler(service, ledger)
    _warm_up(service)
    before = sampler.sample()
    began = time.time()
    sampler.start()
    with steady(service, ledger, order.seed) as member:
        faults = Faults(service, next_hop, ledger, sampler, make_plan(order.seconds, order.seed), disk)
        _send(order, service, ledger, faults)
    sampler.stop()
    _drain(faults, sampler, ledger)
    after = _at_rest(sampler, before)
    problems = json.loads(faults.sams("health", "--json").stdout or "{}").get("problems", ["silent"])
    for problem in problems:
        ledger.fault(f"health, in the end: {problem}")
    status = service.stop()
    if status:
        ledger.fault(f"the service ended with status {status}")
    found = balance(ledger.promises, next_hop.entries(), ledger.disturbances)
    _look_through(service.folder / "log", ledger)
    findings = [
        *verdict.of_promises(found),
        *verdict.of_refusals(ledger.refusals, ledger.disturbances),
        *_shape(order, sampler.samples, member.sent, ledger.disturbances),
        *verdict.of_rest(before, after, (SUPERVISOR, SURVIVOR)),
        Finding("other faults", str(len(ledger.faults)), "0", not ledger.faults),
    ]
    return Result(
        order.seed,
        began,
        order.seconds,
        disk is not None,
        __version__,
        findings,
        found,
        dict(ledger.accepted),
        dict(Counter(str(each.code) for each in ledger.refusals)),
        ledger.faults,
        ledger.refusals,
        ledger.disturbances,
        sampler.samples,
        member.sent,
    )


def _shape(
    order: Order, samples: Sequence[Sample], sent: Sequence[Sent], disturbances: Sequence[Disturbance]
) -> list[Finding]:
    found = [
        *verdict.of_latency(sent, disturbances),
        *verdict.of_processes(samples, (SUPERVISOR, SURVIVOR), memory=order.flat),
    ]
    if order.flat:
        return found
    loose = {finding.what for finding in found if "descriptors" not in finding.what}
    return [
        msgspec.structs.replace(finding, decides=finding.decides and finding.what not in loose)
        for finding in found
    ]


def _warm_up(service: Service) -> None:
    """What is loaded at the first message is not counted as grown."""
    for _ in range(8):
        with service.signed_in("member0") as client:
            client.noop()


def _send(order: Order, service: Service, ledger: Ledger, faults: Faults) -> None:
    """All of it, for as long as was ordered."""
    clients = make_clients(Setting(service, ledger, order.folder))
    with attackers(service, order.seed):
        for client in clients:
            client.start()
        faults.start()
        time.sleep(order.seconds)
        for client in clients:
            client.stop()
        for client in clients:
            client.join(_PATIENCE)
            if client.is_alive():
                ledger.fault(f"{client.name} still waits for an answer")
        faults.stop()


def _drain(faults: Faults, sampler: Sampler, ledger: Ledger) -> None:
    """Until nothing waits."""
    until = time.monotonic() + _PATIENCE
    faults.let_go()
    while sampler.queued() != 0:
        if time.monotonic() > until:
            ledger.fault(f"{sampler.queued()} recipients still wait {_PATIENCE:g} s after the last fault")
            ledger.fault(faults.sams("queue", "list", "--limit", "5").stdout[:2_000])
            return
        time.sleep(1.0)
        faults.let_go()


def _at_rest(sampler: Sampler, before: Sample) -> Sample:
    """Once descriptors have come back; or what there is after a minute."""
    until = time.monotonic() + 60.0
    while True:
        sample = sampler.sample()
        names = [name for name in (SUPERVISOR, SURVIVOR) if name in sample.processes]
        more = [sample.processes[name].descriptors - before.processes[name].descriptors for name in names]
        if all(one <= 0 for one in more) or time.monotonic() > until:
            return sample
        time.sleep(1.0)


def _look_through(log: Path, ledger: Ledger) -> None:
    """Nothing that happened may be a bug."""
    with log.open(errors="replace") as lines:
        for line in lines:
            if any(sign in line for sign in _BUGS):
                ledger.fault(f"log: {line.strip()[:1_500]}")
