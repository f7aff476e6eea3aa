"""The service in one process, from a mail program to a scripted next hop."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from sams.activity.journal import GATHER
from sams.control.messages import QueueSearch, RouteDown
from sams.control.running import RunningQueue, RunningService
from sams.core.errors import OperatorError
from tests.app.rig import Rig, worker
from tests.support.next_hop import Answer, Authority, Do, NextHop, until

TEXT = "From: alice@example.org\r\nTo: bob@example.net\r\nSubject: hello\r\n\r\n"
Scene = Callable[[Rig, NextHop], Awaitable[None]]


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., None]:
    """Runs a scene between a worker and a next hop."""

    def run(scene: Scene, hop: NextHop | None = None, **configured: object) -> None:
        async def served() -> None:
            configured.setdefault("route", 'security = "none"')
            async with hop or NextHop() as hub, worker(tmp_path, hub, **configured) as rig:  # type: ignore[arg-type]
                await asyncio.wait_for(scene(rig, hub), 60)

        asyncio.run(served())

    return run


Play = Callable[..., None]


def send(
    *recipients: str, body: str = "Hello.\r\n", options: tuple[str, ...] = ()
) -> Callable[[smtplib.SMTP], object]:
    def scene(client: smtplib.SMTP) -> object:
        to = recipients or ("bob@example.net",)
        return client.sendmail("alice@example.org", to, (TEXT + body).encode(), rcpt_options=options)

    return scene


def test_a_message_reaches_the_next_hop_as_it_came_but_for_what_a_submission_adds(play: Play) -> None:
    async def scene(rig: Rig, hop: NextHop) -> None:
        await rig.play(send(body="..dots\r\n.\r\nend\r\n"))
        await until(lambda: hop.mails)
        (mail,) = hop.mails
        assert mail.reverse_path == b"alice@example.org"
        assert mail.addresses == [b"bob@example.net"]
        head, _, body = mail.data.partition(b"\r\n\r\n")
        assert body == b"..dots\r\n.\r\nend\r\n"
        assert head.startswith(b"Received: from member.invalid\r\n")
        assert b"\r\nFrom: alice@example.org\r\nTo: bob@example.net\r\nSubject: hello\r\nDate: " in head

    play(scene)


def test_many_messages_share_connections_to_the_next_hop(play: Play) -> None:
    async def scene(rig: Rig, hop: NextHop) -> None:
        def many(client: smtplib.SMTP) -> None:
            for _ in range(30):
                client.sendmail("alice@example.org", ["bob@example.net"], TEXT + "x\r\n")

        await rig.play(many)
        await until(lambda: len(hop.mails) == 30)
        assert hop.connections <= 20
        assert hop.faults == []

    play(scene)


def test_each_recipient_is_treated_by_its_own_reply(play: Play) -> None:
    async def scene(rig: Rig, hop: NextHop) -> None:
        await rig.play(send("bob@example.net", "nobody@example.net", "later@example.net"))
        (report,) = await rig.mailbox()
        assert "nobody@example.net" in report
        assert "bob@example.net" not in report.partition("message/delivery-status")[2].partition("--")[0]
        assert "Status: 5.1.1" in report
        await until(lambda: len(hop.mails) == 2)
        assert [mail.addresses for mail in hop.mails] == [[b"bob@example.net"], [b"later@example.net"]]

    answers: dict[str, Answer] = {
        "RCPT:nobody@example.net": "550 5.1.1 no such user",
        "RCPT:later@example.net": ["450 4.2.1 busy", None],
    }
    play(scene, NextHop(answers))


def test_a_message_is_tried_again_when_the_connection_breaks_after_the_final_dot(play: Play) -> None:
    async def scene(rig: Rig, hop: NextHop) -> None:
        await rig.play(send())
        await until(lambda: len(hop.mails) == 1 and hop.connections >= 2)

    play(scene, NextHop({"END": [Do.DROP, None]}))


def test_success_is_reported_where_it_was_asked_for_and_the_hop_has_no_dsn(play: Play) -> None:
    async def scene(rig: Rig, hop: NextHop) -> None:
        await rig.play(send(options=("NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;bob+40example.net")))
        (report,) = await rig.mailbox()
        assert "Action: relayed" in report
        assert "rfc822;bob@example.net" in report.replace(" ", "")

    play(scene, NextHop(extensions=["PIPELINING", "8BITMIME"]))


def test_the_duty_to_report_is_handed_on_to_a_hop_that_has_dsn(play: Play) -> None:
    async def scene(rig: Rig, hop: NextHop) -> None:
        await rig.play(send(options=("NOTIFY=SUCCESS",)))
        await until(lambda: hop.mails)
        assert b"NOTIFY=SUCCESS" in hop.mails[0].recipients[0][1]

    play(scene)


def test_eight_bit_text_is_re_encoded_for_a_hop_that_takes_seven(play: Play) -> None:
    async def scene(rig: Rig, hop: NextHop) -> None:
        def eight_bit(client: smtplib.SMTP) -> None:
            head = TEXT.replace(
                "\r\n\r\n", "\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
            )
            text = head + "Content-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n"
            client.sendmail(
                "alice@example.org", ["bob@example.net"], text.encode(), mail_options=["BODY=8BITMIME"]
            )

        await rig.play(eight_bit)
        await until(lambda: hop.mails)
        assert b"Gr=C3=BC=C3=9Fe" in hop.mails[0].data
        assert b"Content-Transfer-Encoding: quoted-printable" in hop.mails[0].data

    play(scene, NextHop(extensions=["PIPELINING"]))


def test_a_password_for_the_hop_crosses_only_tls_with_its_name_verified(play: Play, tmp_path: Path) -> None:
    authority = Authority()
    hop = NextHop(
        tls=authority.server(), tls_extensions=["PIPELINING", "AUTH PLAIN"], accounts={"relay": "hub-secret"}
    )
    route = (
        f'username = "relay"\npassword_file = "{tmp_path}/unused"\nca_file = "{authority.ca_file(tmp_path)}"'
    )

    async def scene(rig: Rig, hub: NextHop) -> None:
        await rig.play(send())
        await until(lambda: hub.mails)
        assert hub.mails[0].in_tls
        assert hub.mails[0].login == "relay"
        assert "hub-secret" not in repr(rig.log.lines)

    play(scene, hop, route=route, passwords={"hub": "hub-secret"})


def test_a_hop_with_a_wrong_certificate_never_gets_the_password(play: Play, tmp_path: Path) -> None:
    hop = NextHop(tls=Authority().server(), tls_extensions=["AUTH PLAIN"], accounts={"relay": "hub-secret"})
    other = Authority().ca_file(tmp_path)
    route = f'username = "relay"\npassword_file = "{tmp_path}/unused"\nca_file = "{other}"'

    async def scene(rig: Rig, hub: NextHop) -> None:
        await rig.play(send())
        await until(lambda: hub.connections)
        await until(lambda: any(line.get("deferred") for line in rig.log.lines))
        assert not any(command.upper().startswith(b"AUTH") for command in hub.commands)
        assert hub.mails == []

    play(scene, hop, route=route, passwords={"hub": "hub-secret"})


def test_the_journal_tells_the_story_of_a_message_and_no_log_tells_a_password(play: Play) -> None:
    async def scene(rig: Rig, hop: NextHop) -> None:
        await rig.play(send("bob@example.net"))
        await until(lambda: hop.mails)
        await asyncio.sleep(3 * GATHER)
        told = await asyncio.to_thread(rig.story, login="alice")
        for part in ("TLSv1.3", "PLAIN", "bob@example.net", "250"):
            assert part in told
        assert "Accepted" in told
        assert "Attempted" in told
        assert "a-long-enough-secret" not in told + repr(rig.log.lines)
        kinds = [line["event"] for line in rig.log.lines]
        assert (kinds.count("session"), kinds.count("delivery")) == (1, 1)

    play(scene)


def test_remote_words_reach_a_report_and_the_log_cleaned(play: Play) -> None:
    async def scene(rig: Rig, hop: NextHop) -> None:
        await rig.play(send())
        (report,) = await rig.mailbox()
        assert "\x1b" not in report
        assert "\x1b" not in repr(rig.log.lines).replace("\\x1b", "")
        assert "evil" in report

    play(scene, NextHop({"RCPT": b"550 5.7.1 evil \x1b[2J\xe2\x80\xaetext\r\n"}))


def test_a_member_who_is_over_the_notice_share_gets_a_mail(play: Play) -> None:
    async def scene(rig: Rig, hop: NextHop) -> None:
        await rig.play(send(*[f"{number}@example.net" for number in range(5)]))
        (notice,) = await rig.mailbox()
        assert "Return-Path: <>" in notice
        assert "alice@example.org" in notice
        assert any(line["event"] == "alarm" and line["alarm"] == "quota" for line in rig.log.lines)

    async def limited(rig: Rig, hop: NextHop) -> None:
        await asyncio.to_thread(rig.accounts.set_limits, "alice", 6, None)
        await scene(rig, hop)

    play(limited)


def test_a_reload_is_in_force_for_new_sessions_and_new_routes_for_mail_that_waits(play: Play) -> None:
    async def scene(rig: Rig, hop: NextHop) -> None:
        await rig.play(send())
        await until(lambda: any(line.get("deferred") for line in rig.log.lines))
        hop.answers.clear()
        rig.reload(
            ('domains = ["example.org"]\n[[route]]', 'domains = ["example.org", "example.com"]\n[[route]]'),
            ('domains = ["example.org"]\ntype', 'domains = ["example.org", "example.net"]\ntype'),
            ("[retry]", '[senders]\nheader = "off"\n[retry]'),
        )
        await asyncio.to_thread(
            RunningQueue(RunningService(rig.folder)).retry, QueueSearch()
        )  # no 30 s for a probe
        assert "bob@example.net" in (await rig.mailbox())[0]
        assert hop.mails == []

        def as_someone_else(client: smtplib.SMTP) -> None:
            client.sendmail(
                "alice@example.org", ["x@example.com"], TEXT.replace("alice@", "carol@") + "x\r\n"
            )

        await rig.play(as_someone_else, login="alice@example.com")
        await until(lambda: hop.mails)

    play(scene, NextHop({"MAIL": "450 4.2.0 later"}))


def test_a_route_that_is_gone_is_told_only_while_mail_waits_for_it(play: Play) -> None:
    async def told(rig: Rig) -> dict[str, RouteDown]:
        return (await asyncio.to_thread(RunningService(rig.folder).health)).routes_down

    async def scene(rig: Rig, hop: NextHop) -> None:
        rig.reload(('name = "hub"', 'name = "other"'))
        assert await told(rig) == {}
        await rig.play(send())
        await until(lambda: any(line.get("deferred") for line in rig.log.lines))
        rig.reload(('domains = ["*"]', 'domains = ["example.edu"]'))
        (gone,) = (await told(rig)).items()
        assert (gone[0], gone[1].since) == ("other", None)
        assert gone[1].reply == "the route is not in the configuration any more"

    play(scene, NextHop({"MAIL": "450 4.2.0 later"}))


def test_a_reload_that_needs_a_restart_is_refused_by_name_and_changes_nothing(play: Play) -> None:
    async def scene(rig: Rig, hop: NextHop) -> None:
        with pytest.raises(OperatorError, match=r"server\.name"):
            rig.reload(("smtp.example.org", "other.example.org"))
        await rig.play(send())
        await until(lambda: hop.mails)

    play(scene)
