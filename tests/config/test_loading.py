from __future__ import annotations

from pathlib import Path

import pytest

from sams.config.loading import data_dir_beside_mistakes, load
from sams.config.places import HostPort
from sams.config.problems import ConfigError, Problem
from tests.config.samples import HERE, MINIMAL, loaded, problems


def test_a_small_file_is_enough_and_all_else_has_its_default() -> None:
    config = loaded().config
    assert config.server.name == "smtp-auth.example.ac.uk"
    assert config.tls.certificate == (Path("/etc/sams/fullchain.pem"),)
    assert config.listeners[0].address == "::"
    assert config.routes[0].hosts == (HostPort("mailhub.example.ac.uk", 25),)
    assert config.limits.message_size == 50 * 2**20
    assert config.web is None
    assert loaded().warnings == ()


def test_the_documented_example_of_every_fixed_key_loads() -> None:
    text = """
    [server]
    name = "smtp-auth.example.ac.uk"
    data_dir = "/var/lib/sams"
    workers = 2
    user = "sams"
    [tls]
    certificate = ["fullchain.pem", "rsa.pem"]
    private_key = ["key.pem", "rsa-key.pem"]
    [[tls.host]]
    name = "mail.example.org"
    certificate = "org.pem"
    private_key = "org-key.pem"
    [[listener]]
    address = "::"
    port = 587
    security = "starttls"
    [[listener]]
    port = 465
    security = "implicit"
    [accounts]
    domains = ["example.ac.uk"]
    [[accounts.source]]
    type = "builtin"
    [senders]
    envelope = "enforce"
    header = "warn"
    [[route]]
    domains = ["example.org"]
    type = "maildir"
    path = "Maildir"
    [[route]]
    domains = ["*"]
    type = "smarthost"
    hosts = ["mailhub.example.ac.uk:25"]
    security = "opportunistic"
    connections = 5
    source_address = "192.0.2.1"
    [limits]
    message_size = "50 MiB"
    recipients = 1000
    connections = 2000
    connections_per_address = 50
    new_connections_per_minute = 300
    connections_per_login = 50
    recipients_per_hour = 1000
    recipients_per_day = 5000
    min_free = "1 GiB"
    [guard]
    allow = []
    [retry]
    first = "1 min"
    longest = "1 h"
    expire = "5 days"
    delay_notice = "4 h"
    [alarm]
    mail = "postmaster@example.ac.uk"
    [web]
    address = "127.0.0.1"
    port = 8025
    """
    config = loaded(text).config
    assert (config.server.workers, config.server.user) == (2, "sams")
    assert [listener.port for listener in config.listeners] == [587, 465]
    assert [route.id for route in config.routes] == ["maildir:/etc/sams/Maildir", "mailhub.example.ac.uk:25"]
    assert config.web is not None
    assert config.web.port == 8025


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    text = MINIMAL.replace("port = 587", 'port = 0\nsecurty = "starttls"').replace(
        'mail = "post', 'mial = "x"\nmail = "post master'
    )
    assert problems(text) == [
        "sams.toml:9: listener[1].port: found 0: it is out of range; allowed: a whole number from 1 to 65535",
        'sams.toml:10: listener[1].securty: there is no such key; did you mean "security"?',
        'sams.toml:20: alarm.mial: there is no such key; did you mean "mail"?',
        (
            'sams.toml:21: alarm.mail: found "post mastermaster@example.ac.uk": '
            "the part before the @ has a character that needs quotes; "
            'allowed: a mail address such as "postmaster@example.ac.uk"'
        ),
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("[alarm]", "[alarms]"), 'alarms: there is no such section; did you mean "alarm"?'),
        (("[alarm]", "[quota]"), "quota: there is no such section; the sections here are accounts,"),
        (("[alarm]", "[alarm]\nport = 1"), "it belongs under [[listener]] or [web]"),
        (("[alarm]", "[alarm]\nxyzzy = 1"), "the keys here are command, interval, mail, webhook"),
        (("[[listener]]", "[listener]"), "write [[listener]] in double brackets"),
        (("[alarm]", "[[alarm]]"), "this is a section: write [alarm]"),
        (('name = "smtp', 'nane = "smtp'), "server.name: this key is missing; write for example: name ="),
        (("[[listener]]\nport = 587\n", ""), "listener: this section is missing: [[listener]]"),
        (("[server]", "[server"), "this is not TOML"),
        (('name = "smtp-auth.example.ac.uk"', "name = smtp-auth"), 'texts stand in quotes ("…")'),
    ],
)
def test_a_mistake_is_told_with_what_to_write(change: tuple[str, str], told: str) -> None:
    assert told in "\n".join(problems(MINIMAL.replace(*change)))


