"""What `sams metrics` shows, read by Prometheus' own parser."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from sams import __version__
from sams.activity import metrics as m
from sams.app.exposition import OF_THE_BOARD, exposition
from sams.core.down_board import DownBoard
from sams.service.board import StatusBoard


def _inherited(workers: int) -> Any:
    board, metrics, routes = StatusBoard(workers), m.Board(workers), DownBoard(workers)
    routes.note(workers - 1, [False, True])
    for number in range(workers):
        board.note_worker(number, pid=100 + number, ready=number > 0, restarts=number)
        board.note_sessions(number, 5, 3)
        metrics.slot(number).count(m.ACCEPTED, by=2)
        metrics.slot(number).show(m.FAILED_SHARDS, number)
    sources = DownBoard(workers)
    sources.note(0, [True])
    config = SimpleNamespace(
        routes=[SimpleNamespace(id=name) for name in ("local", "hub")],
        accounts=SimpleNamespace(sources=[SimpleNamespace(id=name) for name in ("staff", "builtin")]),
    )
    return SimpleNamespace(
        memory=SimpleNamespace(board=board, metrics=metrics, routes=routes, sources=sources),
        material=SimpleNamespace(config=config),
        started=1_000.5,
    )


def test_prometheus_reads_all_of_it() -> None:
    families = {one.name: one for one in text_string_to_metric_families(exposition(_inherited(2)))}
    wanted = {family.name.removesuffix("_total") for family in m.FAMILIES}
    wanted |= {name.removesuffix("_total") for name, *_ in OF_THE_BOARD}
    assert families.keys() == wanted
    assert all(one.documentation for one in families.values())
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for one in families.values()
        for sample in one.samples
    }
    assert values["sams_messages_accepted_total",] == 4
    assert values["sams_shards_failed",] == 1
    assert values["sams_info", __version__] == 1
    assert values["sams_start_time_seconds",] == 1_000.5
    assert [values["sams_worker_ready", number] for number in "01"] == [0, 1]
    assert values["sams_worker_restarts_total", "1"] == 1
    assert values["sams_worker_sessions_signed_in", "0"] == 3
    assert [values["sams_route_up", name] for name in ("local", "hub")] == [1, 0]
    assert [values["sams_source_up", name] for name in ("staff", "builtin")] == [0, 1]


def test_every_family_says_what_it_is_and_has_a_name_of_its_own() -> None:
    names = [family.name for family in m.FAMILIES] + [name for name, *_ in OF_THE_BOARD]
    assert len(set(names)) == len(names)
    assert all(family.help.endswith(".") for family in m.FAMILIES)
    for family in m.FAMILIES:
        assert family.name.endswith("_total") == isinstance(family, m.Counter)
