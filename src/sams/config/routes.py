"""The sections that say where mail goes next, and when it is tried again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from sams.config.key import DAY, HOUR, MINUTE, Key, Section
from sams.config.kinds import Choice, File, Many, Name, SecretFile, Text, Whole
from sams.config.places import Address, DomainPattern, HostPort, NextHop
from sams.config.quantities import Duration

RouteType = Literal["smarthost", "maildir"]
RouteSecurity = Literal["none", "opportunistic", "required", "verified", "implicit"]


class Route(Section, frozen=True, kw_only=True):
    """Where mail goes next. The first route whose domains match a recipient takes it."""

    domains: Annotated[
        tuple[str, ...],
        Key(Many(DomainPattern(), least=1), "The recipient domains of this route.", example='["*"]'),
    ]
    type: Annotated[
        RouteType,
        Key(
            Choice(("smarthost", "maildir")),
            "`smarthost` relays by SMTP to `hosts`; `maildir` delivers into the Maildir at `path`.",
        ),
    ] = "smarthost"
    name: Annotated[
        str,
        Key(
            Name(),
            "How the queue, the logs and the commands call this route. Mail that waits keeps to the name.",
            unset="the hosts, or the path",
            example='"hub"',
        ),
    ] = ""
    hosts: Annotated[
        tuple[HostPort, ...],
        Key(
            Many(NextHop(), most=20),
            "For a smarthost: the next hops, tried in this order.",
            example='["mailhub.example.ac.uk:25"]',
            usual=True,
        ),
    ] = ()
    security: Annotated[
        RouteSecurity,
        Key(
            Choice(("none", "opportunistic", "required", "verified", "implicit")),
            "TLS towards the next hop: `none` never, `opportunistic` where STARTTLS is offered, `required` "
            "always, `verified` always and with a certificate for the host's name, `implicit` from the "
            "first octet and verified. With a `username` the default is `verified`, and less is refused.",
        ),
    ] = "opportunistic"
    username: Annotated[
        str, Key(Text(longest=255), "The user name for the next hop.", unset="no sign-in", example='"relay"')
    ] = ""
    password_file: Annotated[
        Path | None,
        Key(
            SecretFile(),
            "The file whose first line is the password for the next hop. No other user may read it.",
            unset="no sign-in",
            example='"hub-password"',
        ),
    ] = None
    ca_file: Annotated[
        Path | None,
        Key(
            File(),
            "The authorities that the next hop's certificate is checked against, as PEM.",
            unset="the system's",
            example='"hub-ca.pem"',
        ),
    ] = None
    connections: Annotated[
        int, Key(Whole(1, 10_000), "The most connections to this route at once, over all workers.")
    ] = 20
    source_address: Annotated[
        str,
        Key(
            Address(),
            "The local address to connect from.",
            unset="the system chooses",
            example='"192.0.2.25"',
        ),
    ] = ""
    path: Annotated[
        Path | None,
        Key(
            File(), "For a Maildir: its folder; it is made where missing.", unset="none", example='"Maildir"'
        ),
    ] = None

    @property
    def id(self) -> str:
        """The name under which mail waits: as configured, else the hosts or the Maildir's path.

        It does not depend on the route's place in the file, so that mail which waits finds its route again
        after an edit.
        """
        return self.name or ",".join(map(str, self.hosts)) or f"maildir:{self.path}"


class Retry(Section, frozen=True, kw_only=True):
    """When mail that could not be delivered is tried again, and when its sender hears of it."""

    first: Annotated[
        float, Key(Duration(1, DAY), "The wait after the first failure; it grows, with jitter.")
    ] = MINUTE
    longest: Annotated[float, Key(Duration(1, DAY), "The longest wait between two attempts.")] = HOUR
    expire: Annotated[
        float, Key(Duration(MINUTE, 60 * DAY), "After this time mail goes back to its sender with a report.")
    ] = 5 * DAY
    delay_notice: Annotated[
        float,
        Key(
            Duration(0, 60 * DAY), "After this time the sender is told once that mail is late; `0 s`: never."
        ),
    ] = 4 * HOUR