@pytest.mark.parametrize(
    ("key", "written"),
    [
        ("private_key", "key"),
        ("private_key", "keyfile"),
        ("private_key", "ssl-key"),
        ("certificate", "cert"),
        ("name", "hostname"),
    ],
)
def test_an_unknown_key_beside_a_missing_one_is_asked_whether_it_was_meant(key: str, written: str) -> None:
    told = problems(MINIMAL.replace(f"{key} = ", f"{written} = ", 1))
    assert len(told) == 2
    assert any(f'{written}: there is no such key; did you mean "{key}"?' in each for each in told)


def test_an_unknown_key_that_is_like_nothing_missing_is_told_what_there_is() -> None:
    told = problems(MINIMAL.replace("private_key = ", "xyzzy = "))
    assert any("xyzzy: there is no such key; the keys here are" in each for each in told)


def test_an_empty_list_of_sections_is_told() -> None:
    text = MINIMAL.replace("[[listener]]\nport = 587\n", "")
    assert problems("listener = []\n" + text) == [
        "sams.toml:1: listener: there is none; write at least one [[listener]]"
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            MINIMAL + "[listener]\nport = 465\n",
            "sams.toml:20: listener: there may be several of these: write [[listener]] in double brackets",
        ),
        (
            "[ listener ]\nport = 465\n" + MINIMAL,
            "sams.toml:1: listener: there may be several of these: write [[listener]] in double brackets",
        ),
        (
            MINIMAL + "[[tls.host]]\n[tls.host]\n",
            "sams.toml:21: tls.host: there may be several of these: write [[tls.host]] in double brackets",
        ),
        (MINIMAL + "[tls]\n", "sams.toml:20: tls: this section stands here a second time"),
        (
            MINIMAL + 'mail = "x"\n',
            "sams.toml:20: this is not TOML: Cannot overwrite a value; this key stands here a second time",
        ),
    ],
)
def test_what_stands_twice_is_told_with_what_to_write(text: str, told: str) -> None:
    assert problems(text) == [told]


def test_broken_toml_is_told_with_its_line() -> None:
    assert problems(MINIMAL + "x = \n")[0].startswith("sams.toml:20: this is not TOML: ")


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ('[server]\ndata_dir = "/srv/sams"\nnane = "x"\n[[[', None),
        ('[server]\ndata_dir = "/srv/sams"\nnane = "x"\n[nonsense]\n', Path("/srv/sams")),
        ('[server]\ndata_dir = "here"\nworkers = "many"\n', Path("/etc/sams/here")),
        ("[server]\nname = 7\n", Path("/var/lib/sams")),
        ('[server]\ndatadir = "/srv/sams"\n', None),
        ('[sever]\ndata_dir = "/srv/sams"\n', None),
        ("[server]\ndata_dir = 7\n", None),
    ],
)
def test_the_data_folder_is_known_beside_mistakes_and_never_guessed(text: str, known: Path | None) -> None:
    assert data_dir_beside_mistakes(text.encode(), HERE) == known


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "sams.toml"
    file.write_bytes(b"\xef\xbb\xbf# no more\n")
    with pytest.raises(ConfigError) as refusal:
        load(file)
    assert "server" in {problem.key for problem in refusal.value.problems}


def test_octets_that_are_no_text_are_told_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "sams.toml"
    file.write_bytes(b"\n\n# \xff\n")
    with pytest.raises(ConfigError) as refusal:
        load(file)
    assert refusal.value.problems == (Problem("", "is no UTF-8 text", 3),)


def test_deep_nesting_is_refused_and_not_a_crash() -> None:
    assert problems("x = " + "[" * 100_000)


def test_a_file_of_another_kind_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    file = tmp_path / "sams.toml"
    file.write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(ConfigError, match="larger than"):
        load(file)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load(tmp_path / "none.toml")


def test_a_route_with_a_password_is_verified_unless_something_stricter_is_written() -> None:
    secret = MINIMAL.replace("mailhub.example.ac.uk:25", "hub.example:587").replace(
        "[alarm]", 'username = "u"\npassword_file = "p"\n[alarm]'
    )
    assert loaded(secret).config.routes[0].security == "verified"
    assert loaded().config.routes[0].security == "opportunistic"


def test_no_value_of_the_configuration_is_changed_in_place() -> None:
    config = loaded().config
    with pytest.raises(AttributeError):
        config.server = config.server  # type: ignore[misc]
