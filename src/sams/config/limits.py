"""The sections that bound what one client, account and message may use."""

from __future__ import annotations

from typing import Annotated

from sams.config.key import DAY, GIB, HOUR, KIB, MIB, MINUTE, TIB, Key, Section
from sams.config.kinds import Many, Whole
from sams.config.places import Network
from sams.config.quantities import Duration, Size


class Limits(Section, frozen=True, kw_only=True):
    """What one client, one account and one message may use. Every limit has a reply of its own."""

    message_size: Annotated[int, Key(Size(64 * KIB, 2 * GIB), "The largest message; EHLO announces it.")] = (
        50 * MIB
    )
    recipients: Annotated[int, Key(Whole(100, 50_000), "Recipients of one message.")] = 1_000
    connections: Annotated[int, Key(Whole(1, 100_000), "Connections per worker.")] = 2_000
    connections_per_address: Annotated[
        int,
        Key(
            Whole(1, 100_000),
            "Connections at once from one address (/64 for IPv6) that are not yet signed in.",
        ),
    ] = 50
    new_connections_per_minute: Annotated[
        int,
        Key(Whole(1, 100_000), "New connections a minute from one address (/64) that no sign-in followed."),
    ] = 300
    connections_per_login: Annotated[int, Key(Whole(1, 100_000), "Connections at once of one account.")] = 50
    recipients_per_hour: Annotated[int, Key(Whole(1, 10_000_000), "Recipients an hour of one account.")] = (
        1_000
    )
    recipients_per_day: Annotated[int, Key(Whole(1, 100_000_000), "Recipients a day of one account.")] = 5_000
    notice_at: Annotated[
        int,
        Key(
            Whole(1, 100),
            "At which percentage of the hour's or day's recipients the member and the alarm are told; they "
            "are told again at the limit.",
        ),
    ] = 80
    min_free: Annotated[
        int,
        Key(Size(0, 16 * TIB), "Below this free space on the disk of `data_dir` new mail gets 452 4.3.1."),
    ] = GIB
    command_time: Annotated[
        float, Key(Duration(5, HOUR), "How long a client may wait before its next command.")
    ] = 5 * MINUTE
    auth_time: Annotated[
        float, Key(Duration(5, HOUR), "How long a client may take until it is signed in.")
    ] = 5 * MINUTE
    handshake_time: Annotated[float, Key(Duration(1, 5 * MINUTE), "How long a TLS handshake may take.")] = (
        15.0
    )
    proxy_time: Annotated[
        float,
        Key(
            Duration(3, MINUTE),
            "How long the header of the PROXY protocol may take, where a listener has `proxy_protocol`.",
        ),
    ] = 5.0
    data_idle_time: Annotated[
        float, Key(Duration(5, HOUR), "How long a client may pause inside a message.")
    ] = 3 * MINUTE
    data_rate: Annotated[
        int,
        Key(Size(0, MIB), "Octets a second below which a message is cut off once `data_rate_after` is over."),
    ] = 500
    data_rate_after: Annotated[float, Key(Duration(1, HOUR), "From when on `data_rate` is looked at.")] = (
        MINUTE
    )
    session_time: Annotated[
        float, Key(Duration(MINUTE, 7 * DAY), "How long a session may last; looked at between messages only.")
    ] = HOUR
    pressure_at: Annotated[
        int,
        Key(
            Whole(1, 100),
            "At which percentage of `connections` the service is under pressure: who is not signed in has "
            "`pressure_auth_time` and one error, and the oldest of them goes first.",
        ),
    ] = 80
    pressure_auth_time: Annotated[
        float, Key(Duration(1, HOUR), "`auth_time` while the service is under pressure.")
    ] = 10.0
    errors: Annotated[int, Key(Whole(1, 1_000), "Errors of syntax or sequence in a session, then 421.")] = 10
    commands_before_auth: Annotated[int, Key(Whole(5, 1_000), "Commands before the sign-in, then 421.")] = 20
    failed_sign_ins: Annotated[int, Key(Whole(1, 100), "Failed sign-ins of one connection, then 421.")] = 3
    command_line: Annotated[int, Key(Size(512, 64 * KIB), "The longest command line, with its CRLF.")] = (
        2 * KIB
    )
    auth_line: Annotated[int, Key(Size(512, 64 * KIB), "The longest line of a sign-in.")] = 12 * KIB
    data_line: Annotated[int, Key(Size(1_000, MIB), "The longest line of a message.")] = 64 * KIB
    header_size: Annotated[int, Key(Size(16 * KIB, 16 * MIB), "The largest header of a message.")] = 256 * KIB
    header_fields: Annotated[int, Key(Whole(50, 100_000), "The most fields of a header.")] = 1_000
    received_fields: Annotated[int, Key(Whole(10, 1_000), "The most Received fields; more mean a loop.")] = 50
    mime_depth: Annotated[int, Key(Whole(1, 1_000), "How deep the parts of a message may nest.")] = 50
    mime_parts: Annotated[int, Key(Whole(1, 100_000), "The most parts of a message.")] = 1_000
    password_checks: Annotated[
        int | None,
        Key(
            Whole(1, 1_024),
            "How many passwords are hashed at once, over the whole service.",
            unset="one per core but one, and at least one",
            example="4",
        ),
    ] = None
    password_checks_waiting: Annotated[
        int, Key(Whole(1, 100_000), "How many may wait for that; more get 454 4.7.0.")
    ] = 200


