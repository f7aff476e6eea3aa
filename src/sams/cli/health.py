"""`sams health`: the running service's own word on how it is."""

from __future__ import annotations

import time
from pathlib import Path

import click
import msgspec

from sams.cli.failures import Exit
from sams.cli.options import config_option, json_option
from sams.cli.place import Place
from sams.cli.render import print_facts, print_json, print_table, span, when
from sams.control.operations import Health
from sams.core.text import visible


@click.command()
@config_option
@json_option
@click.pass_context
def health(ctx: click.Context, *, config_path: Path, as_json: bool) -> None:
    """Ask the running service whether it is well: for monitoring.

    Exit code 0 when it is, 1 when something is wrong (it is named), 3 when the service does not run.
    """
    found = Place(config_path).service.health()
    if as_json:
        print_json(_as_json(found))
    else:
        _tell(found)
    ctx.exit(Exit.FAILED if found.problems else Exit.OK)


def _as_json(found: Health) -> dict[str, object]:
    own = {worker.number: worker for worker in found.workers}
    workers = []
    for state in found.service.workers:
        worker = own.get(state.number)
        workers.append(
            {
                "number": state.number,
                "pid": worker.pid if worker else state.pid,
                "ready": state.ready and worker is not None and worker.ready,
                "restarts": state.restarts,
                "connections": worker.connections if worker else None,
                "signed_in": worker.signed_in if worker else None,
                "queued": worker.queued if worker else None,
                "due": worker.due if worker else None,
                "oldest": worker.oldest if worker else None,
                "set_aside": worker.set_aside if worker else None,
                "failed_shards": [msgspec.structs.asdict(each) for each in worker.failed_shards]
                if worker
                else None,
            }
        )
    return {
        "healthy": not found.problems,
        "name": found.service.name,
        "version": found.service.version,
        "pid": found.service.pid,
        "started": found.service.started,
        "workers": workers,
        "routes_down": msgspec.to_builtins(found.routes_down),
        "sources_down": msgspec.to_builtins(found.sources_down),
        "problems": list(found.problems),
    }


def _tell(found: Health) -> None:
    now = time.time()
    service = found.service
    print_facts(
        [
            ("service", f"{service.name}, sams {service.version}, process {service.pid}"),
            ("running for", f"{span(now - service.started)}, since {when(service.started)}"),
            ("state", "something is wrong" if found.problems else "well"),
        ]
    )
    click.echo()
    rows = [
        (
            str(worker.number),
            str(worker.pid),
            str(worker.connections),
            str(worker.signed_in),
            str(worker.queued),
            str(worker.due),
            "-" if worker.oldest is None else span(now - worker.oldest),
        )
        for worker in found.workers
    ]
    columns = ("worker", "process", "connections", "signed in", "recipients", "due", "oldest due for")
    print_table(columns, rows, right=range(6))
    for problem in found.problems:
        click.echo(f"problem: {visible(problem)}")
