"""`sams account test`: what each source of accounts says of a login, and what follows for who signs in so."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from sams.cli.account_options import login_argument, read_password, unasked
from sams.cli.failures import Exit
from sams.cli.options import config_option, json_option
from sams.cli.place import Place
from sams.cli.render import print_json, print_table
from sams.control.messages import AccountTested, SourceWord
from sams.core.text import visible
from sams.identity.account_sources import Finding
from sams.identity.walk import FOUND, NOT_ASKED, UNTELLING

_DECIDING = frozenset({Finding.RIGHT.value, Finding.WRONG.value, FOUND})


@click.command("test")
@login_argument
@click.option("--password", "ask", is_flag=True, help="Try a password as well; it is asked for.")
@click.option(
    "--password-stdin", is_flag=True, help="Try the password that is the first line of standard input."
)
@config_option
@json_option
@click.pass_context
def test(
    ctx: click.Context, *, login: str, ask: bool, password_stdin: bool, config_path: Path, as_json: bool
) -> None:
    """Ask each source of accounts about a login. What each said is told, in their order.

    Example: sams account test alice@example.ac.uk --password. Nothing is counted against the login, and nothing is
    remembered of the password. Exits with 1 where a sign-in would not work. With --json: {"login": …, "works": …,
    "words": […]}.
    """
    password = read_password(from_stdin=password_stdin, confirm=False) if ask or password_stdin else None
    place = Place(config_path)
    tested = place.sources.test(login, password)
    works, sentence = _verdict(tested, with_password=password is not None)
    if not works and (missing := unasked(place)) and place.accounts.show(login) is not None:
        sentence = f"{sentence} There is a built-in account of this name; but {missing}."
    if as_json:
        words = [msgspec.to_builtins(word) for word in tested.words]
        print_json({"login": tested.login, "works": works, "verdict": sentence, "words": words})
    else:
        _tell(login, tested)
        click.echo(f"\n{visible(sentence, 2_000)}")
    ctx.exit(Exit.OK if works else Exit.FAILED)


def _tell(login: str, tested: AccountTested) -> None:
    if login != tested.login:
        click.echo(f"{visible(login)} is understood as {visible(tested.login)}\n")
    print_table(("source", "says", "took", "more"), [_row(word) for word in tested.words])


def _row(word: SourceWord) -> tuple[str, str, str, str]:
    took = "" if word.finding == NOT_ASKED else f"{word.seconds * 1_000:.0f} ms"
    return word.source, word.finding, took, "; ".join(_facts(word))


def _facts(word: SourceWord) -> list[str]:
    facts = [word.detail] if word.detail else []
    if word.login:
        facts.append(f"{'device' if word.is_device else 'login'} {word.login}")
        facts.append(f"sends as {', '.join(word.addresses) or 'nobody'}")
    if word.may_send_as:
        facts.append(f"for {', '.join(word.may_send_as)}")
    if word.mapped:
        facts.append(f"by maps of senders as {', '.join(word.mapped)}")
    if word.mapped_for:
        facts.append(f"by maps of senders for {', '.join(word.mapped_for)}")
    if word.unmapped:
        facts.append(f"a map of senders cannot be asked: {word.unmapped}")
    if word.suspended is not None:
        facts.append(f"suspended{f': {word.suspended}' if word.suspended else ''}")
    return facts


def _verdict(tested: AccountTested, *, with_password: bool) -> tuple[bool, str]:
    """Whether a sign-in works, and the sentence that says so and what to do."""
    down = [word.source for word in tested.words if word.finding == Finding.UNAVAILABLE.value]
    deciding = next((word for word in tested.words if word.finding in _DECIDING), None)
    if deciding is not None and deciding.finding == Finding.WRONG.value and not down:
        return False, (
            f"The password is wrong for {tested.login}: {deciding.source} knows the login and refuses it. "
            "If the member is sure of it, look for an older one that a mail program has saved (`sams activity show`)."
        )
    if deciding is not None and deciding.finding != Finding.WRONG.value:
        return _known(deciding, with_password=with_password)
    if down:
        return False, (
            f"{' and '.join(down)} cannot tell, so {tested.login} is told to try again later (454), or gets in by a "
            "password that was right lately. What it said above has to be mended; see also `sams health`."
        )
    untelling = [word.source for word in tested.words if word.detail == UNTELLING]
    if untelling:
        return False, f"{' and '.join(untelling)} can tell by the password alone: try it with --password."
    if all(word.finding == NOT_ASKED for word in tested.words):
        return (
            False,
            f"No source is asked about {tested.login}: see `domains`, `logins` and `submission` of each.",
        )
    return False, (
        f"No source lets {tested.login} in: see what each says above, check the spelling, and where the member is "
        "kept."
    )


def _known(word: SourceWord, *, with_password: bool) -> tuple[bool, str]:
    if word.suspended is not None:
        known = "The password is right" if with_password else f"{word.source} knows {word.login}"
        why = word.suspended or "the account is suspended"
        return False, f"{known}, but {word.source} says that {word.login} may not sign in: {why}."
    if not any((word.addresses, word.may_send_as, word.mapped, word.mapped_for)):
        return (
            False,
            f"{word.source} knows {word.login}, who has no address to send from: see its attributes.",
        )
    if with_password:
        return True, f"The password is right: {word.login} can sign in, by {word.source}."
    return True, f"{word.source} knows {word.login}. With --password you can try a password as well."
