from __future__ import annotations

from sams.cli.failures import Exit
from sams.control.messages import Failure, Reload, Reloaded, Response, Trouble
from tests.cli.desk import Desk
from tests.control.fakes import Answers, listening


def _service(answer: Response) -> Answers:
    return {Reload: lambda _: answer}


def test_what_is_in_force_is_0_with_what_waits_for_a_restart(desk: Desk) -> None:
    desk.data_dir.mkdir()
    with listening(desk.data_dir, _service(Reloaded(("[log] is in force after a restart only\x1b",)))):
        assert desk.json("reload") == {"notes": ["[log] is in force after a restart only\x1b"]}
        text = desk.sams("reload").output
    assert text == "reloaded\nnote: [log] is in force after a restart only\\x1b\n"


def test_what_the_service_refuses_is_1_and_says_why(desk: Desk) -> None:
    desk.data_dir.mkdir()
    refusal = Failure(Trouble.REFUSED, "key.pem: the key belongs to another certificate")
    with listening(desk.data_dir, _service(refusal)):
        told = desk.sams("reload", code=Exit.FAILED).output
    assert "the key belongs to another certificate" in told


def test_a_mistake_in_the_file_is_1_before_anybody_is_asked(desk: Desk) -> None:
    desk.server.config.write_text(desk.server.config.read_text() + "\n[nonsense]\n")
    assert "nonsense" in desk.sams("reload", code=Exit.FAILED).output


def test_without_a_service_it_is_3(desk: Desk) -> None:
    desk.sams("reload", code=Exit.NOT_RUNNING)
