"""What the pages need of this machine: their packages, their user, their picture, the keys that DNS is to name."""

from __future__ import annotations

import importlib.util
import pwd
from pathlib import Path

from sams.config.dkim_keys import dkim_record
from sams.config.findings import Findings
from sams.config.model import Config
from sams.config.pictures import read_picture
from sams.config.positions import KeyPath
from sams.config.web import Web
from sams.core.errors import OperatorError
from sams.core.rights import making_user

_PACKAGES = ("babel", "jinja2", "segno", "starlette", "uvicorn")


def check_web_system(config: Config, findings: Findings) -> None:
    """All checks of this file. Reads little, changes nothing."""
    if config.web is not None:
        _check_packages(findings)
        _check_user(config.web, config.server.user, findings)
    for at, key in enumerate(config.dns.dkim):
        try:
            dkim_record(key.public_key)
        except OperatorError as error:  # only `sams dns` reads it: no mail has to wait for it
            findings.warning(("dns", "dkim", at, "public_key"), str(error))


def check_logo(file: Path, path: KeyPath, findings: Findings) -> None:
    """Whether it is a picture that every visitor can load."""
    try:
        read_picture(file)
    except OperatorError as error:
        findings.problem(path, str(error))


def _check_packages(findings: Findings) -> None:
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        text = (
            f"the pages need packages that are not installed ({', '.join(missing)}): "
            "pip install 'sams[web]', in the environment that SAMS runs in (`make env` has them)"
        )
        findings.problem(("web",), text)


def _check_user(web: Web, service_user: str, findings: Findings) -> None:
    path = ("web", "user")
    if not web.user or web.user == service_user:
        if service_user:
            findings.warning(
                path,
                f"the pages run as {service_user}, who may read everything of the service: give them a user of "
                'their own, user = "sams-web" (see docs/admin/pages.md)',
            )
        return
    try:
        found = pwd.getpwnam(web.user)
    except KeyError:
        make = making_user(web.user)
        findings.problem(path, f'there is no system user "{web.user}"; make it with: {make}')
        return
    if found.pw_uid == 0:
        findings.problem(path, "the pages do not run as root: name a user with no other rights")
