"""Where to submit, and as whom.

    login = "cron"
    password_file = "sendmail.password"     # its first line; nobody else may read it
    from = "cron@example.ac.uk"             # who sends, where the command line does not say
    domain = "example.ac.uk"                # for names without one, such as root; default: the one of `from`
    name = "smtp-auth.example.ac.uk"        # the service's name, which its certificate must be for
    address = "localhost"                   # where it listens; default: localhost
    port = 587
    security = "starttls"                   # or "implicit"
    ca_file = "ca.pem"                      # default: the system's authorities

The first of these files that is there counts: -C FILE, $SAMS_SENDMAIL, ~/.config/sams/sendmail.toml,
/etc/sams/sendmail.toml. The password always goes over verified TLS: no setting turns that off.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from sams.cli.sendmail.arguments import Arguments
from sams.cli.sendmail.failure import SendmailError, SysExit

SYSTEM_FILE = Path("/etc/sams/sendmail.toml")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """See the head of this file. Paths are absolute once they are loaded."""

    login: str
    password_file: Path
    sender: str = msgspec.field(name="from")
    name: str
    domain: str = ""
    address: str = "localhost"
    port: int = 587
    security: Literal["starttls", "implicit"] = "starttls"
    ca_file: Path | None = None

    @property
    def home_domain(self) -> str:
        """The domain of names that have none."""
        return self.domain or self.sender.rpartition("@")[2]


def load(arguments: Arguments, environment: Mapping[str, str]) -> Settings:
    """The settings, with what the command line changes.

    Raises:
        SendmailError: CONFIG, there are none, or something in them is wrong.
    """
    path = _path(arguments, environment)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        settings = msgspec.convert(raw, Settings, dec_hook=_path_hook)
    except OSError as error:
        text = f"{path}: {error.strerror}: write it, or name another with -C; see docs/admin/sendmail.md"
        raise SendmailError(SysExit.CONFIG, text) from None
    except (ValueError, msgspec.ValidationError) as error:
        raise SendmailError(SysExit.CONFIG, f"{path}: {error}: see docs/admin/sendmail.md") from None
    return msgspec.structs.replace(
        settings,
        login=arguments.account or settings.login,
        password_file=arguments.password_file or path.parent / settings.password_file,
        ca_file=None if settings.ca_file is None else path.parent / settings.ca_file,
    )


def _path(arguments: Arguments, environment: Mapping[str, str]) -> Path:
    if arguments.settings is not None:
        return arguments.settings
    if named := environment.get("SAMS_SENDMAIL"):
        return Path(named)
    own = Path(environment.get("HOME", "/")) / ".config" / "sams" / "sendmail.toml"
    return own if own.is_file() else SYSTEM_FILE


def _path_hook(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError(kind)
