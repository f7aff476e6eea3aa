"""The numbers that docs/security.md promises are those of a configuration that names none, and reach every room."""

from __future__ import annotations

from pathlib import Path

import pytest

from sams.app import parts, settings
from sams.config.loading import parse
from sams.identity.guard.interface import GuardSettings
from sams.message.header import HeaderLimits
from sams.message.mime import MimeLimits
from sams.policy.admission import AdmissionLimits
from sams.protocol.proxy import MAX_HEADER, MAX_LINE
from sams.protocol.sasl.interface import MAX_PASSWORD_OCTETS
from sams.protocol.smtp.settings import ServerSettings
from sams.submission.deadlines import TimeLimits
from sams.submission.tls import CERTIFICATE_OCTETS, HANDSHAKE_OCTETS

_TEXT = """
[server]
name = "smtp.example.org"
[tls]
certificate = "c.pem"
private_key = "k.pem"
[accounts]
domains = ["example.org"]
[[listener]]
port = 587
[[route]]
domains = ["*"]
hosts = ["hub.example.org:25"]
"""
CONFIG = parse(_TEXT.encode(), Path("/etc/sams/sams.toml")).config
LIMITS = CONFIG.limits
SERVER = settings.server_settings(CONFIG, CONFIG.listeners[0], ("PLAIN", "LOGIN"))
TIMES = settings.time_limits(CONFIG)
HEADER = settings.header_limits(CONFIG)
MIME = settings.mime_limits(CONFIG)
ADMISSION = parts.admission_limits(CONFIG)
_PAGE = " ".join((Path(__file__).parents[2] / "docs" / "security.md").read_text().split())
PROMISED = {
    "2,000 per worker": (ADMISSION.connections, 2_000),
    "caps per address (50 at once": (ADMISSION.per_address, 50),
    "300 new a minute": (ADMISSION.new_per_minute, 300),
    "signed-in ones count per login (50)": (ADMISSION.per_login, 50),
    "Under pressure (80 % of the connections)": (ADMISSION.pressure_at, 80),
    "10 s before AUTH": (TIMES.sign_in_under_pressure, 10),
    "300 s per command and before AUTH": ((TIMES.command, TIMES.sign_in), (300, 300)),
    "handshake 15 s": (TIMES.handshake, 15),
    "PROXY header 5 s, at most 107 octets (version 1) or 4,096 (version 2)": (
        (LIMITS.proxy_time, MAX_LINE, MAX_HEADER),
        (5, 107, 4_096),
    ),
    "data idle 180 s": (TIMES.body_idle, 180),
    "under 500 B/s after 60 s ends it": ((TIMES.body_rate, TIMES.body_grace), (500, 60)),
    "session 60 min": (TIMES.session, 3_600),
    "10 of syntax or sequence": (SERVER.errors, 10),
    "20 commands before AUTH": (SERVER.commands_before_auth, 20),
    "3 failed sign-ins per connection": (SERVER.failed_signins, 3),
    "command line 2,048": (SERVER.command_line, 2_048),
    "it has 12,288 octets at most": (HANDSHAKE_OCTETS, 12_288),
    "and 16,384 more": (CERTIFICATE_OCTETS, 16_384),
    "AUTH line 12,288": (SERVER.auth_line, 12_288),
    "data line 65,536": (SERVER.data_line, 65_536),
    "header 256 KB, 1,000 fields": ((HEADER.octets, HEADER.fields), (262_144, 1_000)),
    "1,000 recipients ·": (SERVER.max_recipients, 1_000),
    "MIME depth 50, parts 1,000": ((MIME.depth, MIME.parts), (50, 1_000)),
    "50 Received fields": (HEADER.received, 50),
    "1,000 recipients an hour and 5,000 a day": (
        (LIMITS.recipients_per_hour, LIMITS.recipients_per_day),
        (1_000, 5_000),
    ),
    "alarm at 80 %": (LIMITS.notice_at, 80),
    "`min_free` (1 GiB": (LIMITS.min_free, 1_073_741_824),
    "at most 200 waiting": (LIMITS.password_checks_waiting, 200),
    "more than 1 KB are refused before hashing": (MAX_PASSWORD_OCTETS, 1_024),
    "max(250 ms, cost)": (CONFIG.guard.failure_delay, 0.25),
}


@pytest.mark.parametrize("promise", PROMISED)
def test_a_number_of_the_page_is_the_default_of_its_setting(promise: str) -> None:
    found, promised = PROMISED[promise]
    assert promise in _PAGE
    assert found == promised


def test_each_room_has_of_itself_what_the_configuration_gives_it() -> None:
    assert TimeLimits() == TIMES
    assert HeaderLimits() == HEADER
    assert MimeLimits() == MIME
    assert AdmissionLimits() == ADMISSION
    alone = ServerSettings(SERVER.name, SERVER.postmaster)
    assert alone == SERVER
    assert (GuardSettings().pair_failures, GuardSettings().lock) == (
        CONFIG.guard.pair_failures,
        CONFIG.guard.lock,
    )


def test_every_limit_that_is_set_reaches_its_room() -> None:
    text = _TEXT + (
        "[limits]\nmessage_size = '1 MiB'\nrecipients = 101\nconnections = 7\nconnections_per_address = 6\n"
        "new_connections_per_minute = 5\nconnections_per_login = 4\npressure_at = 3\ncommand_time = '6 s'\n"
        "auth_time = '8 s'\npressure_auth_time = '7 s'\nhandshake_time = '9 s'\ndata_idle_time = '10 s'\n"
        "data_rate = 11\ndata_rate_after = '12 s'\nsession_time = '2 min'\nerrors = 13\ncommands_before_auth = 14\n"
        "failed_sign_ins = 15\ncommand_line = 600\nauth_line = 700\ndata_line = 2000\nheader_size = '32 KiB'\n"
        "header_fields = 60\nreceived_fields = 20\nmime_depth = 16\nmime_parts = 17\n"
    )
    config = parse(text.encode(), Path("/etc/sams/sams.toml")).config
    server = settings.server_settings(config, config.listeners[0], ("PLAIN",))
    assert parts.admission_limits(config) == AdmissionLimits(7, 6, 5, 4, 3)
    assert settings.time_limits(config) == TimeLimits(6.0, 8.0, 7.0, 9.0, 10.0, 12.0, 11.0, 120.0)
    assert settings.header_limits(config) == HeaderLimits(32_768, 60, 20)
    assert settings.mime_limits(config) == MimeLimits(16, 17)
    assert (server.message_size, server.max_recipients, server.errors) == (1_048_576, 101, 13)
    assert (server.commands_before_auth, server.failed_signins) == (14, 15)
    assert (server.command_line, server.auth_line, server.data_line) == (600, 700, 2_000)


@pytest.mark.parametrize(("cores", "checks"), [(1, 1), (2, 1), (8, 7), (None, 1)])
def test_checks_of_passwords_leave_a_core_to_who_is_signed_in(
    monkeypatch: pytest.MonkeyPatch, cores: int | None, checks: int
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    assert parts.checks_at_once(CONFIG) == checks
