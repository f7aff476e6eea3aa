"""A web service as a source of accounts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from sams.config.key import Key
from sams.config.kinds import Choice, File, Flag, SecretFile
from sams.config.places import Url
from sams.config.sources.section import SECRET, DirectorySection


class HttpSource(DirectorySection, frozen=True, kw_only=True, tag_field="kind", tag="http"):
    """A web service of the organisation's own: SAMS posts login and password as JSON, and reads the answer."""

    type: Annotated[Literal["http"], Key(Choice(("http",)), "A web service.")] = "http"
    url: Annotated[
        str,
        Key(
            Url(),
            "Where to post. `https://`, or `http://` on this machine alone.",
            example='"https://id.example.ac.uk/sams"',
        ),
    ]
    token_file: Annotated[
        Path | None,
        Key(
            SecretFile(),
            f"Sent as `Authorization: Bearer`. {SECRET}",
            unset="none",
            example='"id-token"',
        ),
    ] = None
    ca_file: Annotated[
        Path | None,
        Key(
            File(),
            "The authorities that its certificate is checked against, as PEM.",
            unset="the system's",
            example='"id-ca.pem"',
        ),
    ] = None
    can_find: Annotated[
        bool,
        Key(
            Flag(),
            "Whether it answers for a login without a password, so that app passwords end with the member.",
        ),
    ] = False
