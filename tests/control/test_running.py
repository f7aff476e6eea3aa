from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.control.messages import (
    AccountChanged,
    AccountEntry,
    AccountList,
    AccountPage,
    AccountSuspend,
    BackedUp,
    Backup,
    Changed,
    Depth,
    Done,
    HealthQuery,
    QueueDepth,
    QueueEntry,
    QueueHold,
    QueueList,
    QueuePage,
    QueueSearch,
    QueueShow,
    QueueShown,
    Response,
    RouteDown,
    RouteEntry,
    WorkerHealth,
)
from sams.control.running import RunningAccounts, RunningQueue, RunningService, summed_depth
from sams.core.clock import local_time
from sams.core.errors import OperatorError
from tests.control.fakes import Answers, entry, listening, supervisor


def _shard(*ids: str) -> Answers:
    """A worker that lists two messages a page, and shows one recipient an answer."""
    entries = [entry(message_id, recipients=3) for message_id in ids]

    def page(request: QueueList) -> QueuePage:
        behind = [each for each in entries if each.id > (request.after or "")]
        found = behind[: min(2, request.limit)]
        return QueuePage(tuple(found), more=len(found) < len(behind))

    def shown(request: QueueShow) -> QueueShown:
        for each in entries:
            if each.id == request.id:
                return QueueShown(_cut(each, request.after), more=request.after < 1)
        return QueueShown(None)

    return {
        QueueList: page,
        QueueShow: shown,
        QueueHold: lambda request: Changed(len(entries)),
        HealthQuery: lambda _: WorkerHealth(0, os.getpid(), ready=True),
    }


def _cut(whole: QueueEntry, after: int) -> QueueEntry:
    return msgspec.structs.replace(whole, recipients=whole.recipients[after + 1 : after + 2])


def _ids(entries: object) -> list[str]:
    return [each.id for each in entries]  # type: ignore[attr-defined]


def test_lists_of_all_workers_are_merged_by_id_over_their_pages(tmp_path: Path) -> None:
    with listening(tmp_path, supervisor(2), _shard("1", "4", "5", "6", "9"), _shard("2", "3", "8")):
        queue = RunningQueue(RunningService(tmp_path))
        assert _ids(queue.list(QueueSearch(), None, 100)) == list("12345689")
        assert _ids(queue.list(QueueSearch(), None, 3)) == list("123")
        assert _ids(queue.list(QueueSearch(), "3", 4)) == list("4568")
        assert _ids(queue.list(QueueSearch(), "9", 4)) == []


def test_one_message_is_shown_with_all_its_recipients(tmp_path: Path) -> None:
    with listening(tmp_path, supervisor(2), _shard("1"), _shard("2")):
        queue = RunningQueue(RunningService(tmp_path))
        assert queue.show("2") == entry("2", recipients=3)
        assert queue.show("3") is None


def test_a_change_reaches_every_worker_and_is_counted(tmp_path: Path) -> None:
    with listening(tmp_path, supervisor(2), _shard("1", "2"), _shard("3")):
        assert RunningQueue(RunningService(tmp_path)).hold(QueueSearch()) == 3


def test_a_worker_that_does_not_answer_is_an_error_and_not_an_empty_list(tmp_path: Path) -> None:
    with listening(tmp_path, supervisor(2), _shard("1")):
        queue = RunningQueue(RunningService(tmp_path))
        with pytest.raises(OperatorError, match="worker 1 does not answer"):
            queue.list(QueueSearch(), None, 10)
        with pytest.raises(OperatorError, match="worker 1 does not answer"):
            queue.hold(QueueSearch())


def test_health_names_the_silent_worker(tmp_path: Path) -> None:
    with listening(tmp_path, supervisor(2), _shard("1")):
        health = RunningService(tmp_path).health()
    assert health.silent == (1,)
    assert health.problems == ("worker 1 does not answer",)


def test_health_is_good_when_all_answer(tmp_path: Path) -> None:
    with listening(tmp_path, supervisor(1), _shard()):
        assert RunningService(tmp_path).health().problems == ()


def test_health_passes_every_problem_on(tmp_path: Path) -> None:
    worker: Answers = {
        HealthQuery: lambda _: WorkerHealth(0, 1, ready=False, problems=("shard 0 is read-only",))
    }
    with listening(tmp_path, supervisor(1, problems=("certificate ends in 6 days",)), worker):
        assert RunningService(tmp_path).health().problems == (
            "certificate ends in 6 days",
            "worker 0: shard 0 is read-only",
            "worker 0 is not ready",
        )


