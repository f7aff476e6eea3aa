"""A Dovecot as a source of accounts."""

from __future__ import annotations

from typing import Annotated, Literal

from sams.config.key import Key
from sams.config.kinds import Choice, Many, Name, Text
from sams.config.sources.section import LOGIN_FORMS, DirectorySection, LoginForm


class DovecotSource(DirectorySection, frozen=True, kw_only=True, tag_field="kind", tag="dovecot"):
    """The users of a Dovecot, asked over its authentication socket."""

    type: Annotated[Literal["dovecot"], Key(Choice(("dovecot",)), "The users of a Dovecot.")] = "dovecot"
    socket: Annotated[
        str,
        Key(
            Text(longest=300),
            "The socket of Dovecot's `service auth`, as for Postfix: a path, or `host:port` on this machine.",
            example='"/run/dovecot/auth-sams"',
        ),
    ]
    user_socket: Annotated[
        str,
        Key(
            Text(longest=300),
            "A socket where user data may be asked for (its name ends in `-userdb`). With it app passwords end with "
            "the member, a wrong password is told from an unknown login, and the fields with addresses are those of "
            "the userdb.",
            unset="none",
            example='"/run/dovecot/auth-sams-userdb"',
        ),
    ] = ""
    service: Annotated[
        str,
        Key(
            Name(),
            "The service that Dovecot is told (`%s`, `protocol … { }`); Postfix and Exim tell `smtp`, Dovecot's own "
            "submission server `submission`.",
            example='"submission"',
        ),
    ] = "smtp"
    login_form: Annotated[LoginForm, Key(Choice(("typed", "user", "address")), LOGIN_FORMS)] = "typed"
    address_fields: Annotated[
        tuple[str, ...],
        Key(
            Many(Text(longest=100), most=20),
            "The fields of its answer that hold addresses of the member, with commas or spaces between them; the "
            "first is the default one.",
            example='["email", "aliases"]',
        ),
    ] = ("email", "addresses", "aliases")
