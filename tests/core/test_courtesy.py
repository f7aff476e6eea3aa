"""Large mail gives way to small mail."""

from __future__ import annotations

import os

from sams.core.courtesy import SECONDS, Courtesy


def test_it_is_due_for_a_moment_after_small_mail_came() -> None:
    times = iter((100.0, 100.0, 100.0 + SECONDS / 2, 100.0 + SECONDS))
    courtesy = Courtesy(lambda: next(times))
    told = [courtesy.is_due]
    courtesy.small_mail_came()
    assert [*told, courtesy.is_due, courtesy.is_due] == [False, True, False]


def test_what_one_process_hears_of_the_others_know() -> None:
    courtesy = Courtesy()
    child = os.fork()
    if not child:
        courtesy.small_mail_came()
        os._exit(0)
    os.waitpid(child, 0)
    assert courtesy.is_due