def test_a_route_that_is_down_is_one_problem_over_all_workers_with_its_first_time_and_last_words(
    tmp_path: Path,
) -> None:
    answers: list[Answers] = [
        {HealthQuery: lambda _, found=found: WorkerHealth(0, 1, ready=True, routes_down=found)}  # type: ignore[misc]
        for found in (
            {"hub": RouteDown(2_000.0, "451 4.4.1 refused", 2_500.0)},
            {"hub": RouteDown(1_000.0, "421 4.3.2 busy", 1_500.0), "alt": RouteDown(None, "gone", 1.0)},
            {},
        )
    ]
    with listening(tmp_path, supervisor(3), *answers):
        health = RunningService(tmp_path).health()
    assert health.routes_down["hub"] == RouteDown(1_000.0, "451 4.4.1 refused", 2_500.0)
    assert health.problems == (
        "the next hop of route alt is down: gone; run `sams doctor`",
        f"the next hop of route hub is down since {local_time(1_000.0)}: 451 4.4.1 refused; run `sams doctor`",
    )


def test_a_suspension_is_written_first_and_then_ends_sessions_everywhere(tmp_path: Path) -> None:
    heard: list[object] = []

    def note(request: object, answer: Response) -> Response:
        heard.append(request)
        return answer

    service: Answers = {**supervisor(2), AccountSuspend: lambda request: note(request, Done())}
    worker: Answers = {AccountChanged: lambda request: note(request, Changed(1))}
    with listening(tmp_path, service, worker, worker):
        RunningAccounts(RunningService(tmp_path)).suspend("ann", "stolen")
    assert heard == [AccountSuspend("ann", "stolen"), AccountChanged("ann"), AccountChanged("ann")]


def test_accounts_are_read_over_pages(tmp_path: Path) -> None:
    names = [f"a{number}" for number in range(7)]

    def page(request: AccountList) -> AccountPage:
        behind = [name for name in names if name > (request.after or "")]
        found = behind[: min(3, request.limit)]
        return AccountPage(tuple(AccountEntry(name, ()) for name in found), more=len(found) < len(behind))

    with listening(tmp_path, {**supervisor(0), AccountList: page}):
        accounts = RunningAccounts(RunningService(tmp_path))
        assert [account.login for account in accounts.list(None, 100)] == names
        assert [account.login for account in accounts.list("a1", 4)] == names[2:6]


def _wrote(path: str) -> Callable[[Backup], Response]:
    return lambda _: BackedUp((path,))


def test_a_backup_asks_the_supervisor_and_every_worker(tmp_path: Path) -> None:
    service = {**supervisor(2), Backup: lambda request: BackedUp((f"{request.target}:accounts.db",))}
    workers: list[Answers] = [{Backup: _wrote("spool/0")}, {Backup: _wrote("spool/1")}]
    with listening(tmp_path, service, *workers):
        assert RunningService(tmp_path).backup("/b") == ("/b:accounts.db", "spool/0", "spool/1")


def test_depth_is_summed_by_route(tmp_path: Path) -> None:
    first: Answers = {
        QueueDepth: lambda _: Depth((RouteEntry("hub", 5, 2, 30.0), RouteEntry("alt", 1, 0, None)))
    }
    down = RouteDown(1_000.0, "451 4.4.1 refused", 2_000.0)
    second: Answers = {QueueDepth: lambda _: Depth((RouteEntry("hub", 2, 1, 20.0, down),))}
    with listening(tmp_path, supervisor(2), first, second):
        assert RunningQueue(RunningService(tmp_path)).depth() == (
            RouteEntry("alt", 1, 0, None),
            RouteEntry("hub", 7, 3, 20.0, down),
        )


@given(
    st.lists(st.builds(RouteEntry, st.sampled_from("ab"), st.integers(0, 9), st.integers(0, 9), st.none()))
)
def test_no_recipient_is_lost_in_a_sum(routes: list[RouteEntry]) -> None:
    summed = summed_depth(iter(routes))
    assert sum(each.recipients for each in summed) == sum(each.recipients for each in routes)
    assert sorted({each.route for each in routes}) == [each.route for each in summed]
