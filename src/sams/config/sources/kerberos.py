"""A Kerberos realm as a source of accounts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from sams.config.key import Key
from sams.config.kinds import Choice, File, Flag, Text
from sams.config.sources.section import DirectorySection


class KerberosSource(DirectorySection, frozen=True, kw_only=True, tag_field="kind", tag="kerberos"):
    """A Kerberos realm: tickets by GSSAPI, and passwords by asking the realm for one."""

    type: Annotated[Literal["kerberos"], Key(Choice(("kerberos",)), "A Kerberos realm.")] = "kerberos"
    realm: Annotated[str, Key(Text(longest=255), "The realm.", example='"EXAMPLE.AC.UK"')]
    keytab: Annotated[
        Path,
        Key(
            File(),
            "The keytab with keys of `smtp/NAME@REALM`, for each name by which members' programs know this service. "
            "The service's user must be able to read it, and no other.",
            example='"/etc/sams/smtp.keytab"',
        ),
    ]
    principal: Annotated[
        str,
        Key(
            Text(longest=255),
            "The principal in the keytab for which the realm has to give a ticket before a password counts as right.",
            unset="`smtp/NAME@REALM` with `[server] name`",
            example='"smtp/smtp-auth.example.ac.uk@EXAMPLE.AC.UK"',
        ),
    ] = ""
    passwords: Annotated[
        bool,
        Key(Flag(), "Whether PLAIN and LOGIN are checked by asking the realm for a ticket."),
    ] = True
    can_find: Annotated[
        bool,
        Key(
            Flag(),
            "Whether members are looked up without their password (S4U2Self), so that app passwords and sessions end "
            "with the member. A realm of MIT Kerberos and Active Directory allow it by default.",
        ),
    ] = True
    look_up_as: Annotated[
        str,
        Key(
            Text(longest=255),
            "As which principal of the keytab to look them up. In Active Directory the account of the keytab, such "
            "as `SMTP-AUTH$@REALM`.",
            unset="`principal`",
            example='"SMTP-AUTH$@EXAMPLE.AC.UK"',
        ),
    ] = ""
