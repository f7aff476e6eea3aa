"""`sams queue`: what waits."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from sams.cli.damaged import damaged
from sams.cli.failures import Exit, Failed
from sams.cli.options import DurationType, config_option, json_option
from sams.cli.place import Place
from sams.cli.render import count, print_facts, print_json, print_table, size, span, when
from sams.control.messages import MAX_PAGE, QueueEntry, QueueSearch, RecipientEntry
from sams.control.operations import QueueOperations, merged_down, told_down
from sams.core.ids import shard_of
from sams.core.text import visible

_COUNTED = 10_000
"""How many messages are counted before a deletion is confirmed; more are `more than`."""

Command = Callable[..., Any]


@click.group()
def queue() -> None:
    """Look at what waits for delivery, and change it.

    The running service is asked; while it is stopped, the command opens the queue itself.
    """


queue.add_command(damaged)


def _filters(command: Command) -> Command:
    """IDs and filters, put together as the parameter `search`."""

    def with_search(
        *,
        ids: tuple[str, ...],
        login: str | None,
        sender: str | None,
        recipient: str | None,
        route: str | None,
        held: bool | None,
        older: float | None,
        **rest: Any,
    ) -> Any:
        before = None if older is None else time.time() - older
        search = QueueSearch(_checked_ids(ids), login, sender, recipient, route, held, before)
        return command(search=search, **rest)

    with_search.__doc__ = command.__doc__
    with_search.__name__ = command.__name__
    with_search.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for decorate in reversed(_FILTERS):
        with_search = decorate(with_search)
    return with_search


_FILTERS: tuple[Callable[[Any], Any], ...] = (
    click.argument("ids", nargs=-1, metavar="[ID]..."),
    click.option("--login", help="Messages of this account."),
    click.option("--sender", help="From this address, from *@domain, or <> for reports."),
    click.option("--recipient", help="To this address or to *@domain."),
    click.option("--route", help="With a recipient on this route."),
    click.option("--held/--not-held", "held", default=None, help="Held ones only, or none of them."),
    click.option("--older", type=DurationType(), metavar="TIME", help="Arrived longer ago, such as 2h."),
)


def _checked_ids(ids: tuple[str, ...]) -> tuple[str, ...] | None:
    for each in ids:
        try:
            shard_of(each)
        except ValueError:
            raise click.BadParameter(f"{each!r} is no message id: `sams queue list` shows them") from None
    return tuple(each.upper() for each in ids) or None


@queue.command("list")
@_filters
@click.option(
    "--limit", type=click.IntRange(0), default=100, show_default=True, help="Messages at most; 0: all."
)
@click.option("--after", metavar="ID", help="Go on behind this message.")
@config_option
@json_option
def list_(*, search: QueueSearch, limit: int, after: str | None, config_path: Path, as_json: bool) -> None:
    """List what waits, oldest first.

    With --json: {"messages": […], "next": ID or null}; times are UNIX seconds, sizes octets; of each message
    the first recipients, all of them with `sams queue show`. A message's "routes_down" names those of its
    routes whose next hops are down, as the running service finds.
    """
    with Place(config_path).queue() as operations:
        entries = _entries(operations, search, after, limit or sys.maxsize)
        if as_json:
            _print_entries(entries, limit)
            return
        found = list(entries)
    now = time.time()
    more = bool(limit) and len(found) > limit
    shown = found[:limit] if more else found
    if not shown:
        click.echo("Nothing waits." if search == QueueSearch() and after is None else "Nothing matches.")
        return
    columns = ("id", "age", "size", "login", "sender", "state", "recipients")
    print_table(columns, (_row(entry, now) for entry in shown), right=(2,))
    for route, down in merged_down(entry.routes_down for entry in shown).items():
        click.echo(visible(f"route {route} is {told_down(down)}"))
    if more:
        click.echo(f"… and more: sams queue list --after {shown[-1].id}")


def _entries(
    operations: QueueOperations, search: QueueSearch, after: str | None, limit: int
) -> Iterator[QueueEntry]:
    """Page by page, one more than `limit`, by which the caller sees that there are more."""
    left = limit + 1
    while left > 0:
        wanted = min(left, MAX_PAGE)
        page = operations.list(search, after, wanted)
        yield from page
        if len(page) < wanted:
            return
        left -= len(page)
        after = page[-1].id


def _print_entries(entries: Iterator[QueueEntry], limit: int) -> None:
    """Written while it is read: a queue of any length stays a small program."""
    following = None
    last = ""
    click.echo('{"messages": [', nl=False)
    for number, entry in enumerate(entries):
        if limit and number == limit:
            following = last
            break
        click.echo((", " if number else "") + _encoded(entry), nl=False)
        last = entry.id
    click.echo(f'], "next": {msgspec.json.encode(following).decode()}}}')


def _encoded(entry: QueueEntry) -> str:
    return msgspec.json.encode(entry).decode()


def _row(entry: QueueEntry, now: float) -> tuple[str, ...]:
    first = entry.recipients[0].address if entry.recipients else ""
    further = entry.recipient_count - 1
    return (
        entry.id,
        span(now - entry.arrived),
        size(entry.size),
        entry.login or "-",
        entry.sender or "<>",
        _state(entry, now),
        first + (f" and {further} more" if further > 0 else ""),
    )


def _state(entry: QueueEntry, now: float) -> str:
    if entry.held:
        return "held"
    due = [recipient for recipient in entry.recipients if recipient.due <= now]
    if not due and entry.recipients:
        return f"in {span(min(recipient.due for recipient in entry.recipients) - now)}"
    return "route down" if due and all(one.route in entry.routes_down for one in due) else "due"


@queue.command()
@click.argument("message_id", metavar="ID")
@config_option
@json_option
def show(*, message_id: str, config_path: Path, as_json: bool) -> None:
    """Show one message. Each recipient is shown with what became of the last attempt."""
    _checked_ids((message_id,))
    with Place(config_path).queue() as operations:
        entry = operations.show(message_id.upper())
    if entry is None:
        raise Failed(f"{message_id.upper()} does not wait (any more): see `sams activity show {message_id}`")
    if as_json:
        click.echo(_encoded(entry))
        return
    now = time.time()
    print_facts(_facts(entry, now))
    click.echo()
    columns = ("recipient", "route", "attempts", "next", "last result")
    print_table(columns, (_recipient_row(entry, each, now) for each in entry.recipients), right=(2,))


def _facts(entry: QueueEntry, now: float) -> Iterator[tuple[str, str]]:
    yield "message", entry.id
    yield "state", "held" if entry.held else "waits for delivery"
    yield "account", entry.login or "- (a report of the service)"
    yield "sender", entry.sender or "<>"
    yield "arrived", f"{when(entry.arrived)}, {span(now - entry.arrived)} ago"
    yield "size", size(entry.size)
    for route, down in entry.routes_down.items():
        yield f"route {route}", told_down(down)
    yield "session", entry.session
    if entry.envid:
        yield "envelope id", entry.envid


def _recipient_row(entry: QueueEntry, recipient: RecipientEntry, now: float) -> tuple[str, ...]:
    soon = "route down" if recipient.route in entry.routes_down else "now"
    waits = soon if recipient.due <= now else f"in {span(recipient.due - now)}"
    following = "held" if entry.held else waits
    last = recipient.last
    told = (
        "-"
        if last is None
        else f"{last.result} {when(last.at)} {last.remote} {last.reply}".replace("  ", " ")
    )
    return recipient.address, recipient.route, str(recipient.attempts), following, told


def _changes(name: str, doc: str, done: str, change: Callable[[QueueOperations, QueueSearch], int]) -> None:
    """A command that changes what matches."""

    def command(*, search: QueueSearch, everything: bool, config_path: Path, as_json: bool) -> None:
        _refuse_empty(search, everything=everything)
        with Place(config_path).queue() as operations:
            _tell(change(operations, search), done, search, as_json=as_json)

    command.__doc__ = doc
    for decorate in (json_option, config_option, _all_option, _filters):
        command = decorate(command)
    queue.command(name)(command)


def _all_option(command: Command) -> Command:
    return click.option("--all", "everything", is_flag=True, help="All that waits, without a filter.")(
        command
    )


_changes(
    "hold",
    "Stop delivery of messages until they are released. They do not expire meanwhile.",
    "held",
    lambda operations, search: operations.hold(search),
)
_changes(
    "release",
    "Let held messages go on, at once.",
    "released",
    lambda operations, search: operations.release(search),
)
_changes(
    "retry",
    "Try messages again now, whatever their next time is.",
    "due now",
    lambda operations, search: operations.retry(search),
)


@queue.command()
@_filters
@_all_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
@json_option
def delete(*, search: QueueSearch, everything: bool, yes: bool, config_path: Path, as_json: bool) -> None:
    """Remove messages for good, without a report to the sender.

    More than one message is removed only after a question on the terminal, or with --yes.
    """
    _refuse_empty(search, everything=everything)
    with Place(config_path).queue() as operations:
        if not yes:
            search = _confirmed(operations, search)
        _tell(operations.delete(search), "deleted", search, as_json=as_json)


def _confirmed(operations: QueueOperations, search: QueueSearch) -> QueueSearch:
    """The same, narrowed to what was there when the person was asked."""
    found = [
        entry
        for entry, _ in zip(_entries(operations, search, None, _COUNTED), range(_COUNTED + 1), strict=False)
    ]
    if len(found) <= 1:
        return search
    if not sys.stdin.isatty():
        raise Failed(f"this deletes {_many(len(found))}: say so with --yes", Exit.USAGE)
    click.confirm(f"Delete {_many(len(found))} for good, without a report?", abort=True, err=True)
    if search.arrived_before is None:
        return msgspec.structs.replace(search, arrived_before=max(entry.arrived for entry in found) + 0.001)
    return search


def _many(number: int) -> str:
    return f"more than {_COUNTED} messages" if number > _COUNTED else count(number, "message")


def _refuse_empty(search: QueueSearch, *, everything: bool) -> None:
    if everything and search != QueueSearch():
        raise click.UsageError("--all stands alone, without ids and filters")
    if not everything and search == QueueSearch():
        raise click.UsageError("name messages by id or by a filter, or --all")


def _tell(changed: int, done: str, search: QueueSearch, *, as_json: bool) -> None:
    if as_json:
        print_json({"changed": changed})
    elif changed:
        click.echo(f"{count(changed, 'message')} {done}")
    if not changed and search.ids is not None:
        raise Failed("none of these messages waits: see `sams queue list`")
    if not changed and not as_json:
        click.echo("Nothing matches.")


@queue.command()
@config_option
@json_option
def depth(*, config_path: Path, as_json: bool) -> None:
    """Show how much waits for each route. Where a next hop is down, since when and why."""
    with Place(config_path).queue() as operations:
        routes = operations.depth()
    if as_json:
        print_json({"routes": msgspec.to_builtins(routes)})
        return
    if not routes:
        click.echo("Nothing waits.")
        return
    now = time.time()
    rows = [
        (
            str(route.recipients),
            str(route.due),
            "-" if route.oldest is None else span(now - route.oldest),
            route.route,
            "" if route.down is None else told_down(route.down),
        )
        for route in routes
    ]
    print_table(("recipients", "due", "oldest due for", "route", "state"), rows, right=(0, 1, 2))
