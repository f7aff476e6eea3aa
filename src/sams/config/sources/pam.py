"""The system's accounts as a source."""

from __future__ import annotations

from typing import Annotated, Literal

from sams.config.key import Key
from sams.config.kinds import Choice, Flag, Name, Whole
from sams.config.sources.section import LOGIN_FORMS, DirectorySection, LoginForm


class PamSource(DirectorySection, frozen=True, kw_only=True, tag_field="kind", tag="pam"):
    """The system's own accounts (PAM), asked in a helper process."""

    type: Annotated[Literal["pam"], Key(Choice(("pam",)), "The accounts of this system.")] = "pam"
    service: Annotated[
        str, Key(Name(), "The PAM service: a file of this name in `/etc/pam.d`.", example='"sams"')
    ] = "sams"
    login_form: Annotated[LoginForm, Key(Choice(("typed", "user", "address")), LOGIN_FORMS)] = "user"
    group: Annotated[
        str,
        Key(
            Name(),
            "Only members of this system group may send.",
            unset="everybody whom PAM lets in",
            example='"mailusers"',
        ),
    ] = ""
    least_uid: Annotated[
        int,
        Key(Whole(1, 2**31 - 1), "Accounts below this number (root, daemons) are nobody here."),
    ] = 1_000
    virtual_users: Annotated[
        bool,
        Key(
            Flag(),
            "Whether members need no account on this system because PAM alone knows them (`pam_userdb`, "
            "`pam_radius_auth`). They cannot be looked up then: app passwords do not end with the member.",
        ),
    ] = False
