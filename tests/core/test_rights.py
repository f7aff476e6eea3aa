from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from sams.core.rights import confine, die_with_parent, keep_secrets_in, prctl, stand_back
from tests.identity.rig import in_child


def test_what_keeps_secrets_in_holds_for_processes_that_are_forked_later() -> None:
    def forks() -> None:
        keep_secrets_in()
        in_child(looks)

    def looks() -> None:
        assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
        assert os.umask(0) == 0o077
        if os.geteuid() == 0:
            os.setresuid(65_534, 65_534, 65_534)
        assert Path("/proc/self/mem").stat().st_uid == 0  # of each process that is not dumpable
        list(Path("/proc/self/fd").iterdir())  # which looks into its own all the same

    in_child(forks)


def test_who_is_confined_and_names_no_user_stays_who_it_is_and_gains_no_rights() -> None:
    def confined() -> None:
        before = os.getresuid()
        confine(None)
        assert os.getresuid() == before
        assert "NoNewPrivs:\t1" in Path("/proc/self/status").read_text()

    in_child(confined)


def test_who_may_not_stand_back_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError

    def stands_back() -> None:
        monkeypatch.setattr(os, "sched_setscheduler", forbidden)
        before = os.sched_getscheduler(0)
        stand_back(10)
        assert os.sched_getscheduler(0) == before

    in_child(stands_back)


def test_what_the_system_does_not_know_is_an_error() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        prctl(100_000, 0)
    with pytest.raises(OSError, match="Invalid argument"):
        die_with_parent(1_000)