class Guard(Section, frozen=True, kw_only=True):
    """Protection against guessing.

    What counts is distinct wrong passwords: one that a mail program repeats counts once. Nobody is locked out at
    an address where the password in use was right before.
    """

    allow: Annotated[
        tuple[str, ...],
        Key(
            Many(Network()),
            "Networks free of the guard and of the caps on connections: monitoring, test rigs. They must "
            "sign in like everyone.",
            example='["192.0.2.0/28"]',
        ),
    ] = ()
    failure_delay: Annotated[
        float,
        Key(Duration(0, 10), "The least time until a failed sign-in is answered; some jitter is added."),
    ] = 0.25
    window: Annotated[float, Key(Duration(MINUTE, DAY), "How far back failures are counted.")] = 15 * MINUTE
    pair_failures: Annotated[
        int,
        Key(
            Whole(1, 100_000),
            "Failures of one login from one address within `window`, then that pair is locked.",
        ),
    ] = 10
    known_failures: Annotated[
        int,
        Key(
            Whole(0, 100_000),
            "Failures a day of a login at an address where it is known that count for that pair only; "
            "while the address or network is locked, so many lock the pair.",
        ),
    ] = 3
    address_failures: Annotated[
        int,
        Key(
            Whole(1, 100_000),
            "Failures from one address (/64) within `window`, then it is locked. Where more logins than that "
            "were right within the last week, as behind a NAT, as many as those, up to 1,000.",
        ),
    ] = 30
    network_failures: Annotated[
        int,
        Key(
            Whole(1, 1_000_000),
            "Failures from one network (/24, /48) within `window`, then it is locked; grows as `address_failures`.",
        ),
    ] = 300
    day_factor: Annotated[
        int,
        Key(
            Whole(1, 100),
            "So many times these failures within a day lock as well: who stays just below the limits.",
        ),
    ] = 3
    login_failures: Annotated[
        int,
        Key(
            Whole(1, 1_000_000),
            "Failures of one login from everywhere but where it is known, within `login_window`. Then it is not "
            "locked, but each new address has one failure only, and each new network three.",
        ),
    ] = 100
    login_window: Annotated[
        float,
        Key(
            Duration(MINUTE, 30 * DAY),
            "How far back failures of one login are counted, and how long that lasts then.",
        ),
    ] = DAY
    lock: Annotated[
        float, Key(Duration(1, DAY), "How long the first lock lasts; each further one doubles it.")
    ] = 5 * MINUTE
    lock_longest: Annotated[float, Key(Duration(1, 30 * DAY), "The longest lock.")] = DAY
    known: Annotated[
        float,
        Key(Duration(0, 365 * DAY), "How long an address from which a login succeeded counts as known."),
    ] = 30 * DAY
