"""The sources of accounts, one section for each type: `[[accounts.source]]`.

What all have in common stands in `SourceSection`; what all that ask somebody else have, in `DirectorySection`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from sams.config.key import DAY, HOUR, MINUTE, Key, Section
from sams.config.kinds import Choice, File, Flag, Many, Name, SecretFile, Text, Whole
from sams.config.places import Domain, HostPort, NextHop, Url
from sams.config.quantities import Duration

Submission = Literal["any", "app-passwords-only"]
LoginForm = Literal["typed", "user", "address"]

_LOGIN_FORMS = (
    "How it is told a login: `typed` as it came, `user` without a domain of `[accounts] domains` (a login in another "
    "domain is nobody there), `address` with one."
)
_SECRET = "Its first line is the secret; no other user may read it."  # noqa: S105 - a text about one


class SourceSection(Section, frozen=True, kw_only=True):
    """What every source of accounts has."""

    name: Annotated[
        str,
        Key(
            Name(),
            "How the journal, the commands and app passwords call this source. App passwords keep to the name.",
            unset="its type",
            example='"staff"',
        ),
    ] = ""
    domains: Annotated[
        tuple[str, ...],
        Key(
            Many(Domain()),
            "It is asked only about logins in these domains; a login without one counts as in the first of "
            "`[accounts] domains`.",
            unset="every login",
            example='["example.ac.uk"]',
        ),
    ] = ()
    logins: Annotated[
        tuple[str, ...],
        Key(
            Many(Text(longest=100)),
            "It is asked only about logins that match one of these patterns, without their domain; `*` stands "
            "for any characters, and `!` before a pattern excludes.",
            unset="every login",
            example='["s*", "!sys-*"]',
        ),
    ] = ()
    submission: Annotated[
        Submission,
        Key(
            Choice(("any", "app-passwords-only")),
            "`app-passwords-only`: the members' own passwords are not taken for sending mail, only app passwords "
            "(`sams account app-password`). For organisations whose sign-in needs a second factor.",
        ),
    ] = "any"

    @property
    def id(self) -> str:
        """The name as configured, else the type."""
        return self.name or str(getattr(self, "type", ""))


class BuiltinSource(SourceSection, frozen=True, kw_only=True, tag_field="kind", tag="builtin"):
    """Accounts that SAMS keeps itself, as `sams account` manages them. This is the source where none is named."""

    type: Annotated[Literal["builtin"], Key(Choice(("builtin",)), "Accounts that SAMS keeps itself.")] = (
        "builtin"
    )


class DirectorySection(SourceSection, frozen=True, kw_only=True):
    """What every source has that asks somebody else."""

    cache: Annotated[
        float,
        Key(
            Duration(0, DAY),
            "How long what it said is taken as true without asking again: a verified password, addresses, that the "
            "member still is one. A directory tells nobody of a changed password. `0 s` asks each time.",
        ),
    ] = 5 * MINUTE
    grace: Annotated[
        float,
        Key(
            Duration(0, 7 * DAY),
            "When it is down: how long after the last sign-in that it confirmed a member still gets in by that same "
            "password. All others are told to try again (454), never that the password is wrong.",
        ),
    ] = HOUR
    timeout: Annotated[
        float, Key(Duration(0.1, MINUTE), "How long one question to it may take; then it counts as down.")
    ] = 5.0
    connections: Annotated[
        int, Key(Whole(1, 1_000), "How many questions each worker asks it at once; others wait.")
    ] = 4
    addresses: Annotated[
        tuple[str, ...],
        Key(
            Many(Text(longest=300), most=100),
            "The addresses of a member where the source tells none: `{user}` is the member's login there before the "
            "`@`, `{domain}` what is behind it. Where nothing is, the first of the source's `domains`, or of "
            "`[accounts] domains`; what was typed is not looked at.",
            unset="the login at its domain",
            example='["{user}@example.ac.uk"]',
        ),
    ] = ()


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
        Key(
            SecretFile(), f"The password for that. {_SECRET}", unset="anonymously", example='"ldap-password"'
        ),
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


class SqlSource(DirectorySection, frozen=True, kw_only=True, tag_field="kind", tag="sql"):
    """A table of the organisation's own, in PostgreSQL or SQLite, asked by a query.

    The query gives at most one row. Its columns are named: `password` (a hash in one of the forms that
    `sams account import` knows), and if there are `login`, `addresses` and `may_send_as` (a text with commas, an
    array, or in SQLite a JSON array), `suspended` (a reason, or NULL for who may sign in; or a truth value),
    `recipients_per_hour`, `recipients_per_day`.
    """

    type: Annotated[Literal["sql"], Key(Choice(("sql",)), "A query on a database.")] = "sql"
    database: Annotated[
        str,
        Key(
            Text(longest=1_000),
            "`postgresql://user@host/name?sslmode=verify-full&sslrootcert=/path/ca.pem`, without a password, several "
            "hosts with commas; or `sqlite:///path`, which is only read.",
            example='"postgresql://sams@db.example.ac.uk/members?sslmode=verify-full&sslrootcert=/etc/sams/ca.pem"',
        ),
    ]
    password_file: Annotated[
        Path | None,
        Key(
            SecretFile(),
            f"The password for the database. {_SECRET}",
            unset="none",
            example='"db-password"',
        ),
    ] = None
    query: Annotated[
        str,
        Key(
            Text("a query, on several lines if need be", longest=10_000, lines=True),
            "The query, with `%(user)s`, `%(domain)s`, `%(address)s`, `%(login)s` as parameters, without quotes, and "
            "`%%` for a percent sign. `login` is the login without a device and without a domain of `[accounts]`.",
            example='"SELECT hash AS password, mail AS addresses FROM people WHERE uid = %(user)s"',
        ),
    ]


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
            f"Sent as `Authorization: Bearer`. {_SECRET}",
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
    login_form: Annotated[LoginForm, Key(Choice(("typed", "user", "address")), _LOGIN_FORMS)] = "typed"
    address_fields: Annotated[
        tuple[str, ...],
        Key(
            Many(Text(longest=100), most=20),
            "The fields of its answer that hold addresses of the member, with commas or spaces between them; the "
            "first is the default one.",
            example='["email", "aliases"]',
        ),
    ] = ("email", "addresses", "aliases")


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
            f"{_SECRET}",
            example='"radius-secret"',
        ),
    ]
    login_form: Annotated[LoginForm, Key(Choice(("typed", "user", "address")), _LOGIN_FORMS)] = "user"
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


class PamSource(DirectorySection, frozen=True, kw_only=True, tag_field="kind", tag="pam"):
    """The system's own accounts (PAM), asked in a helper process."""

    type: Annotated[Literal["pam"], Key(Choice(("pam",)), "The accounts of this system.")] = "pam"
    service: Annotated[
        str, Key(Name(), "The PAM service: a file of this name in `/etc/pam.d`.", example='"sams"')
    ] = "sams"
    login_form: Annotated[LoginForm, Key(Choice(("typed", "user", "address")), _LOGIN_FORMS)] = "user"
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


