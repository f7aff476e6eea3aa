"""A RADIUS server as a source of accounts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from sams.config.key import Key
from sams.config.kinds import Choice, Flag, Many, SecretFile, Text
from sams.config.places import HostPort, NextHop
from sams.config.sources.section import LOGIN_FORMS, SECRET, DirectorySection, LoginForm


class RadiusSource(DirectorySection, frozen=True, kw_only=True, tag_field="kind", tag="radius"):
    """A RADIUS server (RFC 2865) that checks passwords. Answers need a Message-Authenticator."""

    type: Annotated[Literal["radius"], Key(Choice(("radius",)), "A RADIUS server.")] = "radius"
    servers: Annotated[
        tuple[HostPort, ...],
        Key(
            Many(NextHop(), least=1, most=20),
            "The servers, tried in this order.",
            example='["radius1.example.ac.uk:1812"]',
        ),
    ]
    secret_file: Annotated[
        Path,
        Key(
            SecretFile(),
            "The secret shared with the servers, of at least 16 characters; make one with `openssl rand -hex 16`. "
            f"{SECRET}",
            example='"radius-secret"',
        ),
    ]
    login_form: Annotated[LoginForm, Key(Choice(("typed", "user", "address")), LOGIN_FORMS)] = "user"
    require_attribute: Annotated[
        str,
        Key(
            Text(longest=300),
            "Only members may send for whom the server gives this along: `Class=TEXT` or `Filter-Id=TEXT`.",
            unset="everybody whom it accepts",
            example='"Filter-Id=mail"',
        ),
    ] = ""
    nas_identifier: Annotated[
        str,
        Key(
            Text(longest=250),
            "How this service calls itself there.",
            unset="`[server] name`",
            example='"sams"',
        ),
    ] = ""
    send_address: Annotated[
        bool, Key(Flag(), "Whether the member's network address goes along (Calling-Station-Id).")
    ] = True
