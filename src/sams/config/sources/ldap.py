"""An LDAP directory as a source of accounts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from sams.config.key import Key
from sams.config.kinds import Choice, File, Many, SecretFile, Text
from sams.config.sources.section import SECRET, DirectorySection


class LdapSource(DirectorySection, frozen=True, kw_only=True, tag_field="kind", tag="ldap"):
    """An LDAP directory: OpenLDAP, 389 Directory Server, FreeIPA, Active Directory.

    With `base` the member is searched for (as `bind_dn`, or anonymously) and the password tried by a bind as the
    entry that was found. With `user_dn` the bind is tried at once; with both, it is, and then the member's own entry
    searched for below `base` as the member. In braces stand `{user}`, the login without its domain where that is
    one of `[accounts] domains`; `{domain}`; `{address}`, both with an `@`; `{login}`, as the member is known here.
    """

    type: Annotated[Literal["ldap"], Key(Choice(("ldap",)), "An LDAP directory.")] = "ldap"
    servers: Annotated[
        tuple[str, ...],
        Key(
            Many(Text(longest=300), least=1, most=20),
            "The servers, tried in this order: `ldaps://host`, or `ldap://host` with StartTLS; `ldapi:///path` for a "
            "socket on this machine.",
            example='["ldaps://ldap1.example.ac.uk", "ldaps://ldap2.example.ac.uk"]',
        ),
    ]
    security: Annotated[
        Literal["starttls", "tls", "none"],
        Key(
            Choice(("starttls", "tls", "none")),
            "For `ldap://`: `starttls` is demanded; `none` sends passwords in clear and is taken for addresses of "
            "this machine alone. `ldaps://` is always TLS.",
        ),
    ] = "starttls"
    ca_file: Annotated[
        Path | None,
        Key(
            File(),
            "The authorities that the servers' certificates are checked against, as PEM.",
            unset="the system's",
            example='"ldap-ca.pem"',
        ),
    ] = None
    schema: Annotated[
        Literal["posix", "active-directory"],
        Key(
            Choice(("posix", "active-directory")),
            "Where other keys are unset: which filter and attributes are used, and how disabled and expired accounts "
            "are told (`userAccountControl` and `accountExpires`; `shadowExpire` and `pwdAccountLockedTime`).",
        ),
    ] = "posix"
    base: Annotated[
        str,
        Key(
            Text(longest=1_000),
            "Where to search for members.",
            unset="no search: `user_dn` is used",
            example='"ou=people,dc=example,dc=ac,dc=uk"',
            usual=True,
        ),
    ] = ""
    bind_dn: Annotated[
        str,
        Key(
            Text(longest=1_000),
            "As whom to search.",
            unset="anonymously",
            example='"cn=sams,ou=services,dc=example,dc=ac,dc=uk"',
        ),
    ] = ""
    bind_password_file: Annotated[
        Path | None,
        Key(SecretFile(), f"The password for that. {SECRET}", unset="anonymously", example='"ldap-password"'),
    ] = None
    user_dn: Annotated[
        str,
        Key(
            Text(longest=1_000),
            "The name to bind as at once, with `{user}`, `{address}` or `{login}` in it. App passwords then end with "
            "the member only where `base` and `bind_dn` are set, too.",
            unset="search and bind",
            example='"uid={user},ou=people,dc=example,dc=ac,dc=uk"',
        ),
    ] = ""
    filter: Annotated[
        str,
        Key(
            Text(longest=2_000),
            "Which entry is a member's: `{user}`, `{domain}`, `{address}`, `{login}` are put in, escaped.",
            unset="`(&(|(objectClass=person)(objectClass=posixAccount))(|(uid={user})(mail={address})))`; for Active "
            "Directory "
            "`(&(objectCategory=person)(objectClass=user)(|(sAMAccountName={user})(userPrincipalName={address})))`",
            example='"(uid={user})"',
        ),
    ] = ""
    login_attribute: Annotated[
        str,
        Key(
            Text(longest=100),
            "The attribute that is the member's login here.",
            unset="`uid`; `sAMAccountName`",
            example='"uid"',
        ),
    ] = ""
    address_attributes: Annotated[
        tuple[str, ...],
        Key(
            Many(Text(longest=100), most=20),
            "The attributes with the member's own addresses; the first value is the default one. In `proxyAddresses` "
            "those with `smtp:` count, `SMTP:` first.",
        ),
    ] = ("mail", "mailAlternateAddress", "proxyAddresses")
    send_as_attributes: Annotated[
        tuple[str, ...],
        Key(
            Many(Text(longest=100), most=20),
            "The attributes with addresses of others that the member may send for. A distinguished name stands for "
            "the addresses of that entry.",
        ),
    ] = ()
    group: Annotated[
        str,
        Key(
            Text(longest=1_000),
            "Only members of this group may send, nested groups included.",
            unset="everybody who is found",
            example='"cn=mail-users,ou=groups,dc=example,dc=ac,dc=uk"',
        ),
    ] = ""
    group_base: Annotated[
        str,
        Key(
            Text(longest=1_000),
            "Where the groups are through which somebody may be in `group`. Active Directory knows by itself.",
            unset="where `group` is",
            example='"ou=groups,dc=example,dc=ac,dc=uk"',
        ),
    ] = ""