class OauthSource(DirectorySection, frozen=True, kw_only=True, tag_field="kind", tag="oauth"):
    """An OAuth 2.0 or OpenID Connect issuer whose access tokens members' programs bring.

    Tokens that are JWTs are checked here by the issuer's keys; others are asked about at `introspection_url`.
    """

    type: Annotated[Literal["oauth"], Key(Choice(("oauth",)), "Access tokens of an issuer.")] = "oauth"
    issuer: Annotated[
        str,
        Key(
            Url(),
            "The issuer, as it stands in tokens (`iss`).",
            example='"https://login.example.ac.uk"',
        ),
    ]
    audience: Annotated[
        tuple[str, ...],
        Key(
            Many(Text(longest=300), least=1, most=20),
            "For whom a token must have been made (`aud`): one of these.",
            example='["sams"]',
        ),
    ]
    scope: Annotated[
        str,
        Key(
            Text(longest=100),
            "What a token must allow (`scope` or `scp`).",
            unset="nothing in particular",
            example='"smtp"',
        ),
    ] = ""
    algorithms: Annotated[
        tuple[str, ...],
        Key(
            Many(Text(longest=20), least=1, most=20),
            "How a token may be signed; `none` and the symmetric ones (`HS256` …) are never taken.",
        ),
    ] = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
    jwks_url: Annotated[
        str,
        Key(
            Url(),
            "Where the issuer's keys are.",
            unset="what `issuer`/.well-known/openid-configuration says",
            example='"https://login.example.ac.uk/keys"',
        ),
    ] = ""
    introspection_url: Annotated[
        str,
        Key(
            Url(),
            "Where to ask about a token (RFC 7662).",
            unset="none: tokens are JWTs",
            example='"https://login.example.ac.uk/introspect"',
        ),
    ] = ""
    introspect: Annotated[
        Literal["opaque", "always"],
        Key(
            Choice(("opaque", "always")),
            "Which tokens are asked about there: those that are no JWT, or each, so that one that was revoked ends "
            "within `cache`.",
        ),
    ] = "opaque"
    client_id: Annotated[
        str,
        Key(
            Text(longest=300),
            "As whom to ask there.",
            unset="none",
            example='"sams"',
        ),
    ] = ""
    client_secret_file: Annotated[
        Path | None,
        Key(
            SecretFile(),
            f"The password for that. {_SECRET}",
            unset="none",
            example='"oauth-secret"',
        ),
    ] = None
    login_claim: Annotated[str, Key(Text(longest=100), "The claim that is the member's login.")] = (
        "preferred_username"
    )
    address_claims: Annotated[
        tuple[str, ...],
        Key(
            Many(Text(longest=100), most=20),
            "The claims with the member's addresses. `email` counts only where `email_verified` is not false.",
        ),
    ] = ("email",)
    clock_skew: Annotated[float, Key(Duration(0, 5 * MINUTE), "How far its clock and ours may be apart.")] = (
        MINUTE
    )
    ca_file: Annotated[
        Path | None,
        Key(
            File(),
            "The authorities that its certificate is checked against, as PEM.",
            unset="the system's",
            example='"login-ca.pem"',
        ),
    ] = None


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


AccountSource = (
    BuiltinSource
    | LdapSource
    | SqlSource
    | HttpSource
    | DovecotSource
    | RadiusSource
    | PamSource
    | OauthSource
    | KerberosSource
)
