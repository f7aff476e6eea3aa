"""The pages, whose they are, and what members and the world's DNS are told of the service beside submission."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from sams.config.key import Key, Section
from sams.config.kinds import Choice, File, Many, Name, Text, Whole
from sams.config.places import Address, Domain, MailAddress, Network, Url
from sams.config.texts import Colour

WebSecurity = Literal["none", "tls"]
Language = Literal["en", "de"]
UserName = Literal["address", "local-part", "login"]
IncomingType = Literal["imap", "pop3"]
IncomingSecurity = Literal["implicit", "starttls"]
MtaSts = Literal["none", "testing", "enforce"]
DmarcPolicy = Literal["none", "quarantine", "reject"]

_USER_NAME = Choice(("address", "local-part", "login"))
_PAGE = Url('a web address such as "https://www.example.ac.uk/it-help"')


class Web(Section, frozen=True, kw_only=True):
    """Where the pages are served: set-up, automatic set-up, the connection doctor. Left out: there are none."""

    address: Annotated[str, Key(Address(), "Where to listen.")] = "127.0.0.1"
    port: Annotated[int, Key(Whole(1, 65_535), "The port. Needs a restart.")] = 8025
    security: Annotated[
        WebSecurity,
        Key(
            Choice(("none", "tls")),
            "`tls` serves HTTPS with the certificates of `[tls]`; `none` is plain HTTP for a proxy on this machine "
            "or in `proxies` that does HTTPS.",
        ),
    ] = "none"
    url: Annotated[
        str,
        Key(
            Url('a web address without a path, such as "https://smtp-auth.example.ac.uk"'),
            "The address under which members find the pages, without a path. Members sign in to the doctor only "
            "where it begins with https.",
            unset="https:// and [server] name",
            example='"https://smtp-auth.example.ac.uk"',
        ),
    ] = ""
    proxies: Annotated[
        tuple[str, ...],
        Key(
            Many(Network(), most=100),
            "The proxies in front: whom `X-Forwarded-For` and `X-Forwarded-Proto` are believed. Name nobody else: "
            "who is believed can claim every address.",
            example='["127.0.0.1", "::1"]',
        ),
    ] = ()
    user: Annotated[
        str,
        Key(
            Name(),
            "The system user of the process that serves the pages, when the service is started as root: one of its "
            "own, with no other rights. Needs a restart.",
            unset="that of [server] user",
            example='"sams-web"',
        ),
    ] = ""
    languages: Annotated[
        tuple[Language, ...],
        Key(
            Many(Choice(("en", "de")), least=1),
            "The languages of the pages; the first is for visitors whose browser asks for none of them.",
        ),
    ] = ("en", "de")
    user_name: Annotated[
        UserName,
        Key(
            _USER_NAME,
            "What members type as user name in a mail program: their mail `address`, the `local-part` of it, or a "
            "`login` that does not follow from the address (programs that set themselves up then ask for it).",
        ),
    ] = "address"


class Link(Section, frozen=True, kw_only=True):
    """A link at the foot of every page, such as to a privacy notice."""

    text: Annotated[str, Key(Text(longest=80), "What it is called.", example='"Privacy"')]
    url: Annotated[str, Key(_PAGE, "Where it leads.", example='"https://www.example.ac.uk/privacy"')]


class Organisation(Section, frozen=True, kw_only=True):
    """Whose service it is, as members know it: for the pages, and for programs that set themselves up."""

    name: Annotated[
        str,
        Key(
            Text(longest=80),
            "Its name.",
            unset="the first of [accounts] domains",
            example='"University of Example"',
        ),
    ] = ""
    short_name: Annotated[
        str, Key(Text(longest=30), "A short name for narrow places.", unset="its name", example='"Example"')
    ] = ""
    account_name: Annotated[
        str,
        Key(
            Text(longest=60),
            "What members call the user name and password that they sign in with.",
            unset="mail account",
            example='"UOB account"',
        ),
    ] = ""
    logo: Annotated[
        Path | None,
        Key(
            File(),
            "A picture beside the name: PNG, SVG, WebP or JPEG, at most 256 KiB.",
            unset="none",
            example='"logo.svg"',
        ),
    ] = None
    colour: Annotated[
        str,
        Key(
            Colour(),
            "The colour of headings and buttons. Where it would be hard to read, a darker or lighter one is used.",
        ),
    ] = "#1f5fa8"
    help_mail: Annotated[
        str,
        Key(
            MailAddress(),
            "The help desk's mail address.",
            unset="not shown",
            example='"help@example.ac.uk"',
        ),
    ] = ""
    help_phone: Annotated[
        str, Key(Text(longest=40), "Its phone number.", unset="not shown", example='"+44 117 496 0000"')
    ] = ""
    help_url: Annotated[
        str,
        Key(_PAGE, "Its page.", unset="not shown", example='"https://www.example.ac.uk/it-help"'),
    ] = ""
    links: tuple[Link, ...] = msgspec.field(default=(), name="link")


class Incoming(Section, frozen=True, kw_only=True):
    """The server from which members read mail, so that programs set up both at once. SAMS itself sends only."""

    host: Annotated[str, Key(Domain(), "Its name.", example='"imap.example.ac.uk"')]
    type: Annotated[IncomingType, Key(Choice(("imap", "pop3")), "Its protocol.")] = "imap"
    security: Annotated[
        IncomingSecurity,
        Key(
            Choice(("implicit", "starttls")), "`implicit` is TLS from the start, `starttls` begins in clear."
        ),
    ] = "implicit"
    port: Annotated[
        int | None,
        Key(
            Whole(1, 65_535),
            "Its port.",
            unset="993 or 143 for IMAP, 995 or 110 for POP3, by `security`",
            example="993",
        ),
    ] = None
    user_name: Annotated[
        UserName | None,
        Key(
            _USER_NAME,
            "What members type there as user name.",
            unset="as [web] user_name",
            example='"address"',
        ),
    ] = None


class DkimKey(Section, frozen=True, kw_only=True):
    """A key by which mail of the domains is signed, by SAMS or by the next hop."""

    selector: Annotated[str, Key(Domain(), "Its selector.", example='"mail2026"')]
    public_key: Annotated[
        Path,
        Key(File(), "The public key as PEM, or the text of its DNS record.", example='"dkim-mail2026.pub"'),
    ]


class Dns(Section, frozen=True, kw_only=True):
    """What `sams dns` is to say of the domains beside what follows from the rest of the configuration."""

    mx: Annotated[
        tuple[str, ...],
        Key(
            Many(Domain(), most=20),
            "The hosts that take mail for the domains, the first one first.",
            unset="no MX records are proposed",
            example='["mx1.example.ac.uk", "mx2.example.ac.uk"]',
        ),
    ] = ()
    spf: Annotated[
        tuple[str, ...],
        Key(
            Many(Text(longest=200), most=20),
            "SPF terms for the hosts that send the domains' mail to the world, such as `ip4:192.0.2.7`, "
            "`a:mailhub.example.ac.uk` or `include:_spf.example.net`.",
            unset="`a:` of each next hop of the route for `*`",
            example='["a:mailhub.example.ac.uk"]',
        ),
    ] = ()
    dmarc: Annotated[
        DmarcPolicy,
        Key(
            Choice(("none", "quarantine", "reject")),
            "What others are to do with mail that is not the domain's.",
        ),
    ] = "none"
    reports: Annotated[
        str,
        Key(
            MailAddress(),
            "Where reports on DMARC and TLS are to go.",
            unset="no reports are asked for",
            example='"mail-reports@example.ac.uk"',
        ),
    ] = ""
    mta_sts: Annotated[
        MtaSts,
        Key(
            Choice(("none", "testing", "enforce")),
            "Whether other servers must use verified TLS to the hosts of `mx` (RFC 8461). The pages serve the "
            "policy.",
        ),
    ] = "none"
    dkim: tuple[DkimKey, ...] = ()
