from __future__ import annotations

import pytest

from sams.app.inherited import check_changeable, unchangeable
from sams.core.errors import OperatorError
from tests.config.samples import MINIMAL, loaded

TWO = MINIMAL.replace("port = 587\n", 'port = 587\n[[listener]]\nport = 465\nsecurity = "implicit"\n')


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("port = 587", "port = 10587", ("listener[1].port: 587 → 10587",)),
        (
            'port = 465\nsecurity = "implicit"',
            'address = "::1"\nport = 10465\nmin_tls = "1.3"',
            (
                'listener[2].address: "::" → "::1"',
                "listener[2].port: 465 → 10465",
                'listener[2].security: "implicit" → "starttls"',
                'listener[2].min_tls: "1.2" → "1.3"',
            ),
        ),
        ('[[listener]]\nport = 465\nsecurity = "implicit"\n', "", ("the number of [[listener]]: 2 → 1",)),
        (
            "[server]\n",
            '[server]\nworkers = 3\nuser = "sams"\ndata_dir = "/srv"\n',
            (
                'server.data_dir: "/var/lib/sams" → "/srv"',
                "server.workers: (one per core) → 3",
                'server.user: (stay who started it) → "sams"',
            ),
        ),
        ("[server]\n", '[server]\ngrace = "1 min"\n', ()),
        (
            "[server]\n",
            '[[accounts.source]]\ntype = "pam"\n[server]\n',
            ("the number of sources of the type pam: 0 → 1",),
        ),
    ],
)
def test_what_a_reload_cannot_change_is_named_with_both_values(
    before: str, after: str, found: tuple[str, ...]
) -> None:
    assert unchangeable(loaded(TWO).config, loaded(TWO.replace(before, after)).config) == found


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("[web]\nport = 8025\n", "[web]\nport = 8026\n", ("web.port: 8025 → 8026",)),
        (
            "[web]\nport = 8025\n",
            '[web]\naddress = "::1"\nuser = "sams-web"\n',
            (
                'web.address: "127.0.0.1" → "::1"',
                'web.user: (that of [server] user) → "sams-web"',
            ),
        ),
        ("[web]\nport = 8025\n", "", ("whether there are pages ([web])",)),
        ("", "[web]\nport = 8025\n", ("whether there are pages ([web])",)),
        (
            "[web]\nport = 8025\n",
            '[web]\nport = 8025\nsecurity = "tls"\nlanguages = ["de"]\n[organisation]\nname = "A"\n',
            (),
        ),
    ],
    ids=["its port", "its address and user", "no pages", "pages", "what they show"],
)
def test_what_the_web_process_is_started_with_cannot_change(
    before: str, after: str, found: tuple[str, ...]
) -> None:
    assert unchangeable(loaded(TWO + before).config, loaded(TWO + after).config) == found


def test_what_the_pam_helper_holds_to_cannot_change() -> None:
    with_pam = TWO.replace("[server]\n", '[[accounts.source]]\ntype = "pam"\n[server]\n')
    other = with_pam.replace('type = "pam"\n', 'type = "pam"\ngroup = "mailusers"\ngrace = "1 min"\n')
    found = unchangeable(loaded(with_pam).config, loaded(other).config)
    assert found == ('accounts.source pam.group: (everybody whom PAM lets in) → "mailusers"',)


def test_a_reload_that_needs_a_restart_says_what_to_do() -> None:
    other = loaded(TWO.replace("587", "10587")).config
    with pytest.raises(OperatorError, match=r"^listener\[1\]\.port: 587 → 10587 cannot change"):
        check_changeable(loaded(TWO).config, other)
