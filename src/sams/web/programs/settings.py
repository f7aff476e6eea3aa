"""What a member types into a mail program, as the configuration has it."""

from __future__ import annotations

import msgspec

from sams.config.offered import MailServer, Security
from sams.web.site import Site


class Settings(msgspec.Struct, frozen=True):
    """The values of a site, as templates ask for them."""

    site: Site

    @property
    def best(self) -> MailServer:
        """The way to submit that is to be tried first."""
        return self.site.outgoing[0]

    @property
    def implicit(self) -> MailServer | None:
        """The way with TLS from the start."""
        return self._way("implicit")

    @property
    def starttls(self) -> MailServer | None:
        """The way with STARTTLS."""
        return self._way("starttls")

    @property
    def incoming(self) -> MailServer | None:
        """Where mail is read; None: the organisation names nothing."""
        return self.site.incoming[0] if self.site.incoming else None

    @property
    def others(self) -> tuple[MailServer, ...]:
        """The further ways to submit: to be tried where a network blocks the best."""
        return self.site.outgoing[1:]

    @property
    def example_address(self) -> str:
        """A mail address as an example."""
        return f"alice@{self.site.domains[0]}"

    @property
    def example_user(self) -> str:
        """What the owner of the example address types as user name."""
        return self.example_user_of(self.best)

    def example_user_of(self, server: MailServer) -> str:
        """The same, at one server."""
        return {"address": self.example_address, "local-part": "alice", "login": "alice"}[server.user_name]

    def _way(self, security: Security) -> MailServer | None:
        return next((one for one in self.site.outgoing if one.security == security), None)
