"""What a listener knows of a connection after its handshake."""

from __future__ import annotations

import pytest

from sams.core.address import Mailbox
from sams.protocol.sasl.interface import Channel
from sams.protocol.smtp.settings import ServerSettings
from sams.submission.entrance import Entrance, Former
from sams.submission.tls import TlsFacts

NEW, OLD, UNTIL = b"new", b"old", 1_000.0
ENTRANCE = Entrance(
    ServerSettings("submit.example.org", Mailbox("postmaster", "example.org")),
    channel=Channel(offered=("PLAIN",), end_points=frozenset({NEW})),
    former=Former(frozenset({OLD}), UNTIL),
    names=lambda certificate, now: (f"{certificate.decode()} at {now:.0f}",),
)


def facts(*, resumed: bool = False, certificate: bytes | None = None) -> TlsFacts:
    return TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", None, resumed, certificate)


@pytest.mark.parametrize(
    ("resumed", "is_older", "now", "end_points"),
    [
        (False, False, 0.0, {NEW}),
        (True, False, 0.0, {NEW, OLD}),
        (False, True, 0.0, {NEW, OLD}),
        (True, False, UNTIL, {NEW}),
        (False, True, UNTIL, {NEW}),
    ],
)
def test_certificates_of_before_count_for_who_may_have_been_shown_them_and_not_for_long(
    resumed: bool, is_older: bool, now: float, end_points: set[bytes]
) -> None:
    channel = ENTRANCE.channel_of(facts(resumed=resumed), is_older=is_older, now=now)
    assert channel.end_points == end_points
    assert (channel.offered, channel.certificate_names) == (("PLAIN",), ())


def test_a_certificate_is_read_at_the_time_of_the_handshake() -> None:
    channel = ENTRANCE.channel_of(facts(certificate=b"alice"), is_older=False, now=7.0)
    assert channel.certificate_names == ("alice at 7",)


def test_without_a_rule_a_certificate_names_nobody() -> None:
    plain = Entrance(ENTRANCE.settings)
    assert plain.channel_of(facts(certificate=b"alice"), is_older=False, now=7.0).certificate_names == ()
