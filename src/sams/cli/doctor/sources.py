"""The sources of accounts: does each answer, and as whom SAMS asks it."""

from __future__ import annotations

from collections.abc import Iterator

from sams.cli.doctor.finding import Finding, fail, ok, warn
from sams.control.messages import SourceWord
from sams.control.operations import SourceOperations
from sams.core.errors import OperatorError
from sams.identity.account_sources import Finding as Found
from sams.identity.sources.directory_source import PROBE
from sams.identity.walk import NOT_ASKED

_SUBJECT = "sources of accounts"


def check(sources: SourceOperations) -> Iterator[Finding]:
    """Ask each about somebody who is nobody."""
    try:
        tested = sources.test(PROBE, None)
    except OperatorError as error:
        yield fail(_SUBJECT, str(error), "mend that first: nobody can sign in")
        return
    yield from map(_finding, tested.words)


def _finding(word: SourceWord) -> Finding:
    subject = f"source of accounts {word.source}"
    if word.finding == Found.UNAVAILABLE.value:
        return fail(
            subject,
            f"does not answer: {word.detail}",
            "mend that where it runs, or in its [[accounts.source]]; docs/admin/sources.md says more",
        )
    if word.finding == NOT_ASKED:
        return warn(subject, f"was not tried: {word.detail}", "try it: sams account test LOGIN --password")
    if word.login:
        return warn(subject, f'knows somebody called "{PROBE}"', "its filter or query may match everybody")
    return ok(subject, f"answers, in {word.seconds * 1_000:.0f} ms")
